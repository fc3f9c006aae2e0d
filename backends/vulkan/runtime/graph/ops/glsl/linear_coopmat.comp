// int8 linear on cooperative matrices (s8 x s8 -> s32), tiled through shared memory.
//
//   y[m, n] = quantize(activation((sum_k x[m, k] * w[n, k] - zp * sum_w[n]) * scale[n] + bias[n]))
//
// Bindings, push and specialization constants: linear_io.glsl.
//
// One workgroup makes TILE_M x TILE_N outputs. Its subgroups stand WARPS_M x WARPS_N side by side,
// and WARPS_K deep: those share outputs and split the K of each step, so that a small problem still
// has enough subgroups in flight. Each holds WARP_M x WARP_N sums in matrices of MAT_M x MAT_N:
//
//               |<--------- TILE_N ---------->|
//               | WARP_N       |              |          one subgroup:  mat | mat | mat
//        ---    +--------------+--------------+                         mat | mat | mat
//         ^     | subgroup 0,0 | subgroup 0,1 | WARP_M
//   TILE_M      +--------------+--------------+
//         v     | subgroup 1,0 | subgroup 1,1 |
//
// K goes in steps of TILE_K bytes. The next step's operands wait in registers while the matrices of
// this one are multiplied. Rows in shared memory are padded by 16 bytes, so that the matrix loads of
// eight neighbouring rows hit different banks. With STAGES = 2 the next step has a place of its own
// and one barrier a step is enough.
//
// The sums go through shared memory once, a strip of MAT_M rows at a time, because where a matrix
// keeps its elements is up to the driver; there each thread takes four neighbouring columns.
//
// Preconditions: WORKGROUP_SIZE = WARPS_M * WARPS_N * WARPS_K * the subgroup size of the device;
// TILE_K % (MAT_K * WARPS_K) == 0; TILE_M and TILE_N are multiples of WORKGROUP_SIZE / (TILE_K / 16),
// the rows that one load of all threads covers. Any M, N, K >= 1.
// Features: cooperative matrix MAT_M x MAT_N x MAT_K at subgroup scope, Vulkan memory model.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_shader_subgroup_basic : require

#include "linear_io.glsl"
#include "quantize_and_pack.glsl"
#include "linear_epilogue.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint WARP_M = TILE_M / WARPS_M;
const uint WARP_N = TILE_N / WARPS_N;
const uint MATS_M = WARP_M / MAT_M;
const uint MATS_N = WARP_N / MAT_N;
const uint QUADS = TILE_K / 16;
const uint X_QUADS = TILE_M * QUADS;
const uint W_QUADS = TILE_N * QUADS;
const uint X_LOADS = X_QUADS / WORKGROUP_SIZE;
const uint W_LOADS = W_QUADS / WORKGROUP_SIZE;

// Matrices are loaded at offsets of MAT_K bytes, so shared memory is an array of vectors of at most
// that size.
#if MAT_K >= 16
#define SHARED_VECTOR uvec4
const uint VECTOR_BYTES = 16;
#else
#define SHARED_VECTOR uvec2
const uint VECTOR_BYTES = 8;
#endif
const uint ROW = (TILE_K + 16) / VECTOR_BYTES;
const uint W_BASE = TILE_M * ROW;
const uint STAGE = (TILE_M + TILE_N) * ROW;

// Strip of sums of one subgroup, int32, rows padded by 16 bytes.
const uint STRIP_ROW = (WARP_N * 4 + 16) / VECTOR_BYTES;
const uint STRIP = MAT_M * STRIP_ROW;
const uint WARPS = WARPS_M * WARPS_N * WARPS_K;
const uint SHARED_VECTORS = max(STAGES * STAGE, WARPS * STRIP);

shared SHARED_VECTOR tile[SHARED_VECTORS];

uvec4 x_ahead[X_LOADS];
uvec4 w_ahead[W_LOADS];

