// float32 -> int8, one scale and zero point for the whole tensor.
//
//   y[i] = clamp(round_half_even(x[i] * inv_scale) + zero_point, quant_min, quant_max)
//
// Bindings: 0 y int8 in words, 1 x float32 in groups of four.
// One thread makes the words of flat_steps.glsl (four elements each); it alone touches them, and
// keeps the bytes of the last one that lie beyond the tensor.
// Preconditions: x has whole groups, whatever the last one holds behind the tensor. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "flat_steps.glsl"
#include "quantize_and_pack.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(set = 0, binding = 0) buffer OutputY { uint y_words[]; };
layout(set = 0, binding = 1) readonly buffer InputX { vec4 x_groups[]; };
layout(push_constant) uniform Params {
  uint count;
  Grid grid;
} p;

void store(uint at, vec4 f) {
  const uint word = quantize_to_word(f, p.grid, true);
  const uint mask = byte_mask(p.count - at * 4);
  y_words[at] = mask == 0xffffffffu ? word : (word & mask) | (y_words[at] & ~mask);
}

void main() {
  const uint words = words_of(p.count);
  FOR_EACH_PASS(first, words) {
    vec4 x[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      x[s] = x_groups[step_at(first, s, words)];
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, words)) {
        store(step_at(first, s, words), x[s]);
      }
    }
  }
}
