// Exponentials, hyperbolic functions, logarithms and powers of four float32 values.
#ifndef EXPONENTIALS_GLSL
#define EXPONENTIALS_GLSL

#include "activation_functions.glsl"
#include "elementwise/float_values.glsl"

const float LN2 = 0.693147181;
// ln 2 in two parts, of which the first has so few bits that its products with exponents are exact.
const float LN2_HIGH = 0.693359375;
const float LN2_LOW = -0.000212194440;

// ---- Exponentials.

// exp(r) for |r| <= ln(2) / 2; 4e-9.
vec4 exp_near_zero(vec4 r) {
  precise vec4 y = vec4(0.00138141436) * r + vec4(0.00836892519);
  y = y * r + vec4(0.0416684076);
  y = y * r + vec4(0.166665196);
  y = y * r + vec4(0.49999994);
  y = vec4(1.0) + (r + r * (r * y));
  return y;
}

// x * 2^n for whole n from -252 to 254: two factors, for one exponent would overflow.
vec4 times_power_of_2(vec4 x, ivec4 n) {
  const ivec4 half_n = n >> 1;
  precise vec4 y = x * intBitsToFloat((half_n + 127) << 23);
  y *= intBitsToFloat((n - half_n + 127) << 23);
  return y;
}

vec4 exp_of(vec4 x) {
  const vec4 bounded = clamp(x, vec4(-105.0), vec4(90.0));
  const vec4 n = roundEven(bounded * vec4(1.44269504));
  precise vec4 r = (bounded - n * vec4(LN2_HIGH)) - n * vec4(LN2_LOW);
  return times_power_of_2(exp_near_zero(r), ivec4(n));
}

vec4 exp2_of(vec4 x) {
  const vec4 bounded = clamp(x, vec4(-151.0), vec4(130.0));
  const vec4 n = roundEven(bounded);
  precise vec4 r = (bounded - n) * vec4(LN2);
  return times_power_of_2(exp_near_zero(r), ivec4(n));
}

vec4 expm1_of(vec4 x) {
  precise vec4 far = exp_of(x) - vec4(1.0);
  return mix(far, expm1_near_zero(x), lessThanEqual(abs(x), vec4(0.5)));
}

// x * exp(x) / (1 + exp(x)) below zero, by halves of the exponent: exp(x) may be too small to be a
// normal number where the product is one.
vec4 silu_of(vec4 x) {
  const vec4 root = exp_of(vec4(-0.5) * abs(x));
  precise vec4 square = root * root;
  precise vec4 numerator = mix((x * root) * root, x, greaterThan(x, vec4(0.0)));
  precise vec4 y = numerator / (vec4(1.0) + square);
  return y;
}

vec4 elu_of(vec4 x, float alpha, float scale, float input_scale) {
  precise vec4 scaled = x * input_scale;  // NaN for an infinity times 0
  precise vec4 negative = keep_nan(scaled, expm1_of(scaled)) * (alpha * scale);
  precise vec4 positive = x * scale;
  return mix(negative, positive, greaterThan(x, vec4(0.0)));
}

// (exp(a) - exp(-a)) / 2 by expm1, which does not cancel near zero; for large a by the square of
// exp(a / 2), which overflows no sooner than the result.
vec4 sinh_of(vec4 x) {
  const vec4 a = abs(x);
  const vec4 e = expm1_of(min(a, vec4(20.0)));
  precise vec4 near = vec4(0.5) * (e + e / (e + vec4(1.0)));
  const vec4 root = exp_of(a * vec4(0.5));
  precise vec4 far = (vec4(0.5) * root) * root;
  return with_sign_of(mix(near, far, greaterThan(a, vec4(20.0))), x);
}

vec4 cosh_of(vec4 x) {
  const vec4 a = abs(x);
  const vec4 e = exp_of(min(a, vec4(20.0)));
  precise vec4 near = vec4(0.5) * e + vec4(0.5) / e;
  const vec4 root = exp_of(a * vec4(0.5));
  precise vec4 far = (vec4(0.5) * root) * root;
  return mix(near, far, greaterThan(a, vec4(20.0)));
}

