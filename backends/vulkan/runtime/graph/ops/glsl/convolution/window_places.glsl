// The geometry of a convolution: where its windows are in x, which is [batch, height, width, channels]
// without gaps. Row m of the matrix product is pixel m of y; a workgroup makes channels of one group,
// its gl_WorkGroupID.z. Elements of x are bytes, or float32.
//
// Asks of who includes it: push constants as below, and WINDOW, one of the kinds.
#ifndef WINDOW_PLACES_GLSL
#define WINDOW_PLACES_GLSL

const uint WINDOW_TAPS = 0;        // a run for each tap
const uint WINDOW_ROWS = 1;        // a run for each row of the window
const uint WINDOW_TRANSPOSED = 2;  // a run for each tap, of which some meet no pixel of x
const uint WINDOW_POINT = 3;       // one tap, which is always inside of the image

// Two numbers of 16 bits in one word: down, then across.
ivec2 unpack_pair(uint pair) {
  return ivec2(pair & 0xffffu, pair >> 16);
}

// A row of the product, worked out once before the loop along K.
struct XRow {
  int image;  // element of x where its image begins; of a point, where the run begins
  int h;      // pixel of the first tap; transposed: the pixel of y, padding included
  int w;
};

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

int row_elements() {
  return int(p.x_width * p.x_channels);
}

bool is_in_image(int h, int element) {
  return uint(h) < p.x_height && uint(element) < uint(row_elements());
}

// Row of the image, and element in it, where a run begins.
ivec2 run_place(XRow row, uint run) {
  const uint across = unpack_pair(p.kernel).y;
  const uint kh = WINDOW == WINDOW_ROWS ? run : run / across;
  const uint kw = WINDOW == WINDOW_ROWS ? 0 : run - kh * across;
  const ivec2 pixel = pixel_of(row, ivec2(kh, kw));
  return ivec2(pixel.x, pixel.y * int(p.x_channels) + int(gl_WorkGroupID.z * p.group_channels));
}

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
  const XRow row = XRow(int(image * p.x_height * p.x_width * p.x_channels), first.x, first.y);
  if (WINDOW == WINDOW_POINT) {
    const ivec2 place = run_place(row, 0);
    return XRow(row.image + place.x * row_elements() + place.y, 0, 0);
  }
  return row;
}

// Of w and y: where the group's channels begin, and how many a pixel of y has.
uint first_channel() {
  return gl_WorkGroupID.z * p.N;
}

uint y_channels() {
  return p.y_channels;
}

#endif
