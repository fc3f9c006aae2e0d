// Grids that are found at run time of what lies on them, and int8 values on these.
//
//   AFFINE     scale = max((high - low) / (quant_max - quant_min), eps)
//              zero_point = clamp(quant_min - round(low / scale), quant_min, quant_max)
//              q = clamp(round(x * (1 / scale)) + zero_point, quant_min, quant_max)
//   XNNPACK    the same scale; the zero point is the one of low / scale and high / scale that is
//              rounded less; q = clamp(round(x / scale + zero_point), quant_min, quant_max)
//   SYMMETRIC  scale = max(max(-low, high) / ((quant_max - quant_min) / 2), eps); zero_point = 0;
//              q as AFFINE
//
// where low is at most 0 and high at least 0, each step is float32, but for x / scale + zero_point,
// which is rounded once, and round() is half to even. Where an element is no number or not finite, or
// high - low is not, the scale is no number, and so is what a layer makes of it.
//
// A range is two magnitudes as bits, of low and high: bits of floats that are not negative compare as
// the floats do, with infinities and NaN above all.
//
// A shader says before it includes this: RULE, a specialization constant, and quant_min, quant_max and eps
// among its push constants `p`.
//
// Preconditions: eps is a normal number; with XNNPACK eps * 2^-30 is too, and the range is -128 to 127.
#ifndef ROW_GRIDS_GLSL
#define ROW_GRIDS_GLSL

#include "elementwise/float_values.glsl"
#include "quantize_and_pack.glsl"

const uint AFFINE = 0, XNNPACK = 1, SYMMETRIC = 2;

struct RowGrid {
  uint scale_bits;  // of NaN where there is none
  float scale;
  float inverse;
  int zero_point;
};

uint largest(uvec4 values) {
  return max(max(values.x, values.y), max(values.z, values.w));
}

// Of the bits of four elements.
uvec2 range_of(uvec4 bits) {
  const uvec4 magnitudes = bits & 0x7fffffffu;
  const uvec4 if_negative = uvec4(0) - (bits >> 31);
  return uvec2(largest(magnitudes & if_negative), largest(magnitudes & ~if_negative));
}

// a / b rounded to nearest, which a driver's division is not, of positive a and b; 0 where that is
// below 2^-126. Mantissas are divided as integers: the estimate is off by a few, and the remainder,
// whose lowest 32 bits are all of it, says by how many.
float divide_exactly(float a, float b) {
  const uint a_bits = floatBitsToUint(a), b_bits = floatBitsToUint(b);
  const uint dividend = (a_bits & 0x7fffffu) | 0x800000u, divisor = (b_bits & 0x7fffffu) | 0x800000u;
  const bool is_less = dividend < divisor;
  const int exponent = int(a_bits >> 23) - int(b_bits >> 23) + (is_less ? 126 : 127);
  if (a_bits < 0x800000u || exponent < 1) {
    return 0.0;
  }
  const uint shift = is_less ? 24 : 23;
  uint quotient = uint(float(dividend) / float(divisor) * float(1u << shift));
  int remainder = int((dividend << shift) - quotient * divisor);
  for (uint i = 0; i < 8 && remainder < 0; ++i) {
    --quotient;
    remainder += int(divisor);
  }
  for (uint i = 0; i < 8 && remainder >= int(divisor); ++i) {
    ++quotient;
    remainder -= int(divisor);
  }
  // Never the very half: no 24 bits times an odd number of 25 bits are a number of 24 bits, shifted.
  quotient += 2 * remainder >= int(divisor) ? 1u : 0u;
  return uintBitsToFloat((uint(exponent) << 23) + (quotient - 0x800000u));
}

int affine_zero_point(float low, float scale) {
  return p.quant_min + int(roundEven(divide_exactly(low, scale)));
}

int xnnpack_zero_point(float low, float high, float scale) {
  const float steps_below = divide_exactly(low, scale);
  const float steps_above = divide_exactly(high, scale);
  precise float error_below = float(p.quant_min) - steps_below;
  precise float error_above = float(p.quant_max) + steps_above;
  precise float error = error_below + error_above;
  precise float of_low = float(p.quant_min) + steps_below;
  precise float of_high = float(p.quant_max) - steps_above;
  return int(roundEven(error > 0.0 ? of_low : of_high));
}

RowGrid grid_of(uvec2 range) {
  const float low = uintBitsToFloat(range.x), high = uintBitsToFloat(range.y);  // magnitudes
  precise float half_width = 0.5 * low + 0.5 * high;
  const bool overflows = RULE != SYMMETRIC && half_width >= 1.7014118346046923e38;  // 2^127
  if (max(range.x, range.y) >= INFINITY_BITS || overflows) {
    return RowGrid(NAN_BITS, 0.0, 0.0, 0);
  }
  precise float width = low + high;
  const float steps = float(p.quant_max - p.quant_min);
  RowGrid grid;
  grid.scale = max(RULE == SYMMETRIC ? divide_exactly(max(low, high), 0.5 * steps)
                                     : divide_exactly(width, steps),
                   p.eps);
  grid.scale_bits = floatBitsToUint(grid.scale);
  grid.inverse = divide_exactly(1.0, grid.scale);
  grid.zero_point = RULE == SYMMETRIC ? 0
      : RULE == XNNPACK               ? xnnpack_zero_point(low, high, grid.scale)
                                      : affine_zero_point(low, grid.scale);
  grid.zero_point = clamp(grid.zero_point, p.quant_min, p.quant_max);
  return grid;
}

// round(x / scale + zero_point) as of real numbers. The estimate is off where x / scale is close to
// the middle between two integers; on which side of it x is, 2 * x - odd * scale says exactly.
ivec4 quantize_once(vec4 x, RowGrid grid) {
  precise vec4 scaled = x * grid.inverse;
  const vec4 nearest = roundEven(scaled);
  precise vec4 away = scaled - nearest;
  const vec4 towards = mix(vec4(-1.0), vec4(1.0), greaterThanEqual(away, vec4(0.0)));
  precise vec4 odd = 2.0 * nearest + towards;
  const float upper = uintBitsToFloat(grid.scale_bits & 0xfffff000u);
  precise float lower = grid.scale - upper;
  precise vec4 beyond = (2.0 * x - odd * upper) - odd * lower;
  beyond *= towards;
  const ivec4 q = ivec4(nearest) + grid.zero_point;
  const ivec4 next = q + ivec4(towards);
  const bvec4 is_odd = notEqual(q & 1, ivec4(0));
  const ivec4 of_middle = mix(q, next, is_odd);
  const ivec4 rounded = mix(mix(q, next, greaterThan(beyond, vec4(0.0))), of_middle,
                            equal(beyond, vec4(0.0)));
  return clamp(rounded, ivec4(p.quant_min), ivec4(p.quant_max));
}

// Four elements, given as bits; zeros where there is no grid.
uint quantized_word(uvec4 bits, RowGrid grid) {
  if (grid.scale_bits == NAN_BITS) {
    return 0;
  }
  const vec4 x = uintBitsToFloat(bits);
  return RULE == XNNPACK
      ? pack_bytes(quantize_once(x, grid))
      : quantize_to_word(x, Grid(grid.inverse, grid.zero_point, p.quant_min, p.quant_max), false);
}

#endif