// ---- Logarithms.

// x = (1 + f) * 2^exponent with 1 + f from sqrt(1/2) to sqrt(2), for positive finite x, denormal ones
// too.
void split_exponent(vec4 x, out vec4 f, out vec4 exponent) {
  const uvec4 bits = floatBitsToUint(x);
  const bvec4 is_denormal = lessThan(bits, uvec4(0x00800000u));
  const uvec4 normal = mix(bits, floatBitsToUint(vec4(bits)), is_denormal);  // times 2^149
  // The exponent of x * sqrt(2), so that the boundary is at sqrt(1/2).
  const ivec4 moved = ivec4(normal - 0x3f3504f3u) >> 23;
  precise vec4 rest = uintBitsToFloat(normal - uvec4(moved << 23)) - vec4(1.0);
  f = rest;
  exponent = vec4(moved - mix(ivec4(0), ivec4(149), is_denormal));
}

// (ln(1 + f) - f + f^2 / 2) / f^3 between sqrt(1/2) and sqrt(2); 8e-10 of ln(1 + f).
vec4 log_tail(vec4 f) {
  precise vec4 y = vec4(0.0691554174) * f + vec4(-0.117911756);
  y = y * f + vec4(0.118736334);
  y = y * f + vec4(-0.123841807);
  y = y * f + vec4(0.142185524);
  y = y * f + vec4(-0.166692555);
  y = y * f + vec4(0.20002231);
  y = y * f + vec4(-0.249999866);
  y = y * f + vec4(0.333333105);
  return y;
}

// Infinities, zeros and negative operands of a logarithm of any base.
vec4 log_at_edges(vec4 x, vec4 y) {
  const vec4 finite = mix(y, x, is_inf(x));
  return mix(mix(finite, nan(), lessThan(x, vec4(0.0))), -infinity(), is_zero(x));
}

vec4 log_of(vec4 x) {
  vec4 f;
  vec4 exponent;
  split_exponent(x, f, exponent);
  precise vec4 half_square = vec4(0.5) * f * f;
  precise vec4 low = exponent * vec4(LN2_LOW) + f * (f * (f * log_tail(f)));
  precise vec4 y = exponent * vec4(LN2_HIGH) + (f - (half_square - low));
  return log_at_edges(x, y);
}

vec4 log2_of(vec4 x) {
  vec4 f;
  vec4 exponent;
  split_exponent(x, f, exponent);
  precise vec4 rest = f - (vec4(0.5) * f * f - f * (f * (f * log_tail(f))));
  precise vec4 y = exponent + rest * vec4(1.44269504);
  return log_at_edges(x, y);
}

vec4 log10_of(vec4 x) {
  precise vec4 y = log_of(x) * vec4(0.434294482);
  return y;
}

// ln(1 + x): what the sum rounds off is small beside it.
vec4 log1p_of(vec4 x) {
  precise vec4 sum = vec4(1.0) + x;
  precise vec4 lost = mix(x - (sum - vec4(1.0)), vec4(0.0), is_inf(x));
  const vec4 rounded = log_of(sum);
  precise vec4 y = rounded + divide(lost, sum);
  y = mix(y, rounded, lessThan(x, vec4(-0.5)));  // the sum is exact there, and may be zero
  return mix(y, x, lessThan(abs(x), vec4(1e-8)));
}

// Beyond 2^12 the square roots below would overflow sooner than the result, which is log(2a).
vec4 asinh_of(vec4 x) {
  const vec4 a = abs(x);
  const vec4 b = min(a, vec4(4096.0));
  precise vec4 square = b * b;
  precise vec4 near = log1p_of(b + square / (vec4(1.0) + sqrt(vec4(1.0) + square)));
  precise vec4 far = log_of(a) + vec4(LN2);
  return with_sign_of(mix(near, far, greaterThan(a, vec4(4096.0))), x);
}

