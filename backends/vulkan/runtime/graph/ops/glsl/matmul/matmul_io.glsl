// Float32 matrix products: bindings, geometry, loads and stores that all their kernels share. With
// CONVOLUTION they are those of convolution/float_window.glsl instead.
//
//   y[i, m, n] = alpha * sum_k a[i, m, k] * b[i, k, n] + beta * c[m, n]
//
// Bindings: 0 y, row-major; 1 a; 2 b; 3 c, only with HAS_C. All float32. a and b are read by their
// strides, in elements; p.batch_sizes are those of the inner three of four loops over the products.
// Operands come in blocks of 4 x 4, each loaded as four groups of four where it can be:
//
//   A_FORM  0  along K: a_k is 1, K and all other strides are whole groups
//           1  element by element
//   B_FORM  0  along N: b_n is 1, all other strides are whole groups, the last group of a row too
//           1  along K, likewise
//           2  element by element
//
// Y_GROUPS: N is whole groups. What lies beyond K is zero in both operands; rows and columns beyond M
// and N repeat the last ones, and are not stored. Any M, N >= 1 and K >= 0.
#ifndef MATMUL_IO_GLSL
#define MATMUL_IO_GLSL

#ifdef CONVOLUTION
#include "convolution/float_window.glsl"
#else

layout(constant_id = 0) const uint A_FORM = 1;
layout(constant_id = 1) const uint B_FORM = 2;
layout(constant_id = 2) const uint Y_GROUPS = 0;
layout(constant_id = 3) const uint HAS_C = 0;

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_elements[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_groups[]; };
layout(set = 0, binding = 1) readonly buffer InputA { float a_elements[]; };
layout(set = 0, binding = 1) readonly buffer InputA4 { vec4 a_groups[]; };
layout(set = 0, binding = 2) readonly buffer InputB { float b_elements[]; };
layout(set = 0, binding = 2) readonly buffer InputB4 { vec4 b_groups[]; };
layout(set = 0, binding = 3) readonly buffer InputC { float c_elements[]; };
layout(push_constant) uniform Params {
  uint M, N, K;
  uint tiles_m, tiles_n;
  uint tiles;  // of all products
  uint batch_sizes[3];
  uint a_batch[4], b_batch[4];
  uint a_m, a_k, b_k, b_n, c_m, c_n;
  float alpha, beta;
} p;

// One of p.tiles: where its first row and column are, and where the operands of its product begin.
struct Tile {
  uint m, n;
  uint product;
  uint a, b;
};

Tile tile_at(uint index) {
  Tile tile;
  const uint of_rows = index / p.tiles_n;
  tile.n = (index - of_rows * p.tiles_n) * TILE_N;
  tile.product = of_rows / p.tiles_m;
  tile.m = (of_rows - tile.product * p.tiles_m) * TILE_M;
  uint rest = tile.product;
  tile.a = 0;
  tile.b = 0;
  for (uint d = 3; d > 0; --d) {
    const uint outer = rest / p.batch_sizes[d - 1];
    const uint own = rest - outer * p.batch_sizes[d - 1];
    tile.a += own * p.a_batch[d];
    tile.b += own * p.b_batch[d];
    rest = outer;
  }
  tile.a += rest * p.a_batch[0];
  tile.b += rest * p.b_batch[0];
  return tile;
}

// Row m of a, as load_a() takes it: where it begins.
#define ARow uint

ARow a_row(Tile tile, uint m) {
  return tile.a + min(m, p.M - 1) * p.a_m;
}

// a[m, k .. k + 3]; k is a whole group.
vec4 load_a(ARow row, uint k) {
  vec4 own = vec4(0.0);
  if (A_FORM == 0) {
    if (k < p.K) {
      own = a_groups[(row + k) >> 2];
    }
    return own;
  }
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    if (k + i < p.K) {
      own[i] = a_elements[row + (k + i) * p.a_k];
    }
  }
  return own;
}

// Columns n .. n + 3 of the rows k .. k + 3 of b; both are whole groups.
mat4 load_b(uint base, uint k, uint n) {
  mat4 rows = mat4(0.0);
  if (B_FORM == 0) {
    const uint column = base + min(n, (p.N - 1) & ~3u);
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      if (k + i < p.K) {
        rows[i] = b_groups[(column + (k + i) * p.b_k) >> 2];
      }
    }
    return rows;
  }
  const uvec4 columns = base + min(uvec4(n, n + 1, n + 2, n + 3), uvec4(p.N - 1)) * p.b_n;
  if (B_FORM == 1) {
    if (k < p.K) {
      rows = transpose(mat4(b_groups[(columns.x + k) >> 2], b_groups[(columns.y + k) >> 2],
                            b_groups[(columns.z + k) >> 2], b_groups[(columns.w + k) >> 2]));
    }
    return rows;
  }
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    if (k + i < p.K) {
      const uvec4 at = columns + (k + i) * p.b_k;
      rows[i] = vec4(b_elements[at.x], b_elements[at.y], b_elements[at.z], b_elements[at.w]);
    }
  }
  return rows;
}

// Four columns of y; m < M and n < N.
void store(Tile tile, uint m, uint n, vec4 sum) {
  vec4 y = sum * p.alpha;
  if (HAS_C != 0) {
    const uvec4 at = m * p.c_m + min(uvec4(n, n + 1, n + 2, n + 3), uvec4(p.N - 1)) * p.c_n;
    y += p.beta * vec4(c_elements[at.x], c_elements[at.y], c_elements[at.z], c_elements[at.w]);
  }
  const uint at = (tile.product * p.M + m) * p.N + n;
  if (Y_GROUPS != 0) {
    y_groups[at >> 2] = y;
    return;
  }
  [[unroll]] for (uint j = 0; j < 4; ++j) {
    if (n + j < p.N) {
      y_elements[at + j] = y[j];
    }
  }
}

#endif  // CONVOLUTION

#define FOR_EACH_TILE(index) \
  for (uint index = gl_WorkGroupID.x; index < p.tiles; index += gl_NumWorkGroups.x)

#endif
