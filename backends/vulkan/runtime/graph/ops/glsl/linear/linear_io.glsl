// Interface of every kernel of int8 layers: bindings, push constants, specialization constants and
// the loads of w. Those of x are in linear_rows.glsl, or with CONVOLUTION in window.glsl: there M is
// pixels of y, N channels of a group and K the products of one. No arithmetic here.
//
// w  int8 [N, K], each row zero-padded to a multiple of 16 bytes (w_stride_words words).
//
// Both are read 16 bytes along K at a time ("quad": four words). Bytes of x beyond its row meet
// zero weights, so they only have to be readable; indices are clamped to the buffer.
#ifndef LINEAR_IO_GLSL
#define LINEAR_IO_GLSL

#include "quantize_and_pack.glsl"

#ifdef OUTPUT_FLOAT
layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_out4[]; };
#else
layout(set = 0, binding = 0) buffer OutputY { uint y_out[]; };
#endif
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX4 { uvec4 x_quads[]; };
layout(set = 0, binding = 2) readonly buffer WeightW { uvec4 w_quads[]; };
layout(set = 0, binding = 3) readonly buffer WeightSums { int weight_sums[]; };
layout(set = 0, binding = 3) readonly buffer WeightSums4 { ivec4 weight_sums4[]; };
layout(set = 0, binding = 4) readonly buffer WeightScales { float weight_scales[]; };
layout(set = 0, binding = 4) readonly buffer WeightScales4 { vec4 weight_scales4[]; };
layout(set = 0, binding = 5) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 5) readonly buffer Bias4 { vec4 bias4[]; };
#ifndef OUTPUT_FLOAT
// int8 of the shape of y; with RESIDUAL 0 any buffer.
layout(set = 0, binding = 6) readonly buffer Residual { uint residual_words[]; };
// int8 [256]; with HAS_TABLE 0 any buffer.
layout(set = 0, binding = 7) readonly buffer Table { uint table_words[]; };
#endif

layout(push_constant) uniform MacParams {
  uint M;
  uint N;
  uint K;
  uint w_stride_words;
  int input_zero_point;
  Grid output_grid;
  float alpha;  // parameters of the activation
  float beta;
  // With RESIDUAL only; own: how the layer's own result is quantized in between.
  float residual_scale;
  int residual_zero_point;
  float own_scale;
  Grid own_grid;
#ifdef CONVOLUTION
  // How many pixels x and y have, and how many channels each pixel.
  uint x_height;
  uint x_width;
  uint x_channels;
  uint y_height;
  uint y_width;
  uint y_channels;
  uint group_channels;  // of x
  uint run_bytes;       // padded to whole words
  uint x_last_word;
  // Pairs of 16 bits, down and across.
  uint kernel;
  uint stride;
  uint padding;
  uint dilation;
#endif
} p;

// 16, 4 or 1: the largest of them that divides K, or the channels of a group.
layout(constant_id = 0) const uint X_ALIGN = 1;
// 1 when N is a multiple of 4, so that packed output words never straddle rows.
layout(constant_id = 1) const uint N_ALIGNED = 0;
// 2: ACTIVATION, in activations.glsl.
// 0: none; 1: a residual is added; 2: it is added to the quantized and dequantized result.
layout(constant_id = 3) const uint RESIDUAL = 0;

// 1 when M, N and K are multiples of the kernel's tile, which spares tiled kernels their limits.
layout(constant_id = 4) const uint WHOLE_TILES = 0;

// Quads of a row of w, or 0: only the push constants know. A constant lets the driver's compiler
// put the distances between rows into the load instructions.
layout(constant_id = 5) const uint K_QUADS = 0;

uint k_quads() {
  return K_QUADS != 0 ? K_QUADS : p.w_stride_words >> 2;
}

// Where the grid of x comes from.
const uint STATIC_GRID = 0;  // push constants, and weight_scales that the scale of x is in
const uint GRID_OF_ROW = 1;  // each row's own, or one for all of x: found at run time, and written
const uint ONE_GRID = 2;     // behind x by quantize_rows.comp
#ifdef OUTPUT_FLOAT
layout(constant_id = 6) const uint X_GRID = STATIC_GRID;
// Then x again: the bits of a scale, and a zero point.
layout(set = 0, binding = 6) readonly buffer Grids { uvec2 grids[]; };
#else
const uint X_GRID = STATIC_GRID;
#endif
uvec2 grid_of(uint m);

#ifndef OUTPUT_FLOAT
// 1 when each int8 result is the index of its value in a table.
layout(constant_id = 7) const uint HAS_TABLE = 0;
// 0 when no value that is quantized is NaN.
layout(constant_id = 8) const uint MAY_BE_NAN = 1;
#endif

#ifdef CONVOLUTION
#include "convolution/window.glsl"
#else
#include "linear/linear_rows.glsl"
#endif

// The grid of row m of x, with an X_GRID that is not static.
uvec2 grid_of(uint m) {
#ifdef OUTPUT_FLOAT
  return grids[x_quad_count() * 2 + (X_GRID == GRID_OF_ROW ? m : 0)];
#else
  return uvec2(0);
#endif
}

// Words of weight row n, from quad kq on; kq < k_quads(). n beyond N repeats the last row, whose
// results are then never stored.
uvec4 load_w_quad_within_k(uint n, uint kq) {
  return w_quads[(first_channel() + min(n, p.N - 1)) * k_quads() + kq];
}

// The same for any kq: beyond the row it gives zeros, which end the K loop of a tile.
uvec4 load_w_quad(uint n, uint kq) {
  if (kq >= k_quads()) {
    return uvec4(0);
  }
  return load_w_quad_within_k(n, kq);
}

#endif
