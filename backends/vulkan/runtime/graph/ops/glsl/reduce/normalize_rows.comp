// normalize.comp for contiguous rows of whole groups of four elements which fit into registers:
// normalization.glsl says what is computed. LANES threads have a row. Each reads its part once, all
// at the same time, and keeps it; row_lanes.glsl combines what the lanes of a row find:
//
//   row:   | group 0 | group 1 | ... | group LANES - 1 | group LANES | ...
//   lane:       0         1                LANES - 1           0            GROUPS of them each
//
// Bindings: 0 y, 1 x, [count, elements], float32 or int8 in words, of which int8 x is dequantized as
// it is read and int8 y quantized as it is written; 2 weight, 3 bias, float32 [elements]. With SUM x is the
// sum of 1 and 4, float32, which STORED writes to 5. With ROUNDS y is 6, float32, and 0 is y once more as
// layers want it that quantize it at run time: rounded_rows.glsl.
//
// Nothing is summed up with its rounding errors, as it is for longer rows. A lane adds at most
// 4 * MAX_GROUPS elements, in four sums, so that behind an element are at most MAX_GROUPS + 2 +
// log2(LANES) additions, some 18 for the longest rows: 1e-6 of a sum of what is positive, as
// exponentials and squares are. The mean comes in two parts: a center c, which is the row's first
// element and the mean distance to it, rounded, and the mean r of the distances to c. Distances to a
// number between them are as precise as they are large, so no digit is lost where all elements
// differ little from a large mean, nor where the first one is far from all others. r is at most half
// of c's last bit, or small beside the distances; where it is not small, these are multiples of that
// bit, so that their mean square is at least twice r^2, which is taken off it to have the variance.
//
// Preconditions, beside those of row_lanes.glsl: p.row_groups is at most LANES * GROUPS, GROUPS at most
// MAX_GROUPS; p.count at least 1; with ROUNDS LANES is at least 4, INT8_Y 0, and those of row_grids.glsl.
// Features: subgroup shuffle.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "elementwise/dequantize_bytes.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint GROUPS = 1;
layout(constant_id = 1) const uint FUNCTION = 0;
layout(constant_id = 2) const uint HAS_WEIGHT = 0;
layout(constant_id = 3) const uint HAS_BIAS = 0;
layout(constant_id = 4) const uint INT8_X = 0;
layout(constant_id = 5) const uint INT8_Y = 0;
layout(constant_id = 6) const uint SUM = 0;
const uint STORED = 2;  // SUM
#if ROUNDS
layout(constant_id = 7) const uint RULE = 0;
#define Y_BINDING 6
#else
#define Y_BINDING 0
#endif

layout(set = 0, binding = Y_BINDING) writeonly buffer OutputY { float y_elements[]; };
layout(set = 0, binding = Y_BINDING) writeonly buffer OutputY4 { vec4 y_groups[]; };
layout(set = 0, binding = Y_BINDING) writeonly buffer OutputYWords { uint y_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX4 { vec4 x_groups[]; };
layout(set = 0, binding = 1) readonly buffer InputXWords { uint x_words[]; };
layout(set = 0, binding = 2) readonly buffer InputWeight { vec4 weights[]; };
layout(set = 0, binding = 3) readonly buffer InputBias { vec4 biases[]; };
layout(set = 0, binding = 4) readonly buffer InputAddend { vec4 addends[]; };
layout(set = 0, binding = 5) writeonly buffer OutputSum { vec4 sums_of_x[]; };
layout(push_constant) uniform Params {
  uint count;              // rows
  uint row_groups;         // of four elements
  float inverse_elements;  // 1 / elements of a row
  float number;            // epsilon, or the variance's divisor
  float input_scale;
  int input_zero_point;
  PackedGrid output_grid;
#if ROUNDS
  int quant_min, quant_max;
  float eps;
#endif
} p;

#include "reduce/normalization.glsl"
#include "reduce/row_lanes.glsl"
#if ROUNDS
#define ROUNDED_BINDING 0
#include "linear/row_grids.glsl"
#include "linear/rounded_rows.glsl"
#endif

const uint ROWS = WORKGROUP_SIZE / LANES;
const bool HAS_MEAN = FUNCTION == LAYER_NORM || FUNCTION == VARIANCE;

float sum_of(float a, float b) {
  precise float sum = a + b;
  return sum;
}

vec2 sum_of(vec2 a, vec2 b) {
  precise vec2 sum = a + b;
  return sum;
}

float sum_across(vec4 own) {
  return sum_of(sum_of(own.x, own.y), sum_of(own.z, own.w));
}

#define WORD(x) uvec2(floatBitsToUint(x), 0)
#define FLOAT_OF(bits) uintBitsToFloat((bits).x)
OVER_ROW(largest_of_row, float, larger, WORD, FLOAT_OF)
OVER_ROW(sum_of_row, float, sum_of, WORD, FLOAT_OF)
OVER_ROW(sums_of_row, vec2, sum_of, floatBitsToUint, uintBitsToFloat)

vec4 load(uint at) {
  if (INT8_X != 0) {
    precise vec4 x = distances(x_words[at], p.input_zero_point) * p.input_scale;
    return x;
  }
  precise vec4 x = x_groups[at];
  if (SUM != 0) {
    x += addends[at];
  }
  return x;
}

void store(uint at, vec4 y) {
  if (INT8_Y != 0) {
    y_words[at] = quantize_to_word(y, unpack(p.output_grid), true);
  } else {
    y_groups[at] = y;
  }
}

#if ROUNDS
OVER_ROW(widest_of_row, uvec2, max, , )

// `y`: this lane's groups; those behind the row's end are one of the row once more.
void round_row(uint row, uint lane, bool is_stored, vec4 y[MAX_GROUPS]) {
  uvec2 range = uvec2(0);
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    range = max(range, range_of(floatBitsToUint(y[g])));
  }
  const RowGrid grid = grid_of(widest_of_row(range));
  if (!is_stored) {
    return;
  }
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    const uint at = lane + g * LANES;
    if (at < p.row_groups) {
      store_rounded(row, at, p.row_groups, floatBitsToUint(y[g]), grid);
    }
  }
  end_rounded_row(row, lane, p.row_groups, p.count, grid);
}
#endif

