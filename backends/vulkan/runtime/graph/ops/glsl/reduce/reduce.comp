// float32, or with INTEGERS int32, over some dimensions: y[i] = finish(x[.] combined with x[.] ...), a row of elementwise.py.
//
// Bindings: 0 y, 1 x. Loops as in reduced_loops.glsl. A team of LANES threads makes one
// element of y, or four neighbours: each lane combines every LANES-th step, and shared memory
// combines the lanes.
//
//   ALONG_ROWS 1, the innermost reduced loop has stride 1: neighbouring threads are the lanes of a
//                 team, and a step is one element, or with WHOLE_GROUPS four neighbours
//   ALONG_ROWS 0, neighbouring threads are the same lane of neighbouring teams, and a step is one
//                 element of the result's one, or with WHOLE_GROUPS of each of its four
//
// STEPS is how many of them a lane has in flight. Of the steps, workgroups of row g of the grid take
// the g-th p.part_steps; their results are row g of y, which another dispatch reduces and finishes.
// With COMPENSATED, which is for sums, a lane adds up what its additions round off, so that the
// result is as precise for millions of elements as for a few.
//
// Preconditions: LANES is a power of two that divides WORKGROUP_SIZE; KEPT and REDUCED at least 1,
// together at most 8; p.steps at least 1. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/float_values.glsl"

#ifdef INTEGERS
#define NUMBER int
#define NUMBERS ivec4
#else
#define NUMBER float
#define NUMBERS vec4
#endif

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 2) const uint LANES = 1;
layout(constant_id = 3) const uint ALONG_ROWS = 0;
layout(constant_id = 4) const uint WHOLE_GROUPS = 0;
layout(constant_id = 5) const uint FUNCTION = 0;
layout(constant_id = 6) const uint COMPENSATED = 0;
layout(constant_id = 7) const uint FINISHES = 1;  // 0: another dispatch does

layout(set = 0, binding = 0) writeonly buffer OutputY { NUMBER y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { NUMBER x_elements[]; };
layout(set = 0, binding = 1) readonly buffer InputX4 { NUMBERS x_groups[]; };
layout(push_constant) uniform Params {
  uint count;  // elements of y, of one row of the grid
  uint steps;  // of the reduced loops; ALONG_ROWS with WHOLE_GROUPS, the innermost in groups
  uint part_steps;
  float elements;  // of x, for one of y
  uint sizes[8];
  uint strides[8];
} p;

#include "elementwise_cases.glsl"
#include "reduce/reduced_loops.glsl"
#include "reduce/team.glsl"

const bool IS_SUM = COMPENSATED != 0;

// Along rows, a single element is the first of four.
NUMBERS load(uint at) {
  if (WHOLE_GROUPS != 0) {
    return x_groups[at >> 2];
  }
  NUMBERS x = start();
  x.x = x_elements[at];
  return x;
}

// The state of a lane for what starts at x element `base`: of the steps `first` to `end` - 1 every
// LANES-th one. Steps behind the last one load it again and do not count.
State reduce_lane(uint base, uint first, uint end) {
  const uint step_elements = ALONG_ROWS != 0 && WHOLE_GROUPS != 0 ? 4 : 1;
  const uint row_steps = p.sizes[KEPT + REDUCED - 1] / step_elements;
  State state = State(start(), vec4(0.0));
  for (uint step = first; step < end; step += STEPS * LANES) {
    NUMBERS x[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      const uint own = s == 0 ? step : min(step + s * LANES, end - 1);
      x[s] = load(base + element_at(own, KEPT, REDUCED, row_steps, step_elements));
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (s == 0 || step + s * LANES < end) {
        add(state, x[s], IS_SUM);
      }
    }
  }
  return state;
}

NUMBERS finished(NUMBERS x) {
  return FINISHES != 0 ? finish(x, p.elements) : x;
}

void store(uint unit, State state) {
  const uint at = gl_WorkGroupID.y * p.count;
  if (ALONG_ROWS != 0) {
    y_out[at + unit] = finished(total(across(state, IS_SUM), IS_SUM)).x;
    return;
  }
  const NUMBERS y = finished(total(state, IS_SUM));
  if (WHOLE_GROUPS == 0) {
    y_out[at + unit] = y.x;
    return;
  }
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    y_out[at + unit * 4 + i] = y[i];
  }
}

void main() {
  const uint teams = WORKGROUP_SIZE / LANES;
  const uint id = gl_LocalInvocationIndex;
  const uint lane = ALONG_ROWS != 0 ? id % LANES : id / teams;
  const uint team = ALONG_ROWS != 0 ? id / LANES : id % teams;
  const uint lane_distance = ALONG_ROWS != 0 ? 1 : teams;  // in shared memory
  const uint unit_elements = ALONG_ROWS == 0 && WHOLE_GROUPS != 0 ? 4 : 1;
  const uint units = p.count / unit_elements;
  const uint first_step = gl_WorkGroupID.y * p.part_steps;
  const uint end_step = min(first_step + p.part_steps, p.steps);

  for (uint first = gl_WorkGroupID.x * teams; first < units; first += gl_NumWorkGroups.x * teams) {
    const uint unit = first + team;
    // Units beyond the last one repeat it, and are not stored.
    const uint base =
        element_at(min(unit, units - 1) * unit_elements, 0, KEPT, p.sizes[KEPT - 1], 1);
    const State state =
        reduce_team(reduce_lane(base, first_step + lane, end_step), lane, lane_distance, IS_SUM);
    if (lane == 0 && unit < units) {
      store(unit, state);
    }
  }
}
