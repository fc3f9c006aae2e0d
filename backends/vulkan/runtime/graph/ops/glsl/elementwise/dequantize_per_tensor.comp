// int8 -> float32, one scale and zero point for the whole tensor.
//
//   y[i] = float(x[i] - zero_point) * scale
//
// Bindings: 0 y float32, 1 x int8 in words.
// One thread takes the words of flat_steps.glsl (four elements each).
// Preconditions and features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/dequantize_bytes.glsl"
#include "flat_steps.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_groups[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(push_constant) uniform Params {
  uint count;
  float scale;
  int zero_point;
} p;

#include "store_floats.glsl"

void main() {
  const uint words = words_of(p.count);
  FOR_EACH_PASS(first, words) {
    uint x[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      x[s] = x_words[step_at(first, s, words)];
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, words)) {
        precise vec4 f = distances(x[s], p.zero_point) * p.scale;
        store_floats(step_at(first, s, words), f);
      }
    }
  }
}