vec4 acosh_of(vec4 x) {
  const vec4 t = clamp(x, vec4(1.0), vec4(4097.0)) - vec4(1.0);
  precise vec4 near = log1p_of(t + sqrt_of(vec4(2.0) * t + t * t));
  precise vec4 far = log_of(x) + vec4(LN2);
  const vec4 y = mix(near, far, greaterThan(x, vec4(4096.0)));
  return mix(y, nan(), lessThan(x, vec4(1.0)));
}

vec4 atanh_of(vec4 x) {
  const vec4 a = abs(x);
  precise vec4 y = vec4(0.5) * log1p_of(divide(vec4(2.0) * a, vec4(1.0) - a));
  return mix(with_sign_of(y, x), nan(), greaterThan(a, vec4(1.0)));
}

// ---- Powers.

// ln(x) in two parts, for positive finite x: exponentials of its multiples need more than 24 bits.
vec4 log_in_parts(vec4 x, out vec4 low) {
  vec4 f;
  vec4 exponent;
  split_exponent(x, f, exponent);
  vec4 lost_square;
  vec4 lost_f;
  vec4 lost_half;
  vec4 lost;
  const vec4 square = two_product(f, f, lost_square);
  const vec4 with_f = two_sum(exponent * vec4(LN2_HIGH), f, lost_f);
  const vec4 with_square = two_sum(with_f, vec4(-0.5) * square, lost_half);
  precise vec4 rest = exponent * vec4(LN2_LOW) + f * (square * log_tail(f));
  rest += (lost_f + lost_half) - vec4(0.5) * lost_square;
  const vec4 high = two_sum(with_square, rest, lost);
  low = lost;
  return high;
}

// a^n for whole n from -16 to 16.
vec4 whole_power(vec4 a, vec4 n) {
  precise vec4 y = vec4(1.0);
  precise vec4 square = a;
  const uvec4 count = uvec4(min(abs(n), vec4(16.0)));
  for (uint bit = 1; bit <= 16; bit *= 2) {
    y = mix(y, y * square, notEqual(count & bit, uvec4(0)));
    square *= square;
  }
  return mix(y, divide(vec4(1.0), y), lessThan(n, vec4(0.0)));
}

// As C's pow(). Beyond 2^32 an exponent makes 0, 1 or infinity of every base.
vec4 pow_of(vec4 a, vec4 b) {
  vec4 log_low;
  vec4 lost;
  const vec4 log_high = log_in_parts(abs(a), log_low);
  const vec4 exponent = clamp(b, vec4(-4294967296.0), vec4(4294967296.0));
  const vec4 product = two_product(exponent, log_high, lost);
  precise vec4 rest = lost + exponent * log_low;  // large where the result is 0 or infinity
  precise vec4 magnitude = exp_of(product) * (vec4(1.0) + clamp(rest, vec4(-0.5), vec4(0.5)));
  const bvec4 grows = equal(is_inf(a), greaterThan(b, vec4(0.0)));
  const vec4 limit = mix(mix(vec4(0.0), infinity(), grows), vec4(1.0), is_zero(b));
  const bvec4 has_limit = mix(is_zero(a), bvec4(true), is_inf(a));
  magnitude = mix(magnitude, limit, has_limit);

  const bvec4 whole = equal(floor_of(b), b);
  const uvec4 parity = uvec4(min(abs(b), vec4(16777216.0))) & 1u;
  const bvec4 odd = mix(bvec4(false), equal(parity, uvec4(1)), whole);
  precise vec4 y = mix(magnitude, -magnitude, both(vec4(odd), vec4(sign_bit(a))));
  const bvec4 small = both(vec4(whole), vec4(lessThanEqual(abs(b), vec4(16.0))));
  const bvec4 normal = mix(lessThan(abs(product), vec4(80.0)), bvec4(false), has_limit);
  y = mix(y, whole_power(a, b), both(vec4(small), vec4(normal)));

  const bvec4 no_root = both(vec4(lessThan(a, vec4(0.0))), vec4(not(whole)));
  y = mix(y, nan(), mix(no_root, bvec4(false), has_limit));
  y = keep_nan(a, keep_nan(b, y));
  const bvec4 is_one = mix(is_zero(b), bvec4(true), is_equal(a, vec4(1.0)));
  return mix(y, vec4(1.0), is_one);
}

#endif
