// argmax and argmin: where the largest or smallest element of a row is, the first of equal ones; NaN
// counts as the most extreme.
//
//   y[r] = the least i for which x[place(r) + i * step] is most extreme, i < count
//
// A workgroup finds one result at a time: its threads look at elements that lie WORKGROUP_SIZE apart,
// then halves of what they found are compared in shared memory. Results are numbered by the loops of
// strided_bytes.glsl, whose strides count elements of x; workgroups stride over them.
//
// Bindings: 0 y int32; 1 x float32 or int32.
// Specialization constants: 1, IS_LEAST: argmin. 2, INTEGERS: x is int32.
// Preconditions: steps is not 0. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 1) const uint IS_LEAST = 0;
layout(constant_id = 2) const uint INTEGERS = 0;

layout(set = 0, binding = 0) writeonly buffer OutputY { int y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(push_constant) uniform Params {
  uint count;  // results
  uint steps;  // elements of each
  uint step;
  uint sizes[7];
  uint x_strides[8];
} p;

#include "strided_bytes.glsl"

DEFINE_ELEMENT_AT(place_of, p.x_strides)

shared uint keys[WORKGROUP_SIZE];
shared uint places[WORKGROUP_SIZE];

// Whole numbers in the order of the elements, all NaN the largest one; -0.0 is 0.0.
uint key_of(uint bits) {
  uint key = bits ^ 0x80000000u;
  if (INTEGERS == 0) {
    const uint magnitude = bits & 0x7fffffffu;
    const bool is_negative = bits != magnitude && magnitude != 0;
    key = is_negative ? ~bits : magnitude | 0x80000000u;
    if (magnitude > 0x7f800000u) {
      return 0xffffffffu;
    }
  }
  return IS_LEAST != 0 ? ~key : key;
}

bool is_before(uint key, uint place, uint other_key, uint other_place) {
  return key > other_key || (key == other_key && place < other_place);
}

void find(uint result) {
  uint left;
  const uint start = place_of(result, left);
  uint key = 0;
  uint place = p.steps;
  for (uint i = gl_LocalInvocationIndex; i < p.steps; i += WORKGROUP_SIZE) {
    const uint own = key_of(x_words[start + i * p.step]);
    if (place == p.steps || own > key) {
      key = own;
      place = i;
    }
  }
  keys[gl_LocalInvocationIndex] = key;
  places[gl_LocalInvocationIndex] = place;
  barrier();
  for (uint half_size = WORKGROUP_SIZE / 2; half_size > 0; half_size /= 2) {
    const uint i = gl_LocalInvocationIndex;
    if (i < half_size && is_before(keys[i + half_size], places[i + half_size], keys[i], places[i])) {
      keys[i] = keys[i + half_size];
      places[i] = places[i + half_size];
    }
    barrier();
  }
  if (gl_LocalInvocationIndex == 0) {
    y_out[result] = int(places[0]);
  }
  barrier();
}

void main() {
  for (uint result = gl_WorkGroupID.x; result < p.count; result += gl_NumWorkGroups.x) {
    find(result);
  }
}
