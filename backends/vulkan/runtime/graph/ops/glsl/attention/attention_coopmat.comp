// Attention of int8 on cooperative matrices, with nothing of the size of the scores in memory;
// operands: attention_io.glsl.
//
// One workgroup makes TILE_M rows of y (neighbours along l) at a time, in blocks of MAT_M rows. WARPS_M
// blocks stand one below the other; the WARPS_N subgroups of a block share its work. Positions go in
// tiles of TILE_N:
//
//   1  k in int8 and v in float16, less its zero point (exact), into shared memory, for all blocks; those
//      of the next tile wait in registers meanwhile
//   2  scores: int32 products of q, which stays in registers, and k (exact)
//   3  the largest score of each row so far; exponentials, each as the sum of two float16
//   4  y: exponentials times v, added up in float32
//
//                  positions: TILE_N                      vector: TILE_K
//             +-----+-----+-----+-----+              +-----+-----+-----+-----+
//   MAT_M     | w 0 | w 1 | w 0 | w 1 |    MAT_M     | w 0 | w 1 | w 0 | w 1 |   with WARPS_N = 2
//             +-----+-----+-----+-----+              +-----+-----+-----+-----+
//              MAT_N wide                             OUT_N wide
//
// Zero points: (q - zq)(k - zk) = qk - q zk - zq k + zq zk; sums of q and of k times the other's zero
// point are products with matrices of zero points.
//
// Where a matrix keeps its elements is up to the driver, so scores go through the block's strip of shared
// memory, and what its sums shrink by, where a largest score grew, comes back as a matrix of equal
// columns. One after the other, a row of the strip has
//
//   products, int32                                           | 16 bytes
//   factors, float32                                          |
//   exponentials, float16 | what that has left of them        |
//   sums, float32                                             | its total and largest score
//
// The 16 bytes make rows of an odd number of 16-byte groups, so that the threads of eight rows hit different
// banks. The subgroups of a block divide its rows: a row has TEAM threads, all in one subgroup.
//
// Exponentials are 2^15 times theirs, so that two float16 have each to within 2^-21 of it or 2^-29 of the
// row's largest one, even on devices whose float16 has no denormals.
//
// Preconditions (kernels.py checks them): TILE_M = WARPS_M * MAT_M; WORKGROUP_SIZE = WARPS_M * WARPS_N *
// the subgroup size of the device; TILE_K is a multiple of 16 and MAT_K, and holds OUT_N * WARPS_N and
// ROUND_N whole times; TILE_N is a multiple of OUT_K, of MAT_N * WARPS_N and of OUT_N * WARPS_N;
// WARPS_N divides MAT_M; a thread has a multiple of eight positions of a row. INT8_IN is 1; D,
// DV <= TILE_K.
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

const uint SUBGROUP_SIZE = WORKGROUP_SIZE / (WARPS_M * WARPS_N);
const uint BLOCK_SIZE = WARPS_N * SUBGROUP_SIZE;  // threads of a block
const uint OWN_ROWS = MAT_M / WARPS_N;            // of a subgroup
const uint TEAM = max(1, SUBGROUP_SIZE / OWN_ROWS);
const uint ROWS = max(1, OWN_ROWS / SUBGROUP_SIZE);  // of a thread
const uint OWN_GROUPS = TILE_N / 4 / TEAM;           // of four scores, in each of a thread's rows

// Shared memory, in groups of 16 bytes.
const uint K_ROW = TILE_K / 16 + 1;
const uint V_ROW = TILE_K / 8 + 1;
const uint STRIP_ROW = TILE_N / 4 + 1;
const uint REST = TILE_N / 8;  // where what float16 has left of exponentials begins in a row
const uint V_BASE = TILE_N * K_ROW;
const uint STRIPS = V_BASE + TILE_N * V_ROW;

// Matrices of a subgroup, and into how many columns of the strip sums go at once.
const uint SCORES = TILE_N / MAT_N / WARPS_N;
const uint OUTS = TILE_K / OUT_N / WARPS_N;
const uint ROUND = min(TILE_N / OUT_N / WARPS_N, OUTS);
const uint ROUND_N = ROUND * OUT_N * WARPS_N;

const float LOG2E = 1.44269504;
const float LARGEST_WEIGHT = 32768.0;
const float LEAST_EXPONENT = -60.0;  // is zero in float16

