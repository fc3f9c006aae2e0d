// Whether any element of some dimensions is true, or with X_FLOAT not zero (NaN is not).
//
// Bindings: 0 y bool in words, 1 x bool in words, or float32 as bits. Loops as in reduced_loops.glsl. A
// team of LANES threads makes one word of y (four elements): each lane looks at every LANES-th step,
// and shared memory puts the lanes together.
//
//   ALONG_ROWS 1, the innermost reduced loop has stride 1: a step is one element of each of four rows,
//                 or with WHOLE_WORDS a word of each; neighbouring threads are the lanes of a team
//   ALONG_ROWS 0, a step is one element for each of the four outputs, with WHOLE_WORDS all in one word;
//                 neighbouring threads are the same lane of neighbouring teams
//
// STEPS is how many of them a lane has in flight.
//
// Preconditions: LANES is a power of two that divides WORKGROUP_SIZE; KEPT and REDUCED at least 1,
// together at most 8; p.steps at least 1; no WHOLE_WORDS with X_FLOAT. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/bool_bytes.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 2) const uint LANES = 1;
layout(constant_id = 3) const uint ALONG_ROWS = 0;
layout(constant_id = 4) const uint WHOLE_WORDS = 0;

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(push_constant) uniform Params {
  uint count;  // elements of y
  uint steps;  // of the reduced loops; with ALONG_ROWS and WHOLE_WORDS the innermost one in words
  uint sizes[8];
  uint strides[8];
} p;

#include "reduce/reduced_loops.glsl"

shared uvec4 partial[WORKGROUP_SIZE];

// Not zero where the element of x is not.
uint element(uint at) {
#ifdef X_FLOAT
  return x_words[at] & 0x7fffffffu;
#else
  return bitfieldExtract(x_words[at >> 2], int(at & 3) * 8, 8);
#endif
}

// Of four outputs.
uvec4 load(uvec4 at) {
  if (WHOLE_WORDS != 0 && ALONG_ROWS != 0) {
    return uvec4(x_words[at.x >> 2], x_words[at.y >> 2], x_words[at.z >> 2], x_words[at.w >> 2]);
  }
  if (WHOLE_WORDS != 0) {
    return (uvec4(x_words[at.x >> 2]) >> uvec4(0, 8, 16, 24)) & 0xffu;
  }
  return uvec4(element(at.x), element(at.y), element(at.z), element(at.w));
}

// Of the steps of this lane, for the outputs that start at x elements `base`. Steps behind the last one
// load it again.
uvec4 any_of_lane(uvec4 base, uint lane) {
  const uint step_elements = WHOLE_WORDS != 0 && ALONG_ROWS != 0 ? 4 : 1;
  const uint row_steps = p.sizes[KEPT + REDUCED - 1] / step_elements;
  uvec4 found = uvec4(0);
  for (uint step = lane; step < p.steps; step += STEPS * LANES) {
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      const uint own = s == 0 ? step : min(step + s * LANES, p.steps - 1);
      found |= load(base + element_at(own, KEPT, REDUCED, row_steps, step_elements));
    }
  }
  return found;
}

void store(uint word, uvec4 found) {
  const uint bytes = truth_bytes(notEqual(found, uvec4(0)));
  const uint mask = byte_mask(p.count - word * 4);
  y_words[word] = mask == 0xffffffffu ? bytes : (bytes & mask) | (y_words[word] & ~mask);
}

void main() {
  const uint teams = WORKGROUP_SIZE / LANES;
  const uint id = gl_LocalInvocationIndex;
  const uint lane = ALONG_ROWS != 0 ? id % LANES : id / teams;
  const uint team = ALONG_ROWS != 0 ? id / LANES : id % teams;
  const uint lane_distance = ALONG_ROWS != 0 ? 1 : teams;  // in `partial`
  const uint words = p.count / 4 + (p.count % 4 != 0 ? 1 : 0);

  for (uint first = gl_WorkGroupID.x * teams; first < words; first += gl_NumWorkGroups.x * teams) {
    const uint word = first + team;
    // Outputs beyond the last one repeat it, and are not stored.
    uvec4 base;
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      base[i] = element_at(min(word * 4 + i, p.count - 1), 0, KEPT, p.sizes[KEPT - 1], 1);
    }
    uvec4 found = any_of_lane(base, lane);
    if (LANES > 1) {
      partial[id] = found;
      for (uint half_size = LANES / 2; half_size > 0; half_size /= 2) {
        barrier();
        if (lane < half_size) {
          partial[id] |= partial[id + half_size * lane_distance];
        }
      }
      found = partial[id];
      barrier();
    }
    if (lane == 0 && word < words) {
      store(word, found);
    }
  }
}
