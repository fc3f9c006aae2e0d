// float32 -> int8, and four int8 into one word (lowest index in the lowest byte).
#ifndef QUANTIZE_AND_PACK_GLSL
#define QUANTIZE_AND_PACK_GLSL

// What float32 is quantized to; GridPush of Grid.h, in push constants.
struct Grid {
  float inv_scale;
  int zero_point;
  int quant_min;
  int quant_max;
};

// The same in two words; PackedGridPush of Grid.h.
struct PackedGrid {
  float inv_scale;
  uint bytes;  // zero_point, quant_min, quant_max
};

// 1.5 * 2^23 + clamp(round_half_even(f * inv_scale), quant_min - zero_point, quant_max - zero_point),
// float32 steps, never fused.
//
// No branch and no conversion, which are slow on GPUs: clamping to integers before rounding is the
// same as after it, and adding 1.5 * 2^23 to a small float32 rounds it half to even into the low
// bits of its mantissa.
vec4 round_to_mantissa(vec4 f, Grid grid) {
  precise vec4 scaled = f * grid.inv_scale;
  const vec4 low = vec4(grid.quant_min - grid.zero_point);
  const vec4 high = vec4(grid.quant_max - grid.zero_point);
  precise vec4 rounded = clamp(scaled, low, high) + vec4(12582912.0);
  return rounded;
}

// is_nan() of float_values.glsl, the rest of which would be in the way of kernels of layers.
bvec4 is_not_a_number(vec4 f) {
  return greaterThan(floatBitsToUint(f) & 0x7fffffffu, uvec4(0x7f800000u));
}

// clamp(round_half_even(f * inv_scale) + zero_point, quant_min, quant_max) of four values. NaN gives
// 0, as PyTorch's quantize gives on CPU.
ivec4 quantize(vec4 f, Grid grid) {
  const vec4 rounded = round_to_mantissa(f, grid);
  const ivec4 q = floatBitsToInt(rounded) - (0x4b400000 - grid.zero_point);
  return mix(q, ivec4(0), is_not_a_number(f));
}

// float(quantize(...) - zero_point), exact; `may_be_nan` as below. What rounding has added is taken off with 2^21 more,
// which the bits get: SwiftShader's optimizer takes (x + c) - c for x in copies of a loop's body.
vec4 quantized_distances(vec4 f, Grid grid, bool may_be_nan) {
  const vec4 rounded = round_to_mantissa(f, grid);
  const vec4 raised = uintBitsToFloat(floatBitsToUint(rounded) + 0x200000u);
  precise vec4 distances = raised - vec4(12582912.0 + 2097152.0);
  if (!may_be_nan) {
    return distances;
  }
  return mix(distances, vec4(-grid.zero_point), is_not_a_number(f));
}

uint pack_bytes(ivec4 q) {
  const uvec4 b = uvec4(q) & 0xffu;
  return b.x | (b.y << 8) | (b.z << 16) | (b.w << 24);
}

// pack_bytes(quantize(...)) in half of the instructions: the mantissas' low bits are shifted and
// added as they are, and what they are too large by is taken off the word. Where `may_be_nan` is a
// constant false, no value of f is NaN.
uint quantize_to_word(vec4 f, Grid grid, bool may_be_nan) {
  const vec4 rounded = round_to_mantissa(f, grid);
  const uint zero = 0x4b400000u - uint(grid.zero_point);  // of the value 0
  uvec4 bits = floatBitsToUint(rounded);
  if (may_be_nan) {
    bits = mix(bits, uvec4(zero), is_not_a_number(f));
  }
  const uint sum = bits.x + (bits.y << 8) + (bits.z << 16) + (bits.w << 24);
  return (sum - (zero - 128u) * 0x01010101u) ^ 0x80808080u;
}

// The four signed bytes of a word.
ivec4 unpack_bytes(uint word) {
  return ivec4(word << 24, word << 16, word << 8, word) >> 24;
}

Grid unpack(PackedGrid grid) {
  const ivec4 integers = unpack_bytes(grid.bytes);
  return Grid(grid.inv_scale, integers.x, integers.y, integers.z);
}

// The `count` lowest bytes of a word.
uint byte_mask(uint count) {
  return count >= 4 ? 0xffffffffu : (1u << (8 * count)) - 1u;
}

#endif
