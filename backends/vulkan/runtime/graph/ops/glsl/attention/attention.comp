// Attention in float32, of float32 or int8, with nothing of the size of the scores in memory.
//
//   y[b, h, l] = sum_s softmax_s(mask(scale * dot(q[b, h, l], k[b, g, s]))) * v[b, g, s]
//
// where g = h / p.heads_of_group. Bindings: 0 y; 1 q; 2 k; 3 v, float32 or int8, read or written by their
// strides; 4 the mask, float32 or bool, only with MASK. D is the size of the vectors of q and k, DV
// that of v and y, both up to 4 * MAX_GROUPS.
//
//   GROUPS  1: vectors lie in whole groups of four: D, DV and all strides are whole groups, but those
//           along vectors, which are 1
//   MASK    0 none; 1 added; 2, 3 bool: p.fill instead of the score where it is true, where it is false
//   CAUSAL  position s counts for the rows l >= s only
//   INT8_IN  1: q, k and v are int8. Their distances to the zero points are exact, and so are sums of 256
//           products of these, which are below 2^24; the scales of q and k are part of p.scale
//   INT8_OUT 1: y is int8
//   ZEROS   1: a row of which no score is above -infinity is zeros, else NaN, as softmax gives
//
// One workgroup makes TILE_M rows of y (neighbours along l) at a time. It goes through the positions in
// tiles of TILE_N, and keeps for each row the largest score so far, and sums of exp(score - largest):
//
//   1  each thread: scores of some positions, for all rows    q in shared memory, k from memory
//   2  the threads of a row: its largest score, exponentials and their sum; by how much what is summed
//      up so far shrinks, because the largest score grew
//   3  each thread: some groups of four of y, for BLOCK_M rows: adds exponentials times v
//
// Sums of a tile are added up before they come to the others, which keeps long sums precise.
// Preconditions: BLOCK_M divides TILE_M; TILE_M is a power of two and divides WORKGROUP_SIZE; TILE_N / 4 is a multiple of
// WORKGROUP_SIZE / TILE_M. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/dequantize_bytes.glsl"
#include "elementwise/exponentials.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint GROUPS = 0;
layout(constant_id = 1) const uint MASK = 0;
layout(constant_id = 2) const uint CAUSAL = 0;
layout(constant_id = 3) const uint ZEROS = 0;
layout(constant_id = 4) const uint INT8_IN = 0;
layout(constant_id = 5) const uint INT8_OUT = 0;

