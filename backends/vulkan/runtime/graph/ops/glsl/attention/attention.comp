// Attention in float32, of float32 or int8, with nothing of the size of the scores in memory; operands:
// attention_io.glsl.
//
// One workgroup makes TILE_M rows of y (neighbours along l) at a time. It goes through the positions in
// tiles of TILE_N, and keeps for each row the largest score so far, and sums of exp(score - largest):
//
//   1  each thread: scores of some positions, for all rows    q in shared memory, k from memory
//   2  the threads of a row: its largest score, exponentials and their sum; by how much what is summed
//      up so far shrinks, because the largest score grew
//   3  each thread: some groups of four of y, for BLOCK_M rows: adds exponentials times v
//
// Sums of a tile are added up before they come to the others, which keeps long sums precise.
// Preconditions: BLOCK_M divides TILE_M; TILE_M is a power of two and divides WORKGROUP_SIZE; TILE_N / 4
// is a multiple of WORKGROUP_SIZE / TILE_M. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

#include "attention/attention_io.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint ROW_THREADS = WORKGROUP_SIZE / TILE_M;  // that share a row in step 2
const uint SCORE_GROUPS = TILE_N / 4;              // of a row

shared vec4 q_tile[TILE_M * MAX_GROUPS];
shared vec4 sums[TILE_M * MAX_GROUPS];
shared float scores[TILE_M * TILE_N];
shared float partial[WORKGROUP_SIZE];
shared float largest[TILE_M];
shared float total[TILE_M];
shared float shrink[TILE_M];

void score_tile(uint k_at, uint mask_at, uint l0, uint s0) {
  const uint groups = (D + 3) / 4;
  for (uint own = gl_LocalInvocationIndex; own < TILE_N; own += WORKGROUP_SIZE) {
    const uint s = s0 + own;
    const uint at = k_at + min(s, p.S - 1) * p.k[2];
    vec4 products[TILE_M];
    [[unroll]] for (uint r = 0; r < TILE_M; ++r) {
      products[r] = vec4(0.0);
    }
    for (uint group = 0; group < groups; ++group) {
      const vec4 k = load_k(at, p.k[3], group * 4, D);
      [[unroll]] for (uint r = 0; r < TILE_M; ++r) {
        products[r] += q_tile[r * MAX_GROUPS + group] * k;
      }
    }
    [[unroll]] for (uint r = 0; r < TILE_M; ++r) {
      const vec4 product = products[r];
      const float score = ((product.x + product.y) + (product.z + product.w)) * p.scale;
      const uint l = min(l0 + r, p.L - 1);
      scores[r * TILE_N + own] = masked(score, load_mask(mask_at, l, s), l, s);
    }
  }
}

// From scores to exponentials.
void weigh_tile() {
  const uint row = gl_LocalInvocationIndex / ROW_THREADS;
  const uint lane = gl_LocalInvocationIndex % ROW_THREADS;
  float own = minus_infinity();
  for (uint i = lane; i < TILE_N; i += ROW_THREADS) {
    own = larger(own, scores[row * TILE_N + i]);
  }
  partial[gl_LocalInvocationIndex] = own;
  barrier();
  const float before = largest[row];
  float most = before;
  for (uint i = 0; i < ROW_THREADS; ++i) {
    most = larger(most, partial[row * ROW_THREADS + i]);
  }
  barrier();
  // Where all scores are -infinity so far, all exponentials are zero.
  const bool is_nothing = is_minus_infinity(most);
  float sum = 0.0;
  for (uint group = lane; group < SCORE_GROUPS; group += ROW_THREADS) {
    const uint at = row * TILE_N + group * 4;
    const vec4 score = vec4(scores[at], scores[at + 1], scores[at + 2], scores[at + 3]);
    precise vec4 difference = score - vec4(most);
    vec4 weight = keep_nan(difference, exp_of(difference));
    weight = is_nothing ? vec4(0.0) : weight;
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      scores[at + i] = weight[i];
    }
    sum += (weight.x + weight.y) + (weight.z + weight.w);
  }
  partial[gl_LocalInvocationIndex] = sum;
  barrier();
  if (lane == 0) {
    precise float difference = before - most;
    const vec4 factor = keep_nan(vec4(difference), exp_of(vec4(difference)));
    shrink[row] = is_minus_infinity(before) ? 0.0 : factor.x;
    float all = 0.0;
    for (uint i = 0; i < ROW_THREADS; ++i) {
      all += partial[row * ROW_THREADS + i];
    }
    total[row] = total[row] * shrink[row] + all;
    largest[row] = most;
  }
  barrier();
}

void add_tile(uint v_at, uint s0, uint count) {
  const uint groups = (DV + 3) / 4;
  const uint blocks = TILE_M / BLOCK_M;
  for (uint own = gl_LocalInvocationIndex; own < groups * blocks; own += WORKGROUP_SIZE) {
    const uint group = own % groups;
    const uint row = own / groups * BLOCK_M;
    vec4 tile_sums[BLOCK_M];
    [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
      tile_sums[r] = vec4(0.0);
    }
    for (uint i = 0; i < count; ++i) {
      const vec4 v = load_v(v_at + (s0 + i) * p.v[2], p.v[3], group * 4, DV);
      [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
        tile_sums[r] += scores[(row + r) * TILE_N + i] * v;
      }
    }
    [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
      const uint at = (row + r) * MAX_GROUPS + group;
      sums[at] = s0 == 0 ? tile_sums[r] : sums[at] * shrink[row + r] + tile_sums[r];
    }
  }
}

void store_tile(Tile tile) {
  const uint groups = (DV + 3) / 4;
  for (uint own = gl_LocalInvocationIndex; own < groups * TILE_M; own += WORKGROUP_SIZE) {
    const uint group = own % groups;
    const uint row = own / groups;
    if (tile.l0 + row < p.L) {
      store_group(tile.y, tile.l0 + row, group, sums[row * MAX_GROUPS + group], total[row],
                  largest[row], v_unit());
    }
  }
}

void main() {
  const uint groups = (D + 3) / 4;
  for (uint index = gl_WorkGroupID.x; index < p.tiles; index += gl_NumWorkGroups.x) {
    const Tile tile = tile_of(index);
    barrier();  // before what the tile before has read is written
    for (uint i = gl_LocalInvocationIndex; i < groups * TILE_M; i += WORKGROUP_SIZE) {
      const uint row = i / groups;
      const uint group = i % groups;
      q_tile[row * MAX_GROUPS + group] =
          load_q(tile.q + min(tile.l0 + row, p.L - 1) * p.q[2], p.q[3], group * 4, D);
    }
    if (gl_LocalInvocationIndex < TILE_M) {
      largest[gl_LocalInvocationIndex] = minus_infinity();
      total[gl_LocalInvocationIndex] = 0.0;
    }
    const uint end = end_of(tile);
    for (uint s0 = 0; s0 < end; s0 += TILE_N) {
      barrier();
      score_tile(tile.k, tile.mask, tile.l0, s0);
      barrier();
      weigh_tile();
      add_tile(tile.v, s0, min(TILE_N, end - s0));
    }
    barrier();  // the sums of a row are other threads'
    store_tile(tile);
  }
}