#define INT8_MATRIX(M, N, use) coopmat<int8_t, gl_ScopeSubgroup, M, N, use>
#define HALF_MATRIX(M, N, use) coopmat<float16_t, gl_ScopeSubgroup, M, N, use>
#define Products coopmat<int32_t, gl_ScopeSubgroup, MAT_M, MAT_N, gl_MatrixUseAccumulator>
#define Sums coopmat<float, gl_ScopeSubgroup, MAT_M, OUT_N, gl_MatrixUseAccumulator>

// Of a tile of k or v: quads of 16 elements, and those of a thread.
const uint ROW_QUADS = TILE_K / 16;
const uint TILE_QUADS = TILE_N * ROW_QUADS;
const uint OWN_QUADS = (TILE_QUADS + WORKGROUP_SIZE - 1) / WORKGROUP_SIZE;

// k, v and strips; before these, q.
shared uvec4 tile_groups[max(STRIPS + TILE_M * STRIP_ROW, TILE_M * K_ROW)];

uvec4 k_ahead[OWN_QUADS], v_ahead[OWN_QUADS];
// Of this thread's rows: masks and scores of its positions, the largest score so far, and its part of the
// total.
uvec4 masks[ROWS][OWN_GROUPS];
vec4 scores[ROWS][OWN_GROUPS];
float largest[ROWS], total[ROWS];
Sums sums[OUTS];

uint block() {
  return gl_SubgroupID / WARPS_N;
}

uint warp_n() {
  return gl_SubgroupID % WARPS_N;
}

uint strip() {
  return STRIPS + block() * MAT_M * STRIP_ROW;
}

// Row r of this thread, in its block, and which of the row's threads it is.
uint own_row(uint r) {
  return warp_n() * OWN_ROWS + gl_SubgroupInvocationID % OWN_ROWS + r * SUBGROUP_SIZE;
}

uint own_part() {
  return gl_SubgroupInvocationID / OWN_ROWS;
}

// A strip belongs to the subgroups of its block: without any other, no other need wait.
void strip_barrier() {
  if (WARPS_N == 1) {
    subgroupMemoryBarrierShared();
    subgroupBarrier();
  } else {
    barrier();
  }
}

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

// Only what is added may make a score NaN.
float larger_score(float a, float b) {
  return MASK == ADDED ? larger(a, b) : max(a, b);
}

// Of all threads that share a row.
float largest_of_team(float own) {
  [[unroll]] for (uint step = OWN_ROWS; step < SUBGROUP_SIZE; step *= 2) {
    const float other = subgroupShuffleXor(own, step);
    own = larger_score(own, other);
  }
  return own;
}

float sum_of_team(float own) {
  [[unroll]] for (uint step = OWN_ROWS; step < SUBGROUP_SIZE; step *= 2) {
    own += subgroupShuffleXor(own, step);
  }
  return own;
}

// Of this thread's rows and positions.
void load_masks(Tile tile, uint s0) {
  const uint first = s0 + own_part() * OWN_GROUPS * 4;
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    const uint l = tile.l0 + block() * MAT_M + own_row(r);
    [[unroll]] for (uint i = 0; i < OWN_GROUPS; ++i) {
      [[unroll]] for (uint j = 0; j < 4; ++j) {
        masks[r][i][j] = load_mask(tile.mask, l, first + i * 4 + j);
      }
    }
  }
}

// Four scores of row l, from position s on; -infinity where a position does not count.
vec4 scores_of(uvec4 products, uvec4 mask, uint l, uint s) {
  vec4 scores = vec4(ivec4(products)) * p.scale;
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    scores[i] = masked(scores[i], mask[i], l, s + i);
  }
  return scores;
}

// From products in the strip to scores, and to factors there.
void score_strip(Tile tile, uint s0) {
  const uint first = own_part() * OWN_GROUPS;
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    const uint row = own_row(r);
    const uint at = strip() + row * STRIP_ROW;
    const uint l = min(tile.l0 + block() * MAT_M + row, p.L - 1);
    const float before = largest[r];
    float own = before;
    [[unroll]] for (uint i = 0; i < OWN_GROUPS; ++i) {
      const vec4 four =
          scores_of(tile_groups[at + first + i], masks[r][i], l, s0 + (first + i) * 4);
      own = larger_score(
          own, larger_score(larger_score(four.x, four.y), larger_score(four.z, four.w)));
      scores[r][i] = four;
    }
    largest[r] = largest_of_team(own);
    const float factor = is_minus_infinity(before) ? 0.0 : exp2((before - largest[r]) * LOG2E);
    total[r] *= factor;
    // Before factors are written, all threads of the row have read their products.
    subgroupMemoryBarrierShared();
    subgroupBarrier();
    for (uint i = own_part(); i < OUT_N / 4; i += TEAM) {
      tile_groups[at + i] = floatBitsToUint(vec4(factor));
    }
  }
}

