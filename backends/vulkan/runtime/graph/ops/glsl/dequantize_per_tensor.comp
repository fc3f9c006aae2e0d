// int8 -> float32, one scale and zero point for the whole tensor.
//
//   y[i] = float(x[i] - zero_point) * scale
//
// Bindings: 0 y float32, 1 x int8 in words.
// One thread reads one word of x (four elements) per pass and strides by the whole grid.
// Preconditions and features: none.
#version 450

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

layout(set = 0, binding = 0) writeonly buffer OutputY { float y_out[]; };
layout(set = 0, binding = 1) readonly buffer InputX { uint x_words[]; };
layout(push_constant) uniform Params {
  uint count;
  float scale;
  int zero_point;
} p;

void main() {
  const uint words = p.count / 4 + (p.count % 4 != 0 ? 1 : 0);
  const uint stride = gl_NumWorkGroups.x * WORKGROUP_SIZE;
  for (uint at = gl_GlobalInvocationID.x; at < words; at += stride) {
    const int word = int(x_words[at]);
    for (uint i = 0; i < min(4, p.count - at * 4); ++i) {
      const int q = bitfieldExtract(word, int(8 * i), 8);
      precise float f = float(q - p.zero_point) * p.scale;
      y_out[at * 4 + i] = f;
    }
  }
}
