// int8 rows -> float32 rows, each on the grid that quantize_rows.comp has found for it.
//
//   y[m, k] = float(x[m, k] - zero_point[m]) * scale[m]
//
// Bindings: 0 y float32 [M, K]; 1 x int8 [M, K], rows padded to 16 bytes, and behind all rows two words a
// row: the bits of its scale, and its zero point.
// One thread takes the units of flat_steps.glsl, words of rows (four elements each).
// Preconditions: M, K at least 1; with WHOLE_GROUPS K % 4 == 0. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/dequantize_bytes.glsl"
#include "flat_steps.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint WHOLE_GROUPS = 0;

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 0) writeonly buffer OutputY4 { vec4 y_groups[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(set = 0, binding = 1) readonly buffer InputPairs { uvec2 x_pairs[]; };
layout(push_constant) uniform Params {
  uint M;
  uint K;
} p;

// Row, and word in it, of a unit.
uvec2 place_of(uint unit) {
  const uint m = unit / words_of(p.K);
  return uvec2(m, unit - m * words_of(p.K));
}

void main() {
  const uint units = p.M * words_of(p.K);
  const uint row_words = (words_of(p.K) + 3) / 4 * 4;
  FOR_EACH_PASS(first, units) {
    uint x[STEPS];
    uvec2 grid[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      const uvec2 place = place_of(step_at(first, s, units));
      x[s] = x_words[place.x * row_words + place.y];
      grid[s] = x_pairs[p.M * (row_words / 2) + place.x];
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
        const uvec2 place = place_of(step_at(first, s, units));
        precise vec4 f = distances(x[s], int(grid[s].y)) * uintBitsToFloat(grid[s].x);
        const uint at = place.x * p.K + place.y * 4;
        if (WHOLE_GROUPS != 0) {
          y_groups[at / 4] = f;
          continue;
        }
        [[unroll]] for (uint i = 0; i < 4; ++i) {
          if (place.y * 4 + i < p.K) {
            y_out[at + i] = f[i];
          }
        }
      }
    }
  }
}
