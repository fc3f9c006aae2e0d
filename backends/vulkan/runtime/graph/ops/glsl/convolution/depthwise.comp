// int8 convolution of each channel by itself, or with a channel multiplier: output channel n has
// taps of channel n / multiplier of x alone.
//
//   y[m, n] = quantize(activation((sum_t x[m, t, n] * w[t, n] - zp * sum_w[n]) * scale[n] + bias[n]))
//
// Bindings, push and specialization constants: linear_io.glsl; here the only group has all N
// channels, w is [taps, N] with rows of whole words, and X_ALIGN is 4 where a pixel of x is whole
// words, 1 where it is not, and 0 with a multiplier.
//
// One thread makes four channels of TILE_M pixels beside each other, so that each word of w is read
// once for all of them; neighbouring threads have neighbouring channels:
//
//                   thread 0      thread 1     ...      thread words
//                   n 0..3        n 4..7                n 0..3
//   pixel w       +-------------+-------------+       +---------------+
//   pixel w + 1   | TILE_M x 4  |             |       | w + TILE_M .. |
//
// Preconditions: CONVOLUTION. Any size >= 1; threads stride over the whole grid.
// Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

#include "linear/linear_io.glsl"
#include "quantize_and_pack.glsl"
#include "linear/linear_epilogue.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

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

void main() {
  const uint words = (p.N + 3) / 4;
  const uint strips = (p.y_width + TILE_M - 1) / TILE_M;  // of a row of y
  const uint rows = p.M / p.y_width;                      // of all images
  const ivec2 kernel = unpack_pair(p.kernel);
  for (uint id = gl_GlobalInvocationID.x; id < rows * strips * words;
       id += gl_NumWorkGroups.x * WORKGROUP_SIZE) {
    const uint strip = id / words;
    const uint n = (id - strip * words) * 4;
    const uint y_row = strip / strips;
    const uint w0 = (strip - y_row * strips) * TILE_M;
    const uint m0 = y_row * p.y_width + w0;
    const XRow first = x_row(m0);

    ivec4 acc[TILE_M];
    [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
      acc[i] = ivec4(0);
    }
    uint w_at = n >> 2;
    for (int kh = 0; kh < kernel.x; ++kh) {
      for (int kw = 0; kw < kernel.y; ++kw) {
        const ivec4 w = unpack_bytes(w_words[w_at]);
        w_at += p.w_stride_words;
        [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
          acc[i] += load_channels(right_of(first, int(i)), ivec2(kh, kw), n) * w;
        }
      }
    }

    const Columns columns = load_columns(n);
    [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
      if (w0 + i < p.y_width) {
        store_columns(m0 + i, n, acc[i], columns);
      }
    }
  }
}
