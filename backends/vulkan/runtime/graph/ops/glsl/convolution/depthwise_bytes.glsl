// What depthwise.comp loads and stores in int8.
#ifndef DEPTHWISE_BYTES_GLSL
#define DEPTHWISE_BYTES_GLSL

#include "linear/linear_io.glsl"
#include "quantize_and_pack.glsl"
#include "linear/linear_epilogue.glsl"

#define Four ivec4

layout(set = 0, binding = 2) readonly buffer WeightWords { uint w_words[]; };

const uint X_MULTIPLIED = 0;  // of X_ALIGN

// The bytes of x that channels n .. n + 3 meet at tap `tap`, those beyond N any.
ivec4 load_channels(XRow row, ivec2 tap, uint n) {
  const ivec2 pixel = pixel_of(row, tap);
  const bool is_in = is_in_image(pixel.x, pixel.y * int(p.x_channels));
  const int first =
      is_in ? row.image + (pixel.x * int(p.x_width) + pixel.y) * int(p.x_channels) : 0;
  uint word;
  if (X_ALIGN == X_MULTIPLIED) {
    const uint multiplier = p.N / p.x_channels;
    word = 0;
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      const int at = first + int(min(n + i, p.N - 1) / multiplier);
      word |= ((x_words[at >> 2] >> ((at & 3) * 8)) & 0xffu) << (8 * i);
    }
  } else if (X_ALIGN == 4) {
    word = x_words[(first + int(n)) >> 2];
  } else {
    word = load_bytes(first + int(n));
  }
  return unpack_bytes(is_in ? word : zero_word());
}

// Those of four channels at one tap.
ivec4 load_weights(uint word) {
  return unpack_bytes(w_words[word]);
}

void store_channels(uint m, uint n, ivec4 acc) {
  store_columns(m, n, acc, load_columns(n));
}

#endif
