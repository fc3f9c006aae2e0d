// Four int8 of a word -> float32.
#ifndef DEQUANTIZE_BYTES_GLSL
#define DEQUANTIZE_BYTES_GLSL

// float(q - zero_point) of the four signed bytes q of a word, exact. No conversion, which is slow on
// GPUs: q + 128 in the low bits of 2^23's mantissa is 2^23 + q + 128.
vec4 distances(uint word, int zero_point) {
  const uvec4 unsigned_bytes = (uvec4(word ^ 0x80808080u) >> uvec4(0, 8, 16, 24)) & 0xffu;
  precise vec4 f = uintBitsToFloat(unsigned_bytes | 0x4b000000u) - float(8388608 + 128 + zero_point);
  return f;
}

#endif
