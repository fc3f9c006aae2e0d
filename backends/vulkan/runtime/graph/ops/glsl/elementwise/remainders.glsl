// Remainders, and quotients that are rounded to whole numbers, of four float32 values.
#ifndef REMAINDERS_GLSL
#define REMAINDERS_GLSL

#include "elementwise/float_values.glsl"

// The remainder of a / b with the sign of a, exactly: both are whole numbers times powers of 2, and
// the larger power is taken off eight bits at a time.
float fmod_of(float a, float b) {
  const uint a_bits = floatBitsToUint(a) & ~SIGN_BIT;
  const uint b_bits = floatBitsToUint(b) & ~SIGN_BIT;
  if (a_bits >= INFINITY_BITS || b_bits > INFINITY_BITS || b_bits == 0) {
    return uintBitsToFloat(NAN_BITS);
  }
  if (a_bits < b_bits) {
    return a;
  }
  const uint a_exponent = max(a_bits >> 23, 1);
  const uint b_exponent = max(b_bits >> 23, 1);
  const uint b_whole = (b_bits & 0x007fffffu) | (b_bits < 0x00800000u ? 0 : 0x00800000u);
  uint rest = (a_bits & 0x007fffffu) | (a_bits < 0x00800000u ? 0 : 0x00800000u);
  rest %= b_whole;
  for (uint left = a_exponent - b_exponent; left > 0;) {
    const uint step = min(left, 8);
    rest = (rest << step) % b_whole;
    left -= step;
  }
  const uint sign = floatBitsToUint(a) & SIGN_BIT;
  if (rest == 0) {
    return uintBitsToFloat(sign);
  }
  // rest * 2^(b_exponent - 150) as a float: up to 23 bits are missing before its first one.
  const uint missing = 23 - uint(findMSB(rest));
  const uint magnitude = missing < b_exponent
                             ? ((b_exponent - missing) << 23) | ((rest << missing) & 0x007fffffu)
                             : rest << (b_exponent - 1);
  return uintBitsToFloat(sign | magnitude);
}

vec4 fmod_of(vec4 a, vec4 b) {
  vec4 y;
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    y[i] = fmod_of(a[i], b[i]);
  }
  return y;
}

// With the sign of b.
vec4 remainder_of(vec4 a, vec4 b) {
  const vec4 rest = fmod_of(a, b);
  const bvec4 differ = mix(notEqual(sign_bit(rest), sign_bit(b)), bvec4(false), is_zero(rest));
  precise vec4 y = mix(rest, rest + b, differ);
  return y;
}

// a / b where its rest is `rest`: whole, but for what a division rounds.
vec4 whole_quotient(vec4 a, vec4 b, vec4 rest) {
  precise vec4 multiple = a - rest;
  return round_of(divide(multiple, b));
}

vec4 divide_trunc(vec4 a, vec4 b) {
  const vec4 y = whole_quotient(a, b, fmod_of(a, b));
  const bvec4 has_no_rest = mix(is_zero(b), bvec4(true), is_inf(a));
  return mix(y, divide(a, b), has_no_rest);
}

vec4 divide_floor(vec4 a, vec4 b) {
  const vec4 rest = fmod_of(a, b);
  const bvec4 differ = mix(notEqual(sign_bit(rest), sign_bit(b)), bvec4(false), is_zero(rest));
  const vec4 y = whole_quotient(a, b, rest);
  return mix(mix(y, y - vec4(1.0), differ), divide(a, b), is_zero(b));
}

#endif
