// Where the elements lie of a tensor that is reduced over some of its dimensions: the first KEPT of the
// loops in p.sizes and p.strides are the dimensions of the result, outermost first, the REDUCED loops
// after them those that are reduced (specialization constants 0 and 1). Strides are PLACE: uint, or a
// vector of those of several operands.
#ifndef REDUCED_LOOPS_GLSL
#define REDUCED_LOOPS_GLSL

#ifndef PLACE
#define PLACE uint
#endif

layout(constant_id = 0) const uint KEPT = 1;
layout(constant_id = 1) const uint REDUCED = 1;

// Where step `step` of loops first .. first + count - 1 is. The last of them has inner_size
// steps of inner_step elements.
PLACE element_at(uint step, uint first, uint count, uint inner_size, uint inner_step) {
  if (count == 1) {
    return step * inner_step * p.strides[first];
  }
  uint outer = step / inner_size;
  PLACE at = (step - outer * inner_size) * inner_step * p.strides[first + count - 1];
  for (uint d = first + count - 2; d > first; --d) {
    const uint rest = outer;
    outer = rest / p.sizes[d];
    at += (rest - outer * p.sizes[d]) * p.strides[d];
  }
  return at + outer * p.strides[first];
}

#endif
