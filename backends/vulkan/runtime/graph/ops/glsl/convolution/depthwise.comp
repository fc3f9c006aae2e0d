// Convolution of each channel by itself, or with a channel multiplier: output channel n has taps of
// channel n / multiplier of x alone.
//
//   y[m, n] = quantize(activation((sum_t x[m, t, n] * w[t, n] - zp * sum_w[n]) * scale[n] + bias[n]))
//
// in int8, or with FLOAT_ELEMENTS in float32
//
//   y[m, n] = clamp(sum_t x[m, t, n] * w[t, n] + bias[n], least, most)
//
// Bindings, push and specialization constants: linear_io.glsl, or float_window.glsl; here the only
// group has all N channels, w is [taps, N] with rows of whole words or groups of four floats, and
// X_ALIGN is 4 where a pixel of x is whole words, 1 where it is not, and 0 with a multiplier; for
// A_FORM these are 0, 1 and 2.
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

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

#ifdef FLOAT_ELEMENTS
#include "convolution/depthwise_floats.glsl"
#else
#include "convolution/depthwise_bytes.glsl"
#endif

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

    Four acc[TILE_M];
    [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
      acc[i] = Four(0);
    }
    uint w_at = n >> 2;
    for (int kh = 0; kh < kernel.x; ++kh) {
      for (int kw = 0; kw < kernel.y; ++kw) {
        const Four w = load_weights(w_at);
        w_at += words;
        [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
          acc[i] += load_channels(right_of(first, int(i)), ivec2(kh, kw), n) * w;
        }
      }
    }

    [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
      if (w0 + i < p.y_width) {
        store_channels(m0 + i, n, acc[i]);
      }
    }
  }
}
