// Rows of x of a linear layer: int8 [M, K], plain bytes. Rows start anywhere: X_ALIGN says how far
// they are aligned.
#ifndef LINEAR_ROWS_GLSL
#define LINEAR_ROWS_GLSL

// A row as load_x_quad() takes it.
struct XRow {
  uint m;
};

// Rows beyond M repeat the last one.
XRow x_row(uint m) {
  return XRow(min(m, p.M - 1));
}

// Words of a row, from quad kq on; kq < k_quads().
uvec4 load_x_quad(XRow row, uint kq) {
  const uint m = row.m;
  if (X_ALIGN == 16) {
    return x_quads[m * k_quads() + kq];
  }
  if (X_ALIGN == 4) {
    const uint row_words = p.K >> 2;
    const uint last = p.M * row_words - 1;
    const uint at = m * row_words + kq * 4;
    return uvec4(
        x_words[min(at, last)],
        x_words[min(at + 1, last)],
        x_words[min(at + 2, last)],
        x_words[min(at + 3, last)]);
  }
  // Rows start inside a word: join neighbours. The first of five words holds the first byte.
  const uint last = (p.M * p.K - 1) >> 2;
  const uint byte_at = m * p.K + kq * 16;
  const uint at = byte_at >> 2;
  const uint w0 = x_words[min(at, last)];
  const uint w1 = x_words[min(at + 1, last)];
  const uint w2 = x_words[min(at + 2, last)];
  const uint w3 = x_words[min(at + 3, last)];
  const uint w4 = x_words[min(at + 4, last)];
  const uint shift = (byte_at & 3) * 8;
  if (shift == 0) {
    return uvec4(w0, w1, w2, w3);
  }
  return (uvec4(w0, w1, w2, w3) >> shift) | (uvec4(w1, w2, w3, w4) << (32 - shift));
}

// Of x, the last one perhaps in part.
uint x_quad_count() {
  return (p.M * p.K - 1) / 16 + 1;
}

// Of w and y: where the channels begin, and how many a row of y has.
uint first_channel() {
  return 0;
}

uint y_channels() {
  return p.N;
}

#endif
