// dot4_acc(a, b, acc): acc + the dot product of four signed bytes of a and b, exact in int32.
// With DOT4 it is SPIR-V's OpSDot on packed bytes, written through GL_EXT_spirv_intrinsics because
// glslang before 14 has no GL_EXT_integer_dot_product; without it, plain integer arithmetic.
#ifndef INT8_DOT_GLSL
#define INT8_DOT_GLSL

#ifdef DOT4

// OpSDot; capabilities DotProduct and DotProductInput4x8BitPacked; format 0 is 4x8 bits packed.
spirv_instruction(
    extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6019, 6018], id = 4450)
int op_sdot(uint a, uint b, spirv_literal int packed_format);

int dot4_acc(uint a, uint b, int acc) {
  return acc + op_sdot(a, b, 0);
}

#else

int byte_of(uint word, int index) {
  return bitfieldExtract(int(word), 8 * index, 8);
}

int dot4_acc(uint a, uint b, int acc) {
  acc += byte_of(a, 0) * byte_of(b, 0);
  acc += byte_of(a, 1) * byte_of(b, 1);
  acc += byte_of(a, 2) * byte_of(b, 2);
  acc += byte_of(a, 3) * byte_of(b, 3);
  return acc;
}

#endif

int dot16_acc(uvec4 a, uvec4 b, int acc) {
  acc = dot4_acc(a.x, b.x, acc);
  acc = dot4_acc(a.y, b.y, acc);
  acc = dot4_acc(a.z, b.z, acc);
  return dot4_acc(a.w, b.w, acc);
}

#endif
