// int32 functions of four values at once, for the rows of elementwise.py. Sums, products and what does
// not fit wrap around.
#ifndef INTEGER_FUNCTIONS_GLSL
#define INTEGER_FUNCTIONS_GLSL

bvec4 is_zero(ivec4 x) {
  return equal(x, ivec4(0));
}

bvec4 both(ivec4 a, ivec4 b) {
  return mix(not(is_zero(b)), bvec4(false), is_zero(a));
}

bvec4 either(ivec4 a, ivec4 b) {
  return mix(bvec4(true), not(is_zero(b)), is_zero(a));
}

bvec4 one_of(ivec4 a, ivec4 b) {
  return notEqual(is_zero(a), is_zero(b));
}

ivec4 clamp_of(ivec4 x, int low, int high) {
  return min(max(x, ivec4(low)), ivec4(high));
}

// Division by 0, which PyTorch refuses, gives 0. By -1 is a negation, for the quotient of the least
// value would be too large.
ivec4 divide_trunc(ivec4 a, ivec4 b) {
  const bvec4 by_minus_one = equal(b, ivec4(-1));
  const ivec4 divisor = mix(mix(b, ivec4(1), is_zero(b)), ivec4(1), by_minus_one);
  const ivec4 quotient = mix(a / divisor, -a, by_minus_one);
  return mix(quotient, ivec4(0), is_zero(b));
}

// What is left of the quotient that is cut off; of a division by 0, a.
ivec4 fmod_of(ivec4 a, ivec4 b) {
  return a - divide_trunc(a, b) * b;
}

bvec4 is_rounded_up(ivec4 rest, ivec4 b) {
  return mix(bvec4(false), notEqual(lessThan(rest, ivec4(0)), lessThan(b, ivec4(0))),
             notEqual(rest, ivec4(0)));
}

ivec4 divide_floor(ivec4 a, ivec4 b) {
  const bvec4 is_up = mix(is_rounded_up(fmod_of(a, b), b), bvec4(false), is_zero(b));
  return divide_trunc(a, b) - ivec4(is_up);
}

ivec4 remainder_of(ivec4 a, ivec4 b) {
  return a - divide_floor(a, b) * b;
}

// a^b; of a negative b what is left in whole numbers of 1 / a^-b, and 0 where a is 0.
ivec4 pow_of(ivec4 a, ivec4 b) {
  const bvec4 is_inverse = lessThan(b, ivec4(0));
  const ivec4 count = max(b, ivec4(0));
  ivec4 y = ivec4(1);
  ivec4 square = a;
  for (int bit = 0; bit < 31; ++bit) {
    y = mix(y, y * square, notEqual((count >> bit) & 1, ivec4(0)));
    square *= square;
  }
  const ivec4 of_minus_one = mix(ivec4(1), ivec4(-1), notEqual(b & 1, ivec4(0)));
  ivec4 inverse = mix(ivec4(0), ivec4(1), equal(a, ivec4(1)));
  inverse = mix(inverse, of_minus_one, equal(a, ivec4(-1)));
  return mix(y, inverse, is_inverse);
}

#endif