// Row of the tile that this thread loads and stores first. Eight neighbouring threads should write
// all banks of shared memory once. With four quads a row they write two rows, which do that when
// they are four rows (320 bytes, an odd multiple of 64) apart.
uint row_of_thread() {
  const uint row = gl_LocalInvocationIndex / QUADS;
  return QUADS == 4 ? (row & ~7u) | ((row & 1) << 2) | ((row >> 1) & 3) : row;
}

// Quads kq0 .. kq0 + QUADS - 1 of the tile's rows. Whole tiles, which most are, need no limits: a
// thread's rows are then a fixed distance apart.
void load_ahead(uint m0, uint n0, uint kq0, bool whole_rows) {
  const uint quads = k_quads();
  const uint row = row_of_thread();
  const uint kq = kq0 + gl_LocalInvocationIndex % QUADS;
  const uint row_step = WORKGROUP_SIZE / QUADS;
  if (whole_rows && kq0 + QUADS <= quads) {
    const uint x_at = (m0 + row) * quads + kq;
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
      x_ahead[i] = x_quads[x_at + i * row_step * quads];
    }
    const uint w_at = (n0 + row) * quads + kq;
    [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
      w_ahead[i] = w_quads[w_at + i * row_step * quads];
    }
    return;
  }
  [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
    x_ahead[i] = load_x_quad(m0 + row + i * row_step, min(kq, quads - 1));
  }
  [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
    w_ahead[i] = load_w_quad(n0 + row + i * row_step, kq);
  }
}

void store_quad(uint at, uvec4 quad) {
#if MAT_K >= 16
  tile[at] = quad;
#else
  tile[at] = quad.xy;
  tile[at + 1] = quad.zw;
#endif
}

void store_ahead(uint stage) {
  const uint row = row_of_thread();
  const uint at = stage + row * ROW + gl_LocalInvocationIndex % QUADS * (16 / VECTOR_BYTES);
  const uint row_step = WORKGROUP_SIZE / QUADS * ROW;
  [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
    store_quad(at + i * row_step, x_ahead[i]);
  }
  [[unroll]] for (uint i = 0; i < W_LOADS; ++i) {
    store_quad(at + W_BASE + i * row_step, w_ahead[i]);
  }
}

// Four sums of a strip: row `row`, columns 4 * group .. 4 * group + 3.
ivec4 load_sums(uint strip, uint row, uint group) {
  const uint at = strip + row * STRIP_ROW + group * (16 / VECTOR_BYTES);
#if MAT_K >= 16
  return ivec4(tile[at]);
#else
  return ivec4(tile[at], tile[at + 1]);
#endif
}

// Workgroups next to each other in time share rows of x and w: bands of RASTER rows of tiles are
// walked column by column, so that both operands of a band stay in the cache.
uvec2 tile_of_workgroup() {
  const uint rows = gl_NumWorkGroups.y;
  const uint columns = gl_NumWorkGroups.x;
  const uint id = gl_WorkGroupID.y * columns + gl_WorkGroupID.x;
  const uint band = id / (RASTER * columns);
  const uint band_rows = min(rows - band * RASTER, RASTER);
  const uint within = id - band * RASTER * columns;
  return uvec2(within / band_rows, band * RASTER + within % band_rows);
}

