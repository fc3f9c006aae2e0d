// Rows of quantize_rows.comp, each with a grid of its own, that are whole groups of four elements and fit
// into registers: row_grids.glsl says what is computed. LANES threads have a row. Each reads its part
// once, all at the same time, and keeps it; ranges are combined by shuffles, and where the lanes are
// more than a subgroup, once more through shared memory:
//
//   row:   | group 0 | group 1 | ... | group LANES - 1 | group LANES | ...
//   lane:       0         1                LANES - 1           0            GROUPS of them each
//
// Bindings: 0 y, int8 [M, K], rows padded with zeros to 16 bytes, and behind all rows two words a row:
// the bits of its scale, and its zero point; 1 x float32 [M, K].
//
// Preconditions: LANES is a power of two from 4 on that divides WORKGROUP_SIZE; the size of subgroups,
// too, which are full; K % 4 == 0, K / 4 at most LANES * GROUPS, GROUPS at most MAX_GROUPS; M at least 1.
// Features: subgroup shuffle.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "linear/row_grids.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint GROUPS = 1;

layout(set = 0, binding = 0) writeonly buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 0) writeonly buffer OutputPairs { uvec2 y_pairs[]; };
layout(set = 0, binding = 1) readonly buffer InputX4 { uvec4 x_groups[]; };

const uint ROWS = WORKGROUP_SIZE / LANES;

// Of each subgroup, in turns: a slot is written again only when all have passed the other one's
// barrier, and so have read it.
shared uvec2 partials[2][WORKGROUP_SIZE];
uint slot = 0;

// The widest of what all lanes of a row have, in each of them.
uvec2 over_row(uvec2 own) {
  [[unroll]] for (uint step = 1; step < LANES; step *= 2) {
    if (step < gl_SubgroupSize) {
      own = max(own, subgroupShuffleXor(own, step));
    }
  }
  if (LANES > gl_SubgroupSize) {
    if (gl_SubgroupInvocationID == 0) {
      partials[slot][gl_SubgroupID] = own;
    }
    barrier();
    const uint subgroups = LANES / gl_SubgroupSize;
    const uint begin = gl_SubgroupID / subgroups * subgroups;
    for (uint i = 0; i < subgroups; ++i) {
      own = max(own, partials[slot][begin + i]);
    }
    slot ^= 1;
  }
  return own;
}

void quantize_row(uint row, uint lane, bool is_stored) {
  const uint row_groups = p.K / 4;
  const uint row_words = (row_groups + 3) / 4 * 4;
  uvec4 x[MAX_GROUPS];
  uvec2 range = uvec2(0);
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    x[g] = x_groups[row * row_groups + min(lane + g * LANES, row_groups - 1)];
  }
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    range = max(range, range_of(x[g]));  // the last group once more changes nothing
  }
  const RowGrid grid = grid_of(over_row(range));
  if (!is_stored) {
    return;
  }
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    const uint at = lane + g * LANES;
    if (at < row_groups) {
      y_words[row * row_words + at] = quantized_word(x[g], grid);
    }
  }
  if (row_groups + lane < row_words) {
    y_words[row * row_words + row_groups + lane] = 0;
  }
  if (lane == 0) {
    y_pairs[p.M * (row_words / 2) + row] = uvec2(grid.scale_bits, uint(grid.zero_point));
  }
}

void main() {
  const uint thread = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
  const uint step = gl_NumWorkGroups.x * ROWS;
  for (uint first = gl_WorkGroupID.x * ROWS; first < p.M; first += step) {
    const uint row = first + thread / LANES;
    // Behind the last row it once more, for all lanes take part.
    quantize_row(min(row, p.M - 1), thread % LANES, row < p.M);
  }
}
