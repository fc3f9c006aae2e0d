// erf(), erfc() and what is made of them, of four float32 values.
#ifndef ERROR_FUNCTION_GLSL
#define ERROR_FUNCTION_GLSL

#include "elementwise/exponentials.glsl"

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

#endif
