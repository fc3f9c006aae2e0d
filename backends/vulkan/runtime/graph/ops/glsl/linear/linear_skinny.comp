// int8 linear for few rows of x, on cooperative matrices (s8 x s8 -> s32): the weights are read once,
// and what counts is how many of their bytes are on the way.
//
//   y[m, n] = quantize(activation((sum_k x[m, k] * w[n, k] - zp * sum_w[n]) * scale[n] + bias[n]))
//
// Bindings, push and specialization constants: linear_io.glsl.
//
// One workgroup makes MAT_M x TILE_N outputs. Its WARPS subgroups share no step of K: each walks its
// own pieces of TILE_K / WARPS bytes, through its own part of shared memory, so that none waits for
// another before all sums are added up at the end.
//
//   K:  | piece of subgroup 0 | of 1 | of 2 | ... | of 0 | of 1 | ...
//       |<----------------- TILE_K ------------->|
//
// The next piece of all TILE_N rows of w waits in registers. It goes through shared memory MAT_N rows
// at a time, which keeps a subgroup's part small; rows there are padded by 16 bytes, so that the
// matrix loads of eight neighbouring rows hit different banks.
//
// Preconditions (kernels.py checks them): WORKGROUP_SIZE = WARPS * the subgroup size of the device;
// TILE_M == MAT_M; TILE_K % (MAT_K * WARPS) == 0; MAT_M and MAT_N are multiples of the rows that a
// subgroup loads at once; TILE_N / 4 divides WORKGROUP_SIZE. Any M, N, K >= 1.
// Features: cooperative matrix MAT_M x MAT_N x MAT_K at subgroup scope, Vulkan memory model.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_shader_subgroup_basic : require

#include "linear/linear_io.glsl"
#include "quantize_and_pack.glsl"
#include "linear/linear_epilogue.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint SUBGROUP_SIZE = WORKGROUP_SIZE / WARPS;
const uint MATS_N = TILE_N / MAT_N;
const uint QUADS = TILE_K / WARPS / 16;  // of a piece
const uint MATS_K = TILE_K / WARPS / MAT_K;
const uint ROWS_AT_ONCE = SUBGROUP_SIZE / QUADS;
const uint X_LOADS = MAT_M / ROWS_AT_ONCE;
const uint W_LOADS = MAT_N / ROWS_AT_ONCE;

// One subgroup's part of shared memory: rows of x, then rows of w; at the end its sums instead.
const uint ROW = QUADS + 1;
const uint W_BASE = MAT_M * ROW;
const uint GROUPS = TILE_N / 4;  // of columns
const uint SUMS_ROW = GROUPS + 1;
const uint PART = max(W_BASE + MAT_N * ROW, MAT_M * SUMS_ROW);

shared uvec4 tile[WARPS * PART];

uvec4 x_ahead[X_LOADS];
uvec4 w_ahead[MATS_N][W_LOADS];

// Quad kq of rows m and n and of every ROWS_AT_ONCE-th below. Rows beyond M and N repeat the last
// one, quads beyond K the last quad; store_w() puts zeros in place of those.
void load_ahead(uint m, uint n, uint kq) {
  kq = min(kq, k_quads() - 1);
  [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
    x_ahead[i] = load_x_quad(x_row(m + i * ROWS_AT_ONCE), kq);
  }
  [[unroll]] for (uint j = 0; j < MATS_N; ++j) {
    [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
      w_ahead[j][i] = load_w_quad_within_k(n + j * MAT_N + i * ROWS_AT_ONCE, kq);
    }
  }
}

void subgroup_barrier() {
  subgroupMemoryBarrierShared();
  subgroupBarrier();
}

void main() {
  const uint m0 = gl_WorkGroupID.y * MAT_M;
  const uint n0 = gl_WorkGroupID.x * TILE_N;
  const uint row = gl_SubgroupInvocationID / QUADS;
  const uint lane = gl_SubgroupInvocationID % QUADS;
  const uint part = gl_SubgroupID * PART;
  const uint own = part + row * ROW + lane;
  const uint first_kq = gl_SubgroupID * QUADS;
  load_ahead(m0 + row, n0 + row, first_kq + lane);
  // Columns of this thread in the epilogue. Loaded here, they are at hand later.
  const uint group = gl_LocalInvocationIndex % GROUPS;
  const uint n = n0 + group * 4;
  const Columns columns = load_columns(n);

  coopmat<int32_t, gl_ScopeSubgroup, MAT_M, MAT_N, gl_MatrixUseAccumulator> acc[MATS_N];
  [[unroll]] for (uint j = 0; j < MATS_N; ++j) {
    acc[j] = coopmat<int32_t, gl_ScopeSubgroup, MAT_M, MAT_N, gl_MatrixUseAccumulator>(0);
  }

  // As many steps for every subgroup, the last perhaps behind K: lavapipe (Mesa 26.2) makes all
  // subgroups of a workgroup wait at the barrier of one.
  for (uint step = 0; step < k_quads(); step += WARPS * QUADS) {
    const uint kq = step + first_kq + lane;
    const bool behind_k = kq >= k_quads();
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
      tile[own + i * ROWS_AT_ONCE * ROW] = x_ahead[i];
    }
    coopmat<int8_t, gl_ScopeSubgroup, MAT_M, MAT_K, gl_MatrixUseA> a[MATS_K];
    [[unroll]] for (uint j = 0; j < MATS_N; ++j) {
      [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
        tile[own + W_BASE + i * ROWS_AT_ONCE * ROW] =
            mix(w_ahead[j][i], uvec4(0), bvec4(behind_k));
      }
      if (j == MATS_N - 1) {
        load_ahead(m0 + row, n0 + row, kq + WARPS * QUADS);
      }
      subgroup_barrier();
      [[unroll]] for (uint k = 0; k < MATS_K; ++k) {
        if (j == 0) {
          const uint at = part + k * MAT_K / 16;
          coopMatLoad(a[k], tile, at, ROW, gl_CooperativeMatrixLayoutRowMajor);
        }
        coopmat<int8_t, gl_ScopeSubgroup, MAT_K, MAT_N, gl_MatrixUseB> b;
        const uint at = part + W_BASE + k * MAT_K / 16;
        coopMatLoad(b, tile, at, ROW, gl_CooperativeMatrixLayoutColumnMajor);
        acc[j] = coopMatMulAdd(a[k], b, acc[j]);
      }
      subgroup_barrier();
    }
  }

  [[unroll]] for (uint j = 0; j < MATS_N; ++j) {
    const uint at = part + j * MAT_N / 4;
    coopMatStore(acc[j], tile, at, SUMS_ROW, gl_CooperativeMatrixLayoutRowMajor);
  }
  barrier();
  // One round on GPUs. Unrolled, the rounds of a CPU's small workgroup would compile for minutes.
  [[dont_unroll]] for (uint r = 0; r < MAT_M; r += WORKGROUP_SIZE / GROUPS) {
    const uint i = r + gl_LocalInvocationIndex / GROUPS;
    if (i < MAT_M && m0 + i < p.M && n < p.N) {
      ivec4 sums = ivec4(0);
      [[unroll]] for (uint k = 0; k < WARPS; ++k) {
        sums += ivec4(tile[k * PART + i * SUMS_ROW + group]);
      }
      store_columns(m0 + i, n, sums, columns);
    }
  }
}
