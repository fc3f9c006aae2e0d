// Mean of an int8 tensor over some of its dimensions.
//
//   acc = sum(x) - reduced * input_zero_point                              int32, exact
//   y   = quantize(float(acc) * scale)                                     float32, never fused
//
// Bindings: 0 y int8 in words, 1 x int8 in words.
// The first KEPT of the loops in p.sizes and p.strides are the dimensions of y, outermost first,
// the REDUCED loops after them those that are summed. A team of LANES threads makes one word of y
// (four elements): each lane sums every LANES-th step, and shared memory adds the lanes up.
//
//   ALONG_ROWS 1, the innermost summed loop has stride 1: a step is four neighbours along it, and
//                 neighbouring threads are the lanes of a team
//   ALONG_ROWS 0, a step is one element for each of the four outputs, which mostly are neighbours
//                 in x as well; neighbouring threads are the same lane of neighbouring teams
//   WHOLE_WORDS 1, the four elements of each of these are a word of x
//
// STEPS is how many words a lane has in flight.
//
// Preconditions: LANES is a power of two that divides WORKGROUP_SIZE; KEPT and REDUCED at least 1,
// together at most 8; reduced * 255 fits int32. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 2) const uint LANES = 1;
layout(constant_id = 3) const uint ALONG_ROWS = 0;
layout(constant_id = 4) const uint WHOLE_WORDS = 0;

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(push_constant) uniform Params {
  uint count;  // elements of y
  uint steps;  // of the summed loops; with ALONG_ROWS the innermost one goes four at a time
  float scale;
  int correction;  // reduced * input_zero_point
  Grid output_grid;
  uint last_word;  // of x
  uint sizes[8];
  uint strides[8];
} p;

#include "reduce/reduced_loops.glsl"

shared ivec4 partial[WORKGROUP_SIZE];

int byte_at(uint at) {
  return bitfieldExtract(int(x_words[at >> 2]), int(at & 3) * 8, 8);
}

// Four bytes from `at` on; those behind x repeat some of it.
uint four_from(uint at) {
  if (WHOLE_WORDS != 0) {
    return x_words[at >> 2];
  }
  const uint shift = (at & 3) * 8;
  const uint word = x_words[at >> 2];
  if (shift == 0) {
    return word;
  }
  return (word >> shift) | (x_words[min((at >> 2) + 1, p.last_word)] << (32 - shift));
}

ivec4 signed_bytes(uint word) {
  const int w = int(word);
  return ivec4(
      bitfieldExtract(w, 0, 8),
      bitfieldExtract(w, 8, 8),
      bitfieldExtract(w, 16, 8),
      bitfieldExtract(w, 24, 8));
}

// The sums of this lane for the outputs that start at x elements `base`. Steps behind the last one
// load it again and count nothing.
ivec4 sum_along_rows(uvec4 base, uint lane) {
  const uint at_once = (STEPS + 3) / 4;
  const uint row = p.sizes[KEPT + REDUCED - 1];
  const uint row_steps = (row + 3) / 4;
  ivec4 sum = ivec4(0);
  for (uint step = lane; step < p.steps; step += at_once * LANES) {
    uvec4 words[at_once];
    [[unroll]] for (uint s = 0; s < at_once; ++s) {
      const uint own = s == 0 ? step : min(step + s * LANES, p.steps - 1);
      const uvec4 at = base + element_at(own, KEPT, REDUCED, row_steps, 4);
      words[s] = uvec4(four_from(at.x), four_from(at.y), four_from(at.z), four_from(at.w));
    }
    [[unroll]] for (uint s = 0; s < at_once; ++s) {
      const uint own = step + s * LANES;
      const uint left = own >= p.steps ? 0 : WHOLE_WORDS != 0 ? 4 : row - own % row_steps * 4;
      const uvec4 masked = words[s] & byte_mask(left);
      [[unroll]] for (uint i = 0; i < 4; ++i) {
        const ivec4 four = signed_bytes(masked[i]);
        sum[i] += four.x + four.y + four.z + four.w;
      }
    }
  }
  return sum;
}

ivec4 sum_columns(uvec4 base, uint lane) {
  const uint row = p.sizes[KEPT + REDUCED - 1];
  const bool neighbours = WHOLE_WORDS != 0 ||
      (base.w == base.x + 3 && base.z == base.x + 2 && base.y == base.x + 1);
  ivec4 sum = ivec4(0);
  if (!neighbours) {
    for (uint step = lane; step < p.steps; step += LANES) {
      const uvec4 at = base + element_at(step, KEPT, REDUCED, row, 1);
      sum += ivec4(byte_at(at.x), byte_at(at.y), byte_at(at.z), byte_at(at.w));
    }
    return sum;
  }
  for (uint step = lane; step < p.steps; step += STEPS * LANES) {
    uint words[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      const uint own = s == 0 ? step : min(step + s * LANES, p.steps - 1);
      words[s] = four_from(base.x + element_at(own, KEPT, REDUCED, row, 1));
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      sum += signed_bytes(s == 0 || step + s * LANES < p.steps ? words[s] : 0);
    }
  }
  return sum;
}

void store(uint word, ivec4 sum) {
  precise vec4 f = vec4(sum - p.correction) * p.scale;
  const uint bytes = quantize_to_word(f, p.output_grid, false);
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
    ivec4 sum = ALONG_ROWS != 0 ? sum_along_rows(base, lane) : sum_columns(base, lane);
    if (LANES > 1) {
      partial[id] = sum;
      for (uint half_size = LANES / 2; half_size > 0; half_size /= 2) {
        barrier();
        if (lane < half_size) {
          partial[id] += partial[id + half_size * lane_distance];
        }
      }
      sum = partial[id];
      barrier();
    }
    if (lane == 0 && word < words) {
      store(word, sum);
    }
  }
}
