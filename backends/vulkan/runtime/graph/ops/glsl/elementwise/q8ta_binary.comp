// add, sub or mul of two int8 tensors, with broadcasting.
//
//   g = (a - a_zero_point) * a_scale OP (b - b_zero_point) * b_scale        float32, never fused
//   y = quantize(g)
//
// Bindings: 0 y int8 in words, 1 a, 2 b likewise.
// The loops of strided_bytes.glsl are the dimensions of y; a stride of 0 repeats an operand. One
// thread makes the units of flat_steps.glsl; it alone touches them, and keeps the bytes of the last
// one that lie beyond the tensor. A unit is a word, four elements, or with WHOLE_GROUPS four words.
// With WHOLE_WORDS or WHOLE_GROUPS the loops count units of y, and each operand has one form:
//
//   EACH      its elements are a unit of the operand, too; its strides count units
//   REPEATED  one element for all of them; its strides count elements
//
// Else loops and strides count elements, and four are gathered, wherever they are.
//
// Specialization constants: 1, OPERATION: 0 add, 1 sub, 2 mul. 2, MAY_BE_NAN: 0 where the scales are
// so small that no step overflows. 3 and 4, A_REPEATED and B_REPEATED: 1 for that form.
//
// Preconditions and features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/dequantize_bytes.glsl"
#ifdef WHOLE_GROUPS
#define UNIT_ELEMENTS 16
#define UNIT uvec4
#else
#define UNIT_ELEMENTS 4
#define UNIT uint
#endif
#include "flat_steps.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 1) const uint OPERATION = 0;
layout(constant_id = 2) const uint MAY_BE_NAN = 1;
layout(constant_id = 3) const uint A_REPEATED = 0;
layout(constant_id = 4) const uint B_REPEATED = 0;

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 1) readonly buffer InputA { uint a_words[]; };
layout(set = 0, binding = 2) readonly buffer InputB { uint b_words[]; };
#ifdef WHOLE_GROUPS
layout(set = 0, binding = 0) buffer OutputY4 { uvec4 y_units[]; };
layout(set = 0, binding = 1) readonly buffer InputA4 { uvec4 a_units[]; };
layout(set = 0, binding = 2) readonly buffer InputB4 { uvec4 b_units[]; };
#else
#define a_units a_words
#define b_units b_words
#endif
layout(push_constant) uniform Params {
  uint count;
  float a_scale;
  float b_scale;
  int a_zero_point;
  int b_zero_point;
  Grid output_grid;
  uint sizes[7];
  uint a_strides[8];
  uint b_strides[8];
} p;

#include "strided_bytes.glsl"

DEFINE_ELEMENT_AT(a_at, p.a_strides)
DEFINE_ELEMENT_AT(b_at, p.b_strides)
// Defines LOAD(at): unit `at` of y, of an operand; of a repeated one only the lowest byte of each
// word counts.
#if defined(WHOLE_WORDS) || defined(WHOLE_GROUPS)
#define DEFINE_LOAD(LOAD, REPEATED, AT, WORDS, UNITS, STRIDES)                        \
  UNIT LOAD(uint at) {                                                                \
    uint left;                                                                        \
    const uint from = AT(at, left);                                                   \
    if (REPEATED != 0) {                                                              \
      return UNIT(WORDS[from >> 2] >> ((from & 3) * 8));                              \
    }                                                                                 \
    return UNITS[from];                                                               \
  }
#else
#define DEFINE_LOAD(LOAD, REPEATED, AT, WORDS, UNITS, STRIDES)                        \
  DEFINE_GATHER(LOAD##_elements, AT, WORDS, STRIDES, 0)                               \
  UNIT LOAD(uint at) {                                                                \
    return LOAD##_elements(at * 4, min(4, p.count - at * 4));                         \
  }
#endif

DEFINE_LOAD(load_a, A_REPEATED, a_at, a_words, a_units, p.a_strides)
DEFINE_LOAD(load_b, B_REPEATED, b_at, b_words, b_units, p.b_strides)

vec4 dequantize(uint word, uint repeated, int zero_point, float scale) {
  const vec4 f = distances(word, zero_point);
  precise vec4 scaled = (repeated != 0 ? vec4(f.x) : f) * scale;
  return scaled;
}

vec4 combine(uint a, uint b) {
  const vec4 left = dequantize(a, A_REPEATED, p.a_zero_point, p.a_scale);
  const vec4 right = dequantize(b, B_REPEATED, p.b_zero_point, p.b_scale);
  precise vec4 g = OPERATION == 0 ? left + right : OPERATION == 1 ? left - right : left * right;
  return g;
}

uint result(uint a, uint b) {
  return quantize_to_word(combine(a, b), p.output_grid, MAY_BE_NAN != 0);
}

void store_word(uint at, uint word) {
  const uint mask = byte_mask(p.count - at * 4);
  y_words[at] = mask == 0xffffffffu ? word : (word & mask) | (y_words[at] & ~mask);
}

#ifdef WHOLE_GROUPS

void store(uint at, uvec4 a, uvec4 b) {
  const uvec4 y =
      uvec4(result(a.x, b.x), result(a.y, b.y), result(a.z, b.z), result(a.w, b.w));
  const uint left = p.count - at * 16;
  if (left >= 16) {
    y_units[at] = y;
    return;
  }
  for (uint i = 0; i * 4 < left; ++i) {
    store_word(at * 4 + i, y[i]);
  }
}

#else

void store(uint at, uint a, uint b) {
  store_word(at, result(a, b));
}

#endif

void main() {
  const uint units = p.count / UNIT_ELEMENTS + (p.count % UNIT_ELEMENTS != 0 ? 1 : 0);
  FOR_EACH_PASS(first, units) {
    UNIT a[STEPS];
    UNIT b[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      a[s] = load_a(step_at(first, s, units));
      b[s] = load_b(step_at(first, s, units));
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
        store(step_at(first, s, units), a[s], b[s]);
      }
    }
  }
}
