// The bytes of x that a convolution in int8 multiplies. Takes the place of linear_rows.glsl: row m of
// the matrix product is pixel m of y, its products are the taps of a window in the order (kh, kw,
// channel of the group), padded with zero weights.
//
// Products come in runs whose bytes follow each other in x, each padded to whole words: the
// channels of a tap, or where taps have no gaps and no groups between them all of a row of the
// window, so that few channels waste nothing:
//
//   WINDOW_ROWS, 3 x 3 of 3 channels:  kh 0: c0 c1 c2 c0 c1 c2 c0 c1 c2 (3 bytes of padding) | kh 1 ...
//
// Bytes outside the image read as the zero point. Those behind a run meet zero weights.
#ifndef WINDOW_GLSL
#define WINDOW_GLSL

#include "quantize_and_pack.glsl"

// CPU drivers compile straight code much longer than a loop.
#ifndef WINDOW_LOOP
#define WINDOW_LOOP [[unroll]]
#endif

layout(constant_id = 9) const uint WINDOW = 0;  // one of window_places.glsl
#include "convolution/window_places.glsl"

// Of x, the last one perhaps in part.
uint x_quad_count() {
  return p.x_last_word / 4 + 1;
}

uint zero_word() {
  const int zero_point = X_GRID == STATIC_GRID ? p.input_zero_point : int(grid_of(0).y);
  return uint(zero_point & 0xff) * 0x01010101u;
}

// Four bytes of x from byte `at` on; those outside x are any.
uint load_bytes(int at) {
  const int word = at >> 2;
  const uint low = x_words[clamp(word, 0, int(p.x_last_word))];
  const uint high = x_words[clamp(word + 1, 0, int(p.x_last_word))];
  const uint shift = uint(at & 3) * 8;
  return shift == 0 ? low : (low >> shift) | (high << (32 - shift));
}

// Four bytes of row h of the image, from its byte `byte` on. Any h and byte.
uint load_image_word(XRow row, int h, int byte) {
  if (X_ALIGN != 1) {
    const bool is_in = is_in_image(h, byte);
    const uint word = x_words[is_in ? (row.image + h * row_elements() + byte) >> 2 : 0];
    return is_in ? word : zero_word();
  }
  // Loads stand in no branch, so that they do not wait for each other.
  const uint before = uint(clamp(-byte, 0, 4));  // bytes left of the image
  const uint until = uint(h) < p.x_height ? uint(clamp(row_elements() - byte, 0, 4)) : 0;
  const uint mask = byte_mask(until) & ~byte_mask(before);
  return (load_bytes(row.image + h * row_elements() + byte) & mask) | (zero_word() & ~mask);
}

// Words of a row, from quad kq on; kq < k_quads().
uvec4 load_x_quad(XRow row, uint kq) {
  if (WINDOW == WINDOW_POINT) {
    return x_quads[(row.image >> 4) + kq];
  }
  uint run = kq * 16 / p.run_bytes;
  uint at = kq * 16 - run * p.run_bytes;
  if (X_ALIGN == 16) {
    const ivec2 place = run_place(row, run) + ivec2(0, at);
    const bool is_in = is_in_image(place.x, place.y);
    const uvec4 quad = x_quads[is_in ? (row.image + place.x * row_elements() + place.y) >> 4 : 0];
    return mix(uvec4(zero_word()), quad, bvec4(is_in));
  }
  // Each word comes in behind, so that no vector is indexed by a variable where this is a loop.
  uvec4 quad = uvec4(0);
  WINDOW_LOOP for (uint i = 0; i < 4; ++i) {
    const ivec2 place = run_place(row, run);
    quad = uvec4(quad.yzw, load_image_word(row, place.x, place.y + int(at)));
    at += 4;
    if (at == p.run_bytes) {
      at = 0;
      ++run;
    }
  }
  return quad;
}

#endif
