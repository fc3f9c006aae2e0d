// bool tensors, a byte an element, four of them in a word: as 0.0 and 1.0, and back.
#ifndef BOOL_BYTES_GLSL
#define BOOL_BYTES_GLSL

vec4 truths(uint word) {
  return vec4(notEqual((uvec4(word) >> uvec4(0, 8, 16, 24)) & 0xffu, uvec4(0)));
}

uint truth_bytes(bvec4 truth) {
  const uvec4 bits = uvec4(truth) << uvec4(0, 8, 16, 24);
  return bits.x | bits.y | bits.z | bits.w;
}

#endif
