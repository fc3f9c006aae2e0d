// What depthwise.comp loads and stores in float32.
#ifndef DEPTHWISE_FLOATS_GLSL
#define DEPTHWISE_FLOATS_GLSL

#include "convolution/float_window.glsl"

#define Four vec4

const uint A_MULTIPLIED = 2;  // of A_FORM

// What channels n .. n + 3 meet at tap `tap`, those beyond N any.
vec4 load_channels(XRow row, ivec2 tap, uint n) {
  const ivec2 pixel = pixel_of(row, tap);
  const int in_row = pixel.y * int(p.x_channels);
  if (!is_in_image(pixel.x, in_row)) {
    return vec4(0.0);
  }
  const int first = row.image + pixel.x * row_elements() + in_row;
  if (A_FORM == 0) {
    return x_groups[(first + int(n)) >> 2];
  }
  const uvec4 channels = min(uvec4(n, n + 1, n + 2, n + 3), uvec4(p.N - 1)) /
                         (A_FORM == A_MULTIPLIED ? p.N / p.x_channels : 1);
  const ivec4 at = first + ivec4(channels);
  return vec4(x_elements[at.x], x_elements[at.y], x_elements[at.z], x_elements[at.w]);
}

// Those of four channels at one tap.
vec4 load_weights(uint group) {
  return w_groups[group];
}

void store_channels(uint m, uint n, vec4 sum) {
  store(Tile(m, n, 0), m, n, sum);
}

#endif
