// A conversion between dtypes: y[i] = (type of y) x[i].
//
// float32 to integers is cut off towards zero; what int32 does not have, NaN too, is its least value.
// Integers to narrower ones keep their lowest bits. A bool is whether x is not zero.
//
// Bindings: 0 y, 1 x; elements of four bytes, or of one byte, four of them in a word. One thread makes
// the units of flat_steps.glsl (four elements each); it alone touches them, and keeps the bytes of the
// last word that lie beyond the tensor.
// Specialization constants: 0, FROM, and 1, TO: dtypes as DType of GraphDef.h has them.
// Preconditions: x has whole groups, whatever the last one holds behind the tensor. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "flat_steps.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint BOOL = 0;
const uint UINT8 = 1;
const uint INT8 = 2;
const uint INT32 = 3;
const uint FLOAT32 = 5;
layout(constant_id = 0) const uint FROM = FLOAT32;
layout(constant_id = 1) const uint TO = INT32;

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 0) buffer OutputY4 { uvec4 y_groups[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX4 { uvec4 x_groups[]; };
layout(push_constant) uniform Params { uint count; } p;

bool is_wide(uint dtype) {
  return dtype == INT32 || dtype == FLOAT32;
}

// The elements of a unit, each in a word of its own.
uvec4 load(uint at) {
  if (is_wide(FROM)) {
    return x_groups[at];
  }
  const uint word = x_words[at];
  return FROM == INT8 ? uvec4(unpack_bytes(word)) : (uvec4(word) >> uvec4(0, 8, 16, 24)) & 0xffu;
}

ivec4 truncated(vec4 f) {
  const bvec4 is_beyond =
      greaterThanEqual(floatBitsToUint(f) & 0x7fffffffu, uvec4(0x4f000000u));  // 2^31
  return mix(ivec4(mix(f, vec4(0.0), is_beyond)), ivec4(0x80000000), is_beyond);
}

uvec4 convert(uvec4 x) {
  const uvec4 magnitude = FROM == FLOAT32 ? x & 0x7fffffffu : x;
  if (TO == BOOL) {
    return uvec4(notEqual(magnitude, uvec4(0)));
  }
  if (FROM == BOOL) {
    x = uvec4(notEqual(x, uvec4(0)));
  }
  if (FROM == FLOAT32) {
    return uvec4(truncated(uintBitsToFloat(x)));
  }
  return TO == FLOAT32 ? floatBitsToUint(vec4(ivec4(x))) : x;
}

void store(uint at, uvec4 y) {
  const uint left = p.count - at * 4;
  if (!is_wide(TO)) {
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
    uvec4 x[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      x[s] = load(step_at(first, s, units));
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
        store(step_at(first, s, units), convert(x[s]));
      }
    }
  }
}
