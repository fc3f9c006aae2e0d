// From int32 sums to stored outputs, the order of float operations that every kernel shares:
//   f = float(acc - input_zero_point * weight_sum[n]) * scale[n];  f = f + bias[n];
//   f = activation(f);  f = f + residual;  q = quantize(f);  q = table[q + 128]
// With a grid that is found at run time, the zero point is its own, and the scale is its own times
// scale[n].
// For an int8 y, relu and clamp arrive as quant_min and quant_max (exact: quantize is monotonic).
// Needs linear_io.glsl and quantize_and_pack.glsl.
#ifndef LINEAR_EPILOGUE_GLSL
#define LINEAR_EPILOGUE_GLSL

#include "activations.glsl"
#ifndef OUTPUT_FLOAT
#include "elementwise/dequantize_bytes.glsl"
#include "merge_word.glsl"
#endif

// What the epilogue needs of four columns n .. n + 3, loaded once per group. Columns beyond N
// repeat the last one; their results are not stored.
struct Columns {
  ivec4 correction;  // input_zero_point * weight_sum; weight_sum unless X_GRID is static
  vec4 scale;
  vec4 bias;
};

Columns load_columns(uint n) {
  const uint last = first_channel() + p.N - 1;
  const int zero_point = X_GRID == STATIC_GRID ? p.input_zero_point : 1;
  n += first_channel();
  if (N_ALIGNED != 0) {
    const uint group = min(n, last) >> 2;
    return Columns(zero_point * weight_sums4[group], weight_scales4[group], bias4[group]);
  }
  const uvec4 at = min(uvec4(n, n + 1, n + 2, n + 3), uvec4(last));
  Columns c;
  c.correction = zero_point *
      ivec4(weight_sums[at.x], weight_sums[at.y], weight_sums[at.z], weight_sums[at.w]);
  c.scale =
      vec4(weight_scales[at.x], weight_scales[at.y], weight_scales[at.z], weight_scales[at.w]);
  c.bias = vec4(bias[at.x], bias[at.y], bias[at.z], bias[at.w]);
  return c;
}

// What the epilogue reads of row m at columns n .. n + 3. Where a thread stores many rows, it loads those of
// the next ones ahead, for a load does not pass the stores before it.
struct RowInputs {
  uvec2 grid;
  uint residual;  // four bytes
};

vec4 dequantize_acc(ivec4 acc, Columns c, RowInputs row) {
  if (X_GRID != STATIC_GRID) {
    precise vec4 scale = uintBitsToFloat(row.grid.x) * c.scale;
    c.scale = scale;
    c.correction *= int(row.grid.y);
  }
  precise vec4 f = vec4(acc - c.correction) * c.scale;
  f = f + c.bias;
  return ACTIVATION == ACTIVATION_NONE ? f : activate(f, p.alpha, p.beta);
}

#ifdef OUTPUT_FLOAT

// Rows beyond M repeat the last one.
RowInputs load_row_inputs(uint m, uint n) {
  return RowInputs(X_GRID == STATIC_GRID ? uvec2(0) : grid_of(min(m, p.M - 1)), 0);
}

// Stores columns n .. n + 3 of row m; columns beyond N are left out. m < M, n < N, n % 4 == 0.
void store_columns(uint m, uint n, ivec4 acc, Columns c, RowInputs row) {
  const vec4 f = dequantize_acc(acc, c, row);
  const uint at = m * y_channels() + first_channel() + n;
  if (N_ALIGNED != 0) {
    y_out4[at >> 2] = f;
    return;
  }
  // Tests instead of a loop: a loop here makes lavapipe (LLVM 15) compile for minutes.
  [[unroll]] for (uint j = 0; j < 4; ++j) {
    if (n + j < p.N) {
      y_out[at + j] = f[j];
    }
  }
}

#else

// Four bytes of the residual from `byte_at` on, those behind its end repeated words.
uint load_residual(uint byte_at) {
  const uint at = byte_at >> 2;
  const uint word = residual_words[at];
  const uint shift = (byte_at & 3) * 8;
  if (N_ALIGNED != 0 || shift == 0) {
    return word;
  }
  const uint last = (p.M * y_channels() - 1) >> 2;
  return (word >> shift) | (residual_words[min(at + 1, last)] << (32 - shift));
}

// Rows beyond M and columns beyond N repeat the last ones.
RowInputs load_row_inputs(uint m, uint n) {
  uint residual = 0;
  if (RESIDUAL != 0) {
    const uint row = min(m, p.M - 1) * y_channels();
    residual = load_residual(row + first_channel() + min(n, (p.N - 1) & ~3u));
  }
  return RowInputs(uvec2(0), residual);
}

// f + (residual - zero point) * scale; with RESIDUAL 2, f is first rounded to its own int8.
vec4 add_residual(vec4 f, uint residual) {
  precise vec4 sum = f;
  if (RESIDUAL == 2) {
    sum = quantized_distances(f, p.own_grid, MAY_BE_NAN != 0) * p.own_scale;
  }
  precise vec4 addend = distances(residual, p.residual_zero_point) * p.residual_scale;
  sum = sum + addend;
  return sum;
}

// table[q + 128] of each byte q of a word. The table is two lines of a GPU's cache.
uint look_up(uint word) {
  const uvec4 index = (uvec4(word ^ 0x80808080u) >> uvec4(0, 8, 16, 24)) & 0xffu;
  const uvec4 at = index >> 2;
  const uvec4 entries =
      uvec4(table_words[at.x], table_words[at.y], table_words[at.z], table_words[at.w]);
  return pack_bytes(ivec4(entries >> ((index & 3) * 8)));
}

// Stores columns n .. n + 3 of row m; columns beyond N are left out. m < M, n < N, n % 4 == 0.
void store_columns(uint m, uint n, ivec4 acc, Columns c, RowInputs row) {
  const uint byte_at = m * y_channels() + first_channel() + n;
  vec4 f = dequantize_acc(acc, c, row);
  if (RESIDUAL != 0) {
    f = add_residual(f, row.residual);
  }
  uint word = quantize_to_word(f, p.output_grid, MAY_BE_NAN != 0);
  if (HAS_TABLE != 0) {
    word = look_up(word);
  }
  const uint at = byte_at >> 2;
  if (N_ALIGNED != 0) {
    y_out[at] = word;
    return;
  }
  const uint mask = byte_mask(p.N - n);
  const uint shift = (byte_at & 3) * 8;
  merge_word(at, word << shift, mask << shift);
  if (shift != 0) {
    merge_word(at + 1, word >> (32 - shift), mask >> (32 - shift));
  }
}

#endif

void store_columns(uint m, uint n, ivec4 acc, Columns c) {
  store_columns(m, n, acc, c, load_row_inputs(m, n));
}

#endif
