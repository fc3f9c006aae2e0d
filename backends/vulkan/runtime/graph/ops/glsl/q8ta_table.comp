// int8 -> int8 or float32 through a table: any function of one int8 value.
//
//   y[i] = table[x[i] + 128]
//
// Bindings: 0 y int8 in words, or with OUTPUT_FLOAT float32; 1 x int8 in words; 2 table, 256 of y's
// type. One thread takes one word of x (four elements) per pass and strides by the whole grid; it
// alone touches those elements of y, and keeps the bytes of the last word that lie beyond them.
// Preconditions and features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

#ifdef OUTPUT_FLOAT
layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_groups[]; };
layout(set = 0, binding = 2) readonly buffer Table { float table[]; };
#else
layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 2) readonly buffer Table { uint table_words[]; };
#endif
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(push_constant) uniform Params { uint count; } p;

#ifdef OUTPUT_FLOAT

void look_up(uint at, uvec4 index) {
  const vec4 y = vec4(table[index.x], table[index.y], table[index.z], table[index.w]);
  if (p.count - at * 4 >= 4) {
    y_groups[at] = y;
    return;
  }
  [[unroll]] for (uint i = 0; i < 3; ++i) {
    if (at * 4 + i < p.count) {
      y_out[at * 4 + i] = y[i];
    }
  }
}

#else

uint entry(uint index) {
  return (table_words[index >> 2] >> ((index & 3) * 8)) & 0xffu;
}

void look_up(uint at, uvec4 index) {
  const uint y = entry(index.x) | (entry(index.y) << 8) | (entry(index.z) << 16) |
      (entry(index.w) << 24);
  const uint mask = byte_mask(p.count - at * 4);
  y_words[at] = mask == 0xffffffffu ? y : (y & mask) | (y_words[at] & ~mask);
}

#endif

void main() {
  const uint words = p.count / 4 + (p.count % 4 != 0 ? 1 : 0);
  const uint stride = gl_NumWorkGroups.x * WORKGROUP_SIZE;
  for (uint at = gl_GlobalInvocationID.x; at < words; at += stride) {
    const uint word = x_words[at] ^ 0x80808080u;  // x + 128 of each byte
    look_up(at, (uvec4(word) >> uvec4(0, 8, 16, 24)) & 0xffu);
  }
}
