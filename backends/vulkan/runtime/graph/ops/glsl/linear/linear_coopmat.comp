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
// this one are multiplied; the loads have no branch between them and their use, because drivers
// wait for a load where branches meet (seen in NVIDIA 580's machine code).
//
// A step goes through shared memory in PARTS, one after the other: so loads fill whole cache lines of
// 128 bytes, and shared memory stays small. It holds lines: PARTS rows of a tile, MAT_M (or MAT_N)
// rows apart, side by side in slots, and 16 bytes of padding. With lines of an odd number of 16-byte
// groups, the matrix loads of eight neighbouring rows hit different banks, and one padding serves
// PARTS rows. With two parts:
//
//   line 0:  row 0: TILE_K / 2 bytes | row MAT_M | 16 bytes
//   line 1:  row 1                   | row MAT_M + 1 | ...
//
// The threads of a line load all of its rows, each thread one 16-byte group of every row. For slot 1
// the halves of the threads are swapped, so that in each part every thread has a group to store:
//
//   threads 0-3  part 0: slot 0, part 1: slot 1
//   threads 4-7  part 0: slot 1, part 1: slot 0
//
// The sums go through shared memory once, a strip of MAT_M rows at a time, because where a matrix
// keeps its elements is up to the driver; there each thread takes four neighbouring columns.
//
// Preconditions (kernels.py checks them): MAT_K is a multiple of 16; WORKGROUP_SIZE = WARPS_M *
// WARPS_N * WARPS_K * the subgroup size of the device; PARTS is 1 or 2; TILE_K / PARTS is a multiple
// of MAT_K * WARPS_K; the lines of each operand are a multiple of those that all threads load at
// once; WARP_M and WARP_N are multiples of PARTS matrices; WARP_N / 4 divides the subgroup size. Any
// M, N, K >= 1.
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

const uint WARP_M = TILE_M / WARPS_M;
const uint WARP_N = TILE_N / WARPS_N;
const uint MATS_M = WARP_M / MAT_M;
const uint MATS_N = WARP_N / MAT_N;
const uint WARPS = WARPS_M * WARPS_N * WARPS_K;
const uint SUBGROUP_SIZE = WORKGROUP_SIZE / WARPS;

const uint QUADS = TILE_K / 16;  // of a row, and of a line
const uint PART_QUADS = QUADS / PARTS;
const uint LINE = QUADS + 1;
const uint LINES_AT_ONCE = WORKGROUP_SIZE / QUADS;
const uint X_LINES = TILE_M / PARTS / LINES_AT_ONCE;
const uint W_LINES = TILE_N / PARTS / LINES_AT_ONCE;
const uint W_BASE = TILE_M / PARTS * LINE;
const uint TILES = W_BASE + TILE_N / PARTS * LINE;

// Strip of sums of one subgroup, int32, rows padded by 16 bytes. A thread takes four columns of it.
const uint STRIP_ROW = WARP_N / 4 + 1;
const uint STRIP = MAT_M * STRIP_ROW;
const uint GROUPS = WARP_N / 4;
const uint ROWS_AT_ONCE = SUBGROUP_SIZE / GROUPS;

shared uvec4 tile[max(TILES, WARPS * STRIP)];

// Rows of a strip that a thread stores, so many at a time: a GPU's caches of instructions do not hold
// the code of all of them, which each workgroup would wait for (docs/benchmarks.md).
const uint ROW_STEP = ROWS_AT_ONCE * WARPS_K;
const uint STRIP_ROWS = (MAT_M + ROW_STEP - 1) / ROW_STEP;
const uint AT_ONCE = min(STRIP_ROWS, 4);

XRow x_rows[X_LINES][PARTS];  // unless tiles are whole
uvec4 x_ahead[X_LINES][PARTS];
uvec4 w_ahead[W_LINES][PARTS];

// Row of the tile in slot `slot` of line `line`; `block` rows lie one below the other.
uint row_of(uint line, uint slot, uint block) {
  return line / block * (block * PARTS) + slot * block + line % block;
}

// Where row `row`, a multiple of `block`, begins in shared memory.
uint line_of_row(uint row, uint block) {
  return row / (block * PARTS) * block * LINE + row / block % PARTS * PART_QUADS;
}

// Row in slot 0 of this thread's first line. The others are row_of(i * LINES_AT_ONCE, slot, block)
// further.
uint first_row(uint block) {
  return row_of(gl_LocalInvocationIndex / QUADS, 0, block);
}

