// Trigonometric functions and their inverses, of four float32 values.
#ifndef TRIGONOMETRY_GLSL
#define TRIGONOMETRY_GLSL

#include "elementwise/float_values.glsl"

const float PI = 3.14159265;
const float HALF_PI = 1.57079633;

// Words of 2 / pi, behind one of zeros: its bits from weight 2^32 down.
uint two_over_pi(uint at) {
  switch (at) {
    case 0: return 0u;
    case 1: return 0xa2f9836eu;
    case 2: return 0x4e441529u;
    case 3: return 0xfc2757d1u;
    case 4: return 0xf534ddc0u;
    case 5: return 0xdb629599u;
    case 6: return 0x3c439041u;
    default: return 0xfe5163abu;
  }
}

// x = quadrant * pi / 2 + the result, which is within pi / 4, for any finite x; the method of Payne
// and Hanek. x is m * 2^e with a whole m, and of m * (2^e * 2 / pi) only the bits below weight 4
// matter: so 96 bits of 2 / pi from weight 2 down are multiplied by m, modulo 2^96.
float reduce_to_quadrant(float x, out uint quadrant) {
  const uint bits = floatBitsToUint(x) & ~SIGN_BIT;
  if (bits < 0x3f000000u) {  // below a half
    quadrant = 0;
    return x;
  }
  const uint m = (bits & 0x007fffffu) | 0x00800000u;
  const uint from = (bits >> 23) - 150 + 30;  // the first of the 96 bits; from 6 on
  const uint word = from >> 5;
  const uint shift = from & 31;
  uint window[4] = uint[4](two_over_pi(word), two_over_pi(word + 1), two_over_pi(word + 2),
                           two_over_pi(word + 3));
  if (shift != 0) {
    for (uint i = 0; i < 3; ++i) {
      window[i] = (window[i] << shift) | (window[i + 1] >> (32 - shift));
    }
  }
  uint carried_from_low;
  uint unused;
  umulExtended(m, window[2], carried_from_low, unused);
  uint carried_from_middle;
  uint middle;
  umulExtended(m, window[1], carried_from_middle, middle);
  uint carry;
  middle = uaddCarry(middle, carried_from_low, carry);
  const uint high = m * window[0] + carried_from_middle + carry;
  // Two bits of the quadrant, then its fraction; from a half on, the next quadrant is nearer.
  uint fraction = (high << 2) | (middle >> 30);
  uint rest = middle << 2;
  const bool is_next = (fraction & SIGN_BIT) != 0;
  quadrant = (high >> 30) + (is_next ? 1 : 0);
  if (is_next) {
    fraction = ~fraction;
    rest = ~rest;
  }
  precise float turn = float(fraction) * 2.32830644e-10 + float(rest) * 5.42101086e-20;
  precise float r = turn * HALF_PI;
  const bool is_negative = is_next != (floatBitsToUint(x) >= SIGN_BIT);
  quadrant = floatBitsToUint(x) >= SIGN_BIT ? 0 - quadrant : quadrant;
  return is_negative ? -r : r;
}

// sin(r) and cos(r) for |r| <= pi / 4; 6e-9 and 5e-10.
vec4 sin_near_zero(vec4 r) {
  precise vec4 z = r * r;
  precise vec4 y = vec4(-0.000195166402) * z + vec4(0.00833217334);
  y = y * z + vec4(-0.166666552);
  y = r + r * (z * y);
  return y;
}

vec4 cos_near_zero(vec4 r) {
  precise vec4 z = r * r;
  precise vec4 y = vec4(2.44377025e-05) * z + vec4(-0.00138873607);
  y = y * z + vec4(0.0416666456);
  y = vec4(1.0) - (vec4(0.5) * z - z * (z * y));
  return y;
}

// The same, four at once; below 512 in float32 (Cody and Waite): k = round(x * 2 / pi) has 9 bits, so
// its products with the first three parts of pi / 2, of 15 bits each, are exact.
vec4 reduce_to_quadrants(vec4 x, out uvec4 quadrants) {
  if (all(lessThan(floatBitsToUint(x) & ~SIGN_BIT, uvec4(0x44000000u)))) {
    precise vec4 shifted = x * 0.636619772 + 12582912.0;  // 1.5 * 2^23: k is in the low bits
    precise vec4 k = shifted - 12582912.0;
    precise vec4 near = (x - k * 1.57073975) - k * 5.65797091e-05;
    near = (near - k * 9.92088189e-10) - k * 5.39030295e-15;
    quadrants = floatBitsToUint(shifted);
    return near;
  }
  vec4 r;
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    uint quadrant;
    r[i] = reduce_to_quadrant(x[i], quadrant);
    quadrants[i] = quadrant;
  }
  return r;
}

