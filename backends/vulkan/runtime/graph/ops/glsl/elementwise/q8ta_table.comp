// int8 -> int8 or float32 through a table: any function of one int8 value.
//
//   y[i] = table[x[i] + 128]
//
// Bindings: 0 y int8 in words, or with OUTPUT_FLOAT float32; 1 x int8 in words; 2 table, 256 of y's
// type. One thread takes the words of flat_steps.glsl (four elements each); it alone touches those
// elements of y, and keeps the bytes of the last word that lie beyond them.
// With SHARED_TABLE a workgroup copies the table to shared memory first, an int8 entry in all four
// bytes of a word, so that a look-up needs no shift. CPUs, where shared memory is memory, would have
// only the copy of it.
// Preconditions and features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "flat_steps.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

#ifdef OUTPUT_FLOAT
layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_groups[]; };
#define ENTRY_TYPE float
#else
layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
#define ENTRY_TYPE uint
#endif
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(set = 0, binding = 2) readonly buffer Table { ENTRY_TYPE global_table[]; };
layout(push_constant) uniform Params { uint count; } p;

#ifdef OUTPUT_FLOAT

float global_entry(uint index) {
  return global_table[index];
}

#else

// In all four bytes.
uint global_entry(uint index) {
  return ((global_table[index >> 2] >> ((index & 3) * 8)) & 0xffu) * 0x01010101u;
}

#endif

#ifdef SHARED_TABLE

shared ENTRY_TYPE table[256];

void prepare_table() {
  for (uint i = gl_LocalInvocationIndex; i < 256; i += WORKGROUP_SIZE) {
    table[i] = global_entry(i);
  }
  barrier();
}

ENTRY_TYPE entry(uint index) {
  return table[index];
}

#else

void prepare_table() {}

ENTRY_TYPE entry(uint index) {
  return global_entry(index);
}

#endif

#ifdef OUTPUT_FLOAT

#include "store_floats.glsl"

void store(uint at, uvec4 index) {
  store_floats(at, vec4(entry(index.x), entry(index.y), entry(index.z), entry(index.w)));
}

#else

void store(uint at, uvec4 index) {
  const uint y = (entry(index.x) & 0xffu) | (entry(index.y) & 0xff00u) |
      (entry(index.z) & 0xff0000u) | (entry(index.w) & 0xff000000u);
  const uint mask = byte_mask(p.count - at * 4);
  y_words[at] = mask == 0xffffffffu ? y : (y & mask) | (y_words[at] & ~mask);
}

#endif

void main() {
  prepare_table();
  const uint words = words_of(p.count);
  FOR_EACH_PASS(first, words) {
    uint x[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      x[s] = x_words[step_at(first, s, words)] ^ 0x80808080u;  // x + 128 of each byte
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, words)) {
        store(step_at(first, s, words), (uvec4(x[s]) >> uvec4(0, 8, 16, 24)) & 0xffu);
      }
    }
  }
}
