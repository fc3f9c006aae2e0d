// argmax, argmin and topk: where the most extreme elements of a row are, the first of equal ones first.
//
//   y[r, j] = the i for which x[place(r) + i * step] comes j-th, i < steps, j < places
//
// A workgroup takes one row at a time: each thread has the first of the elements that lie
// WORKGROUP_SIZE apart, and halves of what they have are compared in shared memory. The thread whose
// element is taken looks for its next one. Rows are numbered by the loops of strided_bytes.glsl, whose
// strides count elements of x; workgroups stride over them. In y, the places of a row lie p.inner
// apart, as do neighbours of a tensor's dimension. A dispatch finds places p.first .. p.end - 1, behind
// the one in y in front of them.
//
// Bindings: 0 y int32, also read; 1 x float32 or int32.
// Specialization constants: 1, IS_LEAST: the smallest come first. 2, INTEGERS: x is int32. 3,
// NAN_IS_LARGE: NaN is the largest element, else it comes first with IS_LEAST too.
// Preconditions: p.first < p.end <= p.places <= p.steps. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 1) const uint IS_LEAST = 0;
layout(constant_id = 2) const uint INTEGERS = 0;
layout(constant_id = 3) const uint NAN_IS_LARGE = 0;

layout(set = 0, binding = 0) buffer OutputY { int y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(push_constant) uniform Params {
  uint count;  // rows
  uint steps;  // elements of each
  uint step;
  uint places;
  uint inner;
  uint first;
  uint end;
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
      return IS_LEAST != 0 && NAN_IS_LARGE != 0 ? 0u : 0xffffffffu;
    }
  }
  return IS_LEAST != 0 ? ~key : key;
}

struct Found {
  uint key;
  uint place;  // p.steps: none
};

bool is_before(Found a, Found b) {
  return a.key > b.key || (a.key == b.key && a.place < b.place);
}

// Of the row that starts at x element `start`, what comes first of this thread's elements, behind
// `taken` where that is one.
Found next(uint start, Found taken) {
  Found found = Found(0u, p.steps);
  for (uint i = gl_LocalInvocationIndex; i < p.steps; i += WORKGROUP_SIZE) {
    const Found one = Found(key_of(x_words[start + i * p.step]), i);
    if (is_before(one, found) && (taken.place == p.steps || is_before(taken, one))) {
      found = one;
    }
  }
  return found;
}

// What comes first of what the threads have.
Found first_of_all(Found own) {
  const uint id = gl_LocalInvocationIndex;
  keys[id] = own.key;
  places[id] = own.place;
  barrier();
  for (uint half_size = WORKGROUP_SIZE / 2; half_size > 0; half_size /= 2) {
    if (id < half_size) {
      const Found other = Found(keys[id + half_size], places[id + half_size]);
      if (is_before(other, Found(keys[id], places[id]))) {
        keys[id] = other.key;
        places[id] = other.place;
      }
    }
    barrier();
  }
  const Found found = Found(keys[0], places[0]);
  barrier();
  return found;
}

void find(uint row) {
  uint left;
  const uint start = place_of(row, left);
  const uint outer = row / p.inner;
  const uint y_base = outer * p.places * p.inner + (row - outer * p.inner);
  Found taken = Found(0u, p.steps);
  if (p.first > 0) {
    // Whatever y holds, x is read within the row.
    taken.place = min(uint(y_out[y_base + (p.first - 1) * p.inner]), p.steps - 1);
    taken.key = key_of(x_words[start + taken.place * p.step]);
  }
  Found own = next(start, taken);
  for (uint j = p.first; j < p.end; ++j) {
    taken = first_of_all(own);
    if (gl_LocalInvocationIndex == taken.place % WORKGROUP_SIZE) {
      y_out[y_base + j * p.inner] = int(taken.place);
      if (j + 1 < p.end) {
        own = next(start, taken);
      }
    }
  }
}

void main() {
  for (uint row = gl_WorkGroupID.x; row < p.count; row += gl_NumWorkGroups.x) {
    find(row);
  }
}