const uint ADDED = 1;
const uint FILL_TRUE = 2;

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_elements[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_groups[]; };
layout(set = 0, binding = 0) buffer OutputYWords { uint y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputQ { float q_elements[]; };
layout(set = 0, binding = 1) readonly buffer InputQ4 { vec4 q_groups[]; };
layout(set = 0, binding = 1) readonly buffer InputQWords { uint q_words[]; };
layout(set = 0, binding = 2) readonly buffer InputK { float k_elements[]; };
layout(set = 0, binding = 2) readonly buffer InputK4 { vec4 k_groups[]; };
layout(set = 0, binding = 2) readonly buffer InputKWords { uint k_words[]; };
layout(set = 0, binding = 3) readonly buffer InputV { float v_elements[]; };
layout(set = 0, binding = 3) readonly buffer InputV4 { vec4 v_groups[]; };
layout(set = 0, binding = 3) readonly buffer InputVWords { uint v_words[]; };
layout(set = 0, binding = 4) readonly buffer InputMask { float mask_elements[]; };
layout(set = 0, binding = 4) readonly buffer InputMaskBytes { uint mask_words[]; };
layout(push_constant) uniform Params {
  uint heads, heads_of_group;
  uint L, S;
  uint vectors;  // D, and DV in its upper half
  uint tiles;  // of all heads
  // By batch, head, row or position, and element of a vector; those of the mask's: batch, head, row,
  // position.
  uint q[4], k[4], v[4], y[4], mask[4];
  float scale, fill;
  float v_scale;
  float inv_output_scale;
  uint zero_points;  // bytes: of q, k, v and y
  uint range;        // bytes: quant_min, quant_max
} p;

#include "merge_word.glsl"

#define D (p.vectors & 0xffffu)
#define DV (p.vectors >> 16)

const uint ROW_THREADS = WORKGROUP_SIZE / TILE_M;  // that share a row in step 2
const uint SCORE_GROUPS = TILE_N / 4;              // of a row

shared vec4 q_tile[TILE_M * MAX_GROUPS];
shared vec4 sums[TILE_M * MAX_GROUPS];
shared float scores[TILE_M * TILE_N];
shared float partial[WORKGROUP_SIZE];
shared float largest[TILE_M];
shared float total[TILE_M];
shared float shrink[TILE_M];

float minus_infinity() {
  return uintBitsToFloat(SIGN_BIT | INFINITY_BITS);
}

bool is_minus_infinity(float x) {
  return floatBitsToUint(x) == (SIGN_BIT | INFINITY_BITS);
}

// NaN where an operand is.
float larger(float a, float b) {
  return max_of(vec4(a), vec4(b)).x;
}

// Four of `count` elements from `d` on; zeros behind them.
#define LOAD(name, elements, groups, words, operand)           \
  vec4 name(uint at, uint stride, uint d, uint count) {        \
    if (INT8_IN != 0) {                                        \
      const int zero_point = unpack_bytes(p.zero_points)[operand]; \
      if (GROUPS != 0) {                                       \
        return distances(words[(at + d) >> 2], zero_point);    \
      }                                                        \
      vec4 own = vec4(0.0);                                    \
      [[unroll]] for (uint i = 0; i < 4; ++i) {                \
        if (d + i < count) {                                   \
          const uint e = at + (d + i) * stride;                \
          own[i] = distances(words[e >> 2] >> (8 * (e & 3)), zero_point).x; \
        }                                                      \
      }                                                        \
      return own;                                              \
    }                                                          \
    if (GROUPS != 0) {                                         \
      return groups[(at + d) >> 2];                            \
    }                                                          \
    vec4 own = vec4(0.0);                                      \
    [[unroll]] for (uint i = 0; i < 4; ++i) {                  \
      if (d + i < count) {                                     \
        own[i] = elements[at + (d + i) * stride];              \
      }                                                        \
    }                                                          \
    return own;                                                \
  }
LOAD(load_q, q_elements, q_groups, q_words, 0)
LOAD(load_k, k_elements, k_groups, k_words, 1)
LOAD(load_v, v_elements, v_groups, v_words, 2)

// The score of row l and position s, whose place in the mask is `at`.
float masked(float score, uint at, uint l, uint s) {
  if (s >= p.S || (CAUSAL != 0 && s > l)) {
    return minus_infinity();
  }
  if (MASK == ADDED) {
    return score + mask_elements[at];
  }
  if (MASK != 0) {
    const bool is_set = ((mask_words[at >> 2] >> (8 * (at & 3))) & 0xffu) != 0;
    return is_set == (MASK == FILL_TRUE) ? p.fill : score;
  }
  return score;
}

void score_tile(uint k_at, uint mask_at, uint l0, uint s0) {
  const uint groups = (D + 3) / 4;
  for (uint own = gl_LocalInvocationIndex; own < TILE_N; own += WORKGROUP_SIZE) {
    const uint s = s0 + own;
    const uint at = k_at + min(s, p.S - 1) * p.k[2];
    vec4 products[TILE_M];
    [[unroll]] for (uint r = 0; r < TILE_M; ++r) {
      products[r] = vec4(0.0);
    }
    for (uint group = 0; group < groups; ++group) {
      const vec4 k = load_k(at, p.k[3], group * 4, D);
      [[unroll]] for (uint r = 0; r < TILE_M; ++r) {
        products[r] += q_tile[r * MAX_GROUPS + group] * k;
      }
    }
    [[unroll]] for (uint r = 0; r < TILE_M; ++r) {
      const vec4 product = products[r];
      const float score = ((product.x + product.y) + (product.z + product.w)) * p.scale;
      const uint l = min(l0 + r, p.L - 1);
      scores[r * TILE_N + own] = masked(score, mask_at + l * p.mask[2] + s * p.mask[3], l, s);
    }
  }
}

// From scores to exponentials.
void weigh_tile() {
  const uint row = gl_LocalInvocationIndex / ROW_THREADS;
  const uint lane = gl_LocalInvocationIndex % ROW_THREADS;
  float own = minus_infinity();
  for (uint i = lane; i < TILE_N; i += ROW_THREADS) {
    own = larger(own, scores[row * TILE_N + i]);
  }
  partial[gl_LocalInvocationIndex] = own;
  barrier();
  const float before = largest[row];
  float most = before;
  for (uint i = 0; i < ROW_THREADS; ++i) {
    most = larger(most, partial[row * ROW_THREADS + i]);
  }
  barrier();
  // Where all scores are -infinity so far, all exponentials are zero.
  const bool is_nothing = is_minus_infinity(most);
  float sum = 0.0;
  for (uint group = lane; group < SCORE_GROUPS; group += ROW_THREADS) {
    const uint at = row * TILE_N + group * 4;
    const vec4 score = vec4(scores[at], scores[at + 1], scores[at + 2], scores[at + 3]);
    precise vec4 difference = score - vec4(most);
    vec4 weight = keep_nan(difference, exp_of(difference));
    weight = is_nothing ? vec4(0.0) : weight;
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      scores[at + i] = weight[i];
    }
    sum += (weight.x + weight.y) + (weight.z + weight.w);
  }
  partial[gl_LocalInvocationIndex] = sum;
  barrier();
  if (lane == 0) {
    precise float difference = before - most;
    const vec4 factor = keep_nan(vec4(difference), exp_of(vec4(difference)));
    shrink[row] = is_minus_infinity(before) ? 0.0 : factor.x;
    float all = 0.0;
    for (uint i = 0; i < ROW_THREADS; ++i) {
      all += partial[row * ROW_THREADS + i];
    }
    total[row] = total[row] * shrink[row] + all;
    largest[row] = most;
  }
  barrier();
}

