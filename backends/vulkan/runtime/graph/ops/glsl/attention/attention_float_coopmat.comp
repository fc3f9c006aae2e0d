// Attention of float32 on cooperative matrices of float16, with nothing of the size of the scores in memory;
// operands: attention_io.glsl; the way of the work: attention_strips.glsl.
//
// x is the sum of two float16, so that products of two float32 are three of matrices, added up in float32:
//
//   x = (high + low) * 2^-e, low = x * 2^e - high          to within 2^-22 of x
//   x y = high high' + high low' + low high'               and 2^-22 of x y
//
// A tile of q, k or v has one exponent e, by which its largest magnitude is 2^14 to 2^15. What float16 has no
// denormals for is 2^-29 of that, so this serves tiles whose vectors' magnitudes (of the largest element
// each, zeros aside) are within a factor of 2^9 of each other. Where they are not, as with large values at
// positions that a mask hides, and where an element is infinite or NaN, a tile's products are plain sums
// of float32, as right and many times slower.
//
// Sums of exponentials times v are in units of the largest tile of v so far.
//
// Preconditions (kernels.py checks them), beside those of strips: TILE_K is a multiple of 8 and OUT_K, and a
// subgroup has a multiple of TILE_K / 4 threads; threads of the workgroup divide the groups of four elements
// of a tile; k and v have room for a matrix of y of each subgroup in float32. INT8_IN is 0.
// Features: cooperative matrices MAT_M x OUT_N x OUT_K of float16 to float32, at subgroup scope; subgroup
// shuffle; float16; Vulkan memory model.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

#include "attention/attention_io.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint ROW_GROUPS = TILE_K / 4;  // of four elements

// Shared memory, in groups of 16 bytes: a row of q, k or v has its high halves, then its low ones.
const uint LOW = TILE_K / 8;
const uint HALVES_ROW = 2 * LOW + 1;
const uint V_BASE = TILE_N * HALVES_ROW;
const uint STRIPS = 2 * V_BASE;
const uint Q_GROUPS = TILE_M * HALVES_ROW;

#include "attention/attention_strips.glsl"

const uint WARPS = WARPS_M * WARPS_N;
const uint SCORES = TILE_N / OUT_N / WARPS_N;  // matrices of scores of a subgroup
const uint STEPS = TILE_K / OUT_K;             // matrices along a vector
const uint OUT_GROUPS = OUT_N / 4;             // a row of a matrix of y
const uint OWN_Q = TILE_M * ROW_GROUPS / WORKGROUP_SIZE;
const uint OWN_K = TILE_N * ROW_GROUPS / WORKGROUP_SIZE;

const int LARGEST_EXPONENT = 14;   // of what float16 gets
const int RANGE = 9;               // of exponents of vectors
const int SMALLEST_MAGNITUDE = -80;  // of a tile that is not zero
const int MOST_SCALED = 100;         // exponents e, of tiles of zeros

struct Halves {
  uvec2 high, low;
};

// Bits of magnitudes, over vectors: of the largest element of all, and of the vector where that is
// smallest, zeros aside.
struct Extent {
  uint most, least;
};

shared uvec4 extents[WARPS];

HALF_MATRIX(MAT_M, OUT_K, gl_MatrixUseA) q_halves[2 * STEPS];  // high, low, high, ...
vec4 k_ahead[OWN_K], v_ahead[OWN_K];
// Of the tile at hand: exponents e of q and k together; of sums, that of v. Whether products are plain sums.
int product_exponent, sums_exponent;
bool is_plain;

uint own_thread() {
  return gl_SubgroupID * SUBGROUP_SIZE + gl_SubgroupInvocationID;
}

int exponent_of(uint bits) {
  return int(bits >> 23) - 127;
}

float power_of_two(int exponent) {
  return exponent < -126 ? 0.0 : uintBitsToFloat(uint(exponent + 127) << 23);
}

// The exponent e of a tile.
int scaling_of(uint most) {
  return min(LARGEST_EXPONENT - exponent_of(most), MOST_SCALED);
}

