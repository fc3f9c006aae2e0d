// A function of each element: y[i] = f(x[i]).
//
// Bindings: 0 y, float32 or with Y_BOOL bool; 1 x, float32 in groups of four or with X_BOOL bool in
// words. With INTEGERS, int32 in place of float32. One thread makes the units of flat_steps.glsl (four elements each); it alone touches them,
// and keeps the bytes of the last word that lie beyond the tensor.
// Specialization constant 0: FUNCTION, the code of a row of elementwise.py.
// Preconditions: x has whole groups, whatever the last one holds behind the tensor. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/functions.glsl"
#include "flat_steps.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(constant_id = 0) const uint FUNCTION = 0;

layout(push_constant) uniform Params {
  uint count;
  NUMBER parameters[3];
} p;

#include "elementwise/store_result.glsl"
#include "elementwise_cases.glsl"

#ifdef X_BOOL

layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };

vec4 load(uint at) {
  return truths(x_words[at]);
}

#else

layout(set = 0, binding = 1) readonly buffer InputX { NUMBERS x_groups[]; };

NUMBERS load(uint at) {
  return x_groups[at];
}

#endif

void main() {
  const uint units = words_of(p.count);
  FOR_EACH_PASS(first, units) {
    NUMBERS x[STEPS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      x[s] = load(step_at(first, s, units));
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
        const RESULT y = apply(x[s], p.parameters[0], p.parameters[1], p.parameters[2]);
        store(step_at(first, s, units), y);
      }
    }
  }
}
