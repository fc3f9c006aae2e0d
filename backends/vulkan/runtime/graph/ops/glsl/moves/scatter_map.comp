// For each place of a tensor, what an index writes there: the first half of index_put and scatter.
//
//   map[sum_d step_d * map_strides[d] + place * map_step] = max(sum_d step_d * value_strides[d])
//
// over the steps e of the loops of strided_bytes.glsl, with place = index[e]. The map holds -1 before;
// values grow with e, so the last one to a place stays, in any order of threads. With COUNTS_BACK a
// negative place counts from map_size; one that is no place is left out.
//
// Bindings: 0 map int32, 1 index int32. A thread makes the elements of flat_steps.glsl.
// Specialization constant 1: COUNTS_BACK, 0 or 1.
// Preconditions: map_size is less than 2^31, values too. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#define UNIT_ELEMENTS 1
#include "flat_steps.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 1) const uint COUNTS_BACK = 0;

layout(set = 0, binding = 0) buffer Map { int last[]; };
layout(set = 0, binding = 1) readonly buffer Index { int places[]; };
layout(push_constant) uniform Params {
  uint count;
  uint map_size;
  uint map_step;
  uint sizes[7];
  uint map_strides[8];
  uint value_strides[8];
} p;

#include "strided_bytes.glsl"

DEFINE_ELEMENT_AT(map_at, p.map_strides)
DEFINE_ELEMENT_AT(value_at, p.value_strides)

void main() {
  FOR_EACH_PASS(first, p.count) {
    for (uint s = 0; s < STEPS; ++s) {
      if (!is_step(first, s, p.count)) {
        break;
      }
      const uint e = first + s * WORKGROUP_SIZE;
      const int given = places[e];
      const int place = COUNTS_BACK != 0 && given < 0 ? given + int(p.map_size) : given;
      if (place >= 0 && place < int(p.map_size)) {
        uint left;
        atomicMax(last[map_at(e, left) + uint(place) * p.map_step], int(value_at(e, left)));
      }
    }
  }
}
