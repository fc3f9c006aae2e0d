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
#include "elementwise/error_function.glsl"
#include "elementwise/exponentials.glsl"
#include "elementwise/float_values.glsl"
#include "elementwise/remainders.glsl"
#include "elementwise/trigonometry.glsl"

#endif
