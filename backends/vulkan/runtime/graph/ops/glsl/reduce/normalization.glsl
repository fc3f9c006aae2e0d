// What normalizing a row is, of its center c and its sum s, for the shaders that find these two:
//
//   SOFTMAX      c = max(x)      s = sum(exp(x - c))       y = exp(x - c) / s
//   LOG_SOFTMAX  c = max(x)      s = sum(exp(x - c))       y = (x - c) - ln(s)
//   LAYER_NORM   c = sum(x) / n  s = sum((x - c)^2) / n    y = (x - c) / sqrt(s + epsilon) * weight + bias
//   RMS_NORM     c = 0           s = sum(x^2) / n          y = x / sqrt(s + epsilon) * weight
//   VARIANCE     c = sum(x) / n  s = sum((x - c)^2)        y = s / divisor, one for the row
//
// The including shader has a specialization constant FUNCTION, and p.number, which is epsilon or the
// divisor.
#ifndef NORMALIZATION_GLSL
#define NORMALIZATION_GLSL

#include "elementwise/exponentials.glsl"

// As in Normalize.h.
const uint SOFTMAX = 0;
const uint LOG_SOFTMAX = 1;
const uint LAYER_NORM = 2;
const uint RMS_NORM = 3;
const uint VARIANCE = 4;

const bool IS_SOFTMAX = FUNCTION == SOFTMAX || FUNCTION == LOG_SOFTMAX;

// What all elements of a row are divided by, taken from or multiplied with, of the sum of a softmax
// or the mean square of a norm; NaN where all elements are, as with a center that is no number.
vec4 factor_of(vec4 center, vec4 sum_or_mean) {
  vec4 factor = sum_or_mean;
  if (FUNCTION == LOG_SOFTMAX) {
    factor = log_of(sum_or_mean);
  } else if (!IS_SOFTMAX) {
    precise vec4 mean = sum_or_mean + p.number;
    factor = keep_nan(mean, rsqrt_of(mean));
  }
  const bvec4 is_lost = mix(is_inf(center), bvec4(true), is_nan(center));
  return mix(keep_nan(sum_or_mean, factor), nan(), is_lost);
}

#endif