// True where two float16 hold vectors of this extent, scaled by 2^e.
bool fits(Extent extent, int e) {
  const bool is_zero = extent.most == 0;
  const bool is_finite = extent.most < INFINITY_BITS;
  const bool is_near = exponent_of(extent.least) + e >= LARGEST_EXPONENT - RANGE;
  return is_zero || is_finite && is_near && exponent_of(extent.most) >= SMALLEST_MAGNITUDE;
}

Extent joined(Extent a, Extent b) {
  return Extent(max(a.most, b.most), min(a.least, b.least));
}

Extent extent_of_vector(vec4 own) {
  const uvec4 bits = floatBitsToUint(own) & ~SIGN_BIT;
  uint most = max(max(bits.x, bits.y), max(bits.z, bits.w));
  [[unroll]] for (uint step = 1; step < ROW_GROUPS; step *= 2) {
    most = max(most, subgroupShuffleXor(most, step));
  }
  return Extent(most, most == 0 ? INFINITY_BITS : most);
}

Extent extent_of_subgroup(Extent own) {
  [[unroll]] for (uint step = ROW_GROUPS; step < SUBGROUP_SIZE; step *= 2) {
    const Extent other =
        Extent(subgroupShuffleXor(own.most, step), subgroupShuffleXor(own.least, step));
    own = joined(own, other);
  }
  return own;
}

// Of this subgroup; all see them behind a barrier.
void share_extents(Extent a, Extent b) {
  a = extent_of_subgroup(a);
  b = extent_of_subgroup(b);
  if (gl_SubgroupInvocationID == 0) {
    extents[gl_SubgroupID] = uvec4(a.most, a.least, b.most, b.least);
  }
}

uvec4 shared_extents() {
  uvec4 all = extents[0];
  [[unroll]] for (uint i = 1; i < WARPS; ++i) {
    all = uvec4(max(all.x, extents[i].x), min(all.y, extents[i].y), max(all.z, extents[i].z),
                min(all.w, extents[i].w));
  }
  return all;
}

void store_halves(uint base, uint own, vec4 x, float scale) {
  const vec4 scaled = x * scale;
  const vec4 high = shortened(scaled);
  const uvec2 highs = halves_of(high);
  const uvec2 lows = halves_of(scaled - high);
  const uint at = base + own / ROW_GROUPS * HALVES_ROW;
  const uint group = own % ROW_GROUPS;
  if (group % 2 == 0) {
    tile_groups[at + group / 2].xy = highs;
    tile_groups[at + LOW + group / 2].xy = lows;
  } else {
    tile_groups[at + group / 2].zw = highs;
    tile_groups[at + LOW + group / 2].zw = lows;
  }
}

// The tile's rows of q into shared memory, and their exponent; `is_plain` where they do not fit.
int load_q_rows(Tile tile) {
  vec4 own[OWN_Q];
  Extent extent = Extent(0, INFINITY_BITS);
  [[unroll]] for (uint i = 0; i < OWN_Q; ++i) {
    const uint at = i * WORKGROUP_SIZE + own_thread();
    const uint row = min(tile.l0 + at / ROW_GROUPS, p.L - 1);
    const uint d = at % ROW_GROUPS * 4;
    own[i] = d < D ? load_q(tile.q + row * p.q[2], p.q[3], d, D) : vec4(0.0);
    extent = joined(extent, extent_of_vector(own[i]));
  }
  share_extents(extent, extent);
  barrier();
  const uvec4 all = shared_extents();
  const int e = scaling_of(all.x);
  is_plain = !fits(Extent(all.x, all.y), e);
  [[unroll]] for (uint i = 0; i < OWN_Q; ++i) {
    store_halves(0, i * WORKGROUP_SIZE + own_thread(), own[i], power_of_two(e));
  }
  barrier();
  return e;
}

// Positions behind the last one repeat it: their exponentials are zero. Elements behind the end of a vector
// are zero.
void load_ahead(Tile tile, uint s0) {
  [[unroll]] for (uint i = 0; i < OWN_K; ++i) {
    const uint own = i * WORKGROUP_SIZE + own_thread();
    const uint s = min(s0 + own / ROW_GROUPS, p.S - 1);
    const uint d = own % ROW_GROUPS * 4;
    k_ahead[i] = d < D ? load_k(tile.k + s * p.k[2], p.k[3], d, D) : vec4(0.0);
    v_ahead[i] = d < DV ? load_v(tile.v + s * p.v[2], p.v[3], d, DV) : vec4(0.0);
  }
}

