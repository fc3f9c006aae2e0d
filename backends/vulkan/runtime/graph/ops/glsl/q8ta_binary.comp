// add, sub or mul of two int8 tensors, with broadcasting.
//
//   g = (a - a_zero_point) * a_scale OP (b - b_zero_point) * b_scale        float32, never fused
//   y = clamp(round_half_even(g * inv_output_scale) + output_zero_point, quant_min, quant_max)
//
// Bindings: 0 y int8 in words, 1 a, 2 b likewise.
// The loops of strided_bytes.glsl are the dimensions of y; a stride of 0 repeats an operand. One
// thread makes the words of flat_steps.glsl (four elements each); it alone touches them, and keeps
// the bytes of the last one that lie beyond the tensor.
// Specialization constants: 1, OPERATION: 0 add, 1 sub, 2 mul. 2 and 3, what the four elements of a
// word of y are in a and in b:
//
//   GATHERED  anywhere; with one operand both are, and the loops count elements
//   WORD      a word of the operand, too: then the loops count words, as do the strides
//   REPEATED  one element four times: the loops count words, the strides elements
//
// 4, MAY_BE_NAN: 0 where the scales are so small that no step overflows.
//
// Preconditions and features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dequantize_bytes.glsl"
#include "flat_steps.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 1) const uint OPERATION = 0;
layout(constant_id = 2) const uint A_FORM = 0;
layout(constant_id = 3) const uint B_FORM = 0;
layout(constant_id = 4) const uint MAY_BE_NAN = 1;

const uint GATHERED = 0;
const uint WORD = 1;
const uint REPEATED = 2;

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
DEFINE_GATHER(gather_a, a_at, a_words, p.a_strides, 0)
DEFINE_GATHER(gather_b, b_at, b_words, p.b_strides, 0)

// Defines LOAD(at): the four elements of word `at` of y, of an operand; a REPEATED one is the
// lowest byte only.
#define DEFINE_LOAD(LOAD, FORM, GATHER, AT, WORDS)                                    \
  uint LOAD(uint at) {                                                                \
    if (FORM == GATHERED) {                                                           \
      return GATHER(at * 4, min(4, p.count - at * 4));                                \
    }                                                                                 \
    uint left;                                                                        \
    const uint from = AT(at, left);                                                   \
    return FORM == WORD ? WORDS[from] : WORDS[from >> 2] >> ((from & 3) * 8);         \
  }

DEFINE_LOAD(load_a, A_FORM, gather_a, a_at, a_words)
DEFINE_LOAD(load_b, B_FORM, gather_b, b_at, b_words)

vec4 dequantize(uint word, uint form, int zero_point, float scale) {
  const vec4 f = distances(word, zero_point);
  precise vec4 scaled = (form == REPEATED ? vec4(f.x) : f) * scale;
  return scaled;
}

vec4 combine(uint a, uint b) {
  const vec4 left = dequantize(a, A_FORM, p.a_zero_point, p.a_scale);
  const vec4 right = dequantize(b, B_FORM, p.b_zero_point, p.b_scale);
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
