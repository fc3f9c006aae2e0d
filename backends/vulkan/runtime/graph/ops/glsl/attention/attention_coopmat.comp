// Attention of int8 on cooperative matrices, with nothing of the size of the scores in memory; operands:
// attention_io.glsl; the way of the work: attention_strips.glsl.
//
// k is in shared memory in int8, v in float16, less its zero point, and so are products and sums exact:
//
//   (q - zq)(k - zk) = qk - q zk - zq k + zq zk
//
// where sums of q and of k times the other's zero point are products with matrices of zero points.
//
// Preconditions (kernels.py checks them), beside those of strips: TILE_K is a multiple of 16 and MAT_K;
// TILE_N is a multiple of MAT_N * WARPS_N. INT8_IN is 1.
// Features: cooperative matrices MAT_M x MAT_N x MAT_K of int8, and MAT_M x OUT_N x OUT_K of float16 to
// float32, at subgroup scope; subgroup shuffle; float16; Vulkan memory model.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

#include "attention/attention_io.glsl"
#include "attention/attention_bytes.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint ROW_QUADS = TILE_K / 16;

// Shared memory, in groups of 16 bytes.
const uint K_ROW = ROW_QUADS + 1;
const uint V_ROW = TILE_K / 8 + 1;
const uint V_BASE = TILE_N * K_ROW;
const uint STRIPS = V_BASE + TILE_N * V_ROW;
const uint Q_GROUPS = TILE_M * K_ROW;

#include "attention/attention_strips.glsl"

const uint SCORES = TILE_N / MAT_N / WARPS_N;  // matrices of scores of a subgroup

#define INT8_MATRIX(M, N, use) coopmat<int8_t, gl_ScopeSubgroup, M, N, use>
#define Products coopmat<int32_t, gl_ScopeSubgroup, MAT_M, MAT_N, gl_MatrixUseAccumulator>

// Of a tile of k or v: quads of 16 elements, and those of a thread.
const uint TILE_QUADS = TILE_N * ROW_QUADS;
const uint OWN_QUADS = (TILE_QUADS + WORKGROUP_SIZE - 1) / WORKGROUP_SIZE;

uvec4 k_ahead[OWN_QUADS], v_ahead[OWN_QUADS];

void load_q_rows(Tile tile) {
  for (uint i = gl_LocalInvocationIndex; i < TILE_M * ROW_QUADS; i += WORKGROUP_SIZE) {
    const uint row = i / ROW_QUADS;
    const uint quad = i % ROW_QUADS;
    const uint at = tile.q + min(tile.l0 + row, p.L - 1) * p.q[2];
    tile_groups[row * K_ROW + quad] = load_q_quad(at, p.q[3], quad * 16, D);
  }
}

uvec2 half_distances(uint word) {
  const vec4 v = distances(word, unpack_bytes(p.zero_points).z);
  return uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
}

// Positions behind the last one repeat it: their exponentials are zero. Elements behind the end of a
// vector of k are zero, and those of v nobody reads.
void load_ahead(Tile tile, uint s0) {
  [[unroll]] for (uint i = 0; i < OWN_QUADS; ++i) {
    const uint own = i * WORKGROUP_SIZE + gl_LocalInvocationIndex;
    const uint s = min(s0 + own / ROW_QUADS, p.S - 1);
    const uint d = own % ROW_QUADS * 16;
    k_ahead[i] = load_k_quad(tile.k + s * p.k[2], p.k[3], d, D);
    v_ahead[i] = load_v_quad(tile.v + s * p.v[2], p.v[3], d, DV);
  }
}

void store_ahead() {
  [[unroll]] for (uint i = 0; i < OWN_QUADS; ++i) {
    const uint own = i * WORKGROUP_SIZE + gl_LocalInvocationIndex;
    if (TILE_QUADS % WORKGROUP_SIZE != 0 && own >= TILE_QUADS) {
      continue;
    }
    const uint row = own / ROW_QUADS;
    const uint quad = own % ROW_QUADS;
    const uvec4 v = v_ahead[i];
    const uint at = V_BASE + row * V_ROW + quad * 2;
    tile_groups[row * K_ROW + quad] = k_ahead[i];
    tile_groups[at] = uvec4(half_distances(v.x), half_distances(v.y));
    tile_groups[at + 1] = uvec4(half_distances(v.z), half_distances(v.w));
  }
}

