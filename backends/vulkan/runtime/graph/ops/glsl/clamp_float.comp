// float32 clamp: relu, hardtanh and clamp where they are not part of a quantized op.
//
//   y[i] = min(max(x[i], lo), hi), NaN stays NaN
//
// Bindings: 0 y float32, 1 x float32. y may be x.
// One thread makes one element per pass and strides by the whole grid.
// Preconditions and features: none.
#version 450

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { float x_in[]; };
layout(push_constant) uniform Params {
  uint count;
  float lo;
  float hi;
} p;

void main() {
  const uint stride = gl_NumWorkGroups.x * WORKGROUP_SIZE;
  for (uint at = gl_GlobalInvocationID.x; at < p.count; at += stride) {
    const float f = x_in[at];
    // Comparisons with NaN are false, so it passes through both.
    const float above = f < p.lo ? p.lo : f;
    y_out[at] = above > p.hi ? p.hi : above;
  }
}