// Four exponentials of scores, none of which is above `most`. Where all scores are -infinity so far,
// they are zero.
vec4 weights_of(vec4 scores, float most) {
  const vec4 exponents = max((scores - vec4(most)) * LOG2E, vec4(LEAST_EXPONENT));
  return is_minus_infinity(most) ? vec4(0.0) : exp2(exponents) * LARGEST_WEIGHT;
}

uvec2 halves_of(vec4 x) {
  return uvec2(packHalf2x16(x.xy), packHalf2x16(x.zw));
}

// x with no more bits than float16 has. By its bits, for NVIDIA's compiler (driver 580) takes
// unpackHalf2x16(packHalf2x16(x)) for x.
vec4 shortened(vec4 x) {
  return uintBitsToFloat(floatBitsToUint(x) & 0xffffe000u);
}

// From scores to exponentials in the strip, of two float16 each.
void weigh_strip() {
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    const uint at = strip() + own_row(r) * STRIP_ROW + own_part() * OWN_GROUPS / 2;
    [[unroll]] for (uint i = 0; i < OWN_GROUPS; i += 2) {
      const vec4 low = weights_of(scores[r][i], largest[r]);
      const vec4 high = weights_of(scores[r][i + 1], largest[r]);
      const vec4 short_low = shortened(low);
      const vec4 short_high = shortened(high);
      tile_groups[at + i / 2] = uvec4(halves_of(short_low), halves_of(short_high));
      tile_groups[at + REST + i / 2] =
          uvec4(halves_of(low - short_low), halves_of(high - short_high));
      const vec4 both = low + high;
      total[r] += (both.x + both.y) + (both.z + both.w);
    }
  }
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

// NaN among the scores, or +infinity, makes the row NaN, as softmax does.
float final_total(float total, float largest) {
  const bool is_finite = (floatBitsToUint(largest) & ~SIGN_BIT) < INFINITY_BITS;
  return MASK == 0 || is_finite || is_minus_infinity(largest) ? total : nan().x;
}

void store_block(Tile tile) {
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    const float all = final_total(sum_of_team(total[r]), largest[r]);
    if (own_part() == 0) {
      tile_groups[strip() + (own_row(r) + 1) * STRIP_ROW - 1].xy =
          floatBitsToUint(vec2(all, largest[r]));
    }
  }
  [[unroll]] for (uint j0 = 0; j0 < OUTS; j0 += ROUND) {
    strip_barrier();
    [[unroll]] for (uint j = 0; j < ROUND; ++j) {
      const uint at = strip() + (j * WARPS_N + warp_n()) * (OUT_N / 4);
      coopMatStore(sums[j0 + j], tile_groups, at, STRIP_ROW, gl_CooperativeMatrixLayoutRowMajor);
    }
    strip_barrier();
    const uint thread = warp_n() * SUBGROUP_SIZE + gl_SubgroupInvocationID;
    for (uint i = thread; i < MAT_M * (ROUND_N / 4); i += BLOCK_SIZE) {
      const uint row = i / (ROUND_N / 4);
      const uint column = i % (ROUND_N / 4);
      const uint group = j0 * WARPS_N * (OUT_N / 4) + column;
      const uint l = tile.l0 + block() * MAT_M + row;
      if (l < p.L && group * 4 < DV) {
        const uint at = strip() + row * STRIP_ROW;
        const vec2 of_row = uintBitsToFloat(tile_groups[at + STRIP_ROW - 1].xy);
        store_group(tile.y, l, group, uintBitsToFloat(tile_groups[at + column]), of_row.x, of_row.y);
      }
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

    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      largest[r] = minus_infinity();
      total[r] = 0.0;
    }
    [[unroll]] for (uint j = 0; j < OUTS; ++j) {
      sums[j] = Sums(0.0);
    }

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
      score_strip(tile, s0);
      strip_barrier();
      Sums factors;
      coopMatLoad(factors, tile_groups, strip(), STRIP_ROW, gl_CooperativeMatrixLayoutRowMajor);
      [[unroll]] for (uint j = 0; j < OUTS; ++j) {
        sums[j] = sums[j] * factors;
      }
      strip_barrier();
      weigh_strip();
      strip_barrier();
      add_weighted();
    }
    store_block(tile);
  }
}
