// What attention on cooperative matrices shares, int8 and float32: the softmax between its two products, by way
// of shared memory, and writing y.
//
// One workgroup makes TILE_M rows of y (neighbours along l) at a time, in blocks of MAT_M rows. WARPS_M
// blocks stand one below the other; the WARPS_N subgroups of a block share its work. Positions go in
// tiles of TILE_N:
//
//   1  k and v into shared memory, for all blocks; those of the next tile wait in registers meanwhile
//   2  scores: products of q, which stays in registers, and k
//   3  the largest score of each row so far; exponentials, each as the sum of two float16
//   4  y: exponentials times v, added up in float32
//
//                  positions: TILE_N                      vector: TILE_K
//             +-----+-----+-----+-----+              +-----+-----+-----+-----+
//   MAT_M     | w 0 | w 1 | w 0 | w 1 |    MAT_M     | w 0 | w 1 | w 0 | w 1 |   with WARPS_N = 2
//             +-----+-----+-----+-----+              +-----+-----+-----+-----+
//           a matrix of products wide                    OUT_N wide
//
// Where a matrix keeps its elements is up to the driver, so scores go through the block's strip of shared
// memory, and what its sums shrink by, where a largest score grew, comes back as a matrix of equal
// columns. One after the other, a row of the strip has
//
//   products                                                  | 16 bytes
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
// A shader says before it includes this: STRIPS, where the strips begin in shared memory, and Q_GROUPS,
// what q takes there before, both in groups of 16 bytes; behind it: products_of().
//
// Preconditions (kernels.py checks them): TILE_M = WARPS_M * MAT_M; WORKGROUP_SIZE = WARPS_M * WARPS_N *
// the subgroup size of the device; TILE_K holds OUT_N * WARPS_N and ROUND_N whole times; TILE_N is a
// multiple of OUT_K and of OUT_N * WARPS_N; WARPS_N divides MAT_M; a thread has a multiple of eight
// positions of a row. D, DV <= TILE_K.
#ifndef ATTENTION_STRIPS_GLSL
#define ATTENTION_STRIPS_GLSL

const uint SUBGROUP_SIZE = WORKGROUP_SIZE / (WARPS_M * WARPS_N);
const uint BLOCK_SIZE = WARPS_N * SUBGROUP_SIZE;  // threads of a block
const uint OWN_ROWS = MAT_M / WARPS_N;            // of a subgroup
const uint TEAM = max(1, SUBGROUP_SIZE / OWN_ROWS);
const uint ROWS = max(1, OWN_ROWS / SUBGROUP_SIZE);  // of a thread
const uint OWN_GROUPS = TILE_N / 4 / TEAM;           // of four scores, in each of a thread's rows

// In groups of 16 bytes.
const uint STRIP_ROW = TILE_N / 4 + 1;
const uint REST = TILE_N / 8;  // where what float16 has left of exponentials begins in a row

// Matrices of y of a subgroup, and into how many columns of the strip sums go at once.
const uint OUTS = TILE_K / OUT_N / WARPS_N;
const uint ROUND = min(TILE_N / OUT_N / WARPS_N, OUTS);
const uint ROUND_N = ROUND * OUT_N * WARPS_N;

const float LOG2E = 1.44269504;
const float LARGEST_WEIGHT = 32768.0;
const float LEAST_EXPONENT = -60.0;  // is zero in float16

#define HALF_MATRIX(M, N, use) coopmat<float16_t, gl_ScopeSubgroup, M, N, use>
#define Sums coopmat<float, gl_ScopeSubgroup, MAT_M, OUT_N, gl_MatrixUseAccumulator>

// k, v and strips; before these, q.
shared uvec4 tile_groups[max(STRIPS + TILE_M * STRIP_ROW, Q_GROUPS)];

// Of this thread's rows: masks and scores of its positions, the largest score so far, and its part of the
// total.
uvec4 masks[ROWS][OWN_GROUPS];
vec4 scores[ROWS][OWN_GROUPS];
float largest[ROWS], total[ROWS];
Sums sums[OUTS];
bool may_be_nan = MASK == ADDED;  // a score

// Four scores of row l from position s on, without their mask; group `at` of shared memory has the products.
vec4 products_of(Tile tile, uint at, uint l, uint s);

uint block() {
  return gl_SubgroupID / WARPS_N;
}

uint warp_n() {
  return gl_SubgroupID % WARPS_N;
}

uint thread_of_block() {
  return warp_n() * SUBGROUP_SIZE + gl_SubgroupInvocationID;
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

// Before the first tile of positions.
void start_rows() {
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    largest[r] = minus_infinity();
    total[r] = 0.0;
  }
  [[unroll]] for (uint j = 0; j < OUTS; ++j) {
    sums[j] = Sums(0.0);
  }
}

float larger_score(float a, float b) {
  return may_be_nan ? larger(a, b) : max(a, b);
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

// From products to scores, and to factors in the strip: `of_sums` times what the rows shrink by.
void score_strip(Tile tile, uint s0, float of_sums) {
  const uint first = own_part() * OWN_GROUPS;
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    const uint row = own_row(r);
    const uint at = strip() + row * STRIP_ROW;
    const uint l = min(tile.l0 + block() * MAT_M + row, p.L - 1);
    const float before = largest[r];
    float own = before;
    [[unroll]] for (uint i = 0; i < OWN_GROUPS; ++i) {
      const uint s = s0 + (first + i) * 4;
      vec4 four = products_of(tile, at + first + i, l, s);
      // -infinity where a position does not count.
      [[unroll]] for (uint j = 0; j < 4; ++j) {
        four[j] = masked(four[j], masks[r][i][j], l, s + j);
      }
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
      tile_groups[at + i] = floatBitsToUint(vec4(factor * of_sums));
    }
  }
}

void shrink_sums() {
  Sums factors;
  coopMatLoad(factors, tile_groups, strip(), STRIP_ROW, gl_CooperativeMatrixLayoutRowMajor);
  [[unroll]] for (uint j = 0; j < OUTS; ++j) {
    sums[j] = sums[j] * factors;
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

// NaN among the scores, or +infinity, makes the row NaN, as softmax does.
float final_total(float total, float largest) {
  const bool is_finite = (floatBitsToUint(largest) & ~SIGN_BIT) < INFINITY_BITS;
  return is_finite || is_minus_infinity(largest) ? total : nan().x;
}

// `unit`: of y, in sums by exponentials.
void store_block(Tile tile, float unit) {
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
    for (uint i = thread_of_block(); i < MAT_M * (ROUND_N / 4); i += BLOCK_SIZE) {
      const uint row = i / (ROUND_N / 4);
      const uint column = i % (ROUND_N / 4);
      const uint group = j0 * WARPS_N * (OUT_N / 4) + column;
      const uint l = tile.l0 + block() * MAT_M + row;
      if (l < p.L && group * 4 < DV) {
        const uint at = strip() + row * STRIP_ROW;
        const vec2 of_row = uintBitsToFloat(tile_groups[at + STRIP_ROW - 1].xy);
        store_group(tile.y, l, group, uintBitsToFloat(tile_groups[at + column]), of_row.x, of_row.y,
                    unit);
      }
    }
  }
}

#endif