void share_extents_ahead() {
  Extent of_k = Extent(0, INFINITY_BITS);
  Extent of_v = of_k;
  [[unroll]] for (uint i = 0; i < OWN_K; ++i) {
    of_k = joined(of_k, extent_of_vector(k_ahead[i]));
    of_v = joined(of_v, extent_of_vector(v_ahead[i]));
  }
  share_extents(of_k, of_v);
}

void store_ahead(int k_exponent) {
  [[unroll]] for (uint i = 0; i < OWN_K; ++i) {
    const uint own = i * WORKGROUP_SIZE + own_thread();
    store_halves(0, own, k_ahead[i], power_of_two(k_exponent));
    store_halves(V_BASE, own, v_ahead[i], power_of_two(sums_exponent));
  }
}

// In two steps, for the exponents of both can be beyond those of float32.
vec4 products_of(Tile tile, uint at, uint l, uint s) {
  if (!is_plain) {
    const int half_of_it = product_exponent / 2;
    return uintBitsToFloat(tile_groups[at]) * power_of_two(-half_of_it) *
           power_of_two(half_of_it - product_exponent) * p.scale;
  }
  vec4 products = vec4(0.0);
  for (uint d = 0; d < D; d += 4) {
    const vec4 q = load_q(tile.q + l * p.q[2], p.q[3], d, D);
    [[unroll]] for (uint j = 0; j < 4; ++j) {
      products[j] += dot(q, load_k(tile.k + min(s + j, p.S - 1) * p.k[2], p.k[3], d, D));
    }
  }
  return products * p.scale;
}

// Products of q and k into the strips.
void multiply_keys() {
  [[unroll]] for (uint j = 0; j < SCORES; ++j) {
    const uint column = (j * WARPS_N + warp_n()) * OUT_N;
    Sums products = Sums(0.0);
    [[unroll]] for (uint i = 0; i < STEPS; ++i) {
      HALF_MATRIX(OUT_K, OUT_N, gl_MatrixUseB) high;
      HALF_MATRIX(OUT_K, OUT_N, gl_MatrixUseB) low;
      const uint at = column * HALVES_ROW + i * (OUT_K / 8);
      coopMatLoad(high, tile_groups, at, HALVES_ROW, gl_CooperativeMatrixLayoutColumnMajor);
      coopMatLoad(low, tile_groups, at + LOW, HALVES_ROW, gl_CooperativeMatrixLayoutColumnMajor);
      products = coopMatMulAdd(q_halves[2 * i], low, products);
      products = coopMatMulAdd(q_halves[2 * i + 1], high, products);
      products = coopMatMulAdd(q_halves[2 * i], high, products);
    }
    coopMatStore(products, tile_groups, strip() + column / 4, STRIP_ROW,
                 gl_CooperativeMatrixLayoutRowMajor);
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
      HALF_MATRIX(OUT_K, OUT_N, gl_MatrixUseB) high;
      HALF_MATRIX(OUT_K, OUT_N, gl_MatrixUseB) low;
      const uint column = (j * WARPS_N + warp_n()) * OUT_N;
      const uint at = V_BASE + i * OUT_K * HALVES_ROW + column / 8;
      coopMatLoad(high, tile_groups, at, HALVES_ROW, gl_CooperativeMatrixLayoutRowMajor);
      coopMatLoad(low, tile_groups, at + LOW, HALVES_ROW, gl_CooperativeMatrixLayoutRowMajor);
      sums[j] = coopMatMulAdd(weights, low, sums[j]);
      sums[j] = coopMatMulAdd(rest, high, sums[j]);
      sums[j] = coopMatMulAdd(weights, high, sums[j]);
    }
  }
}

