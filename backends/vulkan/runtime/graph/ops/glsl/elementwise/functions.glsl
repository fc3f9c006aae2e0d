// What the cases of elementwise.py are made of: NUMBER and NUMBERS, one and four elements of float32 or,
// with INTEGERS, of int32; and the functions of these.
#ifndef FUNCTIONS_GLSL
#define FUNCTIONS_GLSL

#ifdef INTEGERS
#define NUMBER int
#define NUMBERS ivec4
#include "elementwise/integer_functions.glsl"
#else
#define NUMBER float
#define NUMBERS vec4
#include "elementwise/float_functions.glsl"
#endif

#endif
