// Resizes the pixels of an image, in either order of a tensor: channels-last is [A, H, W, B] with B
// channels, row-major the same with B = 1 and A planes.
//
//   nearest   y[a, h, w, b] = x[a, floor(h * scale), floor(w * scale), b]          as bits
//   linear    s = (h + 0.5) * scale - 0.5, at least 0; with ALIGN_CORNERS h * scale
//             low = floor(s), high = low + step, t = s - low                       likewise for w
//             y = (x[low, low] * (1 - t_w) + x[low, high] * t_w) * (1 - t_h)
//                 + (x[high, low] * (1 - t_w) + x[high, high] * t_w) * t_h
//
// low and high are at most the last row and column. Steps are float32, never fused. Of int8 x, in
// a linear resize, x is (x - x_zero_point) * x_scale, and y is quantized.
//
// Bindings: 0 y, 1 x, elements of ELEMENT_BYTES (1: int8, 4: float32) in words. One thread makes the
// units of flat_steps.glsl (four elements each); it alone touches them, and keeps the bytes of the
// last one that lie beyond the tensor.
//
// Specialization constants: 0, LINEAR. 1, ALIGN_CORNERS. 2, WHOLE_PIXELS: B is a multiple of 4, so
// the elements of a unit are neighbours in x as well.
// Preconditions and features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/dequantize_bytes.glsl"
#include "flat_steps.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint LINEAR = 0;
layout(constant_id = 1) const uint ALIGN_CORNERS = 0;
layout(constant_id = 2) const uint WHOLE_PIXELS = 0;

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
#if ELEMENT_BYTES == 4
layout(set = 0, binding = 0) buffer OutputY4 { uvec4 y_groups[]; };
layout(set = 0, binding = 1) readonly buffer InputX4 { uvec4 x_groups[]; };
#endif
layout(push_constant) uniform Params {
  uint count;  // elements of y
  uint inner;  // B
  uint x_height;
  uint x_width;
  uint y_height;
  uint y_width;
  float scale_height;
  float scale_width;
  uint step_height;  // 0 where there are as many rows in y as in x, else 1
  uint step_width;
  float x_scale;
  int x_zero_point;
  Grid output_grid;
} p;

#if ELEMENT_BYTES == 4

#define UNIT uvec4

// Elements at .. at + 3, where they are a group.
UNIT load_unit(uint at) {
  return x_groups[at / 4];
}

uint load_element(uint at) {
  return x_words[at];
}

UNIT unit_of(uvec4 elements) {
  return elements;
}

// The real values of a unit.
vec4 values(UNIT unit) {
  return uintBitsToFloat(unit);
}

UNIT result(vec4 f) {
  return floatBitsToUint(f);
}

void store(uint at, UNIT y) {
  if (p.count - at * 4 >= 4) {
    y_groups[at] = y;
    return;
  }
  [[unroll]] for (uint i = 0; i < 3; ++i) {
    if (at * 4 + i < p.count) {
      y_words[at * 4 + i] = y[i];
    }
  }
}

#else

#define UNIT uint

UNIT load_unit(uint at) {
  return x_words[at / 4];
}

uint load_element(uint at) {
  return x_words[at / 4] >> ((at & 3) * 8);
}

UNIT unit_of(uvec4 elements) {
  return pack_bytes(ivec4(elements));
}

vec4 values(UNIT unit) {
  precise vec4 f = distances(unit, p.x_zero_point) * p.x_scale;
  return f;
}

UNIT result(vec4 f) {
  return quantize_to_word(f, p.output_grid, true);
}

void store(uint at, UNIT y) {
  const uint mask = byte_mask(p.count - at * 4);
  y_words[at] = mask == 0xffffffffu ? y : (y & mask) | (y_words[at] & ~mask);
}

#endif

// An element of y: image or plane, row, column, channel.
struct Place {
  uint a;
  uint h;
  uint w;
  uint b;
};

