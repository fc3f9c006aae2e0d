// activate(f): the function that specialization constant 2 names, of four float32 values. Its cases
// are the rows of activations.py, whose codes are the macros here; alpha and beta are their
// parameters. A pipeline has one of them: the others fold away.
#ifndef ACTIVATIONS_GLSL
#define ACTIVATIONS_GLSL

#include "activation_functions.glsl"

layout(constant_id = 2) const uint ACTIVATION = ACTIVATION_NONE;

vec4 activate(vec4 f, float alpha, float beta) {
  precise vec4 y = f;
  switch (ACTIVATION) {
    case ACTIVATION_CLAMP: y = min(max(f, vec4(alpha)), vec4(beta)); break;
    case ACTIVATION_LEAKY_RELU: y = leaky_relu(f, alpha); break;
    case ACTIVATION_SIGMOID: y = sigmoid(f); break;
    case ACTIVATION_TANH: y = tanh_of(f); break;
    case ACTIVATION_SILU: y = times_sigmoid(f, f); break;
    case ACTIVATION_HARDSWISH: y = hardswish(f); break;
    case ACTIVATION_HARDSIGMOID: y = hardsigmoid(f); break;
    case ACTIVATION_GELU: y = gelu(f); break;
    case ACTIVATION_GELU_TANH: y = gelu_tanh(f); break;
    case ACTIVATION_ELU: y = max(f, vec4(0.0)) + alpha * expm1_of_negative(min(f, vec4(0.0))); break;
  }
  return y;
}

#endif
