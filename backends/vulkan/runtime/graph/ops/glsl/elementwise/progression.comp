// Numbers that follow each other: y[i] = start + i * step, or one number for all.
//
// Bindings: 0 y; elements of four bytes, or of one byte, four of them in a word. One thread makes the
// units of flat_steps.glsl (four elements each); it alone touches them, and keeps the bytes of the last
// word that lie beyond the tensor.
// Specialization constant 0: KIND. 0 INTEGERS, int32 that wrap around; 1 FLOATS, float32; 2 SAME_WORD,
// the bits of start in each element; 3 SAME_BYTE, the lowest byte of them, elements are bytes.
// Preconditions and features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "flat_steps.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint INTEGERS = 0;
const uint FLOATS = 1;
const uint SAME_WORD = 2;
const uint SAME_BYTE = 3;
layout(constant_id = 0) const uint KIND = INTEGERS;

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 0) buffer OutputY4 { uvec4 y_groups[]; };
layout(push_constant) uniform Params {
  uint count;
  uint start;  // bits of what y is
  uint step;
} p;

uvec4 values(uint at) {
  const uvec4 i = uvec4(at * 4) + uvec4(0, 1, 2, 3);
  if (KIND == INTEGERS) {
    return uvec4(p.start) + i * p.step;
  }
  if (KIND == FLOATS) {
    precise vec4 y = uintBitsToFloat(p.start) + vec4(i) * uintBitsToFloat(p.step);
    return floatBitsToUint(y);
  }
  return uvec4(p.start);
}

void store(uint at, uvec4 y) {
  const uint left = p.count - at * 4;
  if (KIND == SAME_BYTE) {
    const uint word = pack_bytes(ivec4(y));
    const uint mask = byte_mask(left);
    y_words[at] = mask == 0xffffffffu ? word : (word & mask) | (y_words[at] & ~mask);
  } else if (left >= 4) {
    y_groups[at] = y;
  } else {
    [[unroll]] for (uint i = 0; i < 3; ++i) {
      if (i < left) {
        y_words[at * 4 + i] = y[i];
      }
    }
  }
}

void main() {
  const uint units = words_of(p.count);
  FOR_EACH_PASS(first, units) {
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
        store(step_at(first, s, units), values(step_at(first, s, units)));
      }
    }
  }
}
