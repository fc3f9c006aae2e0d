// Sums of all elements of a row up to each one, in float32 or int32:
//
//   y[outer, i, inner] = x[outer, 0, inner] + ... + x[outer, i, inner]       x, y [outer, steps, inner]
//
// A team of LANES threads walks along a row. In each block of LANES * STEPS elements a lane adds up
// STEPS neighbours, shared memory adds the sums of the lanes in front of it, and what the blocks
// before came to. Float sums carry what their additions round off, so that the last one of a million
// is as precise as the first ones. A dispatch takes the steps p.first .. p.end - 1 of all rows, and
// goes on from the sums in y in front of them.
//
//   ALONG_ROWS 1, where p.inner is 1: neighbouring threads are the lanes of a team
//   ALONG_ROWS 0, neighbouring threads are the same lane of neighbouring teams
//
// Bindings: 0 y, also read; 1 x; words of float32 or int32.
// Preconditions: LANES is a power of two that divides WORKGROUP_SIZE; p.rows at least 1;
// p.first < p.end <= p.steps.
// Features: none.
#version 450
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint LANES = 1;
layout(constant_id = 1) const uint ALONG_ROWS = 0;
layout(constant_id = 2) const uint INTEGERS = 0;

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(push_constant) uniform Params {
  uint rows;  // outer * inner
  uint steps;
  uint inner;
  uint first;
  uint end;
} p;

// A sum as it is in memory, and what its additions have rounded off.
struct Sum {
  uint bits;
  float lost;
};

const Sum NOTHING = Sum(0u, 0.0);

shared uint sums[WORKGROUP_SIZE];
shared float losses[WORKGROUP_SIZE];

Sum add(Sum a, Sum b) {
  if (INTEGERS != 0) {
    return Sum(a.bits + b.bits, 0.0);
  }
  const float x = uintBitsToFloat(a.bits);
  const float y = uintBitsToFloat(b.bits);
  precise float sum = x + y;
  precise float from_y = sum - x;
  precise float error = (x - (sum - from_y)) + (y - from_y);
  precise float lost = (a.lost + b.lost) + error;
  return Sum(floatBitsToUint(sum), lost);
}

// An infinite sum stays what it is; its losses are NaN.
uint result(Sum sum) {
  const bool is_infinite = (sum.bits & 0x7fffffffu) == 0x7f800000u;
  if (INTEGERS != 0 || is_infinite) {
    return sum.bits;
  }
  precise float total = uintBitsToFloat(sum.bits) + sum.lost;
  return floatBitsToUint(total);
}

Sum shared_sum(uint id) { return Sum(sums[id], losses[id]); }

void share(Sum sum) {
  sums[gl_LocalInvocationIndex] = sum.bits;
  losses[gl_LocalInvocationIndex] = sum.lost;
}

// What the lanes in front of this one have, and in `all` what the team has. All threads of the
// workgroup take part.
Sum before(Sum own, uint lane, uint lane_distance, out Sum all) {
  const uint id = gl_LocalInvocationIndex;
  for (uint distance = 1; distance < LANES; distance *= 2) {
    share(own);
    barrier();
    if (lane >= distance) {
      own = add(shared_sum(id - distance * lane_distance), own);
    }
    barrier();
  }
  share(own);
  barrier();
  all = shared_sum(id + (LANES - 1 - lane) * lane_distance);
  const Sum previous = lane == 0 ? NOTHING : shared_sum(id - lane_distance);
  barrier();
  return previous;
}

void main() {
  const uint teams = WORKGROUP_SIZE / LANES;
  const uint id = gl_LocalInvocationIndex;
  const uint lane = ALONG_ROWS != 0 ? id % LANES : id / teams;
  const uint team = ALONG_ROWS != 0 ? id / LANES : id % teams;
  const uint lane_distance = ALONG_ROWS != 0 ? 1 : teams;  // in shared memory

  for (uint first = gl_WorkGroupID.x * teams; first < p.rows; first += gl_NumWorkGroups.x * teams) {
    // Rows beyond the last one repeat it, and are not stored.
    const uint row = min(first + team, p.rows - 1);
    const uint outer = row / p.inner;
    const uint base = outer * p.steps * p.inner + (row - outer * p.inner);
    Sum so_far = NOTHING;
    if (p.first > 0) {
      so_far.bits = y_words[base + (p.first - 1) * p.inner];
    }
    for (uint block = p.first; block < p.end; block += LANES * STEPS) {
      const uint own = block + lane * STEPS;
      Sum up_to[STEPS];
      [[unroll]] for (uint s = 0; s < STEPS; ++s) {
        const Sum one = own + s < p.end ? Sum(x_words[base + (own + s) * p.inner], 0.0) : NOTHING;
        up_to[s] = s == 0 ? one : add(up_to[s - 1], one);
      }
      Sum all = up_to[STEPS - 1];
      Sum start = so_far;
      if (LANES > 1) {
        start = add(so_far, before(up_to[STEPS - 1], lane, lane_distance, all));
      }
      [[unroll]] for (uint s = 0; s < STEPS; ++s) {
        if (own + s < p.end && first + team < p.rows) {
          y_words[base + (own + s) * p.inner] = result(add(start, up_to[s]));
        }
      }
      so_far = add(so_far, all);
    }
  }
}
