// A tensor with another one set into it: constant_pad_nd, and slice_scatter.
//
//   y[e] = x[sum_d q_d * x_strides[d]]  where each step i_d = starts[d] + q_d * steps[d], 0 <= q_d < lengths[d]
//   y[e] = base[e]                      elsewhere; with HAS_BASE 0 a number
//
// e is made of the steps i_d of RANK loops, outermost first, in the order of y, in which base is as
// well. A start may be negative, as a number modulo 2^32: then x begins before y does.
//
// Bindings: 0 y, 1 x, 2 base, which with HAS_BASE 0 is not read. All are words, or with ELEMENT_BYTES
// 16 groups of four words, or with ELEMENT_BYTES 1 bytes; loops and x's strides count these units. A
// thread makes the units of flat_steps.glsl, with bytes the four elements of a word; it keeps the
// bytes of the last word that lie beyond the tensor.
// Specialization constants: 0 RANK, 1 HAS_BASE, 0 or 1.
// Preconditions: steps are positive; loops are shorter than 2^31. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#if ELEMENT_BYTES != 1
#define UNIT_ELEMENTS 1
#endif
#include "flat_steps.glsl"
#include "quantize_and_pack.glsl"

#if ELEMENT_BYTES == 16
#define UNIT uvec4
#else
#define UNIT uint
#endif

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint RANK = 1;
layout(constant_id = 1) const uint HAS_BASE = 0;

layout(set = 0, binding = 0) buffer OutputY { UNIT y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { UNIT x_in[]; };
layout(set = 0, binding = 2) readonly buffer Base { UNIT base_in[]; };
layout(push_constant) uniform Params {
  uint count;
  uint value;     // the number's bits; of a byte, four times
  uint sizes[5];  // of all loops but the outermost one
  uint x_strides[6];
  uint starts[6];
  uint lengths[6];
  uint steps[6];
} p;

// Adds to `from` where step i of loop d is in x; false where it is not.
bool is_in_loop(uint d, uint i, inout uint from) {
  const uint past = i - p.starts[d];
  const uint q = p.steps[d] == 1 ? past : past / p.steps[d];
  from += q * p.x_strides[d];
  return q < p.lengths[d] && q * p.steps[d] == past;
}

// Where element e of y is in x; false where it is not.
bool is_in_x(uint e, out uint from) {
  from = 0;
  bool inside = true;
  uint outer = e;
  for (uint d = RANK - 1; d > 0; --d) {
    const uint rest = outer;
    outer = rest / p.sizes[d - 1];
    inside = is_in_loop(d, rest - outer * p.sizes[d - 1], from) && inside;
  }
  return is_in_loop(0, outer, from) && inside;
}

#if ELEMENT_BYTES != 1

UNIT load(uint at) {
  uint from;
  if (is_in_x(at, from)) {
    return x_in[from];
  }
  if (HAS_BASE != 0) {
    return base_in[at];
  }
  return UNIT(p.value);
}

void store(uint at, UNIT unit) {
  y_out[at] = unit;
}

#else

uint load(uint at) {
  uint word = p.value;
  if (HAS_BASE != 0) {
    word = base_in[at];
  }
  for (uint i = 0; i < min(4, p.count - at * 4); ++i) {
    uint from;
    if (is_in_x(at * 4 + i, from)) {
      const uint byte = (x_in[from >> 2] >> ((from & 3) * 8)) & 0xffu;
      word = bitfieldInsert(word, byte, int(8 * i), 8);
    }
  }
  return word;
}

void store(uint at, uint word) {
  const uint mask = byte_mask(p.count - at * 4);
  y_out[at] = mask == 0xffffffffu ? word : (word & mask) | (y_out[at] & ~mask);
}

#endif

void main() {
#if ELEMENT_BYTES != 1
  const uint units = p.count;
#else
  const uint units = words_of(p.count);
#endif
  FOR_EACH_PASS(first, units) {
    UNIT y[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      y[s] = load(step_at(first, s, units));
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
        store(step_at(first, s, units), y[s]);
      }
    }
  }
}
