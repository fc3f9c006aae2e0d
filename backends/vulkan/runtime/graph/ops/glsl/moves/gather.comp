// Elements of x whose place along one dimension is given by an integer tensor: embedding, gather,
// index_select, index; and with WITH_BASE what index_put and scatter write.
//
//   y[e] = x[sum_d step_d * x_strides[d] + place * x_step],  place = index[sum_d step_d * index_strides[d]]
//
// e is made of the steps of the loops of strided_bytes.glsl, in the order of y. A place is kept within
// 0 .. x_size - 1, whatever the tensor holds; with COUNTS_BACK a negative one counts from x_size. With
// WITH_BASE places are within x, and where one is negative, y[e] = base[e].
//
// Bindings: 0 y, 1 x, 2 index int32, with WITH_BASE 3 base. y, x and base are words, or with ELEMENT_BYTES 16 groups of four words,
// or with ELEMENT_BYTES 1 bytes; loops and x's strides count these units. A thread makes the units of
// flat_steps.glsl, with bytes the four elements of a word; it keeps the bytes of the last word that lie
// beyond the tensor.
// Specialization constant 1: COUNTS_BACK, 0 or 1.
// Preconditions: x_size is not 0. Features: none.
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

layout(constant_id = 1) const uint COUNTS_BACK = 0;

layout(set = 0, binding = 0) buffer OutputY { UNIT y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { UNIT x_in[]; };
layout(set = 0, binding = 2) readonly buffer Index { int places[]; };
#ifdef WITH_BASE
layout(set = 0, binding = 3) readonly buffer Base { UNIT base_in[]; };
#endif
layout(push_constant) uniform Params {
  uint count;
  uint x_size;
  uint x_step;
  uint sizes[7];
  uint x_strides[8];
  uint index_strides[8];
} p;

#include "strided_bytes.glsl"

DEFINE_ELEMENT_AT(x_at, p.x_strides)
DEFINE_ELEMENT_AT(index_at, p.index_strides)

// Where element e of y is in x; false where it is in base.
bool is_in_x(uint e, out uint from) {
  uint left;
  const int given = places[index_at(e, left)];
#ifdef WITH_BASE
  from = x_at(e, left) + uint(given) * p.x_step;
  return given >= 0;
#else
  const int place = COUNTS_BACK != 0 && given < 0 ? given + int(p.x_size) : given;
  from = x_at(e, left) + uint(clamp(place, 0, int(p.x_size) - 1)) * p.x_step;
  return true;
#endif
}

#if ELEMENT_BYTES != 1

UNIT load(uint at) {
  uint from;
  const bool in_x = is_in_x(at, from);
#ifdef WITH_BASE
  if (!in_x) {
    return base_in[at];
  }
#endif
  return x_in[from];
}

void store(uint at, UNIT unit) {
  y_out[at] = unit;
}

#else

uint load(uint at) {
  uint word = 0;
  for (uint i = 0; i < min(4, p.count - at * 4); ++i) {
    uint from;
    const bool in_x = is_in_x(at * 4 + i, from);
    uint source = in_x ? x_in[from >> 2] >> ((from & 3) * 8) : 0;
#ifdef WITH_BASE
    if (!in_x) {
      source = base_in[at] >> (8 * i);
    }
#endif
    word |= (source & 0xffu) << (8 * i);
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
    UNIT x[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      x[s] = load(step_at(first, s, units));
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
        store(step_at(first, s, units), x[s]);
      }
    }
  }
}