vec4 products_of(Tile tile, uint at, uint l, uint s) {
  return vec4(ivec4(tile_groups[at])) * p.scale;
}

// Adds the exponentials in the strip times v.
void add_weighted() {
  [[unroll]] for (uint i = 0; i < TILE_N / OUT_K; ++i) {
    HALF_MATRIX(MAT_M, OUT_K, gl_MatrixUseA) weights;
    HALF_MATRIX(MAT_M, OUT_K, gl_MatrixUseA) rest;
    const uint own = strip() + i * (OUT_K / 8);
    coopMatLoad(weights, tile_groups, own, STRIP_ROW, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoad(rest, tile_groups, own + REST, STRIP_ROW, gl_CooperativeMatrixLayoutRowMajor);
    [[unroll]] for (uint j = 0; j < OUTS; ++j) {
      HALF_MATRIX(OUT_K, OUT_N, gl_MatrixUseB) v;
      const uint column = (j * WARPS_N + warp_n()) * OUT_N;
      coopMatLoad(v, tile_groups, V_BASE + i * OUT_K * V_ROW + column / 8, V_ROW,
                  gl_CooperativeMatrixLayoutRowMajor);
      sums[j] = coopMatMulAdd(weights, v, sums[j]);
      sums[j] = coopMatMulAdd(rest, v, sums[j]);
    }
  }
}

void main() {
  const ivec4 zero_points = unpack_bytes(p.zero_points);
  const INT8_MATRIX(MAT_M, MAT_K, gl_MatrixUseA) q_zeros =
      INT8_MATRIX(MAT_M, MAT_K, gl_MatrixUseA)(int8_t(zero_points.x));
  const INT8_MATRIX(MAT_K, MAT_N, gl_MatrixUseB) k_zeros =
      INT8_MATRIX(MAT_K, MAT_N, gl_MatrixUseB)(int8_t(zero_points.y));

  for (uint index = gl_WorkGroupID.x; index < p.tiles; index += gl_NumWorkGroups.x) {
    const Tile tile = tile_of(index);
    const uint end = end_of(tile);
    barrier();  // before what the tile before has read is written
    load_q_rows(tile);
    barrier();
    INT8_MATRIX(MAT_M, MAT_K, gl_MatrixUseA) q[TILE_K / MAT_K];
    Products q_sums = Products(0);
    [[unroll]] for (uint i = 0; i < TILE_K / MAT_K; ++i) {
      coopMatLoad(q[i], tile_groups, block() * MAT_M * K_ROW + i * (MAT_K / 16), K_ROW,
                  gl_CooperativeMatrixLayoutRowMajor);
      q_sums = coopMatMulAdd(q[i], k_zeros, q_sums);
    }
    const Products of_rows = Products(int(D) * zero_points.x * zero_points.y) - q_sums;

    start_rows();
    if (end != 0) {
      load_ahead(tile, 0);
    }
    for (uint s0 = 0; s0 < end; s0 += TILE_N) {
      barrier();
      store_ahead();
      barrier();
      load_ahead(tile, s0 + TILE_N);
      load_masks(tile, s0);

      [[unroll]] for (uint j = 0; j < SCORES; ++j) {
        const uint column = (j * WARPS_N + warp_n()) * MAT_N;
        Products products = of_rows;
        Products k_sums = Products(0);
        [[unroll]] for (uint i = 0; i < TILE_K / MAT_K; ++i) {
          INT8_MATRIX(MAT_K, MAT_N, gl_MatrixUseB) k;
          coopMatLoad(k, tile_groups, column * K_ROW + i * (MAT_K / 16), K_ROW,
                      gl_CooperativeMatrixLayoutColumnMajor);
          products = coopMatMulAdd(q[i], k, products);
          k_sums = coopMatMulAdd(q_zeros, k, k_sums);
        }
        products = products - k_sums;
        coopMatStore(products, tile_groups, strip() + column / 4, STRIP_ROW,
                     gl_CooperativeMatrixLayoutRowMajor);
      }
      strip_barrier();
      score_strip(tile, s0, 1.0);
      strip_barrier();
      shrink_sums();
      strip_barrier();
      weigh_strip();
      strip_barrier();
      add_weighted();
    }
    store_block(tile, v_unit());
  }
}
