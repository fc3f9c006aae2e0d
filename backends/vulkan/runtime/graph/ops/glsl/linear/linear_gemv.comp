// int8 linear for few rows: matrix-vector product, or a skinny matrix product.
//
//   y[m, n] = quantize(activation((sum_k x[m, k] * w[n, k] - zp * sum_w[n]) * scale[n] + bias[n]))
//
// Bindings, push and specialization constants: linear_io.glsl.
//
// The weights are read once, straight from memory; TILE_M rows of x meet each quad of them. The
// THREADS_K threads of a team walk along K in steps of one quad (16 bytes) each and add up their
// sums through shared memory at the end:
//
//               k ->  quad 0   quad 1   ...  quad THREADS_K-1 | quad THREADS_K ...
//   team 0: w row n0  lane 0   lane 1   ...  lane THREADS_K-1 | lane 0 ...
//           w row n1  (each lane takes four rows: one packed word of y)
//           ...
//   team 1: w rows n4 .. n7
//
// One workgroup has TILE_N / 4 teams.
// Preconditions: THREADS_K a power of two. Any M, N, K >= 1.
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

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

shared ivec4 partial[TILE_M * WORKGROUP_SIZE];

void main() {
  const uint lane = gl_LocalInvocationIndex % THREADS_K;
  const uint team = gl_LocalInvocationIndex / THREADS_K;
  const uint m0 = gl_WorkGroupID.y * TILE_M;
  const uint n = gl_WorkGroupID.x * TILE_N + team * 4;

  ivec4 acc[TILE_M];
  [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
    acc[i] = ivec4(0);
  }
  for (uint kq = lane; kq < k_quads(); kq += THREADS_K) {
    uvec4 w_quad[4];
    [[unroll]] for (uint j = 0; j < 4; ++j) {
      w_quad[j] = load_w_quad(n + j, kq);
    }
    [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
      const uvec4 x_quad = load_x_quad(x_row(m0 + i), kq);
      [[unroll]] for (uint j = 0; j < 4; ++j) {
        acc[i][j] = dot16_acc(x_quad, w_quad[j], acc[i][j]);
      }
    }
  }

  [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
    partial[i * WORKGROUP_SIZE + gl_LocalInvocationIndex] = acc[i];
  }
  for (uint half_size = THREADS_K / 2; half_size > 0; half_size /= 2) {
    barrier();
    if (lane < half_size) {
      [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
        const uint at = i * WORKGROUP_SIZE + gl_LocalInvocationIndex;
        partial[at] += partial[at + half_size];
      }
    }
  }
  barrier();

  // Rows of y are spread over the lanes of the team.
  if (n < p.N) {
    const Columns columns = load_columns(n);
    for (uint i = lane; i < min(TILE_M, p.M - m0); i += THREADS_K) {
      store_columns(m0 + i, n, partial[i * WORKGROUP_SIZE + team * THREADS_K], columns);
    }
  }
}
