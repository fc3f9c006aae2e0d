// Reading q, k and v in int8 as they are, 16 elements of a vector at a time; included behind attention_io.glsl.
#ifndef ATTENTION_BYTES_GLSL
#define ATTENTION_BYTES_GLSL

layout(set = 0, binding = 1) readonly buffer InputQQuads { uvec4 q_quads[]; };
layout(set = 0, binding = 2) readonly buffer InputKQuads { uvec4 k_quads[]; };
layout(set = 0, binding = 3) readonly buffer InputVQuads { uvec4 v_quads[]; };

// Elements `d` to `d + 15`; zeros from element `count` on. Whole ones without a branch, for drivers wait for a
// load where branches meet.
#define LOAD_QUAD(name, words, quads)                                   \
  uvec4 name(uint at, uint stride, uint d, uint count) {                \
    uvec4 own = uvec4(0);                                               \
    if (GROUPS == QUADS) {                                              \
      const bool is_behind = d >= count;                                \
      return mix(quads[(at + (is_behind ? 0 : d)) >> 4], own, bvec4(is_behind)); \
    }                                                                   \
    [[unroll]] for (uint i = 0; i < 4; ++i) {                           \
      if (GROUPS != 0 && d + 4 * i < count) {                           \
        own[i] = words[(at + d + 4 * i) >> 2];                          \
      }                                                                 \
      [[unroll]] for (uint j = 0; GROUPS == 0 && j < 4; ++j) {          \
        if (d + 4 * i + j < count) {                                    \
          const uint e = at + (d + 4 * i + j) * stride;                 \
          own[i] |= ((words[e >> 2] >> (8 * (e & 3))) & 0xffu) << (8 * j); \
        }                                                               \
      }                                                                 \
    }                                                                   \
    return own;                                                         \
  }
LOAD_QUAD(load_q_quad, q_words, q_quads)
LOAD_QUAD(load_k_quad, k_words, k_quads)
LOAD_QUAD(load_v_quad, v_words, v_quads)

#endif
