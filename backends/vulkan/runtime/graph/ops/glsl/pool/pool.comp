// The largest element, or the mean, of a window that walks over the two image dimensions of x:
//
//   y[.., oh, .., ow, ..] = over the taps (h, w) of (oh, ow) that are in the image:
//     max                   the largest x[.., h, .., w, ..]
//     mean                  sum of x[.., h, .., w, ..] * multipliers[divisor]
//
// float32, or int8 with the zero point taken off first and quantized afterwards. A maximum without
// taps is -infinity, or quant_min.
//
// Bindings: 0 y, 1 x, 2 multipliers. The nest of four loops over y is that of its memory, outermost
// first; x has its stride for each loop, in elements, so both may be in any order.
//
//   WHOLE_WORDS   the innermost loop is none of the window's and four steps of it are neighbours in
//                 x as well, of which a thread makes four at once:  c c+1 c+2 c+3 | c+4 ...
//   otherwise     a thread makes one float, or a word of int8 one byte after the other
//
// Preconditions: WHOLE_WORDS, all sizes and strides but those of single elements are multiples of 4.
// Sums of int8, and all distances in an image with its padding, fit int32. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint MEAN = 0;
layout(constant_id = 1) const uint ADAPTIVE = 0;  // windows divide the image among the outputs
layout(constant_id = 2) const uint DIVISOR = 0;   // which multiplier: see multiplier_of()
layout(constant_id = 3) const uint DOWN = 2;      // the loops over the image
layout(constant_id = 4) const uint ACROSS = 3;

#ifdef WHOLE_WORDS
#define FLOATS vec4
#define INTS ivec4
#else
#define FLOATS float
#define INTS int
#endif

