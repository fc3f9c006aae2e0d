// Float32 matrix products, tiled through shared memory.
//
// Formula, bindings, push and specialization constants: matmul_io.glsl.
//
// One workgroup makes TILE_M x TILE_N outputs; one thread THREAD_M x 4 of them:
//
//                      columns of y
//               |<---------- TILE_N ------------>|
//               thread 0  thread 1  ...               columns of a thread: a group of four
//               n 0..3    n 4..7
//        ---    +---------+---------+----
//         ^     | t(0,0)  | t(0,1)  |                 rows of a thread: THREAD_M neighbours
//   TILE_M      |   ...
//         v
//
// K goes in steps of TILE_K. Shared memory holds for each k of a step the TILE_M elements of a and the
// TILE_N of b, in groups of four; a thread loads blocks of 4 x 4 of either, of which the next step's
// wait in registers. The sums of a step are added up before they come to the others, which keeps long
// sums precise.
//
// Preconditions: TILE_M, TILE_N, TILE_K and THREAD_M are multiples of 4. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "matmul/matmul_io.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint THREADS_N = TILE_N / 4;
const uint GROUPS_M = THREAD_M / 4;
// Of four elements along M or N, for one k; one more, so that columns begin in different banks.
const uint A_GROUPS = TILE_M / 4;
const uint B_GROUPS = TILE_N / 4;
const uint A_STRIDE = A_GROUPS + 1;
const uint B_STRIDE = B_GROUPS + 1;
const uint BLOCKS_K = TILE_K / 4;
const uint A_BLOCKS = A_GROUPS * BLOCKS_K;
const uint BLOCKS = A_BLOCKS + B_GROUPS * BLOCKS_K;
const uint LOADS = (BLOCKS + WORKGROUP_SIZE - 1) / WORKGROUP_SIZE;

shared vec4 a_tile[TILE_K * A_STRIDE];
shared vec4 b_tile[TILE_K * B_STRIDE];

mat4 ahead[LOADS];
ARow rows_of_a[LOADS * 4];  // of the blocks of a that a thread loads

// Blocks of a lie side by side along K in memory, those of b along the one that is B_FORM's.
uvec2 b_block(uint block) {
  return B_FORM == 0 ? uvec2(block / B_GROUPS, block % B_GROUPS)
                     : uvec2(block % BLOCKS_K, block / BLOCKS_K);
}

void find_rows(Tile tile) {
  [[unroll]] for (uint i = 0; i < LOADS * 4; ++i) {
    const uint block = gl_LocalInvocationIndex + i / 4 * WORKGROUP_SIZE;
    if (block < A_BLOCKS) {
      rows_of_a[i] = a_row(tile, tile.m + block / BLOCKS_K * 4 + i % 4);
    }
  }
}

void load_ahead(Tile tile, uint k0) {
  [[unroll]] for (uint i = 0; i < LOADS; ++i) {
    const uint block = gl_LocalInvocationIndex + i * WORKGROUP_SIZE;
    if (block < A_BLOCKS) {
      const uint k = k0 + block % BLOCKS_K * 4;
      const uint row = i * 4;
      ahead[i] = transpose(mat4(load_a(rows_of_a[row], k), load_a(rows_of_a[row + 1], k),
                                load_a(rows_of_a[row + 2], k), load_a(rows_of_a[row + 3], k)));
    } else if (block < BLOCKS) {
      const uvec2 at = b_block(block - A_BLOCKS);
      ahead[i] = load_b(tile.b, k0 + at.x * 4, tile.n + at.y * 4);
    }
  }
}

void store_ahead() {
  [[unroll]] for (uint i = 0; i < LOADS; ++i) {
    const uint block = gl_LocalInvocationIndex + i * WORKGROUP_SIZE;
    if (block < A_BLOCKS) {
      [[unroll]] for (uint k = 0; k < 4; ++k) {
        a_tile[(block % BLOCKS_K * 4 + k) * A_STRIDE + block / BLOCKS_K] = ahead[i][k];
      }
    } else if (block < BLOCKS) {
      const uvec2 at = b_block(block - A_BLOCKS);
      [[unroll]] for (uint k = 0; k < 4; ++k) {
        b_tile[(at.x * 4 + k) * B_STRIDE + at.y] = ahead[i][k];
      }
    }
  }
}

void main() {
  const uint thread_n = gl_LocalInvocationIndex % THREADS_N;
  const uint thread_m = gl_LocalInvocationIndex / THREADS_N;

  FOR_EACH_TILE(index) {
    const Tile tile = tile_at(index);
    vec4 sums[THREAD_M];
    [[unroll]] for (uint i = 0; i < THREAD_M; ++i) {
      sums[i] = vec4(0.0);
    }
    find_rows(tile);
    load_ahead(tile, 0);
    for (uint k0 = 0; k0 < p.K; k0 += TILE_K) {
      barrier();
      store_ahead();
      barrier();
      if (k0 + TILE_K < p.K) {
        load_ahead(tile, k0 + TILE_K);
      }
      vec4 step_sums[THREAD_M];
      [[unroll]] for (uint i = 0; i < THREAD_M; ++i) {
        step_sums[i] = vec4(0.0);
      }
      for (uint k = 0; k < TILE_K; ++k) {
        const vec4 b = b_tile[k * B_STRIDE + thread_n];
        [[unroll]] for (uint group = 0; group < GROUPS_M; ++group) {
          const vec4 a = a_tile[k * A_STRIDE + thread_m * GROUPS_M + group];
          [[unroll]] for (uint i = 0; i < 4; ++i) {
            step_sums[group * 4 + i] += a[i] * b;
          }
        }
      }
      [[unroll]] for (uint i = 0; i < THREAD_M; ++i) {
        sums[i] += step_sums[i];
      }
    }
    const uint n = tile.n + thread_n * 4;
    if (n < p.N) {
      [[unroll]] for (uint i = 0; i < THREAD_M; ++i) {
        const uint m = tile.m + thread_m * THREAD_M + i;
        if (m < p.M) {
          store(tile, m, n, sums[i]);
        }
      }
    }
  }
}
