// int8 linear for CPU drivers: no shared memory and no barrier.
//
//   y[m, n] = quantize(activation((sum_k x[m, k] * w[n, k] - zp * sum_w[n]) * scale[n] + bias[n]))
//
// Bindings, push and specialization constants: linear_io.glsl.
//
// One thread makes TILE_M x 4 outputs; the threads of a workgroup lie side by side along N and use
// the same rows of x:
//
//               thread 0      thread 1     ...
//               n 0..3        n 4..7
//      m 0    +-------------+-------------+
//      ...    | TILE_M x 4  |             |
//
// What makes this fast on lavapipe (Mesa 22.3.6, measured), which runs neighbouring threads as the
// lanes of one vector:
// - A load costs as much per lane whether or not the lanes share the address. With SHUFFLE each
//   lane therefore loads other rows of x, and a subgroup shuffle (one instruction) spreads them.
// - x is shifted to unsigned bytes (x + 128). A multiply of which one side is known to be small and
//   not negative compiles to a 16-bit multiply-add (x86: vpmaddwd, with VNNI vpdpwssd) instead of a
//   32-bit multiply. The shift is taken back with the weight sums:
//     sum_k x * w = sum_k (x + 128) * w - 128 * weight_sum
//   255 * 128 * K stays below 2^31 for every K that the op accepts (65,536).
//
// Preconditions: TILE_N == 4 * WORKGROUP_SIZE; with SHUFFLE the workgroup is exactly one subgroup.
// Any M, N, K >= 1.
// Features: none; with SHUFFLE subgroup shuffle in compute shaders.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef SHUFFLE
#extension GL_KHR_shader_subgroup_shuffle : require
#endif

#include "linear_io.glsl"
#include "quantize_and_pack.glsl"
#include "linear_epilogue.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

// Quad kq of rows m0 .. m0 + TILE_M - 1 as unsigned bytes, the same in every thread.
void load_x_rows(uint m0, uint kq, uint lane, out uvec4 x_quad[TILE_M]) {
#ifdef SHUFFLE
  uvec4 mine;
  [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
    const uint source = i % WORKGROUP_SIZE;
    if (source == 0) {
      mine = load_x_quad(m0 + i + lane, kq) ^ 0x80808080u;
    }
    x_quad[i] = subgroupShuffle(mine, source);
  }
#else
  [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
    x_quad[i] = load_x_quad(m0 + i, kq) ^ 0x80808080u;
  }
#endif
}

void main() {
#ifdef SHUFFLE
  const uint lane = gl_SubgroupInvocationID;
#else
  const uint lane = gl_LocalInvocationIndex;
#endif
  const uint m0 = gl_WorkGroupID.y * TILE_M;
  const uint n = gl_WorkGroupID.x * TILE_N + lane * 4;

  ivec4 acc[TILE_M];
  [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
    acc[i] = ivec4(0);
  }
  for (uint kq = 0; kq < k_quads(); ++kq) {
    uvec4 x_quad[TILE_M];
    load_x_rows(m0, kq, lane, x_quad);
    [[unroll]] for (uint j = 0; j < 4; ++j) {
      const ivec4 w_quad = ivec4(load_w_quad(n + j, kq));
      [[unroll]] for (uint word = 0; word < 4; ++word) {
        [[unroll]] for (int b = 0; b < 4; ++b) {
          const int w_byte = bitfieldExtract(w_quad[word], 8 * b, 8);
          [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
            acc[i][j] += int((x_quad[i][word] >> (8 * b)) & 0xffu) * w_byte;
          }
        }
      }
    }
  }

  if (n >= p.N) {
    return;
  }
  const uvec4 at = min(uvec4(n, n + 1, n + 2, n + 3), uvec4(p.N - 1));
  const ivec4 unshift = 128 *
      ivec4(weight_sums[at.x], weight_sums[at.y], weight_sums[at.z], weight_sums[at.w]);
  const Columns columns = load_columns(n);
  [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
    if (m0 + i < p.M) {
      store_columns(m0 + i, n, acc[i] - unshift, columns);
    }
  }
}