// Quad of a step that this thread loads of the row in `slot`.
uint own_quad(uint slot) {
  return (gl_LocalInvocationIndex % QUADS) ^ (slot * PART_QUADS);
}

// Quads kq0 .. kq0 + QUADS - 1 of rows m_first and n_first of this thread and its others. Rows
// beyond M and N repeat the last one, quads beyond K the last quad or step; store_ahead() puts zeros
// in place of quads of w beyond K.
void load_ahead(uint m_first, uint n_first, uint kq0) {
  const uint quads = k_quads();
  if (WHOLE_TILES != 0) {
    const uint kq = min(kq0, quads - QUADS);
    [[unroll]] for (uint slot = 0; slot < PARTS; ++slot) {
      const uint x_at = m_first * quads + own_quad(slot);
      const uint w_at = n_first * quads + own_quad(slot);
      [[unroll]] for (uint i = 0; i < X_LINES; ++i) {
        x_ahead[i][slot] = x_quads[x_at + kq + row_of(i * LINES_AT_ONCE, slot, MAT_M) * quads];
      }
      [[unroll]] for (uint i = 0; i < W_LINES; ++i) {
        w_ahead[i][slot] = w_quads[w_at + kq + row_of(i * LINES_AT_ONCE, slot, MAT_N) * quads];
      }
    }
    return;
  }
  [[unroll]] for (uint slot = 0; slot < PARTS; ++slot) {
    const uint kq = min(kq0 + own_quad(slot), quads - 1);
    [[unroll]] for (uint i = 0; i < X_LINES; ++i) {
      x_ahead[i][slot] = load_x_quad(x_rows[i][slot], kq);
    }
    [[unroll]] for (uint i = 0; i < W_LINES; ++i) {
      const uint n = n_first + row_of(i * LINES_AT_ONCE, slot, MAT_N);
      w_ahead[i][slot] = load_w_quad_within_k(n, kq);
    }
  }
}

// Part `part` of what load_ahead() has read of step kq0.
void store_ahead(uint kq0, uint part) {
  const uint at = gl_LocalInvocationIndex / QUADS * LINE + own_quad(part);
  // Which slot's group this thread stores now: the last one or the first one.
  const bvec4 last = bvec4(own_quad(part) >= PART_QUADS);
  const uint kq = kq0 + part * PART_QUADS + gl_LocalInvocationIndex % PART_QUADS;
  const bvec4 behind_k = bvec4(WHOLE_TILES == 0 && kq >= k_quads());
  [[unroll]] for (uint i = 0; i < X_LINES; ++i) {
    tile[at + i * LINES_AT_ONCE * LINE] = mix(x_ahead[i][0], x_ahead[i][PARTS - 1], last);
  }
  [[unroll]] for (uint i = 0; i < W_LINES; ++i) {
    const uvec4 quad = mix(w_ahead[i][0], w_ahead[i][PARTS - 1], last);
    tile[at + W_BASE + i * LINES_AT_ONCE * LINE] = mix(quad, uvec4(0), behind_k);
  }
}

// A strip belongs to the subgroups that share its outputs: without any, no other need wait.
void strip_barrier() {
  if (WARPS_K == 1) {
    subgroupMemoryBarrierShared();
    subgroupBarrier();
  } else {
    barrier();
  }
}