// As `weigh_strip` and `add_weighted`, in float32: exponentials into the strip, their products with v into
// the subgroup's part of what is shared memory of k and v elsewhere. A position that does not count weighs
// nothing at all.
void add_plain(Tile tile, uint s0) {
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    const uint at = strip() + own_row(r) * STRIP_ROW + own_part() * OWN_GROUPS;
    [[unroll]] for (uint i = 0; i < OWN_GROUPS; ++i) {
      const vec4 exponents = (scores[r][i] - vec4(largest[r])) * LOG2E;
      const vec4 weights =
          is_minus_infinity(largest[r]) ? vec4(0.0) : exp2(exponents) * LARGEST_WEIGHT;
      tile_groups[at + i] = floatBitsToUint(weights);
      total[r] += (weights.x + weights.y) + (weights.z + weights.w);
    }
  }
  strip_barrier();
  const uint count = min(TILE_N, p.S - s0);
  const uint part = gl_SubgroupID * MAT_M * OUT_GROUPS;
  [[unroll]] for (uint j = 0; j < OUTS; ++j) {
    const uint column = (j * WARPS_N + warp_n()) * OUT_N;
    for (uint i = gl_SubgroupInvocationID; i < MAT_M * OUT_GROUPS; i += SUBGROUP_SIZE) {
      const uint d = column + i % OUT_GROUPS * 4;
      const uint row = strip() + i / OUT_GROUPS * STRIP_ROW;
      vec4 sum = vec4(0.0);
      for (uint s = 0; s < count && d < DV; ++s) {
        const float weight = uintBitsToFloat(tile_groups[row + s / 4][s % 4]);
        sum += weight * load_v(tile.v + (s0 + s) * p.v[2], p.v[3], d, DV);
      }
      tile_groups[part + i] = floatBitsToUint(sum * power_of_two(sums_exponent));
    }
    subgroupMemoryBarrierShared();
    subgroupBarrier();
    Sums own;
    coopMatLoad(own, tile_groups, part, OUT_GROUPS, gl_CooperativeMatrixLayoutRowMajor);
    sums[j] = sums[j] + own;
    subgroupMemoryBarrierShared();
    subgroupBarrier();
  }
}

void main() {
  for (uint index = gl_WorkGroupID.x; index < p.tiles; index += gl_NumWorkGroups.x) {
    const Tile tile = tile_of(index);
    const uint end = end_of(tile);
    barrier();  // before what the tile before has read is written
    const int q_exponent = load_q_rows(tile);
    const bool is_q_plain = is_plain;
    [[unroll]] for (uint i = 0; i < 2 * STEPS; ++i) {
      const uint at = block() * MAT_M * HALVES_ROW + i / 2 * (OUT_K / 8) + i % 2 * LOW;
      coopMatLoad(q_halves[i], tile_groups, at, HALVES_ROW, gl_CooperativeMatrixLayoutRowMajor);
    }

    start_rows();
    may_be_nan = MASK == ADDED;
    sums_exponent = MOST_SCALED;
    if (end != 0) {
      load_ahead(tile, 0);
    }
    for (uint s0 = 0; s0 < end; s0 += TILE_N) {
      share_extents_ahead();
      barrier();
      const uvec4 all = shared_extents();
      const Extent of_k = Extent(all.x, all.y);
      const Extent of_v = Extent(all.z, all.w);
      const int k_exponent = scaling_of(of_k.most);
      const int before = sums_exponent;
      sums_exponent = min(before, scaling_of(of_v.most));
      product_exponent = q_exponent + k_exponent;
      is_plain = is_q_plain || !fits(of_k, k_exponent) || !fits(of_v, sums_exponent);
      may_be_nan = may_be_nan || is_plain;
      store_ahead(k_exponent);
      barrier();
      load_ahead(tile, s0 + TILE_N);
      load_masks(tile, s0);

      if (!is_plain) {
        multiply_keys();
      }
      strip_barrier();
      score_strip(tile, s0, power_of_two(sums_exponent - before));
      strip_barrier();
      shrink_sums();
      strip_barrier();
      if (is_plain) {
        add_plain(tile, s0);
      } else {
        weigh_strip();
        strip_barrier();
        add_weighted();
      }
    }
    store_block(tile, power_of_two(-sums_exponent));
  }
}
