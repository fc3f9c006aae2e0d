// Writes elements to places of y that an index gives, and nothing else: what index_put does to a
// tensor in its own memory.
//
//   y[sum_d step_d * y_strides[d] + place * y_step] = x[sum_d step_d * x_strides[d]],  place = index[i],
//   i = sum_d step_d * index_strides[d]
//
// over the steps e of the loops of strided_bytes.glsl. A negative place counts from place_count; what is
// no place then is not written. With WITH_MAP only element map[place] of the index writes there.
//
// Bindings: 0 y, 1 x, 2 index int32, 3 map int32. y and x are words, or with ELEMENT_BYTES 16 groups of
// four words; loops and strides of both count these units. A thread writes the units of flat_steps.glsl.
// Specialization constant 1: WITH_MAP, 0 or 1.
// Preconditions: place_count is less than 2^31; without a map no two elements of the index are the same
// place. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#define UNIT_ELEMENTS 1
#include "flat_steps.glsl"

#if ELEMENT_BYTES == 16
#define UNIT uvec4
#else
#define UNIT uint
#endif

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 1) const uint WITH_MAP = 0;

layout(set = 0, binding = 0) writeonly buffer OutputY { UNIT y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { UNIT x_in[]; };
layout(set = 0, binding = 2) readonly buffer Index { int places[]; };
layout(set = 0, binding = 3) readonly buffer Map { int last[]; };
layout(push_constant) uniform Params {
  uint count;
  uint place_count;
  uint y_step;
  uint sizes[5];
  uint x_strides[6];
  uint y_strides[6];
  uint index_strides[6];
} p;

#include "strided_bytes.glsl"

DEFINE_ELEMENT_AT(x_at, p.x_strides)
DEFINE_ELEMENT_AT(y_at, p.y_strides)
DEFINE_ELEMENT_AT(index_at, p.index_strides)

void main() {
  FOR_EACH_PASS(first, p.count) {
    for (uint s = 0; s < STEPS; ++s) {
      if (!is_step(first, s, p.count)) {
        break;
      }
      const uint e = first + s * WORKGROUP_SIZE;
      uint left;
      const uint i = index_at(e, left);
      const int given = places[i];
      const int place = given < 0 ? given + int(p.place_count) : given;
      if (place < 0 || place >= int(p.place_count)) {
        continue;
      }
      if (WITH_MAP != 0 && last[place] != int(i)) {
        continue;
      }
      y_out[y_at(e, left) + uint(place) * p.y_step] = x_in[x_at(e, left)];
    }
  }
}
