// float32 -> int8, and four int8 into one word (lowest index in the lowest byte).
#ifndef QUANTIZE_AND_PACK_GLSL
#define QUANTIZE_AND_PACK_GLSL

// clamp(round_half_even(f * inv_scale) + zero_point, quant_min, quant_max), float32 steps, never
// fused. The clamp comes before the conversion, so every finite and infinite f is defined; NaN
// gives 0, as PyTorch's quantize gives on CPU. The bit test survives fast-math drivers.
int quantize(float f, float inv_scale, int zero_point, int quant_min, int quant_max) {
  if ((floatBitsToUint(f) & 0x7fffffffu) > 0x7f800000u) {
    return 0;
  }
  precise float scaled = f * inv_scale;
  precise float shifted = roundEven(scaled) + float(zero_point);
  return int(clamp(shifted, float(quant_min), float(quant_max)));
}

uint pack_bytes(ivec4 q) {
  const uvec4 b = uvec4(q) & 0xffu;
  return b.x | (b.y << 8) | (b.z << 16) | (b.w << 24);
}

// Bytes first .. first + count - 1 of a word.
uint byte_mask(uint count) {
  return count >= 4 ? 0xffffffffu : (1u << (8 * count)) - 1u;
}

#endif
