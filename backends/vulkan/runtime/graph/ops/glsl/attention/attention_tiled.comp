// Attention in float32, of float32 or int8, for many rows, with nothing of the size of the scores in memory;
// operands: attention_io.glsl.
//
// One workgroup makes TILE_M rows of y (neighbours along l) at a time, and goes through the positions in
// tiles of TILE_N. Products are made in blocks in registers, from what is in shared memory:
//
//   1  q once, k and v of the tile into shared memory, vectors filled up with zeros
//   2  scores: a thread has ROWS rows of four positions
//   3  the largest score of each row so far, by way of shared memory; exponentials into shared memory,
//      over k
//   4  y: a thread has BLOCK_M rows of one group of four of a vector, and adds exponentials times v
//
//            position                            group of the vector
//          +----+----+----+                    +----+----+----+
//   row    | t0 | t1 | .. |                    | t0 | t1 | .. |
//   ROWS   |  4 wide      |           BLOCK_M  |  4 wide      |
//          +----+----+----+                    +----+----+----+
//
// What is summed up so far shrinks where a largest score grew. Sums of a tile are added up before they
// come to the others, which keeps long sums precise; each thread sums up the exponentials of its own
// columns, and these come together at the end.
// Preconditions: D, DV <= 4 * MAX_GROUPS; TILE_M * TILE_N / 4 = ROWS * WORKGROUP_SIZE;
// TILE_M * MAX_GROUPS = BLOCK_M * WORKGROUP_SIZE; TILE_N * MAX_GROUPS is a multiple of WORKGROUP_SIZE;
// TILE_N is a multiple of 16. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

#include "attention/attention_io.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint COLUMNS = TILE_N / 4;                         // threads that share a row of scores
const uint ROWS = TILE_M * COLUMNS / WORKGROUP_SIZE;     // of a thread
const uint BLOCK_M = TILE_M * MAX_GROUPS / WORKGROUP_SIZE;
// One group more behind what a thread has, so that what others read at the same time lies in other
// banks of shared memory; no more than that, for workgroups share a multiprocessor's.
const uint K_ROW_GROUPS = MAX_GROUPS + 1;
const uint K_GROUPS = TILE_N * K_ROW_GROUPS;
const uint WEIGHT_GROUPS = TILE_M * COLUMNS + TILE_M / BLOCK_M;

shared vec4 q_tile[TILE_M * MAX_GROUPS + TILE_M / ROWS];
shared vec4 k_or_weights[max(K_GROUPS, WEIGHT_GROUPS)];
shared vec4 v_tile[TILE_N * MAX_GROUPS];
shared vec4 partial[TILE_M * COLUMNS / 4];  // a value for each thread of each row
shared float shrink[TILE_M];

// Where rows are in shared memory. The four positions of a thread are COLUMNS apart, so that
// neighbouring threads read neighbouring rows.
uint q_at(uint row) {
  return row * MAX_GROUPS + row / ROWS;
}

uint k_at(uint s) {
  return ((s % 4) * COLUMNS + s / 4) * K_ROW_GROUPS;
}

uint weights_at(uint row) {
  return row * COLUMNS + row / BLOCK_M;
}

void load_q_tile(Tile tile) {
  const uint groups = (D + 3) / 4;
  for (uint i = gl_LocalInvocationIndex; i < TILE_M * MAX_GROUPS; i += WORKGROUP_SIZE) {
    const uint row = i / MAX_GROUPS;
    const uint group = i % MAX_GROUPS;
    const uint at = tile.q + min(tile.l0 + row, p.L - 1) * p.q[2];
    q_tile[q_at(row) + group] =
        group < groups ? load_q(at, p.q[3], group * 4, D) : vec4(0.0);
  }
}

// Of v, positions that do not count are zeros too, whose exponentials are zero.
void load_k_and_v_tile(Tile tile, uint s0, uint count) {
  const uint groups = (D + 3) / 4;
  const uint v_groups = (DV + 3) / 4;
  [[unroll]] for (uint i = 0; i < TILE_N * MAX_GROUPS / WORKGROUP_SIZE; ++i) {
    const uint own = i * WORKGROUP_SIZE + gl_LocalInvocationIndex;
    const uint row = own / MAX_GROUPS;
    const uint group = own % MAX_GROUPS;
    const uint s = min(s0 + row, p.S - 1);
    k_or_weights[k_at(row) + group] =
        group < groups ? load_k(tile.k + s * p.k[2], p.k[3], group * 4, D) : vec4(0.0);
    v_tile[row * MAX_GROUPS + group] =
        group < v_groups && row < count
            ? load_v(tile.v + s * p.v[2], p.v[3], group * 4, DV)
            : vec4(0.0);
  }
}

void put_partial(uint row, uint column, float value) {
  partial[row * (COLUMNS / 4) + column / 4][column % 4] = value;
}