#if !defined(FLOAT_ELEMENTS)
layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
#elif defined(WHOLE_WORDS)
layout(set = 0, binding = 0) writeonly buffer OutputY { vec4 y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { vec4 x_in[]; };
#else
layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { float x_in[]; };
#endif
layout(set = 0, binding = 2) readonly buffer Multipliers { float multipliers[]; };
layout(push_constant) uniform Params {
  uint count;  // elements of y
  uint y_sizes[4];
  uint x_strides[4];
  int x_size[2];  // of the image: down, across
  int kernel[2];
  int stride[2];
  int padding[2];
  int dilation[2];
#ifndef FLOAT_ELEMENTS
  int input_zero_point;
  Grid output_grid;
#endif
} p;

const uint SAME_FOR_ALL = 0;  // of DIVISOR
const uint PADDED_TAPS = 1;   // those in the image and its padding
const uint TAPS = 2;          // those in the image

// What the window meets in one direction.
struct Taps {
  int first;   // pixel of x
  int count;   // of pixels, p.dilation from each other
  int padded;  // the same with those of padding
};

Taps taps_of(uint out_at, uint out_size, uint d) {
  const int size = p.x_size[d];
  if (ADAPTIVE != 0) {
    const uint scaled = out_at * uint(size);
    const int first = int(scaled / out_size);
    const int end = int((scaled + uint(size) - 1) / out_size) + 1;
    return Taps(first, end - first, end - first);
  }
  const int start = int(out_at) * p.stride[d] - p.padding[d];
  const int dilation = p.dilation[d];
  const int skipped = start < 0 ? (dilation - 1 - start) / dilation : 0;
  const int first = start + skipped * dilation;
  const int end = min(start + (p.kernel[d] - 1) * dilation + 1, size);
  const int count = first < end ? (end - first + dilation - 1) / dilation : 0;
  return Taps(first, count, min(p.kernel[d], size + p.padding[d] - start));
}

float multiplier_of(Taps down, Taps across) {
  const int area = DIVISOR == PADDED_TAPS ? down.padded * across.padded
                   : DIVISOR == TAPS      ? down.count * across.count
                                          : 1;
  return multipliers[max(area, 1) - 1];
}

// ---- Elements. A float's maximum is found among integers in the order of floats, NaN above all:
// comparisons of floats may take for granted that there is none.

#ifdef FLOAT_ELEMENTS

FLOATS load(uint at) {
#ifdef WHOLE_WORDS
  return x_in[at >> 2];
#else
  return x_in[at];
#endif
}

INTS flipped(INTS bits) {
  return bits ^ ((bits >> 31) & 0x7fffffff);
}

INTS ordered(FLOATS x) {
  const INTS bits = floatBitsToInt(x);
  const INTS magnitude = bits & 0x7fffffff;
#ifdef WHOLE_WORDS
  return mix(flipped(bits), ivec4(0x7fc00000), greaterThan(magnitude, ivec4(0x7f800000)));
#else
  return magnitude > 0x7f800000 ? 0x7fc00000 : flipped(bits);
#endif
}

const int LEAST = int(0xff800000u) ^ 0x7fffffff;  // -infinity

// sum + x, with what that rounds off in `lost`.
void add(inout FLOATS sum, inout FLOATS lost, FLOATS x) {
  precise FLOATS larger = sum + x;
  precise FLOATS from_x = larger - sum;
  precise FLOATS lost_so_far = lost + ((sum - (larger - from_x)) + (x - from_x));
  sum = larger;
  lost = lost_so_far;
}

// What an infinite sum has lost is NaN, and not added.
FLOATS total(FLOATS sum, FLOATS lost) {
  const INTS magnitude = floatBitsToInt(sum) & 0x7fffffff;
#ifdef WHOLE_WORDS
  const FLOATS rest = mix(vec4(0.0), lost, lessThan(magnitude, ivec4(0x7f800000)));
#else
  const FLOATS rest = magnitude < 0x7f800000 ? lost : 0.0;
#endif
  precise FLOATS all = sum + rest;
  return all;
}

#else

INTS load(uint at) {
#ifdef WHOLE_WORDS
  return unpack_bytes(x_words[at >> 2]);
#else
  return bitfieldExtract(int(x_words[at >> 2]), int(at & 3) * 8, 8);
#endif
}

INTS ordered(INTS x) {
  return x;
}

const int LEAST = -128;

#endif

// ---- One window.

// The elements of x for y's elements that start at `unit` elements, combined: real values, those of
// int8 not rounded to its grid yet. `is_empty`: there are none.
FLOATS pooled(uint unit, out bool is_empty) {
  uint at[4];
  uint rest = unit;
  [[unroll]] for (uint loop = 3; loop > 0; --loop) {
    const uint outer = rest / p.y_sizes[loop];
    at[loop] = rest - outer * p.y_sizes[loop];
    rest = outer;
  }
  at[0] = rest;
  uint base = 0;
  [[unroll]] for (uint loop = 0; loop < 4; ++loop) {
    base += loop == DOWN || loop == ACROSS ? 0 : at[loop] * p.x_strides[loop];
  }
  const Taps down = taps_of(at[DOWN], p.y_sizes[DOWN], 0);
  const Taps across = taps_of(at[ACROSS], p.y_sizes[ACROSS], 1);
  is_empty = down.count <= 0 || across.count <= 0;

  INTS best = INTS(LEAST);
#ifdef FLOAT_ELEMENTS
  FLOATS sum = FLOATS(0.0);
  FLOATS lost = FLOATS(0.0);
#else
  INTS sum = INTS(0);
#endif
  for (int h = 0; h < down.count; ++h) {
    const uint row = base + uint(down.first + h * p.dilation[0]) * p.x_strides[DOWN];
    for (int w = 0; w < across.count; ++w) {
      const uint pixel = uint(across.first + w * p.dilation[1]);
      if (MEAN == 0) {
        best = max(best, ordered(load(row + pixel * p.x_strides[ACROSS])));
      } else {
#ifdef FLOAT_ELEMENTS
        add(sum, lost, load(row + pixel * p.x_strides[ACROSS]));
#else
        sum += load(row + pixel * p.x_strides[ACROSS]) - p.input_zero_point;
#endif
      }
    }
  }

  const float multiplier = multiplier_of(down, across);
#ifdef FLOAT_ELEMENTS
  precise FLOATS mean = total(sum, lost) * multiplier;
  return MEAN == 0 ? intBitsToFloat(flipped(best)) : mean;
#else
  precise FLOATS value = FLOATS(MEAN == 0 ? best - p.input_zero_point : sum) * multiplier;
  return value;
#endif
}

// ---- Units of y.

#ifdef FLOAT_ELEMENTS

void make(uint unit) {
  bool is_empty;
#ifdef WHOLE_WORDS
  y_out[unit] = pooled(unit * 4, is_empty);
#else
  y_out[unit] = pooled(unit, is_empty);
#endif
}

#else

void make(uint unit) {
  vec4 f = vec4(0.0);
  bvec4 without = bvec4(false);
#ifdef WHOLE_WORDS
  bool is_empty;
  f = pooled(unit * 4, is_empty);
  without = bvec4(is_empty);
#else
  for (uint i = 0; i < min(4, p.count - unit * 4); ++i) {
    bool is_empty;
    f[i] = pooled(unit * 4 + i, is_empty);
    without[i] = is_empty;
  }
#endif
  ivec4 q = quantize(f, p.output_grid);
  if (MEAN == 0) {
    q = mix(q, ivec4(p.output_grid.quant_min), without);
  }
  const uint mask = byte_mask(p.count - unit * 4);
  y_words[unit] = mask == 0xffffffffu ? pack_bytes(q)
                                      : (pack_bytes(q) & mask) | (y_words[unit] & ~mask);
}

#endif

#if defined(FLOAT_ELEMENTS) && !defined(WHOLE_WORDS)
const uint UNIT_ELEMENTS = 1;
#else
const uint UNIT_ELEMENTS = 4;
#endif

void main() {
  const uint units = (p.count - 1) / UNIT_ELEMENTS + 1;
  for (uint unit = gl_GlobalInvocationID.x; unit < units;
       unit += gl_NumWorkGroups.x * WORKGROUP_SIZE) {
    make(unit);
  }
}