vec4 sin_in_quadrants(vec4 r, uvec4 quadrants) {
  const vec4 y =
      mix(sin_near_zero(r), cos_near_zero(r), notEqual(quadrants & 1u, uvec4(0)));
  return mix(y, -y, notEqual(quadrants & 2u, uvec4(0)));
}

vec4 sin_of(vec4 x) {
  uvec4 quadrants;
  const vec4 r = reduce_to_quadrants(x, quadrants);
  return mix(sin_in_quadrants(r, quadrants), nan(), is_inf(x));
}

vec4 cos_of(vec4 x) {
  uvec4 quadrants;
  const vec4 r = reduce_to_quadrants(x, quadrants);
  return mix(sin_in_quadrants(r, quadrants + 1u), nan(), is_inf(x));
}

vec4 tan_of(vec4 x) {
  uvec4 quadrants;
  const vec4 r = reduce_to_quadrants(x, quadrants);
  precise vec4 y = sin_in_quadrants(r, quadrants) / sin_in_quadrants(r, quadrants + 1u);
  return mix(y, nan(), is_inf(x));
}

// atan(t) for |t| <= tan(pi / 8); 3e-9.
vec4 atan_near_zero(vec4 t) {
  precise vec4 z = t * t;
  precise vec4 y = vec4(-0.0608103536) * z + vec4(0.105950877);
  y = y * z + vec4(-0.142437309);
  y = y * z + vec4(0.199984834);
  y = y * z + vec4(-0.333333164);
  y = t + t * (z * y);
  return y;
}

// atan(low / high) for 0 <= low <= high, both finite or equal.
vec4 atan_of_ratio(vec4 low, vec4 high) {
  const bvec4 is_one = equal(low, high);
  const vec4 ratio = mix(divide(low, high), vec4(1.0), is_one);
  const vec4 t = mix(ratio, vec4(0.0), is_zero(low));
  const bvec4 is_large = greaterThan(t, vec4(0.414213562));
  precise vec4 moved = (t - vec4(1.0)) / (t + vec4(1.0));
  precise vec4 y = atan_near_zero(mix(t, moved, is_large));
  y = y + mix(vec4(0.0), vec4(0.5 * HALF_PI), is_large);
  return y;
}

vec4 atan_of(vec4 x) {
  const vec4 a = abs(x);
  const bvec4 is_large = greaterThan(a, vec4(1.0));
  const vec4 part = atan_of_ratio(mix(a, vec4(1.0), is_large), mix(vec4(1.0), a, is_large));
  precise vec4 y = mix(part, vec4(HALF_PI) - part, is_large);
  return with_sign_of(y, x);
}

// Of the point (x, y), zeros and infinities included; NaN where an operand is.
vec4 atan2_of(vec4 y, vec4 x) {
  const vec4 a = abs(x);
  const vec4 b = abs(y);
  const bvec4 is_steep = greaterThan(b, a);
  precise vec4 angle = atan_of_ratio(min(a, b), max(a, b));
  angle = mix(angle, vec4(HALF_PI) - angle, is_steep);
  angle = mix(angle, vec4(PI) - angle, sign_bit(x));
  return keep_nan(x, keep_nan(y, with_sign_of(angle, y)));
}

// asin(t) for |t| <= 0.5; 6e-9.
vec4 asin_near_zero(vec4 t) {
  precise vec4 z = t * t;
  precise vec4 y = vec4(0.0422302037) * z + vec4(0.0241411719);
  y = y * z + vec4(0.0454783142);
  y = y * z + vec4(0.0749523267);
  y = y * z + vec4(0.166667536);
  y = t + t * (z * y);
  return y;
}

// acos(a) for a from 0.5 to 1, where acos(a) = 2 asin(sqrt((1 - a) / 2)).
vec4 acos_near_one(vec4 a) {
  precise vec4 y = vec4(2.0) * asin_near_zero(sqrt_of(vec4(0.5) * (vec4(1.0) - min(a, vec4(1.0)))));
  return y;
}

vec4 asin_of(vec4 x) {
  const vec4 a = abs(x);
  precise vec4 far = vec4(HALF_PI) - acos_near_one(a);
  const vec4 y = mix(asin_near_zero(min(a, vec4(1.0))), far, greaterThan(a, vec4(0.5)));
  return mix(with_sign_of(y, x), nan(), greaterThan(a, vec4(1.0)));
}

vec4 acos_of(vec4 x) {
  const vec4 a = abs(x);
  const vec4 far = acos_near_one(a);
  precise vec4 y = mix(far, vec4(PI) - far, lessThan(x, vec4(0.0)));
  precise vec4 near = vec4(HALF_PI) - asin_near_zero(clamp(x, vec4(-1.0), vec4(1.0)));
  y = mix(near, y, greaterThan(a, vec4(0.5)));
  return mix(y, nan(), greaterThan(a, vec4(1.0)));
}

#endif
