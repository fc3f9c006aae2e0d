// Writing rows on the grids of row_grids.glsl, which is included before this, from the registers of a row's
// LANES threads, a group of four elements each at a time: int8 [rows, elements], rows padded with zeros to 16
// bytes, and behind all rows two words a row: the bits of its scale, and its zero point.
//
// A shader says before it includes this: ROUNDED_BINDING, which binding they are.
#ifndef ROUNDED_ROWS_GLSL
#define ROUNDED_ROWS_GLSL

layout(set = 0, binding = ROUNDED_BINDING) writeonly buffer RoundedRows { uint rounded_words[]; };
layout(set = 0, binding = ROUNDED_BINDING) writeonly buffer RoundedPairs { uvec2 rounded_pairs[]; };

// Words of a row of so many groups.
uint padded_groups(uint row_groups) {
  return (row_groups + 3) / 4 * 4;
}

void store_rounded(uint row, uint group, uint row_groups, uvec4 bits, RowGrid grid) {
  rounded_words[row * padded_groups(row_groups) + group] = quantized_word(bits, grid);
}

// The row's padding and its grid.
void end_rounded_row(uint row, uint lane, uint row_groups, uint rows, RowGrid grid) {
  const uint row_words = padded_groups(row_groups);
  if (row_groups + lane < row_words) {
    rounded_words[row * row_words + row_groups + lane] = 0;
  }
  if (lane == 0) {
    rounded_pairs[rows * (row_words / 2) + row] = uvec2(grid.scale_bits, uint(grid.zero_point));
  }
}

#endif
