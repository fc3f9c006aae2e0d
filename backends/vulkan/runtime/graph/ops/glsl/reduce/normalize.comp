// float32 by statistics of its row, which is a walk through the reduced loops: a center and a sum, of
// which normalization.glsl says what becomes. x and y may be int8: x is dequantized as it is read, y
// quantized as it is written. Contiguous rows that fit into registers have a kernel of their own,
// normalize_rows.comp.
//
// Bindings: 0 y, 1 x, float32 or int8 in words; 2 weight, 3 bias, float32. Loops as in
// reduced_loops.glsl; the kept ones go from row to row, and y lies as x does. A team of LANES
// threads has a row, or four neighbouring ones, and reads it once for each statistic and once more
// for y: the second time from a cache.
//
//   ALONG_ROWS 1, the innermost reduced loop has stride 1: neighbouring threads are the lanes of a
//                 team, and a step is four neighbours of one row, or what is left of it
//   ALONG_ROWS 0, neighbouring threads are the same lane of neighbouring teams, and a step is one
//                 element of each of four rows, which mostly are neighbours in x as well
//   WHOLE_GROUPS 1, each four are one aligned group of x, or a word of it
//   INT8_X, INT8_Y 1, it is int8
//
// STEPS is how many of them a lane has in flight.
//
// Preconditions: LANES is a power of two that divides WORKGROUP_SIZE; KEPT and REDUCED at least 1,
// together at most 8; p.steps at least 1. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/dequantize_bytes.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 2) const uint LANES = 1;
layout(constant_id = 3) const uint ALONG_ROWS = 0;
layout(constant_id = 4) const uint WHOLE_GROUPS = 0;
layout(constant_id = 5) const uint FUNCTION = 0;
layout(constant_id = 6) const uint HAS_WEIGHT = 0;
layout(constant_id = 7) const uint HAS_BIAS = 0;
layout(constant_id = 8) const uint INT8_X = 0;
layout(constant_id = 9) const uint INT8_Y = 0;

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_elements[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_groups[]; };
layout(set = 0, binding = 0) buffer OutputYWords { uint y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { float x_elements[]; };
layout(set = 0, binding = 1) readonly buffer InputX4 { vec4 x_groups[]; };
layout(set = 0, binding = 1) readonly buffer InputXWords { uint x_words[]; };
layout(set = 0, binding = 2) readonly buffer InputWeight { float weights[]; };
layout(set = 0, binding = 3) readonly buffer InputBias { float biases[]; };
layout(push_constant) uniform Params {
  uint count;  // rows
  uint steps;  // of the reduced loops; with ALONG_ROWS the innermost one goes four at a time
  float elements;  // of a row
  float number;    // epsilon, or the variance's divisor
  float input_scale;
  int input_zero_point;
  PackedGrid output_grid;
  uint sizes[8];
  uvec2 strides[8];  // of x and y, of weight and bias
} p;

#include "merge_word.glsl"
#include "reduce/normalization.glsl"

vec4 combine(vec4 a, vec4 b) {
  return max_of(a, b);
}

#define PLACE uvec2
#include "reduce/reduced_loops.glsl"
#include "reduce/team.glsl"

const uint STEP_ELEMENTS = ALONG_ROWS != 0 ? 4 : 1;

// Where four rows begin, or four times one, in x and in the weights.
struct Rows {
  uvec4 x;
  uvec4 weight;
};

// Where the four elements of a step are. What is left of a row may be less: then its last one again.
struct Four {
  uvec4 x;
  uvec4 weight;
  uint count;
};

// A number in two floats.
struct Center {
  vec4 value;
  vec4 rest;
};

Four four_of(Rows rows, uint step) {
  const uint inner = KEPT + REDUCED - 1;
  const uint row_steps = (p.sizes[inner] + STEP_ELEMENTS - 1) / STEP_ELEMENTS;
  const uvec2 at = element_at(step, KEPT, REDUCED, row_steps, STEP_ELEMENTS);
  Four four = Four(rows.x + at.x, rows.weight + at.y, 4);
  if (ALONG_ROWS != 0) {
    four.count = WHOLE_GROUPS != 0 ? 4 : min(4, p.sizes[inner] - step % row_steps * 4);
    const uvec4 own = min(uvec4(0, 1, 2, 3), uvec4(four.count - 1));
    four.x += own * p.strides[inner].x;
    four.weight += own * p.strides[inner].y;
  }
  return four;
}

// The int8 elements of a step, in one word.
uint load_word(Four four) {
  if (WHOLE_GROUPS != 0) {
    return x_words[four.x.x >> 2];
  }
  uint word = 0;
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    const uint at = four.x[i];
    word |= ((x_words[at >> 2] >> (8 * (at & 3))) & 0xffu) << (8 * i);
  }
  return word;
}

vec4 load(Four four) {
  if (INT8_X != 0) {
    precise vec4 x = distances(load_word(four), p.input_zero_point) * p.input_scale;
    return x;
  }
  if (WHOLE_GROUPS != 0) {
    return x_groups[four.x.x >> 2];
  }
  return vec4(
      x_elements[four.x.x], x_elements[four.x.y], x_elements[four.x.z], x_elements[four.x.w]);
}

vec4 centered(vec4 x, Center center) {
  precise vec4 y = (x - center.value) - center.rest;
  return y;
}

// What is added to the sum.
vec4 term(vec4 x, Center center) {
  const vec4 own = FUNCTION == RMS_NORM ? x : centered(x, center);
  precise vec4 square = own * own;
  return IS_SOFTMAX ? exp_of(own) : square;
}