float largest_partial(uint row) {
  vec4 most = partial[row * (COLUMNS / 4)];
  [[unroll]] for (uint i = 1; i < COLUMNS / 4; ++i) {
    most = max_of(most, partial[row * (COLUMNS / 4) + i]);
  }
  return larger(larger(most.x, most.y), larger(most.z, most.w));
}

float sum_of_partials(uint row) {
  vec4 sum = vec4(0.0);
  [[unroll]] for (uint i = 0; i < COLUMNS / 4; ++i) {
    sum += partial[row * (COLUMNS / 4) + i];
  }
  return (sum.x + sum.y) + (sum.z + sum.w);
}

void main() {
  const uint column = gl_LocalInvocationIndex % COLUMNS;
  const uint row0 = gl_LocalInvocationIndex / COLUMNS * ROWS;
  const uint group = gl_LocalInvocationIndex % MAX_GROUPS;
  const uint block0 = gl_LocalInvocationIndex / MAX_GROUPS * BLOCK_M;
  const bool has_group = group < (DV + 3) / 4;

  for (uint index = gl_WorkGroupID.x; index < p.tiles; index += gl_NumWorkGroups.x) {
    const Tile tile = tile_of(index);
    const uint end = end_of(tile);
    float largest[ROWS], total[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      largest[r] = minus_infinity();
      total[r] = 0.0;
    }
    vec4 sums[BLOCK_M];
    [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
      sums[r] = vec4(0.0);
    }
    barrier();  // before what the tile before has read is written
    load_q_tile(tile);

    for (uint s0 = 0; s0 < end; s0 += TILE_N) {
      barrier();
      load_k_and_v_tile(tile, s0, min(TILE_N, end - s0));
      barrier();

      // Loaded here, masks are at hand behind the products.
      uvec4 masks[ROWS];
      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        [[unroll]] for (uint j = 0; j < 4; ++j) {
          masks[r][j] = load_mask(tile.mask, tile.l0 + row0 + r, s0 + column * 4 + j);
        }
      }
      vec4 scores[ROWS];
      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        scores[r] = vec4(0.0);
      }
      for (uint i = 0; i < MAX_GROUPS; ++i) {
        vec4 k[4];
        [[unroll]] for (uint j = 0; j < 4; ++j) {
          k[j] = k_or_weights[k_at(column * 4 + j) + i];
        }
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
          const vec4 q = q_tile[q_at(row0 + r) + i];
          scores[r] += vec4(dot(q, k[0]), dot(q, k[1]), dot(q, k[2]), dot(q, k[3]));
        }
      }
      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        const uint l = min(tile.l0 + row0 + r, p.L - 1);
        [[unroll]] for (uint j = 0; j < 4; ++j) {
          const uint s = s0 + column * 4 + j;
          scores[r][j] = masked(scores[r][j] * p.scale, masks[r][j], l, s);
        }
        put_partial(row0 + r, column, larger(larger(scores[r].x, scores[r].y),
                                             larger(scores[r].z, scores[r].w)));
      }
      barrier();

      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        const float before = largest[r];
        const float most = larger(before, largest_partial(row0 + r));
        precise vec4 difference = scores[r] - vec4(most);
        precise float grown = before - most;
        // Where all scores are -infinity so far, all exponentials are zero.
        const vec4 weights = is_minus_infinity(most)
                                 ? vec4(0.0)
                                 : keep_nan(difference, exp_of(difference));
        const float factor =
            is_minus_infinity(before) ? 0.0 : keep_nan(vec4(grown), exp_of(vec4(grown))).x;
        total[r] = total[r] * factor + ((weights.x + weights.y) + (weights.z + weights.w));
        largest[r] = most;
        k_or_weights[weights_at(row0 + r) + column] = weights;
        if (column == 0) {
          shrink[row0 + r] = factor;
        }
      }
      barrier();

      vec4 tile_sums[BLOCK_M];
      [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
        tile_sums[r] = vec4(0.0);
      }
      for (uint i = 0; i < COLUMNS; ++i) {
        vec4 v[4];
        [[unroll]] for (uint j = 0; j < 4; ++j) {
          v[j] = v_tile[(i * 4 + j) * MAX_GROUPS + group];
        }
        [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
          const vec4 weights = k_or_weights[weights_at(block0 + r) + i];
          tile_sums[r] += weights.x * v[0] + weights.y * v[1] + weights.z * v[2] + weights.w * v[3];
        }
      }
      [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
        sums[r] = sums[r] * shrink[block0 + r] + tile_sums[r];
      }
    }

    barrier();
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      put_partial(row0 + r, column, total[r]);
      if (column == 0) {
        shrink[row0 + r] = largest[r];
      }
    }
    barrier();
    [[unroll]] for (uint r = 0; r < BLOCK_M; ++r) {
      const uint row = block0 + r;
      if (has_group && tile.l0 + row < p.L) {
        store_group(tile.y, tile.l0 + row, group, sums[r], sum_of_partials(row), shrink[row],
                    v_unit());
      }
    }
  }
}
