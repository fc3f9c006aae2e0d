// Adds elements to places of a tensor that an index gives: scatter_add, and index_put that accumulates.
//
//   y[e] = base[e] + sum of source[at + k * source_step] over the k from `first` to `end` whose place
//          index[from + k * index_step] is that of e along dimension `dim`
//
// with at = sum_d c_d * source_strides[d] and from = sum_d c_d * index_strides[d] for the coordinates c
// of e. Elements with a coordinate from bounds[d] on get nothing. A thread adds up all that one element
// of y gets, the first k first, so that results do not depend on the order of threads; float32 keeps
// what each addition loses. Behind `first` 0 it goes on from y. With COUNTS_BACK negative places count
// from sizes[dim]; what is no place is left out.
//
// Bindings: 0 y, 1 base, 2 index int32, 3 source; of float32, or with INTEGERS of int32, which wraps
// around. A thread makes the elements of flat_steps.glsl.
// Specialization constants: 0, the dimensions; 1, COUNTS_BACK, 0 or 1.
// Preconditions: at most six dimensions. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define UNIT_ELEMENTS 1
#include "elementwise/functions.glsl"
#include "flat_steps.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint RANK = 1;
layout(constant_id = 1) const uint COUNTS_BACK = 0;

layout(set = 0, binding = 0) buffer OutputY { NUMBER y_out[]; };
layout(set = 0, binding = 1) readonly buffer Base { NUMBER base_in[]; };
layout(set = 0, binding = 2) readonly buffer Index { int places[]; };
layout(set = 0, binding = 3) readonly buffer Source { NUMBER source_in[]; };
layout(push_constant) uniform Params {
  uint count;
  uint dim;
  uint first;
  uint end;
  uint index_step;
  uint source_step;
  uint sizes[6];
  uint bounds[6];
  uint index_strides[6];
  uint source_strides[6];
} p;

void main() {
  FOR_EACH_PASS(e, p.count) {
    uint rest = e;
    uint from = 0;
    uint at = 0;
    uint own = 0;
    bool is_inside = true;
    for (uint i = 0; i < RANK; ++i) {
      const uint d = RANK - 1 - i;
      const uint c = rest % p.sizes[d];
      rest /= p.sizes[d];
      own = d == p.dim ? c : own;
      is_inside = is_inside && c < p.bounds[d];
      from += c * p.index_strides[d];
      at += c * p.source_strides[d];
    }
    NUMBERS sum = NUMBERS(p.first == 0 ? base_in[e] : y_out[e]);
#ifndef INTEGERS
    precise vec4 lost = vec4(0.0);
#endif
    for (uint k = p.first; k < (is_inside ? p.end : p.first); ++k) {
      const int given = places[from + k * p.index_step];
      const int place = COUNTS_BACK != 0 && given < 0 ? given + int(p.sizes[p.dim]) : given;
      if (place == int(own)) {
        const NUMBERS more = NUMBERS(source_in[at + k * p.source_step]);
#ifdef INTEGERS
        sum += more;
#else
        vec4 rounded;
        sum = two_sum(sum, more, rounded);
        lost += rounded;
#endif
      }
    }
#ifndef INTEGERS
    // What infinities and NaN lose is no number.
    precise vec4 whole = sum + lost;
    const bool is_finite = (floatBitsToUint(sum.x) & INFINITY_BITS) != INFINITY_BITS;
    sum = is_finite ? whole : sum;
#endif
    y_out[e] = sum.x;
  }
}
