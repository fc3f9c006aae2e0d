// Copies a tensor whose innermost dimension moves: a batch of transposes, through shared memory.
//
//   y[y_batch + r * y_stride + c] = x[x_offset + x_batch + c * x_stride + r]
//
// for r < p.rows and c < p.columns, where x_batch and y_batch are sums over the loops in
// p.batch_sizes, outermost first, the first one's size left out.
//
//            r, TILE_M rows                 c, TILE_N columns
//         .----------------.              .-------------.
//      c  | x: contiguous  |   shared     | y: contig.  |  r
//         |    along r     |   memory     |   along c   |
//         '----------------'              '-------------'
//
// Bindings: 0 y in words, 1 x in words. ELEMENT_BYTES is 4 or 1. A workgroup makes a tile per pass
// and strides by the whole grid. With bytes, specialization constant 1, ALIGNED, says that all rows
// of x and y start at whole words and are whole words long: then blocks of 4 x 4 bytes are
// transposed in registers. Else bytes are gathered one by one, and words that a tile shares with its
// neighbours are merged.
// Preconditions: p.last_word is the last word of x that holds what is copied. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint BATCH_LOOPS = 0;
layout(constant_id = 1) const uint ALIGNED = 0;

layout(set = 0, binding = 0) buffer OutputY { uint y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(push_constant) uniform Params {
  uint rows;
  uint columns;
  uint row_tiles;
  uint column_tiles;
  uint tiles;  // of the whole batch
  uint x_stride;
  uint y_stride;
  uint x_offset;
  uint last_word;
  uint batch_sizes[5];
  uint x_batch_strides[6];
  uint y_batch_strides[6];
} p;

// A line of shared memory is what a column c of the tile has in x: its rows r, in words.
#if ELEMENT_BYTES == 1
const uint LINE_WORDS = TILE_M / 4 + 1;  // unaligned lines reach into one word more
#else
const uint LINE_WORDS = TILE_M;
#endif
const uint PITCH = LINE_WORDS | 1;  // neighbouring lines start in different banks
shared uint lines[TILE_N * PITCH];

struct Tile {
  uint x;  // element of its first row and column
  uint y;
  uint rows;
  uint columns;
};

Tile tile_at(uint tile) {
  uint rest = tile / p.column_tiles;
  const uint c = (tile - rest * p.column_tiles) * TILE_N;
  uint batch = rest / p.row_tiles;
  const uint r = (rest - batch * p.row_tiles) * TILE_M;
  Tile t = Tile(p.x_offset + c * p.x_stride + r, r * p.y_stride + c, min(TILE_M, p.rows - r),
                min(TILE_N, p.columns - c));
  if (BATCH_LOOPS > 0) {
    for (uint d = BATCH_LOOPS - 1; d > 0; --d) {
      rest = batch;
      batch = rest / p.batch_sizes[d - 1];
      const uint at = rest - batch * p.batch_sizes[d - 1];
      t.x += at * p.x_batch_strides[d];
      t.y += at * p.y_batch_strides[d];
    }
    t.x += batch * p.x_batch_strides[0];
    t.y += batch * p.y_batch_strides[0];
  }
  return t;
}

#if ELEMENT_BYTES == 4

void load(Tile t) {
  [[unroll]] for (uint i = 0; i < TILE_M * TILE_N; i += WORKGROUP_SIZE) {
    const uint c = (i + gl_LocalInvocationIndex) / TILE_M;
    const uint r = (i + gl_LocalInvocationIndex) % TILE_M;
    lines[c * PITCH + r] = x_words[min(t.x + min(c, t.columns - 1) * p.x_stride + r, p.last_word)];
  }
}

void store(Tile t) {
  [[unroll]] for (uint i = 0; i < TILE_M * TILE_N; i += WORKGROUP_SIZE) {
    const uint r = (i + gl_LocalInvocationIndex) / TILE_N;
    const uint c = (i + gl_LocalInvocationIndex) % TILE_N;
    if (r < t.rows && c < t.columns) {
      y_out[t.y + r * p.y_stride + c] = lines[c * PITCH + r];
    }
  }
}

#else

#include "merge_word.glsl"

void load_aligned(Tile t) {
  [[unroll]] for (uint i = 0; i < TILE_N * TILE_M / 4; i += WORKGROUP_SIZE) {
    const uint c = (i + gl_LocalInvocationIndex) / (TILE_M / 4);
    const uint word = (i + gl_LocalInvocationIndex) % (TILE_M / 4);
    const uint start = t.x + min(c, t.columns - 1) * p.x_stride;
    lines[c * PITCH + word] = x_words[min((start >> 2) + word, p.last_word)];
  }
}

void store_aligned(Tile t) {
  [[unroll]] for (uint i = 0; i < TILE_N * TILE_M / 16; i += WORKGROUP_SIZE) {
    const uint r = (i + gl_LocalInvocationIndex) / (TILE_N / 4) * 4;
    const uint c = (i + gl_LocalInvocationIndex) % (TILE_N / 4) * 4;
    if (i + gl_LocalInvocationIndex < TILE_N * TILE_M / 16 && r < t.rows && c < t.columns) {
      uvec4 w;  // of each column, four rows
      [[unroll]] for (uint k = 0; k < 4; ++k) {
        w[k] = lines[(c + k) * PITCH + r / 4];
      }
      const uvec2 even = (w.xz & 0x00ff00ffu) | ((w.yw & 0x00ff00ffu) << 8);  // rows 0 and 2
      const uvec2 odd = ((w.xz >> 8) & 0x00ff00ffu) | (w.yw & 0xff00ff00u);   // rows 1 and 3
      const uint at = (t.y + r * p.y_stride + c) >> 2;
      const uint stride = p.y_stride >> 2;
      y_out[at] = (even.x & 0xffffu) | (even.y << 16);
      y_out[at + stride] = (odd.x & 0xffffu) | (odd.y << 16);
      y_out[at + 2 * stride] = (even.x >> 16) | (even.y & 0xffff0000u);
      y_out[at + 3 * stride] = (odd.x >> 16) | (odd.y & 0xffff0000u);
    }
  }
}

// Words of a row of x or y in a tile.
const uint X_WORDS = TILE_M / 4 + 1;
const uint Y_WORDS = TILE_N / 4 + 1;

// Lines keep the alignment that they have in x.
void load_unaligned(Tile t) {
  for (uint i = gl_LocalInvocationIndex; i < TILE_N * X_WORDS; i += WORKGROUP_SIZE) {
    const uint c = i / X_WORDS;
    const uint word = i - c * X_WORDS;
    const uint start = t.x + min(c, t.columns - 1) * p.x_stride;
    lines[c * PITCH + word] = x_words[min((start >> 2) + word, p.last_word)];
  }
}

uint byte_of(Tile t, uint r, uint c) {
  const uint at = r + ((t.x + c * p.x_stride) & 3);
  return (lines[c * PITCH + (at >> 2)] >> ((at & 3) * 8)) & 0xffu;
}

void store_unaligned(Tile t) {
  for (uint i = gl_LocalInvocationIndex; i < TILE_M * Y_WORDS; i += WORKGROUP_SIZE) {
    // Four rows beside each other have their bytes in the same words of shared memory.
    const uint four = i / (4 * Y_WORDS);
    const uint r = four * 4 + (i & 3);
    if (r >= t.rows) {
      continue;
    }
    const uint start = t.y + r * p.y_stride;
    const uint word = (start >> 2) + ((i >> 2) - four * Y_WORDS);
    const uint first = max(word * 4, start);
    const uint end = min(word * 4 + 4, start + t.columns);
    if (first >= end) {
      continue;
    }
    uint value = 0;
    [[unroll]] for (uint b = 0; b < 4; ++b) {
      const uint at = word * 4 + b;
      if (at >= first && at < end) {
        value |= byte_of(t, r, at - start) << (8 * b);
      }
    }
    merge_word(word, value, byte_mask(end - first) << ((first & 3) * 8));
  }
}

void load(Tile t) {
  if (ALIGNED != 0) {
    load_aligned(t);
  } else {
    load_unaligned(t);
  }
}

void store(Tile t) {
  if (ALIGNED != 0) {
    store_aligned(t);
  } else {
    store_unaligned(t);
  }
}

#endif

void main() {
  for (uint tile = gl_WorkGroupID.x; tile < p.tiles; tile += gl_NumWorkGroups.x) {
    const Tile t = tile_at(tile);
    load(t);
    barrier();
    store(t);
    barrier();
  }
}
