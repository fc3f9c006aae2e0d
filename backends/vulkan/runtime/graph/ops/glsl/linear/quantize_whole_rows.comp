// Rows of quantize_rows.comp, each with a grid of its own, that are whole groups of four elements and fit
// into registers: row_grids.glsl says what is computed. LANES threads have a row. Each reads its part
// once, all at the same time, and keeps it; row_lanes.glsl combines ranges:
//
//   row:   | group 0 | group 1 | ... | group LANES - 1 | group LANES | ...
//   lane:       0         1                LANES - 1           0            GROUPS of them each
//
// Bindings: 0 y, as rounded_rows.glsl writes it; 1 x float32 [M, K].
//
// Preconditions, beside those of these: LANES is at least 4; K % 4 == 0, K / 4 at most LANES * GROUPS, GROUPS
// at most MAX_GROUPS; M at least 1.
// Features: subgroup shuffle.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint GROUPS = 1;
layout(constant_id = 1) const uint RULE = 0;

layout(push_constant) uniform Params {
  uint M;
  uint K;
  uint range_count;
  int quant_min;
  int quant_max;
  float eps;
} p;

#include "linear/row_grids.glsl"

#define ROUNDED_BINDING 0
#include "linear/rounded_rows.glsl"
#include "reduce/row_lanes.glsl"

layout(set = 0, binding = 1) readonly buffer InputX4 { uvec4 x_groups[]; };

const uint ROWS = WORKGROUP_SIZE / LANES;

OVER_ROW(widest_of_row, uvec2, max, , )

void quantize_row(uint row, uint lane, bool is_stored) {
  const uint row_groups = p.K / 4;
  uvec4 x[MAX_GROUPS];
  uvec2 range = uvec2(0);
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    x[g] = x_groups[row * row_groups + min(lane + g * LANES, row_groups - 1)];
  }
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    range = max(range, range_of(x[g]));  // the last group once more changes nothing
  }
  const RowGrid grid = grid_of(widest_of_row(range));
  if (!is_stored) {
    return;
  }
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    const uint at = lane + g * LANES;
    if (at < row_groups) {
      store_rounded(row, at, row_groups, x[g], grid);
    }
  }
  end_rounded_row(row, lane, row_groups, p.M, grid);
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
