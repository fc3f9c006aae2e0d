// What the kernels of attention share: bindings, push and specialization constants, reading q, k and v,
// masks, and writing y.
//
//   y[b, h, l] = sum_s softmax_s(mask(scale * dot(q[b, h, l], k[b, g, s]))) * v[b, g, s]
//
// where g = h / p.heads_of_group. Bindings: 0 y; 1 q; 2 k; 3 v, float32 or int8, read or written by their
// strides; 4 the mask, float32 or bool, only with MASK. D is the size of the vectors of q and k, DV
// that of v and y, both up to 4 * MAX_GROUPS.
//
//   GROUPS  1: vectors lie in whole groups of four: D, DV and all strides are whole groups, but those
//           along vectors, which are 1; 2: of sixteen, even
//   MASK    0 none; 1 added; 2, 3 bool: p.fill, which is no NaN, instead of the score where it is true, where
//           it is false
//   CAUSAL  position s counts for the rows l >= s only
//   INT8_IN  1: q, k and v are int8. Their distances to the zero points are exact, and so are sums of 256
//           products of these, which are below 2^24; the scales of q and k are part of p.scale
//   INT8_OUT 1: y is int8
//   ZEROS   1: a row of which no score is above -infinity is zeros, else NaN, as softmax gives
#ifndef ATTENTION_IO_GLSL
#define ATTENTION_IO_GLSL

#include "elementwise/dequantize_bytes.glsl"
#include "elementwise/exponentials.glsl"
#include "quantize_and_pack.glsl"

layout(constant_id = 0) const uint GROUPS = 0;
layout(constant_id = 1) const uint MASK = 0;
layout(constant_id = 2) const uint CAUSAL = 0;
layout(constant_id = 3) const uint ZEROS = 0;
layout(constant_id = 4) const uint INT8_IN = 0;
layout(constant_id = 5) const uint INT8_OUT = 0;

const uint QUADS = 2;  // GROUPS
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
  uint zero_points;  // bytes: of q, k and v
  PackedGrid output_grid;
} p;

#include "merge_word.glsl"

#define D (p.vectors & 0xffffu)
#define DV (p.vectors >> 16)

float minus_infinity() {
  return uintBitsToFloat(SIGN_BIT | INFINITY_BITS);
}

bool is_minus_infinity(float x) {
  return floatBitsToUint(x) == (SIGN_BIT | INFINITY_BITS);
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

// What the mask, which begins at `mask_at`, says of row l and position s: a float's bits, or a byte. Rows and
// positions behind the last one repeat it, and nothing branches, so that many loads are in flight at once.
uint load_mask(uint mask_at, uint l, uint s) {
  if (MASK == 0) {
    return 0;
  }
  const uint at = mask_at + min(l, p.L - 1) * p.mask[2] + min(s, p.S - 1) * p.mask[3];
  return MASK == ADDED ? floatBitsToUint(mask_elements[at])
                       : (mask_words[at >> 2] >> (8 * (at & 3))) & 0xffu;
}

// The score of row l and position s under its mask.
float masked(float score, uint mask, uint l, uint s) {
  float own = score;
  if (MASK == ADDED) {
    own = score + uintBitsToFloat(mask);
  } else if (MASK != 0) {
    own = (mask != 0) == (MASK == FILL_TRUE) ? p.fill : score;
  }
  return s < p.S && (CAUSAL == 0 || s <= l) ? own : minus_infinity();
}

// Four of a vector, or what is left of it, from element `d` on.
void store_bytes(uint at, uint d, vec4 y) {
  const uint word = quantize_to_word(y, unpack(p.output_grid), true);
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

// What a step of v stands for.
float v_unit() {
  return INT8_IN != 0 ? p.v_scale : 1.0;
}

// Group `group` of row l of y, from the row's sum of exponentials times v, in steps of `unit`, the sum of
// these and the largest score.
void store_group(uint y_at, uint l, uint group, vec4 weighted, float total, float largest,
                 float unit) {
  precise vec4 y = divide(weighted, vec4(total)) * unit;
  if (is_minus_infinity(largest)) {
    y = ZEROS != 0 || p.S == 0 ? vec4(0.0) : nan();
  }
  const uint at = y_at + l * p.y[2] + group * 4 * p.y[3];
  if (INT8_OUT != 0) {
    store_bytes(at, group * 4, y);
    return;
  }
  if (GROUPS != 0) {
    y_groups[at >> 2] = y;
    return;
  }
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    if (group * 4 + i < DV) {
      y_elements[at + i * p.y[3]] = y[i];
    }
  }
}

// Where the operands of the rows from l0 on of one head begin.
struct Tile {
  uint l0, q, k, v, y, mask;
};

Tile tile_of(uint index) {
  const uint tiles_l = (p.L - 1) / TILE_M + 1;  // of one head
  const uint of_heads = index / tiles_l;
  const uint b = of_heads / p.heads;
  const uint h = of_heads - b * p.heads;
  const uint g = h / p.heads_of_group;
  return Tile((index - of_heads * tiles_l) * TILE_M, b * p.q[0] + h * p.q[1],
              b * p.k[0] + g * p.k[1], b * p.v[0] + g * p.v[1], b * p.y[0] + h * p.y[1],
              b * p.mask[0] + h * p.mask[1]);
}

// Positions that count for the rows of a tile.
uint end_of(Tile tile) {
  return CAUSAL != 0 ? min(p.S, tile.l0 + TILE_M) : p.S;
}

#endif