void normalize(uint row, uint lane, bool is_stored) {
  const uint begin = row * p.row_groups;
  vec4 x[MAX_GROUPS];
  vec4 weight[MAX_GROUPS];
  vec4 bias[MAX_GROUPS];
  bool is_own[MAX_GROUPS];  // else the row's last group once more, which counts for nothing
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    const uint group = min(lane + g * LANES, p.row_groups - 1);
    is_own[g] = lane + g * LANES < p.row_groups;
    x[g] = load(begin + group);
    if (SUM == STORED && is_own[g] && is_stored) {
      sums_of_x[begin + group] = x[g];
    }
    if (HAS_WEIGHT != 0) {
      weight[g] = weights[group];
    }
    if (HAS_BIAS != 0) {
      bias[g] = biases[group];
    }
  }

  float center = 0.0;
  if (IS_SOFTMAX) {
    vec4 largest = -infinity();
    [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
      largest = max_of(largest, x[g]);  // the last group once more changes nothing
    }
    center = largest_of_row(larger(larger(largest.x, largest.y), larger(largest.z, largest.w)));
  } else if (HAS_MEAN) {
    const float first = load(begin).x;
    precise vec4 sum = vec4(0.0);
    [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
      precise vec4 distance = x[g] - first;
      sum += is_own[g] ? distance : vec4(0.0);
    }
    precise float mean = first + sum_of_row(sum_across(sum)) * p.inverse_elements;
    center = mean;
  }

  precise vec4 terms = vec4(0.0);
  precise vec4 rests = vec4(0.0);
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    precise vec4 own = x[g] - center;
    x[g] = own;
    precise vec4 square = own * own;
    vec4 term = square;
    if (IS_SOFTMAX) {
      term = exp_of(own);
    }
    if (FUNCTION == SOFTMAX) {
      x[g] = term;
    }
    terms += is_own[g] ? term : vec4(0.0);
    rests += is_own[g] ? own : vec4(0.0);
  }
  const float of_terms = sum_across(terms);
  const vec2 sums = HAS_MEAN ? sums_of_row(vec2(of_terms, sum_across(rests)))
                             : vec2(sum_of_row(of_terms), 0.0);
  precise float rest = sums.y * p.inverse_elements;  // 0 without a mean
  precise float sum = sums.x - rest * sums.y;
  if (FUNCTION == VARIANCE) {
    if (is_stored && lane == 0) {
      y_elements[row] = divide(vec4(sum), vec4(p.number)).x;
    }
    return;
  }

  precise float mean_square = sum * p.inverse_elements;
  float factor = factor_of(vec4(center), vec4(IS_SOFTMAX ? sum : mean_square)).x;
  if (FUNCTION == SOFTMAX) {
    precise float inverse = 1.0 / factor;
    factor = keep_nan(vec4(factor), vec4(inverse)).x;
  }
  [[unroll]] for (uint g = 0; g < GROUPS; ++g) {
    precise vec4 own = HAS_MEAN ? x[g] - rest : x[g];
    precise vec4 y = FUNCTION == LOG_SOFTMAX ? own - factor : own * factor;
    if (HAS_WEIGHT != 0) {
      y *= weight[g];
    }
    if (HAS_BIAS != 0) {
      y += bias[g];
    }
    x[g] = keep_nan(vec4(factor), y);
    if (is_stored && is_own[g]) {
      store(begin + lane + g * LANES, x[g]);
    }
  }
#if ROUNDS
  round_row(row, lane, is_stored, x);
#endif
}

void main() {
  const uint thread = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
  const uint step = gl_NumWorkGroups.x * ROWS;
  for (uint first = gl_WorkGroupID.x * ROWS; first < p.count; first += step) {
    const uint row = first + thread / LANES;
    // Behind the last row it once more, for all lanes take part.
    normalize(min(row, p.count - 1), thread % LANES, row < p.count);
  }
}