void main() {
  const uvec2 place = tile_of_workgroup();
  const uint m0 = place.y * TILE_M;
  const uint n0 = place.x * TILE_N;
  const uint warp_k = gl_SubgroupID % WARPS_K;
  const uint warp_n = gl_SubgroupID / WARPS_K % WARPS_N;
  const uint warp_m = gl_SubgroupID / (WARPS_K * WARPS_N);

  coopmat<int32_t, gl_ScopeSubgroup, MAT_M, MAT_N, gl_MatrixUseAccumulator> acc[MATS_M][MATS_N];
  [[unroll]] for (uint i = 0; i < MATS_M; ++i) {
    [[unroll]] for (uint j = 0; j < MATS_N; ++j) {
      acc[i][j] =
          coopmat<int32_t, gl_ScopeSubgroup, MAT_M, MAT_N, gl_MatrixUseAccumulator>(0);
    }
  }

  const bool whole_rows = X_ALIGN == 16 && m0 + TILE_M <= p.M && n0 + TILE_N <= p.N;
  load_ahead(m0, n0, 0, whole_rows);
#if STAGES == 2
  store_ahead(0);
  barrier();
  uint stage = 0;
#endif
  for (uint kq0 = 0; kq0 < k_quads(); kq0 += QUADS) {
#if STAGES == 1
    const uint stage = 0;
    barrier();
    store_ahead(0);
    barrier();
#endif
    const bool more = kq0 + QUADS < k_quads();
    if (more) {
      load_ahead(m0, n0, kq0 + QUADS, whole_rows);
    }
    [[unroll]] for (uint k = 0; k < TILE_K; k += MAT_K * WARPS_K) {
      const uint k_vectors = (k + warp_k * MAT_K) / VECTOR_BYTES;
      coopmat<int8_t, gl_ScopeSubgroup, MAT_M, MAT_K, gl_MatrixUseA> a[MATS_M];
      [[unroll]] for (uint i = 0; i < MATS_M; ++i) {
        coopMatLoad(
            a[i],
            tile,
            stage + (warp_m * WARP_M + i * MAT_M) * ROW + k_vectors,
            ROW,
            gl_CooperativeMatrixLayoutRowMajor);
      }
      [[unroll]] for (uint j = 0; j < MATS_N; ++j) {
        coopmat<int8_t, gl_ScopeSubgroup, MAT_K, MAT_N, gl_MatrixUseB> b;
        coopMatLoad(
            b,
            tile,
            stage + W_BASE + (warp_n * WARP_N + j * MAT_N) * ROW + k_vectors,
            ROW,
            gl_CooperativeMatrixLayoutColumnMajor);
        [[unroll]] for (uint i = 0; i < MATS_M; ++i) {
          acc[i][j] = coopMatMulAdd(a[i], b, acc[i][j]);
        }
      }
    }
#if STAGES == 2
    stage = STAGE - stage;
    if (more) {
      store_ahead(stage);
    }
    barrier();
#endif
  }

  // Columns of this thread: the same four in every strip.
  const uint groups = WARP_N / 4;
  const uint group = gl_SubgroupInvocationID % groups;
  const uint rows_at_once = max(gl_SubgroupSize / groups, 1u);
  const uint own_strip = gl_SubgroupID * STRIP;
  [[unroll]] for (uint i = 0; i < MATS_M; ++i) {
    barrier();
    [[unroll]] for (uint j = 0; j < MATS_N; ++j) {
      coopMatStore(
          acc[i][j],
          tile,
          own_strip + j * MAT_N * 4 / VECTOR_BYTES,
          STRIP_ROW,
          gl_CooperativeMatrixLayoutRowMajor);
    }
    barrier();
    // The subgroups that split K share the rows of the strip as well.
    for (uint g = group; g < groups; g += gl_SubgroupSize) {
      const uint n = n0 + warp_n * WARP_N + g * 4;
      if (n >= p.N) {
        continue;
      }
      const Columns columns = load_columns(n);
      for (uint row = gl_SubgroupInvocationID / groups + warp_k * rows_at_once; row < MAT_M;
           row += rows_at_once * WARPS_K) {
        const uint m = m0 + warp_m * WARP_M + i * MAT_M + row;
        if (m >= p.M) {
          continue;
        }
        ivec4 sums = ivec4(0);
        [[unroll]] for (uint k = 0; k < WARPS_K; ++k) {
          sums += load_sums(own_strip + (k - warp_k) * STRIP, row, g);
        }
        store_columns(m, n, sums, columns);
      }
    }
  }
}
