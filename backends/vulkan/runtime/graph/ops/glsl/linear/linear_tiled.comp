// int8 linear, tiled through shared memory.
//
//   y[m, n] = quantize(activation((sum_k x[m, k] * w[n, k] - zp * sum_w[n]) * scale[n] + bias[n]))
//
// Bindings, push and specialization constants: linear_io.glsl.
//
// One workgroup makes TILE_M x TILE_N outputs; one thread THREAD_M x THREAD_N of them:
//
//                      w rows (columns of y)
//               |<---------- TILE_N ------------>|
//               thread 0  thread 1  ...               columns of a thread: groups of four
//               n 0..3    n 4..7                      neighbours, THREADS_N * 4 apart
//        ---    +---------+---------+----
//         ^  m0 | t(0,0)  | t(0,1)  |                 rows of a thread: THREADS_M apart
//   TILE_M   m1 | t(1,0)  | t(1,1)  |
//         v     |   ...
//
// K goes in steps of TILE_K bytes. Shared memory holds both tiles in quads (16 bytes along K), rows
// padded to an odd number of quads so that neighbouring threads hit different banks; weight rows
// are permuted (slot_of) for the same reason. The next step's quads wait in registers.
//
// Preconditions: TILE_K % 16 == 0, THREAD_N % 4 == 0. Any M, N, K >= 1.
// Features: none; with DOT4 the packed integer dot product.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef DOT4
#extension GL_EXT_spirv_intrinsics : require
#endif

#include "linear/int8_dot.glsl"
#include "linear/linear_io.glsl"
#include "quantize_and_pack.glsl"
#include "linear/linear_epilogue.glsl"

const uint THREADS_M = TILE_M / THREAD_M;
const uint THREADS_N = TILE_N / THREAD_N;
const uint WORKGROUP = THREADS_M * THREADS_N;
const uint QUADS = TILE_K / 16;
const uint ROW_QUADS = QUADS | 1u;
const uint GROUPS_N = THREAD_N / 4;
const uint X_LOADS = (TILE_M * QUADS + WORKGROUP - 1) / WORKGROUP;
const uint W_LOADS = (TILE_N * QUADS + WORKGROUP - 1) / WORKGROUP;

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

shared uvec4 x_tile[TILE_M * ROW_QUADS];
shared uvec4 w_tile[TILE_N * ROW_QUADS];

// Column `n` of the tile lies in this row of w_tile: the four columns of a group are TILE_N / 4
// rows apart, so that the same column of neighbouring threads is in neighbouring rows.
uint slot_of(uint n) {
  return (n & 3) * (TILE_N / 4) + (n >> 2);
}

XRow x_rows[X_LOADS];
uvec4 x_ahead[X_LOADS];
uvec4 w_ahead[W_LOADS];

void load_ahead(uint n0, uint kq0) {
  const uint last_kq = k_quads() - 1;
  [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
    const uint at = gl_LocalInvocationIndex + i * WORKGROUP;
    x_ahead[i] = load_x_quad(x_rows[i], min(kq0 + at % QUADS, last_kq));
  }
  [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
    const uint at = gl_LocalInvocationIndex + i * WORKGROUP;
    w_ahead[i] = load_w_quad(n0 + at / QUADS, kq0 + at % QUADS);
  }
}

void store_ahead() {
  [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
    const uint at = gl_LocalInvocationIndex + i * WORKGROUP;
    if (TILE_M * QUADS % WORKGROUP == 0 || at < TILE_M * QUADS) {
      x_tile[at / QUADS * ROW_QUADS + at % QUADS] = x_ahead[i];
    }
  }
  [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
    const uint at = gl_LocalInvocationIndex + i * WORKGROUP;
    if (TILE_N * QUADS % WORKGROUP == 0 || at < TILE_N * QUADS) {
      w_tile[slot_of(at / QUADS) * ROW_QUADS + at % QUADS] = w_ahead[i];
    }
  }
}

void main() {
  const uint m0 = gl_WorkGroupID.y * TILE_M;
  const uint n0 = gl_WorkGroupID.x * TILE_N;
  const uint thread_n = gl_LocalInvocationIndex % THREADS_N;
  const uint thread_m = gl_LocalInvocationIndex / THREADS_N;

  int acc[THREAD_M][THREAD_N];
  [[unroll]] for (uint i = 0; i < THREAD_M; ++i) {
    [[unroll]] for (uint j = 0; j < THREAD_N; ++j) {
      acc[i][j] = 0;
    }
  }

  [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
    x_rows[i] = x_row(m0 + (gl_LocalInvocationIndex + i * WORKGROUP) / QUADS);
  }
  load_ahead(n0, 0);
  for (uint kq0 = 0; kq0 < k_quads(); kq0 += QUADS) {
    barrier();
    store_ahead();
    barrier();
    if (kq0 + QUADS < k_quads()) {
      load_ahead(n0, kq0 + QUADS);
    }
    for (uint q = 0; q < QUADS; ++q) {
      uvec4 w_quad[THREAD_N];
      [[unroll]] for (uint j = 0; j < THREAD_N; ++j) {
        const uint slot = (j % 4) * (TILE_N / 4) + (j / 4) * THREADS_N + thread_n;
        w_quad[j] = w_tile[slot * ROW_QUADS + q];
      }
      [[unroll]] for (uint i = 0; i < THREAD_M; ++i) {
        const uvec4 x_quad = x_tile[(i * THREADS_M + thread_m) * ROW_QUADS + q];
        [[unroll]] for (uint j = 0; j < THREAD_N; ++j) {
          acc[i][j] = dot16_acc(x_quad, w_quad[j], acc[i][j]);
        }
      }
    }
  }

  [[unroll]] for (uint g = 0; g < GROUPS_N; ++g) {
    const uint n = n0 + (g * THREADS_N + thread_n) * 4;
    if (n >= p.N) {
      continue;
    }
    const Columns columns = load_columns(n);
    [[unroll]] for (uint i = 0; i < THREAD_M; ++i) {
      const uint m = m0 + i * THREADS_M + thread_m;
      if (m < p.M) {
        store_columns(
            m,
            n,
            ivec4(acc[i][4 * g], acc[i][4 * g + 1], acc[i][4 * g + 2], acc[i][4 * g + 3]),
            columns);
      }
    }
  }
}
