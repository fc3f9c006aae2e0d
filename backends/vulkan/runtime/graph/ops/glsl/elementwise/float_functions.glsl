// float32 functions of four values at once, for the rows of elementwise.py. Vulkan promises little of
// its own ones: 2^-11 of sin() and cos(), 2^-21 of log() near 1, |x| units in the last place of
// exp(). So all but the square roots are made of additions, multiplications and divisions here.
// Polynomials are least-squares fits of ours to the relative error, weighted until it is level; the
// error that stands beside each is that of the function. Operands that are NaN give anything, unless
// said otherwise: unary.comp replaces these results. Denormal numbers may count as zeros, for a
// device may flush them.
#ifndef FLOAT_FUNCTIONS_GLSL
#define FLOAT_FUNCTIONS_GLSL

#include "activation_functions.glsl"

const uint SIGN_BIT = 0x80000000u;
const uint INFINITY_BITS = 0x7f800000u;
const uint NAN_BITS = 0x7fc00000u;
const float PI = 3.14159265;
const float HALF_PI = 1.57079633;
const float LN2 = 0.693147181;
// ln 2 in two parts, of which the first has so few bits that its products with exponents are exact.
const float LN2_HIGH = 0.693359375;
const float LN2_LOW = -0.000212194440;

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

// ---- Trigonometric functions.

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

vec4 reduce_to_quadrants(vec4 x, out uvec4 quadrants) {
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

// ---- The error function.

// erf(x) for |x| <= 0.5; 6e-8.
vec4 erf_near_zero(vec4 x) {
  precise vec4 z = x * x;
  precise vec4 y = vec4(0.00471973466) * z + vec4(-0.026758071);
  y = y * z + vec4(0.112828366);
  y = y * z + vec4(-0.376126081);
  y = y * z + vec4(1.12837911);
  y = y * x;
  return y;
}

// erfc(a) for a >= 0.5: exp(-a^2) times a polynomial of 1 / (1 + a / 2), up to a = 10.3; 4e-8. The
// square is that of the upper bits, which is exact, and the rest.
vec4 erfc_of_large(vec4 x) {
  const vec4 a = min(x, vec4(10.3));
  precise vec4 t = vec4(1.0) / (vec4(1.0) + vec4(0.5) * a);
  precise vec4 y = vec4(-0.0609928407) * t + vec4(0.295333236);
  y = y * t + vec4(-0.510520101);
  y = y * t + vec4(0.304481387);
  y = y * t + vec4(-0.0439560264);
  y = y * t + vec4(0.209471136);
  y = y * t + vec4(0.241552457);
  y = y * t + vec4(0.282564968);
  y = y * t + vec4(0.282076925);
  const vec4 upper = upper_half(a);
  precise vec4 square = upper * upper;
  precise vec4 rest = (a - upper) * (a + upper);
  y = y * t * exp_of(-square) * exp_of(-rest);
  return y;
}

vec4 erf_of(vec4 x) {
  const vec4 a = abs(x);
  precise vec4 far = vec4(1.0) - erfc_of_large(a);
  return mix(with_sign_of(far, x), erf_near_zero(x), lessThanEqual(a, vec4(0.5)));
}

vec4 erfc_of(vec4 x) {
  const vec4 a = abs(x);
  precise vec4 near = vec4(1.0) - erf_near_zero(clamp(x, vec4(-0.5), vec4(0.5)));
  const vec4 tail = erfc_of_large(a);
  precise vec4 far = mix(tail, vec4(2.0) - tail, lessThan(x, vec4(0.0)));
  return mix(far, near, lessThanEqual(a, vec4(0.5)));
}

// x * Phi(x): also far below zero as precise as its erfc.
vec4 gelu_of(vec4 x) {
  precise vec4 y = (vec4(0.5) * x) * erfc_of(x * vec4(-0.707106781));
  return y;
}

// ---- Remainders.

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
