// The output of elementwise kernels: NUMBERS, or with Y_BOOL bool, or with Y_BYTES the bytes that are
// the lowest ones of `ivec4`. The including shader declares p.count.
#ifndef STORE_RESULT_GLSL
#define STORE_RESULT_GLSL

#include "elementwise/bool_bytes.glsl"
#include "quantize_and_pack.glsl"

#if defined(Y_BOOL) || defined(Y_BYTES)

#ifdef Y_BOOL
#define RESULT bvec4
#define WORD_OF truth_bytes
#else
#define RESULT ivec4
#define WORD_OF pack_bytes
#endif

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };

// Elements at * 4 .. at * 4 + 3, without those from p.count on; at * 4 < p.count.
void store(uint at, RESULT y) {
  const uint word = WORD_OF(y);
  const uint mask = byte_mask(p.count - at * 4);
  y_words[at] = mask == 0xffffffffu ? word : (word & mask) | (y_words[at] & ~mask);
}

#else

#define RESULT NUMBERS

layout(set = 0, binding = 0) writeonly buffer OutputY { NUMBER y_out[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { NUMBERS y_groups[]; };

#include "store_floats.glsl"

void store(uint at, NUMBERS y) {
  store_floats(at, y);
}

#endif

#endif
