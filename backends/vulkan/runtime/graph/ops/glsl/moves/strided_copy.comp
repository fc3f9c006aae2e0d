// Copies a tensor in another order: permute, slice, select, expand, and one part of a cat.
//
//   y[y_offset + row * y_row_stride + column] = x[x_offset + sum_d step_d * x_strides[d]]
//
// The p.count steps of the loops of strided_bytes.glsl are the elements in the order of y, where
// they lie in rows of p.run neighbours; everything but a cat writes a single row.
//
// Bindings: 0 y, 1 x, in words or with ELEMENT_BYTES 16 in groups of four words. ELEMENT_BYTES is 16,
// 4 or 1; bytes that can be moved in words go with 4, what can be moved in groups of words with 16.
// Each thread writes the units of flat_steps.glsl, with bytes one word of y per pass. Such a word
// may hold ends of two rows: each row's thread sets its own bytes only.
// Preconditions: with bytes p.row_words is the most words that a row touches. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define UNIT_ELEMENTS 1
#include "flat_steps.glsl"
#include "quantize_and_pack.glsl"

#if ELEMENT_BYTES == 16
#define UNIT uvec4
#else
#define UNIT uint
#endif

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(set = 0, binding = 0) buffer OutputY { UNIT y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { UNIT x_words[]; };
layout(push_constant) uniform Params {
  uint count;
  uint threads;  // units to write: p.count, with bytes rows times p.row_words
  uint run;
  uint row_words;
  uint y_row_stride;
  uint y_offset;
  uint x_offset;
  uint sizes[7];
  uint x_strides[8];
} p;

#include "strided_bytes.glsl"

DEFINE_ELEMENT_AT(x_at, p.x_strides)

#if ELEMENT_BYTES != 1

UNIT load(uint at) {
  uint left;
  return x_words[p.x_offset + x_at(at, left)];
}

void store(uint at, UNIT unit) {
  const uint row = p.run == p.count ? 0 : at / p.run;
  y_out[p.y_offset + row * p.y_row_stride + (at - row * p.run)] = unit;
}

void main() {
  FOR_EACH_PASS(first, p.threads) {
    UNIT x[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      x[s] = load(step_at(first, s, p.threads));
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, p.threads)) {
        store(step_at(first, s, p.threads), x[s]);
      }
    }
  }
}

#else

#include "merge_word.glsl"

DEFINE_GATHER(gather_x, x_at, x_words, p.x_strides, p.x_offset)

void write(uint at) {
  const uint row = p.run == p.count ? 0 : at / p.row_words;
  const uint start = p.y_offset + row * p.y_row_stride;
  const uint word = (start >> 2) + (at - row * p.row_words);
  const uint first = max(word * 4, start);
  const uint end = min(word * 4 + 4, start + p.run);
  if (first >= end) {
    return;
  }
  const uint value = gather_x(row * p.run + (first - start), end - first);
  const uint shift = (first & 3) * 8;
  merge_word(word, value << shift, byte_mask(end - first) << shift);
}

void main() {
  FOR_EACH_PASS(at, p.threads) {
    write(at);
  }
}

#endif
