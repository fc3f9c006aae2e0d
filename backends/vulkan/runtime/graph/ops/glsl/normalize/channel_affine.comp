// Shifts and scales each channel of a tensor [A, C, B], in either order: channels-last has B = 1.
//
//   f = (x[a, c, b] - centers[c]) * scales[c] + shifts[c]                     float32, never fused
//   y = f, or of int8 x quantize(f)
//
// Bindings: 0 y, 1 x, float32 or with INT8 int8 in words; 2 centers, 3 scales, 4 shifts, float32.
// One thread makes the units of flat_steps.glsl (four elements each); it alone touches them, and
// keeps the bytes of the last one that lie beyond the tensor.
// Specialization constant 0: WHOLE_CHANNELS, B = 1 and C is a multiple of 4, so that the channels of
// a unit are neighbours.
// Preconditions: float32 x has whole groups, whatever the last one holds behind the tensor.
// Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/dequantize_bytes.glsl"
#include "flat_steps.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint WHOLE_CHANNELS = 0;

layout(set = 0, binding = 2) readonly buffer Centers { float centers[]; };
layout(set = 0, binding = 2) readonly buffer Centers4 { vec4 centers4[]; };
layout(set = 0, binding = 3) readonly buffer Scales { float scales[]; };
layout(set = 0, binding = 3) readonly buffer Scales4 { vec4 scales4[]; };
layout(set = 0, binding = 4) readonly buffer Shifts { float shifts[]; };
layout(set = 0, binding = 4) readonly buffer Shifts4 { vec4 shifts4[]; };
layout(push_constant) uniform Params {
  uint count;
  uint channels;
  uint inner;  // B
  Grid output_grid;
} p;

#ifdef INT8

#define UNIT uint

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_units[]; };

vec4 values(UNIT unit) {
  return distances(unit, 0);
}

void store(uint at, vec4 f) {
  const uint word = quantize_to_word(f, p.output_grid, true);
  const uint mask = byte_mask(p.count - at * 4);
  y_words[at] = mask == 0xffffffffu ? word : (word & mask) | (y_words[at] & ~mask);
}

#else

#define UNIT vec4

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_groups[]; };
layout(set = 0, binding = 1) readonly buffer InputX { vec4 x_units[]; };

#include "store_floats.glsl"

vec4 values(UNIT unit) {
  return unit;
}

void store(uint at, vec4 f) {
  store_floats(at, f);
}

#endif

vec4 affine(vec4 x, vec4 center, vec4 scale, vec4 shift) {
  precise vec4 f = (x - center) * scale + shift;
  return f;
}

vec4 result(uint at, vec4 x) {
  if (WHOLE_CHANNELS != 0) {
    const uint group = at % (p.channels / 4);
    return affine(x, centers4[group], scales4[group], shifts4[group]);
  }
  vec4 center;
  vec4 scale;
  vec4 shift;
  for (uint i = 0; i < 4; ++i) {
    // Of elements beyond the last one, which are not stored, some channel.
    const uint channel = (at * 4 + i) / p.inner % p.channels;
    center[i] = centers[channel];
    scale[i] = scales[channel];
    shift[i] = shifts[channel];
  }
  return affine(x, center, scale, shift);
}

void main() {
  const uint units = words_of(p.count);
  FOR_EACH_PASS(first, units) {
    UNIT x[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      x[s] = x_units[step_at(first, s, units)];
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
        const uint at = step_at(first, s, units);
        store(at, result(at, values(x[s])));
      }
    }
  }
}
