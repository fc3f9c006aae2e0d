// add, sub or mul of two int8 tensors, with broadcasting.
//
//   g = (a - a_zero_point) * a_scale OP (b - b_zero_point) * b_scale        float32, never fused
//   y = clamp(round_half_even(g * inv_output_scale) + output_zero_point, quant_min, quant_max)
//
// Bindings: 0 y int8 in words, 1 a, 2 b likewise.
// The loops of strided_bytes.glsl are the dimensions of y; a stride of 0 repeats an operand. One
// thread makes the words of flat_steps.glsl (four elements each); it alone touches them, and keeps
// the bytes of the last one that lie beyond the tensor.
// With WHOLE_WORDS the loops count words of y, and each operand has one form:
//
//   WORD      four elements are a word of the operand, too; its strides count words
//   REPEATED  one element four times; its strides count elements
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
layout(push_constant) uniform Params {
  uint count;
  float a_scale;
  float b_scale;
  float inv_output_scale;
  int a_zero_point;
  int b_zero_point;
  int output_zero_point;
  int quant_min;
  int quant_max;
  uint sizes[7];
  uint a_strides[8];
  uint b_strides[8];
} p;

#include "strided_bytes.glsl"

DEFINE_ELEMENT_AT(a_at, p.a_strides)
DEFINE_ELEMENT_AT(b_at, p.b_strides)
// Defines LOAD(at): the four elements of word `at` of y, of an operand; of a repeated one only the
// lowest byte.
#ifdef WHOLE_WORDS
#define DEFINE_LOAD(LOAD, REPEATED, AT, WORDS, STRIDES)                               \
  uint LOAD(uint at) {                                                                \
    uint left;                                                                        \
    const uint from = AT(at, left);                                                   \
    const uint shift = REPEATED != 0 ? (from & 3) * 8 : 0;                            \
    return WORDS[REPEATED != 0 ? from >> 2 : from] >> shift;                          \
  }
#else
#define DEFINE_LOAD(LOAD, REPEATED, AT, WORDS, STRIDES)                               \
  DEFINE_GATHER(LOAD##_elements, AT, WORDS, STRIDES, 0)                               \
  uint LOAD(uint at) {                                                                \
    return LOAD##_elements(at * 4, min(4, p.count - at * 4));                         \
  }
#endif

DEFINE_LOAD(load_a, A_REPEATED, a_at, a_words, p.a_strides)
DEFINE_LOAD(load_b, B_REPEATED, b_at, b_words, p.b_strides)

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

void store(uint at, uint a, uint b) {
  const uint word = quantize_to_word(
      combine(a, b),
      p.inv_output_scale,
      p.output_zero_point,
      p.quant_min,
      p.quant_max,
      MAY_BE_NAN != 0);
  const uint mask = byte_mask(p.count - at * 4);
  y_words[at] = mask == 0xffffffffu ? word : (word & mask) | (y_words[at] & ~mask);
}

void main() {
  const uint words = words_of(p.count);
  FOR_EACH_PASS(first, words) {
    uint a[STEPS];
    uint b[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      a[s] = load_a(step_at(first, s, words));
      b[s] = load_b(step_at(first, s, words));
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, words)) {
        store(step_at(first, s, words), a[s], b[s]);
      }
    }
  }
}
