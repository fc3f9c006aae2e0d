// float32 rows -> int8 rows, on grids that are found here of the smallest and the largest element, of
// each row or of all rows: row_grids.glsl.
//
// Bindings: 0 what is written, 1 x float32 [M, K], 2 ranges.
//
//   STAGE OF_EACH_ROW  0 is y, int8 [M, K], rows padded with zeros to 16 bytes, and behind all rows
//                      two words a row: the bits of its scale, and its zero point
//         RANGES       0 is a range a workgroup, of what it goes over
//         OF_ALL_ROWS  0 as at first, on one grid of all p.range_count ranges
//
// Of each row, a workgroup goes over every gl_NumWorkGroups.x-th row, a thread over every
// WORKGROUP_SIZE-th group of four elements of it. In the other stages all rows are one of K elements,
// and the threads of all workgroups share its groups.
//
// Preconditions: M, K at least 1, M = 1 unless of each row; with WHOLE_GROUPS K % 4 == 0; those of
// row_grids.glsl. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint OF_EACH_ROW = 0, RANGES = 1, OF_ALL_ROWS = 2;
layout(constant_id = 0) const uint STAGE = OF_EACH_ROW;
layout(constant_id = 1) const uint RULE = 0;
layout(constant_id = 2) const uint WHOLE_GROUPS = 0;

layout(push_constant) uniform Params {
  uint M;
  uint K;
  uint range_count;
  int quant_min;
  int quant_max;
  float eps;
} p;

#include "linear/row_grids.glsl"

layout(set = 0, binding = 0) writeonly buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 0) writeonly buffer OutputPairs { uvec2 y_pairs[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_bits[]; };
layout(set = 0, binding = 1) readonly buffer InputX4 { uvec4 x_groups[]; };
layout(set = 0, binding = 2) readonly buffer Ranges { uvec2 ranges[]; };

shared uvec2 widest[WORKGROUP_SIZE];

// ---- Ranges.

// A thread's first group of four, and how far away the next one is.
uint first_group() {
  return STAGE == OF_EACH_ROW ? gl_LocalInvocationIndex : gl_GlobalInvocationID.x;
}

uint group_step() {
  return STAGE == OF_EACH_ROW ? WORKGROUP_SIZE : WORKGROUP_SIZE * gl_NumWorkGroups.x;
}

uint groups_of_row() {
  return p.K / 4 + (p.K % 4 != 0 ? 1 : 0);
}

// The bits of four elements of row m; those beyond K repeat the last one.
uvec4 load_group(uint m, uint group) {
  if (WHOLE_GROUPS != 0) {
    return x_groups[m * (p.K / 4) + group];
  }
  const uint first = m * p.K;
  const uvec4 at = first + min(uvec4(0, 1, 2, 3) + group * 4, uvec4(p.K - 1));
  return uvec4(x_bits[at.x], x_bits[at.y], x_bits[at.z], x_bits[at.w]);
}

uvec2 range_of_row(uint m) {
  uvec2 range = uvec2(0);
  for (uint group = first_group(); group < groups_of_row(); group += group_step()) {
    range = max(range, range_of(load_group(m, group)));
  }
  return range;
}

// The widest of all threads' ranges, in each of them.
uvec2 widest_range(uvec2 range) {
  const uint id = gl_LocalInvocationIndex;
  widest[id] = range;
  for (uint half_size = WORKGROUP_SIZE / 2; half_size > 0; half_size /= 2) {
    barrier();
    if (id < half_size) {
      widest[id] = max(widest[id], widest[id + half_size]);
    }
  }
  barrier();
  const uvec2 found = widest[0];
  barrier();
  return found;
}

// ---- Rows.

void store_row(uint m, RowGrid grid) {
  const uint row_words = (p.K / 16 + (p.K % 16 != 0 ? 1 : 0)) * 4;
  for (uint at = first_group(); at < row_words; at += group_step()) {
    uint word = 0;
    if (at < groups_of_row()) {
      word = quantized_word(load_group(m, at), grid) & byte_mask(p.K - at * 4);
    }
    y_words[m * row_words + at] = word;
  }
  if (first_group() == 0) {
    y_pairs[p.M * (row_words / 2) + m] = uvec2(grid.scale_bits, uint(grid.zero_point));
  }
}

uvec2 range_of_ranges() {
  uvec2 range = uvec2(0);
  for (uint i = gl_LocalInvocationIndex; i < p.range_count; i += WORKGROUP_SIZE) {
    range = max(range, ranges[i]);
  }
  return range;
}

void main() {
  if (STAGE == OF_EACH_ROW) {
    for (uint m = gl_WorkGroupID.x; m < p.M; m += gl_NumWorkGroups.x) {
      store_row(m, grid_of(widest_range(range_of_row(m))));
    }
  } else if (STAGE == OF_ALL_ROWS) {
    store_row(0, grid_of(widest_range(range_of_ranges())));
  } else {
    const uvec2 found = widest_range(range_of_row(0));
    if (gl_LocalInvocationIndex == 0) {
      y_pairs[gl_WorkGroupID.x] = found;
    }
  }
}