Place place_of(uint e) {
  Place place;
  uint rest = e / p.inner;
  place.b = e - rest * p.inner;
  uint next = rest / p.y_width;
  place.w = rest - next * p.y_width;
  place.a = next / p.y_height;
  place.h = next - place.a * p.y_height;
  return place;
}

// The element of x in its image and channel.
uint x_at(Place place, uint h, uint w) {
  return ((place.a * p.x_height + h) * p.x_width + w) * p.inner + place.b;
}

uint nearest(uint at, float scale, uint size) {
  precise float s = float(at) * scale;
  return min(uint(floor(s)), size - 1);
}

// Between which two rows or columns of x one of y is, and how far behind the first.
struct Between {
  uint low;
  uint high;
  float t;
};

Between between(uint at, float scale, uint size, uint step) {
  precise float s = ALIGN_CORNERS != 0 ? float(at) * scale : (float(at) + 0.5) * scale - 0.5;
  s = max(s, 0.0);
  Between found;
  found.low = min(uint(floor(s)), size - 1);
  found.high = min(found.low + step, size - 1);
  precise float t = clamp(s - float(found.low), 0.0, 1.0);
  found.t = t;
  return found;
}

vec4 blend(vec4 low, vec4 high, vec4 t) {
  precise vec4 f = low * (vec4(1.0) - t) + high * t;
  return f;
}

UNIT whole_pixels(uint e) {
  const Place place = place_of(e);
  if (LINEAR == 0) {
    return load_unit(x_at(
        place,
        nearest(place.h, p.scale_height, p.x_height),
        nearest(place.w, p.scale_width, p.x_width)));
  }
  const Between h = between(place.h, p.scale_height, p.x_height, p.step_height);
  const Between w = between(place.w, p.scale_width, p.x_width, p.step_width);
  const UNIT x00 = load_unit(x_at(place, h.low, w.low));
  const UNIT x01 = load_unit(x_at(place, h.low, w.high));
  const UNIT x10 = load_unit(x_at(place, h.high, w.low));
  const UNIT x11 = load_unit(x_at(place, h.high, w.high));
  const vec4 low = blend(values(x00), values(x01), vec4(w.t));
  const vec4 high = blend(values(x10), values(x11), vec4(w.t));
  return result(blend(low, high, vec4(h.t)));
}

// Elements beyond the last one repeat it, and are not stored.
UNIT gathered(uint e) {
  uvec4 x00;
  uvec4 x01;
  uvec4 x10;
  uvec4 x11;
  vec4 t_h;
  vec4 t_w;
  for (uint i = 0; i < 4; ++i) {
    const Place place = place_of(min(e + i, p.count - 1));
    if (LINEAR == 0) {
      x00[i] = load_element(x_at(
          place,
          nearest(place.h, p.scale_height, p.x_height),
          nearest(place.w, p.scale_width, p.x_width)));
      continue;
    }
    const Between h = between(place.h, p.scale_height, p.x_height, p.step_height);
    const Between w = between(place.w, p.scale_width, p.x_width, p.step_width);
    x00[i] = load_element(x_at(place, h.low, w.low));
    x01[i] = load_element(x_at(place, h.low, w.high));
    x10[i] = load_element(x_at(place, h.high, w.low));
    x11[i] = load_element(x_at(place, h.high, w.high));
    t_h[i] = h.t;
    t_w[i] = w.t;
  }
  if (LINEAR == 0) {
    return unit_of(x00);
  }
  const vec4 low = blend(values(unit_of(x00)), values(unit_of(x01)), t_w);
  const vec4 high = blend(values(unit_of(x10)), values(unit_of(x11)), t_w);
  return result(blend(low, high, t_h));
}

void main() {
  const uint units = words_of(p.count);
  FOR_EACH_PASS(first, units) {
    UNIT y[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      const uint e = step_at(first, s, units) * 4;
      y[s] = WHOLE_PIXELS != 0 ? whole_pixels(e) : gathered(e);
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
        store(step_at(first, s, units), y[s]);
      }
    }
  }
}
