// Float32 matrix products for CPU drivers: no shared memory and no barrier.
//
// Formula, bindings, push and specialization constants: matmul_io.glsl.
//
// One thread makes TILE_M x 4 outputs; the threads of a workgroup lie side by side along N and use the
// same rows of a:
//
//               thread 0      thread 1     ...
//               n 0..3        n 4..7
//      m 0    +-------------+-------------+
//      ...    | TILE_M x 4  |             |
//
// Four products are added up before they come to a sum, which keeps long sums precise.
//
// Preconditions: TILE_N == 4 * WORKGROUP_SIZE. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "matmul/matmul_io.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

void main() {
  FOR_EACH_TILE(index) {
    const Tile tile = tile_at(index);
    const uint n = tile.n + gl_LocalInvocationIndex * 4;
    ARow rows[TILE_M];
    vec4 sums[TILE_M];
    [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
      rows[i] = a_row(tile, tile.m + i);
      sums[i] = vec4(0.0);
    }
    for (uint k = 0; k < p.K; k += 4) {
      const mat4 b = load_b(tile.b, k, n);
      [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
        sums[i] += b * load_a(rows[i], k);
      }
    }
    if (n < p.N) {
      [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
        if (tile.m + i < p.M) {
          store(tile, tile.m + i, n, sums[i]);
        }
      }
    }
  }
}