// Workgroups next to each other in time share rows of x and w: bands of RASTER rows of tiles are
// walked column by column, so that both operands of a band stay in the cache.
const uint RASTER = 8;
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
  const uint m_first = m0 + first_row(MAT_M);
  const uint n_first = n0 + first_row(MAT_N);
  if (WHOLE_TILES == 0) {
    [[unroll]] for (uint slot = 0; slot < PARTS; ++slot) {
      [[unroll]] for (uint i = 0; i < X_LINES; ++i) {
        x_rows[i][slot] = x_row(m_first + row_of(i * LINES_AT_ONCE, slot, MAT_M));
      }
    }
  }
  load_ahead(m_first, n_first, 0);
  // Columns of this thread: the same four in every strip. Loaded here, they are at hand later.
  const uint group = gl_SubgroupInvocationID % GROUPS;
  const uint n = n0 + warp_n * WARP_N + group * 4;
  const Columns columns = load_columns(n);

  coopmat<int32_t, gl_ScopeSubgroup, MAT_M, MAT_N, gl_MatrixUseAccumulator> acc[MATS_M][MATS_N];
  [[unroll]] for (uint i = 0; i < MATS_M; ++i) {
    [[unroll]] for (uint j = 0; j < MATS_N; ++j) {
      acc[i][j] =
          coopmat<int32_t, gl_ScopeSubgroup, MAT_M, MAT_N, gl_MatrixUseAccumulator>(0);
    }
  }

  // First matrices of this subgroup. The others are constant distances away, which is why WARP_M
  // and WARP_N are whole lines.
  const uint warp_vector = warp_k * (MAT_K / 16);
  const uint a_first = line_of_row(warp_m * WARP_M, MAT_M) + warp_vector;
  const uint b_first = W_BASE + line_of_row(warp_n * WARP_N, MAT_N) + warp_vector;
  for (uint kq0 = 0; kq0 < k_quads(); kq0 += QUADS) {
    [[unroll]] for (uint part = 0; part < PARTS; ++part) {
      barrier();
      store_ahead(kq0, part);
      barrier();
      if (part == PARTS - 1) {
        load_ahead(m_first, n_first, kq0 + QUADS);
      }
      [[unroll]] for (uint k = 0; k < TILE_K / PARTS; k += MAT_K * WARPS_K) {
        coopmat<int8_t, gl_ScopeSubgroup, MAT_M, MAT_K, gl_MatrixUseA> a[MATS_M];
        [[unroll]] for (uint i = 0; i < MATS_M; ++i) {
          const uint at = a_first + line_of_row(i * MAT_M, MAT_M) + k / 16;
          coopMatLoad(a[i], tile, at, LINE, gl_CooperativeMatrixLayoutRowMajor);
        }
        [[unroll]] for (uint j = 0; j < MATS_N; ++j) {
          coopmat<int8_t, gl_ScopeSubgroup, MAT_K, MAT_N, gl_MatrixUseB> b;
          const uint at = b_first + line_of_row(j * MAT_N, MAT_N) + k / 16;
          coopMatLoad(b, tile, at, LINE, gl_CooperativeMatrixLayoutColumnMajor);
          [[unroll]] for (uint i = 0; i < MATS_M; ++i) {
            acc[i][j] = coopMatMulAdd(a[i], b, acc[i][j]);
          }
        }
      }
    }
  }

  const uint own_strip = gl_SubgroupID * STRIP;
  // The subgroups that split K share the rows of the strip as well.
  const uint first_of_rows = gl_SubgroupInvocationID / GROUPS + warp_k * ROWS_AT_ONCE;
  const uint first_m = m0 + warp_m * WARP_M + first_of_rows;
  RowInputs inputs[AT_ONCE];
  [[unroll]] for (uint r = 0; r < AT_ONCE; ++r) {
    inputs[r] = load_row_inputs(first_m + r * ROW_STEP, n);
  }
  barrier();
  [[unroll]] for (uint i = 0; i < MATS_M; ++i) {
    strip_barrier();
    [[unroll]] for (uint j = 0; j < MATS_N; ++j) {
      const uint at = own_strip + j * MAT_N / 4;
      coopMatStore(acc[i][j], tile, at, STRIP_ROW, gl_CooperativeMatrixLayoutRowMajor);
    }
    strip_barrier();
    [[dont_unroll]] for (uint first = 0; first < STRIP_ROWS; first += AT_ONCE) {
      const uint next = first + AT_ONCE < STRIP_ROWS ? i * MAT_M + (first + AT_ONCE) * ROW_STEP
                                                     : (i + 1) * MAT_M;
      RowInputs inputs_ahead[AT_ONCE];
      [[unroll]] for (uint r = 0; r < AT_ONCE; ++r) {
        inputs_ahead[r] = load_row_inputs(first_m + next + r * ROW_STEP, n);
      }
      [[unroll]] for (uint r = 0; r < AT_ONCE; ++r) {
        const uint row = first_of_rows + (first + r) * ROW_STEP;
        const uint m = first_m + i * MAT_M + (first + r) * ROW_STEP;
        if (MAT_M % ROW_STEP != 0 && row >= MAT_M) {
          continue;
        }
        ivec4 sums = ivec4(0);
        [[unroll]] for (uint k = 0; k < WARPS_K; ++k) {
          sums += ivec4(tile[own_strip + (k - warp_k) * STRIP + row * STRIP_ROW + group]);
        }
        if (WHOLE_TILES != 0 || (m < p.M && n < p.N)) {
          store_columns(m, n, sums, columns, inputs[r]);
        }
      }
      inputs = inputs_ahead;
    }
  }
}
