// The functions of activations, of four float32 values: for the epilogue of linear layers, and for the
// same ops on float tensors.
//
// No case overflows to NaN: each takes exp() of what is not positive only, and where a factor of
// infinity would meet a zero, the operand is bounded where the result no longer depends on it.
#ifndef ACTIVATION_FUNCTIONS_GLSL
#define ACTIVATION_FUNCTIONS_GLSL

// exp(-|f|) is within 0 and 1, so the division is within Vulkan's precise range.
vec4 sigmoid(vec4 f) {
  precise vec4 e = exp(-abs(f));
  precise vec4 r = vec4(1.0) / (vec4(1.0) + e);
  return mix(e * r, r, greaterThanEqual(f, vec4(0.0)));
}

// f * sigmoid(g), for a g whose sigmoid is zero in float32 where f is below -128.
vec4 times_sigmoid(vec4 f, vec4 g) {
  precise vec4 product = max(f, vec4(-128.0)) * sigmoid(g);
  return product;
}

// Near zero 1 - exp(-2 |f|) cancels; there a polynomial (a least-squares fit of ours of
// (tanh(f) / f - 1) / f^2 on |f| <= 0.7, relative error 9e-8) takes its place.
vec4 tanh_of(vec4 f) {
  precise vec4 z = f * f;
  precise vec4 odd = vec4(-0.00513873668) * z + vec4(0.0200916138);
  odd = odd * z + vec4(-0.0535584465);
  odd = odd * z + vec4(0.133290976);
  odd = odd * z + vec4(-0.333331883);
  precise vec4 near = f + f * (z * odd);
  precise vec4 e = exp(vec4(-2.0) * abs(f));
  precise vec4 far = sign(f) * ((vec4(1.0) - e) / (vec4(1.0) + e));
  return mix(far, near, lessThan(abs(f), vec4(0.7)));
}

// exp(f) - 1 for |f| <= 0.5, where the difference would cancel: the power series up to f^8 / 8!.
vec4 expm1_near_zero(vec4 f) {
  precise vec4 series = f * vec4(1.0 / 40320.0) + vec4(1.0 / 5040.0);
  series = series * f + vec4(1.0 / 720.0);
  series = series * f + vec4(1.0 / 120.0);
  series = series * f + vec4(1.0 / 24.0);
  series = series * f + vec4(1.0 / 6.0);
  series = series * f + vec4(0.5);
  precise vec4 near = f + f * (f * series);
  return near;
}

// exp(f) - 1 for f <= 0.
vec4 expm1_of_negative(vec4 f) {
  precise vec4 far = exp(f) - vec4(1.0);
  return mix(far, expm1_near_zero(f), greaterThan(f, vec4(-0.5)));
}

// f * Phi(f) = max(f, 0) - a / 2 * erfc(a / sqrt(2)), a = |f|, with erfc by formula 7.1.26 of
// Abramowitz and Stegun, Handbook of Mathematical Functions: absolute error at most 1.5e-7.
vec4 gelu(vec4 f) {
  precise vec4 a = min(abs(f), vec4(20.0));
  precise vec4 z = a * vec4(0.707106781);
  precise vec4 t = vec4(1.0) / (vec4(1.0) + vec4(0.3275911) * z);
  precise vec4 erfc = t * vec4(1.061405429) + vec4(-1.453152027);
  erfc = erfc * t + vec4(1.421413741);
  erfc = erfc * t + vec4(-0.284496736);
  erfc = erfc * t + vec4(0.254829592);
  erfc = erfc * t * exp(-(z * z));
  precise vec4 r = max(f, vec4(0.0)) - vec4(0.5) * a * erfc;
  return r;
}

vec4 gelu_tanh(vec4 f) {
  precise vec4 inner = f + vec4(0.044715) * (f * f * f);
  return times_sigmoid(f, vec4(1.59576912) * inner);  // 2 sqrt(2 / pi)
}

vec4 hardsigmoid(vec4 f) {
  precise vec4 r = clamp(f + vec4(3.0), vec4(0.0), vec4(6.0)) * vec4(1.0 / 6.0);
  return r;
}

vec4 leaky_relu(vec4 f, float slope) {
  precise vec4 r = mix(f * slope, f, greaterThan(f, vec4(0.0)));
  return r;
}

vec4 hardswish(vec4 f) {
  precise vec4 r = max(f, vec4(-3.0)) * hardsigmoid(f);
  return r;
}

#endif
