// What float32 functions are made of: what a value is, by its bits, comparisons, minima and maxima,
// rounding, division, roots, and sums and products that lose nothing. Four values at once.
#ifndef FLOAT_VALUES_GLSL
#define FLOAT_VALUES_GLSL

const uint SIGN_BIT = 0x80000000u;
const uint INFINITY_BITS = 0x7f800000u;
const uint NAN_BITS = 0x7fc00000u;

// ---- What a value is, by its bits: drivers may assume that there are no NaNs.

bvec4 is_nan(vec4 x) {
  return greaterThan(floatBitsToUint(x) & ~SIGN_BIT, uvec4(INFINITY_BITS));
}

bvec4 is_inf(vec4 x) {
  return equal(floatBitsToUint(x) & ~SIGN_BIT, uvec4(INFINITY_BITS));
}

bvec4 is_zero(vec4 x) {
  return equal(floatBitsToUint(x) & ~SIGN_BIT, uvec4(0));
}

bvec4 sign_bit(vec4 x) {
  return notEqual(floatBitsToUint(x) & SIGN_BIT, uvec4(0));
}

vec4 nan() {
  return uintBitsToFloat(uvec4(NAN_BITS));
}

vec4 infinity() {
  return uintBitsToFloat(uvec4(INFINITY_BITS));
}

vec4 with_sign_of(vec4 magnitude, vec4 x) {
  return uintBitsToFloat(
      (floatBitsToUint(magnitude) & ~SIGN_BIT) | (floatBitsToUint(x) & SIGN_BIT));
}

// y, or where x is -infinity what PyTorch has there: NaN, for it multiplies x by a factor that is 0.
vec4 zero_times_infinity(vec4 x, vec4 y) {
  return mix(y, nan(), equal(floatBitsToUint(x), uvec4(SIGN_BIT | INFINITY_BITS)));
}

// y, or where x is NaN, x.
vec4 keep_nan(vec4 x, vec4 y) {
  return mix(y, x, is_nan(x));
}

// ---- Truth values, of any operands.

bvec4 is_ordered(vec4 a, vec4 b) {
  return lessThanEqual(
      max(floatBitsToUint(a) & ~SIGN_BIT, floatBitsToUint(b) & ~SIGN_BIT), uvec4(INFINITY_BITS));
}

bvec4 is_equal(vec4 a, vec4 b) {
  return mix(bvec4(false), equal(a, b), is_ordered(a, b));
}

bvec4 is_less(vec4 a, vec4 b) {
  return mix(bvec4(false), lessThan(a, b), is_ordered(a, b));
}

bvec4 is_at_most(vec4 a, vec4 b) {
  return mix(bvec4(false), lessThanEqual(a, b), is_ordered(a, b));
}

bvec4 both(vec4 a, vec4 b) {
  return mix(not(is_zero(b)), bvec4(false), is_zero(a));
}

bvec4 either(vec4 a, vec4 b) {
  return mix(bvec4(true), not(is_zero(b)), is_zero(a));
}

bvec4 one_of(vec4 a, vec4 b) {
  return notEqual(is_zero(a), is_zero(b));
}

// ---- Minima and maxima, NaN where an operand is.

vec4 max_of(vec4 a, vec4 b) {
  return keep_nan(b, keep_nan(a, max(a, b)));
}

float larger(float a, float b) {
  return max_of(vec4(a), vec4(b)).x;
}

vec4 min_of(vec4 a, vec4 b) {
  return keep_nan(b, keep_nan(a, min(a, b)));
}

vec4 clamp_of(vec4 x, float low, float high) {
  return min_of(max_of(x, vec4(low)), vec4(high));
}

// ---- Rounding. From 2^23 on all values are whole.

bvec4 is_whole(vec4 x) {
  return greaterThanEqual(floatBitsToUint(x) & ~SIGN_BIT, uvec4(0x4b000000u));
}

vec4 floor_of(vec4 x) {
  return mix(floor(x), x, is_whole(x));
}

vec4 ceil_of(vec4 x) {
  return with_sign_of(mix(ceil(x), x, is_whole(x)), x);  // -0.0 for what is above -1
}

vec4 trunc_of(vec4 x) {
  return with_sign_of(mix(trunc(x), x, is_whole(x)), x);
}

// Half to even.
vec4 round_of(vec4 x) {
  return with_sign_of(mix(roundEven(x), x, is_whole(x)), x);
}

vec4 sign_of(vec4 x) {
  const vec4 y = vec4(greaterThan(x, vec4(0.0))) - vec4(lessThan(x, vec4(0.0)));
  return mix(y, vec4(0.0), is_nan(x));
}

// ---- Division and roots.

// A driver's division is precise for |b| from 2^-126 to 2^126 only; for all others, both operands are
// moved towards that. NaN where an operand is.
vec4 divide(vec4 a, vec4 b) {
  const uvec4 magnitude = floatBitsToUint(b) & ~SIGN_BIT;
  const vec4 shrunk = mix(vec4(1.0), vec4(0.00390625), greaterThan(magnitude, uvec4(0x7d800000u)));
  const vec4 factor = mix(shrunk, vec4(4294967296.0), lessThan(magnitude, uvec4(0x01000000u)));
  precise vec4 y = (a * factor) / (b * factor);
  return y;
}

vec4 round_decimals(vec4 x, float decimals) {
  precise float power = 1.0;
  for (int i = 0; i < 60 && float(i) < abs(decimals); ++i) {
    power *= 10.0;
  }
  precise vec4 y =
      decimals < 0.0 ? round_of(divide(x, vec4(power))) * power : divide(round_of(x * power), vec4(power));
  return y;
}

vec4 sqrt_of(vec4 x) {
  const vec4 y = mix(sqrt(x), nan(), lessThan(x, vec4(0.0)));
  return mix(y, x, equal(x, vec4(0.0)));
}

vec4 rsqrt_of(vec4 x) {
  const vec4 y = mix(inversesqrt(x), nan(), lessThan(x, vec4(0.0)));
  return mix(y, with_sign_of(infinity(), x), equal(x, vec4(0.0)));
}

// ---- Sums and products without loss.

// a + b, rounded, and what that lost.
vec4 two_sum(vec4 a, vec4 b, out vec4 lost) {
  precise vec4 sum = a + b;
  precise vec4 from_b = sum - a;
  precise vec4 error = (a - (sum - from_b)) + (b - from_b);
  lost = error;
  return sum;
}

vec4 upper_half(vec4 x) {
  return uintBitsToFloat(floatBitsToUint(x) & 0xfffff000u);
}

// a * b, rounded, and what that lost: the products of halves of 12 bits are exact.
vec4 two_product(vec4 a, vec4 b, out vec4 lost) {
  const vec4 a_high = upper_half(a);
  const vec4 b_high = upper_half(b);
  precise vec4 a_low = a - a_high;
  precise vec4 b_low = b - b_high;
  precise vec4 product = a * b;
  precise vec4 error =
      (((a_high * b_high - product) + a_high * b_low) + a_low * b_high) + a_low * b_low;
  lost = error;
  return product;
}

#endif
