// What a team of LANES threads makes of many values, float32 or with INTEGERS int32: each lane combines its own, four at a time, and
// shared memory combines the lanes. `is_sum`: they are added, and what additions round off is added
// up too, so that a sum of millions is as precise as one of a few; else combine() combines them,
// which the including shader has.
#ifndef TEAM_GLSL
#define TEAM_GLSL

#include "elementwise/float_values.glsl"

#ifndef NUMBERS
#define NUMBERS vec4
#endif

// What some elements combine to, and what sums have rounded off.
struct State {
  NUMBERS value;
  vec4 lost;
};

shared NUMBERS values[WORKGROUP_SIZE];
shared vec4 losses[WORKGROUP_SIZE];

void add(inout State state, NUMBERS x, bool is_sum) {
#ifndef INTEGERS
  if (is_sum) {
    vec4 lost;
    state.value = two_sum(state.value, x, lost);
    precise vec4 losses_so_far = state.lost + lost;
    state.lost = losses_so_far;
    return;
  }
#endif
  state.value = combine(state.value, x);
}

void merge(inout State state, State other, bool is_sum) {
  add(state, other.value, is_sum);
  precise vec4 losses_so_far = state.lost + other.lost;
  state.lost = losses_so_far;
}

// The four values of a state combined, in each of its four.
State across(State state, bool is_sum) {
  State one = State(state.value.xxxx, state.lost.xxxx);
  [[unroll]] for (uint i = 1; i < 4; ++i) {
    merge(one, State(NUMBERS(state.value[i]), vec4(state.lost[i])), is_sum);
  }
  return one;
}

// An infinite sum stays what it is; its losses are NaN.
NUMBERS total(State state, bool is_sum) {
#ifndef INTEGERS
  precise vec4 sum = state.value + state.lost;
  if (is_sum) {
    return mix(sum, state.value, is_inf(state.value));
  }
#endif
  return state.value;
}

// The state of the whole team, in its first lane; all threads of the workgroup take part.
// `lane_distance`: in shared memory, between neighbouring lanes.
State reduce_team(State state, uint lane, uint lane_distance, bool is_sum) {
  const uint id = gl_LocalInvocationIndex;
  for (uint half_size = LANES / 2; half_size > 0; half_size /= 2) {
    values[id] = state.value;
    losses[id] = state.lost;
    barrier();
    if (lane < half_size) {
      const uint other = id + half_size * lane_distance;
      merge(state, State(values[other], losses[other]), is_sum);
    }
    barrier();
  }
  return state;
}

#endif
