// add, sub or mul of two int8 tensors, with broadcasting.
//
//   g = (a - a_zero_point) * a_scale OP (b - b_zero_point) * b_scale        float32, never fused
//   y = clamp(round_half_even(g * inv_output_scale) + output_zero_point, quant_min, quant_max)
//
// Bindings: 0 y int8 in words, 1 a, 2 b likewise.
// The loops of strided_bytes.glsl are the dimensions of y; a stride of 0 repeats an operand. One
// thread makes one word of y (four elements) per pass and strides by the whole grid; it alone
// touches that word, and keeps the bytes of the last one that lie beyond the tensor.
// Specialization constant 1, OPERATION: 0 add, 1 sub, 2 mul.
// Preconditions and features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 1) const uint OPERATION = 0;

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

float combine(int a, int b) {
  precise float left = float(a - p.a_zero_point) * p.a_scale;
  precise float right = float(b - p.b_zero_point) * p.b_scale;
  precise float g = OPERATION == 0 ? left + right : OPERATION == 1 ? left - right : left * right;
  return g;
}

void main() {
  const uint words = p.count / 4 + (p.count % 4 != 0 ? 1 : 0);
  const uint stride = gl_NumWorkGroups.x * WORKGROUP_SIZE;
  for (uint at = gl_GlobalInvocationID.x; at < words; at += stride) {
    const uint n = min(4, p.count - at * 4);
    const int a = int(gather_a(at * 4, n));
    const int b = int(gather_b(at * 4, n));
    ivec4 q;
    [[unroll]] for (int i = 0; i < 4; ++i) {
      const float g = combine(bitfieldExtract(a, 8 * i, 8), bitfieldExtract(b, 8 * i, 8));
      q[i] = quantize(g, p.inv_output_scale, p.output_zero_point, p.quant_min, p.quant_max);
    }
    uint word = pack_bytes(q);
    if (n != 4) {
      const uint mask = byte_mask(n);
      word = (word & mask) | (y_words[at] & ~mask);
    }
    y_words[at] = word;
  }
}
