// Rotary embedding of queries or keys x [batch, positions, heads, width] in float32: pairs of elements
// of a head turned by angles of their position, whose cosines and sines are given.
//
//   first = x[first] * cos - x[second] * sin,  second = x[second] * cos + x[first] * sin
//
// With INTERLEAVED a pair are neighbours, 2 i and 2 i + 1, and share column i of cos and sin; else they
// are half of `rotated` apart, and each has its own column. Elements of a head from `rotated` on stay.
//
//   x       row of a head = (batch, position, head)
//   cos     row = first_row + row of a head / repeats % rows
//
// Bindings: 0 y, 1 x, 2 cos, 3 sin. A thread makes the elements of flat_steps.glsl.
// Specialization constant 0: INTERLEAVED, 0 or 1.
// Preconditions: `rotated` is even and at most width. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#define UNIT_ELEMENTS 1
#include "flat_steps.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint INTERLEAVED = 0;

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { float x_in[]; };
layout(set = 0, binding = 2) readonly buffer Cosines { float cosines[]; };
layout(set = 0, binding = 3) readonly buffer Sines { float sines[]; };
layout(push_constant) uniform Params {
  uint count;
  uint width;
  uint rotated;
  uint repeats;
  uint rows;
  uint first_row;
} p;

float turned(uint e) {
  const uint at = e % p.width;
  const float x = x_in[e];
  if (at >= p.rotated) {
    return x;
  }
  const bool interleaved = INTERLEAVED != 0;
  const uint apart = interleaved ? 1 : p.rotated / 2;
  const bool is_first = interleaved ? (at & 1) == 0 : at < apart;
  const float other = x_in[is_first ? e + apart : e - apart];
  const uint columns = interleaved ? p.rotated / 2 : p.rotated;
  const uint row = p.first_row + e / p.width / p.repeats % p.rows;
  const uint angle = row * columns + (interleaved ? at / 2 : at);
  precise float beside = other * sines[angle];
  precise float y = x * cosines[angle] + (is_first ? -beside : beside);
  return y;
}

void main() {
  FOR_EACH_PASS(first, p.count) {
    float y[STEPS];
    for (uint s = 0; s < STEPS; ++s) {
      y[s] = turned(step_at(first, s, p.count));
    }
    for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, p.count)) {
        y_out[step_at(first, s, p.count)] = y[s];
      }
    }
  }
}