void add_tile(uint v_at, uint s0, uint count) {
  const uint groups = (DV + 3) / 4;
  const uint blocks = TILE_M / BLOCK_M;
  for (uint own = gl_LocalInvocationIndex; own < groups * blocks; own += WORKGROUP_SIZE) {
    const uint group = own % groups;
    const uint row = own / groups * BLOCK_M;
    vec4 tile_sums[BLOCK_M];
    [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
      tile_sums[r] = vec4(0.0);
    }
    for (uint i = 0; i < count; ++i) {
      const vec4 v = load_v(v_at + (s0 + i) * p.v[2], p.v[3], group * 4, DV);
      [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
        tile_sums[r] += scores[(row + r) * TILE_N + i] * v;
      }
    }
    [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
      const uint at = (row + r) * MAX_GROUPS + group;
      sums[at] = s0 == 0 ? tile_sums[r] : sums[at] * shrink[row + r] + tile_sums[r];
    }
  }
}

// Four of a vector, or what is left of it, from element `d` on.
void store_bytes(uint at, uint d, vec4 y) {
  const ivec4 range = unpack_bytes(p.range);
  const uint word = quantize_to_word(
      y, p.inv_output_scale, unpack_bytes(p.zero_points).w, range.x, range.y, true);
  if (GROUPS != 0) {
    y_out[at >> 2] = word;
    return;
  }
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    if (d + i < DV) {
      const uint own = at + i * p.y[3];
      const uint shift = 8 * (own & 3);
      merge_word(own >> 2, ((word >> (8 * i)) & 0xffu) << shift, 0xffu << shift);
    }
  }
}

void store_tile(uint y_at, uint l0) {
  const uint groups = (DV + 3) / 4;
  for (uint own = gl_LocalInvocationIndex; own < groups * TILE_M; own += WORKGROUP_SIZE) {
    const uint group = own % groups;
    const uint row = own / groups;
    if (l0 + row >= p.L) {
      continue;
    }
    vec4 y = divide(sums[row * MAX_GROUPS + group], vec4(total[row]));
    if (is_minus_infinity(largest[row])) {
      y = ZEROS != 0 || p.S == 0 ? vec4(0.0) : nan();
    }
    const uint at = y_at + (l0 + row) * p.y[2] + group * 4 * p.y[3];
    if (INT8_IN != 0) {
      precise vec4 scaled = y * p.v_scale;
      y = scaled;
    }
    if (INT8_OUT != 0) {
      store_bytes(at, group * 4, y);
      continue;
    }
    if (GROUPS != 0) {
      y_groups[at >> 2] = y;
      continue;
    }
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      if (group * 4 + i < DV) {
        y_elements[at + i * p.y[3]] = y[i];
      }
    }
  }
}

void main() {
  const uint tiles_l = (p.L - 1) / TILE_M + 1;  // of one head
  for (uint tile = gl_WorkGroupID.x; tile < p.tiles; tile += gl_NumWorkGroups.x) {
    const uint of_heads = tile / tiles_l;
    const uint l0 = (tile - of_heads * tiles_l) * TILE_M;
    const uint b = of_heads / p.heads;
    const uint h = of_heads - b * p.heads;
    const uint g = h / p.heads_of_group;
    const uint q_at = b * p.q[0] + h * p.q[1];
    const uint groups = (D + 3) / 4;
    barrier();  // before what the tile before has read is written
    for (uint i = gl_LocalInvocationIndex; i < groups * TILE_M; i += WORKGROUP_SIZE) {
      const uint row = i / groups;
      const uint group = i % groups;
      q_tile[row * MAX_GROUPS + group] =
          load_q(q_at + min(l0 + row, p.L - 1) * p.q[2], p.q[3], group * 4, D);
    }
    if (gl_LocalInvocationIndex < TILE_M) {
      largest[gl_LocalInvocationIndex] = minus_infinity();
      total[gl_LocalInvocationIndex] = 0.0;
    }
    const uint end = CAUSAL != 0 ? min(p.S, l0 + TILE_M) : p.S;
    for (uint s0 = 0; s0 < end; s0 += TILE_N) {
      barrier();
      score_tile(b * p.k[0] + g * p.k[1], b * p.mask[0] + h * p.mask[1], l0, s0);
      barrier();
      weigh_tile();
      add_tile(b * p.v[0] + g * p.v[1], s0, min(TILE_N, end - s0));
    }
    barrier();  // the sums of a row are other threads'
    store_tile(b * p.y[0] + h * p.y[1], l0);
  }
}
