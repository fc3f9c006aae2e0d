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
//   The sums may wrap around on the way; the difference is what int32 holds.
// - STEP_WORDS of the four words of a quad are straight code, the rest is a loop: 4 is fastest here,
//   1 compiles five times faster (SwiftShader: 0.5 s instead of 2.5 s) and is no slower there.
//
// Preconditions: TILE_N == 4 * WORKGROUP_SIZE; STEP_WORDS is 1, 2 or 4; with SHUFFLE the workgroup
// is exactly one subgroup.
// Any M, N, K >= 1.
// Features: none; with SHUFFLE subgroup shuffle in compute shaders.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef SHUFFLE
#extension GL_KHR_shader_subgroup_shuffle : require
#endif

#define WINDOW_LOOP [[dont_unroll]]
#include "linear/linear_io.glsl"
#include "quantize_and_pack.glsl"
#include "linear/linear_epilogue.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

#ifdef SHUFFLE
const uint X_LOADS = (TILE_M + WORKGROUP_SIZE - 1) / WORKGROUP_SIZE;  // each for one row a lane
#else
const uint X_LOADS = TILE_M;
#endif

#if STEP_WORDS == 1
#define NEXT_WORDS(quad) (quad).yzwx
#elif STEP_WORDS == 2
#define NEXT_WORDS(quad) (quad).zwxy
#else
#define NEXT_WORDS(quad) (quad)
#endif
#if STEP_WORDS == 4
#define STEP_LOOP [[unroll]]
#else
#define STEP_LOOP [[dont_unroll]]
#endif

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
  XRow x_rows[X_LOADS];
  [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
#ifdef SHUFFLE
    x_rows[i] = x_row(m0 + i * WORKGROUP_SIZE + lane);
#else
    x_rows[i] = x_row(m0 + i);
#endif
  }
  for (uint kq = 0; kq < k_quads(); ++kq) {
    uvec4 x_quad[X_LOADS];
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
      x_quad[i] = load_x_quad(x_rows[i], kq) ^ 0x80808080u;
    }
    uvec4 w_quad[4];
    [[unroll]] for (uint j = 0; j < 4; ++j) {
      w_quad[j] = load_w_quad(n + j, kq);
    }
    STEP_LOOP for (uint step = 0; step < 4 / STEP_WORDS; ++step) {
      uvec4 x_step[TILE_M];
      [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
        [[unroll]] for (uint word = 0; word < STEP_WORDS; ++word) {
#ifdef SHUFFLE
          const uint mine = x_quad[i / WORKGROUP_SIZE][word];
          x_step[i][word] = subgroupShuffle(mine, i % WORKGROUP_SIZE);
#else
          x_step[i][word] = x_quad[i][word];
#endif
        }
      }
      [[unroll]] for (uint j = 0; j < 4; ++j) {
        [[unroll]] for (uint word = 0; word < STEP_WORDS; ++word) {
          [[unroll]] for (int b = 0; b < 4; ++b) {
            const int w_byte = bitfieldExtract(int(w_quad[j][word]), 8 * b, 8);
            [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
              acc[i][j] += int((x_step[i][word] >> (8 * b)) & 0xffu) * w_byte;
            }
          }
        }
      }
      // The next words come to the front, so that no vector is indexed by a variable.
      [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        x_quad[i] = NEXT_WORDS(x_quad[i]);
      }
      [[unroll]] for (uint j = 0; j < 4; ++j) {
        w_quad[j] = NEXT_WORDS(w_quad[j]);
      }
    }
  }

  if (n >= p.N) {
    return;
  }
  const uvec4 at = first_channel() + min(uvec4(n, n + 1, n + 2, n + 3), uvec4(p.N - 1));
  const ivec4 unshift = 128 *
      ivec4(weight_sums[at.x], weight_sums[at.y], weight_sums[at.z], weight_sums[at.w]);
  const Columns columns = load_columns(n);
  // A loop that is not unrolled (drivers compile it much faster) over a copy, so that acc itself is
  // only ever indexed by constants and stays in registers.
  ivec4 sums[TILE_M];
  [[unroll]] for (uint i = 0; i < TILE_M; ++i) {
    sums[i] = acc[i] - unshift;
  }
  [[dont_unroll]] for (uint i = 0; i < min(TILE_M, p.M - m0); ++i) {
    store_columns(m0 + i, n, sums[i], columns);
  }
}