// The statistic of whole rows, in all lanes: the center's, or the sum with this center.
State statistic(Rows rows, uint lane, uint lane_distance, bool is_center, Center center) {
  const bool is_sum = !(is_center && IS_SOFTMAX);
  const vec4 start = is_sum ? vec4(0.0) : -infinity();
  State state = State(start, vec4(0.0));
  for (uint step = lane; step < p.steps; step += STEPS * LANES) {
    vec4 x[STEPS];
    uint counts[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      const Four four = four_of(rows, s == 0 ? step : min(step + s * LANES, p.steps - 1));
      x[s] = load(four);
      counts[s] = s == 0 || step + s * LANES < p.steps ? four.count : 0;
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      const vec4 own = is_center ? x[s] : term(x[s], center);
      add(state, mix(start, own, lessThan(uvec4(0, 1, 2, 3), uvec4(counts[s]))), is_sum);
    }
  }
  state = reduce_team(state, lane, lane_distance, is_sum);
  if (ALONG_ROWS != 0) {
    state = across(state, is_sum);
  }
  if (LANES > 1) {
    const uint id = gl_LocalInvocationIndex;
    values[id] = state.value;
    losses[id] = state.lost;
    barrier();
    const uint first = id - lane * lane_distance;
    state = State(values[first], losses[first]);
    barrier();
  }
  return state;
}

// sum / p.elements; without a rest where it is no number.
Center mean_of(State sum) {
  const vec4 high = total(sum, true);
  precise vec4 low = (sum.value - high) + sum.lost;
  const vec4 mean = divide(high, vec4(p.elements));
  vec4 lost;
  const vec4 product = two_product(mean, vec4(p.elements), lost);
  precise vec4 rest = (((high - product) - lost) + low) / p.elements;
  return Center(mean, mix(rest, vec4(0.0), greaterThanEqual(abs(mean), vec4(1e30))));
}

Center center_of(Rows rows, uint lane, uint lane_distance) {
  if (FUNCTION == RMS_NORM) {
    return Center(vec4(0.0), vec4(0.0));
  }
  const State state =
      statistic(rows, lane, lane_distance, true, Center(vec4(0.0), vec4(0.0)));
  if (IS_SOFTMAX) {
    return Center(state.value, vec4(0.0));
  }
  return mean_of(state);
}

void store_bytes(Four four, uint word) {
  if (WHOLE_GROUPS != 0) {
    y_out[four.x.x >> 2] = word;
    return;
  }
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    if (i < four.count) {
      const uint shift = 8 * (four.x[i] & 3);
      merge_word(four.x[i] >> 2, ((word >> (8 * i)) & 0xffu) << shift, 0xffu << shift);
    }
  }
}

void store(Four four, vec4 y) {
  if (INT8_Y != 0) {
    store_bytes(four, quantize_to_word(y, unpack(p.output_grid), true));
    return;
  }
  if (WHOLE_GROUPS != 0) {
    y_groups[four.x.x >> 2] = y;
    return;
  }
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    if (i < four.count) {
      y_elements[four.x[i]] = y[i];
    }
  }
}

vec4 result(vec4 x, Four four, Center center, vec4 factor) {
  const vec4 own = centered(x, center);
  precise vec4 y = own * factor;
  if (FUNCTION == SOFTMAX) {
    y = exp_of(own) / factor;
  } else if (FUNCTION == LOG_SOFTMAX) {
    y = own - factor;
  }
  if (HAS_WEIGHT != 0) {
    y = y * vec4(
        weights[four.weight.x], weights[four.weight.y], weights[four.weight.z], weights[four.weight.w]);
  }
  if (HAS_BIAS != 0) {
    y = y + vec4(
        biases[four.weight.x], biases[four.weight.y], biases[four.weight.z], biases[four.weight.w]);
  }
  return keep_nan(factor, y);
}

void main() {
  const uint teams = WORKGROUP_SIZE / LANES;
  const uint id = gl_LocalInvocationIndex;
  const uint lane = ALONG_ROWS != 0 ? id % LANES : id / teams;
  const uint team = ALONG_ROWS != 0 ? id / LANES : id % teams;
  const uint lane_distance = ALONG_ROWS != 0 ? 1 : teams;  // in shared memory
  const uint unit_rows = ALONG_ROWS != 0 ? 1 : 4;
  const uint units = p.count / unit_rows + (p.count % unit_rows != 0 ? 1 : 0);

  for (uint first = gl_WorkGroupID.x * teams; first < units; first += gl_NumWorkGroups.x * teams) {
    const uint row = (first + team) * unit_rows;
    const uint count = row < p.count ? min(p.count - row, unit_rows) : 0;
    // Rows beyond the last one repeat it, and are not stored.
    Rows rows;
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      const uint own = min(row + min(i, unit_rows - 1), p.count - 1);
      const uvec2 at = element_at(own, 0, KEPT, p.sizes[KEPT - 1], 1);
      rows.x[i] = at.x;
      rows.weight[i] = at.y;
    }
    const Center center = center_of(rows, lane, lane_distance);
    const vec4 sum = total(statistic(rows, lane, lane_distance, false, center), true);
    if (FUNCTION == VARIANCE) {
      const vec4 y = divide(sum, vec4(p.number));
      for (uint i = 0; i < count && lane == 0; ++i) {
        y_elements[row + i] = y[i];
      }
      continue;
    }
    const vec4 factor =
        factor_of(center.value, IS_SOFTMAX ? sum : divide(sum, vec4(p.elements)));
    for (uint step = lane; step < p.steps && count > 0; step += LANES) {
      Four four = four_of(rows, step);
      const vec4 y = result(load(four), four, center, factor);
      if (ALONG_ROWS == 0) {
        four.count = count;
      }
      store(four, y);
    }
  }
}
