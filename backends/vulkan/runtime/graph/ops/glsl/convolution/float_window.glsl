// Convolutions in float32 as matrix products: takes the place of matmul_io.glsl's matrices.
//
//   y[m, n] = clamp(sum_k x[window of m, k] * w[k, n] + bias[n], least, most)     NaN stays NaN
//
// M is pixels of y, N channels of a group and K the products of one: (kh, kw, channel of the group), in
// runs of p.run elements that follow each other in x, each padded to p.padded_run, whole groups of four.
//
// Bindings: 0 y and 1 x, channels-last; 2 w, for each group [K, N] with rows of whole groups of four;
// 3 bias [groups * N]. All float32.
//
//   A_FORM  0  p.run, and wherever one begins in x, is whole groups
//           1  element by element
//           2  element by element, several channels of y for each of x (depthwise.comp only)
//
// Y_GROUPS: N is whole groups. What lies outside the image, beyond a run or beyond K is zero; pixels and
// channels beyond M and N repeat the last ones, and are not stored. Any M, N and K >= 1.
#ifndef FLOAT_WINDOW_GLSL
#define FLOAT_WINDOW_GLSL

#include "elementwise/float_values.glsl"

layout(constant_id = 0) const uint A_FORM = 1;
layout(constant_id = 1) const uint Y_GROUPS = 0;
layout(constant_id = 2) const uint WINDOW = 0;  // one of window_places.glsl
const uint B_FORM = 0;                          // of matmul_io.glsl: along N

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_elements[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_groups[]; };
layout(set = 0, binding = 1) readonly buffer InputX { float x_elements[]; };
layout(set = 0, binding = 1) readonly buffer InputX4 { vec4 x_groups[]; };
layout(set = 0, binding = 2) readonly buffer WeightW { vec4 w_groups[]; };
layout(set = 0, binding = 3) readonly buffer Bias { float bias[]; };
layout(push_constant) uniform Params {
  uint M, N, K;
  uint tiles_n, tiles;  // of one group
  float least, most;
  uint x_height, x_width, x_channels;
  uint y_height, y_width, y_channels;
  uint group_channels;  // of x
  uint run, padded_run;
  // Pairs of 16 bits, down and across.
  uint kernel, stride, padding, dilation;
} p;

#include "convolution/window_places.glsl"

#define ARow XRow

// One of p.tiles: where its first pixel and channel are, and where its group's weights begin.
struct Tile {
  uint m, n;
  uint b;
};

Tile tile_at(uint index) {
  Tile tile;
  const uint of_rows = index / p.tiles_n;
  tile.n = (index - of_rows * p.tiles_n) * TILE_N;
  tile.m = of_rows * TILE_M;
  tile.b = gl_WorkGroupID.z * p.K * ((p.N + 3) & ~3u);
  return tile;
}

ARow a_row(Tile tile, uint m) {
  return x_row(m);
}

float load_element(XRow row, ivec2 place) {
  return is_in_image(place.x, place.y)
             ? x_elements[row.image + place.x * row_elements() + place.y] : 0.0;
}

// Products k .. k + 3 of a window; k is a whole group.
vec4 load_a(ARow row, uint k) {
  vec4 own = vec4(0.0);
  if (k >= p.K) {
    return own;
  }
  const uint run = k / p.padded_run;
  const uint at = k - run * p.padded_run;
  const ivec2 place = run_place(row, run) + ivec2(0, at);
  if (A_FORM == 0) {
    if (is_in_image(place.x, place.y)) {
      own = x_groups[(row.image + place.x * row_elements() + place.y) >> 2];
    }
    return own;
  }
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    if (at + i < p.run) {
      own[i] = load_element(row, place + ivec2(0, i));
    }
  }
  return own;
}

// Channels n .. n + 3 of the products k .. k + 3; both are whole groups.
mat4 load_b(uint base, uint k, uint n) {
  mat4 rows = mat4(0.0);
  if (k < p.K) {
    const uint groups = (p.N + 3) >> 2;
    const uint first = (base >> 2) + min(n >> 2, groups - 1);
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      rows[i] = w_groups[first + (k + i) * groups];
    }
  }
  return rows;
}

// Four channels of pixel m of y; m < M and n < N.
void store(Tile tile, uint m, uint n, vec4 sum) {
  const uvec4 channels = first_channel() + min(uvec4(n, n + 1, n + 2, n + 3), uvec4(p.N - 1));
  const vec4 y = sum + vec4(bias[channels.x], bias[channels.y], bias[channels.z], bias[channels.w]);
  const vec4 bounded = keep_nan(y, min(max(y, vec4(p.least)), vec4(p.most)));
  const uint at = m * p.y_channels + first_channel() + n;
  if (Y_GROUPS != 0) {
    y_groups[at >> 2] = bounded;
    return;
  }
  [[unroll]] for (uint j = 0; j < 4; ++j) {
    if (n + j < p.N) {
      y_elements[at + j] = bounded[j];
    }
  }
}

#endif
