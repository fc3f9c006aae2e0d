// Float32 matrix products of few rows: one pass over b.
//
// Formula, bindings, push and specialization constants: matmul_io.glsl.
//
// The THREADS_K lanes of a team share the K loop of four columns and TILE_M rows, each lane in steps of
// four, and add up their sums through shared memory at the end. A workgroup has TILE_N / 4 teams.
// Neighbouring threads read what lies side by side in b: they are lanes of one team where b is read
// along K, and the same lane of neighbouring teams elsewhere.
//
// Preconditions: THREADS_K a power of two. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "matmul/matmul_io.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint TEAMS = TILE_N / 4;

shared vec4 partial[TILE_M * WORKGROUP_SIZE];

void main() {
  const uint id = gl_LocalInvocationIndex;
  const uint lane = B_FORM == 1 ? id % THREADS_K : id / TEAMS;
  const uint team = B_FORM == 1 ? id / THREADS_K : id % TEAMS;
  const uint own = lane * TEAMS + team;

  FOR_EACH_TILE(index) {
    const Tile tile = tile_at(index);
    const uint n = tile.n + team * 4;
    ARow rows[TILE_M];
    vec4 sums[TILE_M];
    [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
      rows[i] = a_row(tile, tile.m + i);
      sums[i] = vec4(0.0);
    }
    for (uint k = lane * 4; k < p.K; k += THREADS_K * 4) {
      const mat4 b = load_b(tile.b, k, n);
      [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
        sums[i] += b * load_a(rows[i], k);
      }
    }
    barrier();
    [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
      partial[i * WORKGROUP_SIZE + own] = sums[i];
    }
    for (uint half_size = THREADS_K / 2; half_size > 0; half_size /= 2) {
      barrier();
      if (lane < half_size) {
        [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
          partial[i * WORKGROUP_SIZE + own] += partial[i * WORKGROUP_SIZE + own + half_size * TEAMS];
        }
      }
    }
    barrier();
    // Rows of y are spread over the lanes of the team.
    if (n < p.N) {
      for (uint i = lane; i < min(TILE_M, p.M - tile.m); i += THREADS_K) {
        store(tile, tile.m + i, n, partial[i * WORKGROUP_SIZE + team]);
      }
    }
  }
}
