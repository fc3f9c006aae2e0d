// The output of elementwise kernels: float32, or with Y_BOOL bool. The including shader declares
// p.count.
#ifndef STORE_RESULT_GLSL
#define STORE_RESULT_GLSL

#include "elementwise/bool_bytes.glsl"
#include "quantize_and_pack.glsl"

#ifdef Y_BOOL

#define RESULT bvec4

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };

// Elements at * 4 .. at * 4 + 3, without those from p.count on; at * 4 < p.count.
void store(uint at, bvec4 y) {
  const uint word = truth_bytes(y);
  const uint mask = byte_mask(p.count - at * 4);
  y_words[at] = mask == 0xffffffffu ? word : (word & mask) | (y_words[at] & ~mask);
}

#else

#define RESULT vec4

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_groups[]; };

#include "store_floats.glsl"

void store(uint at, vec4 y) {
  store_floats(at, y);
}

#endif

#endif
