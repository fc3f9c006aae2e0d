// float32 -> int8, one scale and zero point for the whole tensor.
//
//   y[i] = clamp(round_half_even(x[i] * inv_scale) + zero_point, quant_min, quant_max)
//
// Bindings: 0 y int8 in words, 1 x float32.
// One thread makes one word of y (four elements) per pass and strides by the whole grid; it alone
// touches that word, and keeps the bytes of the last one that lie beyond the tensor.
// Preconditions and features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX { float x_in[]; };
layout(push_constant) uniform Params {
  uint count;
  float inv_scale;
  int zero_point;
  int quant_min;
  int quant_max;
} p;

void main() {
  const uint words = p.count / 4 + (p.count % 4 != 0 ? 1 : 0);
  const uint stride = gl_NumWorkGroups.x * WORKGROUP_SIZE;
  for (uint at = gl_GlobalInvocationID.x; at < words; at += stride) {
    const uvec4 from = min(at * 4 + uvec4(0, 1, 2, 3), uvec4(p.count - 1));
    const vec4 f = vec4(x_in[from.x], x_in[from.y], x_in[from.z], x_in[from.w]);
    const ivec4 q = quantize(f, p.inv_scale, p.zero_point, p.quant_min, p.quant_max);
    uint word = pack_bytes(q);
    const uint mask = byte_mask(p.count - at * 4);
    if (mask != 0xffffffffu) {
      word = (word & mask) | (y_words[at] & ~mask);
    }
    y_words[at] = word;
  }
}
