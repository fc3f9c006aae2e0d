// Where the operands of a convolution are in x, which is [batch, height, width, channels] in plain
// bytes. Takes the place of linear_rows.glsl: row m of the matrix product is pixel m of y, its
// products are the taps of a window in the order (kh, kw, channel of the group). A workgroup
// makes channels of one group, its gl_WorkGroupID.z.
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

const uint WINDOW_TAPS = 0;        // a run for each tap
const uint WINDOW_ROWS = 1;        // a run for each row of the window
const uint WINDOW_TRANSPOSED = 2;  // a run for each tap, of which some meet no pixel of x
layout(constant_id = 6) const uint WINDOW = 0;

// Two numbers of 16 bits in one word: down, then across.
ivec2 unpack_pair(uint pair) {
  return ivec2(pair & 0xffffu, pair >> 16);
}

// A row of the product as load_x_quad() takes it, worked out once before the loop along K.
struct XRow {
  int image;  // byte of x where its image begins
  int h;      // pixel of the first tap; transposed: the pixel of y, padding included
  int w;
};

// Rows beyond M repeat the last one.
XRow x_row(uint m) {
  m = min(m, p.M - 1);
  const uint pixels = p.y_height * p.y_width;
  const uint image = m / pixels;
  const uint pixel = m - image * pixels;
  const uint h = pixel / p.y_width;
  const ivec2 at = ivec2(h, pixel - h * p.y_width);
  const ivec2 padding = unpack_pair(p.padding);
  const ivec2 first =
      WINDOW == WINDOW_TRANSPOSED ? at + padding : at * unpack_pair(p.stride) - padding;
  return XRow(int(image * p.x_height * p.x_width * p.x_channels), first.x, first.y);
}

// The row `count` pixels of y further to the right.
XRow right_of(XRow row, int count) {
  row.w += WINDOW == WINDOW_TRANSPOSED ? count : count * unpack_pair(p.stride).y;
  return row;
}

// The pixel of x that tap (kh, kw) meets, perhaps outside the image; (-1, 0) where there is none.
ivec2 pixel_of(XRow row, ivec2 tap) {
  const ivec2 away = tap * unpack_pair(p.dilation);
  if (WINDOW == WINDOW_TRANSPOSED) {
    const ivec2 scaled = ivec2(row.h, row.w) - away;
    const ivec2 stride = unpack_pair(p.stride);
    const ivec2 pixel = scaled / stride;
    const bool meets = all(greaterThanEqual(scaled, ivec2(0))) && pixel * stride == scaled;
    return meets ? pixel : ivec2(-1, 0);
  }
  return ivec2(row.h, row.w) + away;
}

uint zero_word() {
  return uint(p.input_zero_point & 0xff) * 0x01010101u;
}

// Four bytes of x from byte `at` > -4 on; those outside x are any.
uint load_bytes(int at) {
  const int word = at >> 2;
  const uint low = x_words[clamp(word, 0, int(p.x_last_word))];
  const uint high = x_words[clamp(word + 1, 0, int(p.x_last_word))];
  const uint shift = uint(at & 3) * 8;
  return shift == 0 ? low : (low >> shift) | (high << (32 - shift));
}

int row_bytes() {
  return int(p.x_width * p.x_channels);
}

bool is_in_image(int h, int byte) {
  return uint(h) < p.x_height && uint(byte) < uint(row_bytes());
}

// Four bytes of row h of the image, from its byte `byte` on. Any h and byte.
uint load_image_word(XRow row, int h, int byte) {
  if (X_ALIGN != 1) {
    const bool is_in = is_in_image(h, byte);
    const uint word = x_words[is_in ? (row.image + h * row_bytes() + byte) >> 2 : 0];
    return is_in ? word : zero_word();
  }
  if (uint(h) >= p.x_height || byte <= -4 || byte >= row_bytes()) {
    return zero_word();
  }
  const uint before = byte < 0 ? uint(-byte) : 0;  // bytes left of the image
  const uint mask = byte_mask(uint(min(row_bytes() - byte, 4))) & ~byte_mask(before);
  return (load_bytes(row.image + h * row_bytes() + byte) & mask) | (zero_word() & ~mask);
}

// Row of the image, and byte in it, where the bytes of a run begin.
ivec2 run_place(XRow row, uint run) {
  const uint across = unpack_pair(p.kernel).y;
  const uint kh = WINDOW == WINDOW_ROWS ? run : run / across;
  const uint kw = WINDOW == WINDOW_ROWS ? 0 : run - kh * across;
  const ivec2 pixel = pixel_of(row, ivec2(kh, kw));
  return ivec2(pixel.x, pixel.y * int(p.x_channels) + int(gl_WorkGroupID.z * p.group_channels));
}

// Words of a row, from quad kq on; kq < k_quads().
uvec4 load_x_quad(XRow row, uint kq) {
  uint run = kq * 16 / p.run_bytes;
  uint at = kq * 16 - run * p.run_bytes;
  if (X_ALIGN == 16) {
    const ivec2 place = run_place(row, run) + ivec2(0, at);
    const bool is_in = is_in_image(place.x, place.y);
    const uvec4 quad = x_quads[is_in ? (row.image + place.x * row_bytes() + place.y) >> 4 : 0];
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

// Of w and y: where the group's channels begin, and how many a pixel of y has.
uint first_channel() {
  return gl_WorkGroupID.z * p.N;
}

uint y_channels() {
  return p.y_channels;
}

#endif
