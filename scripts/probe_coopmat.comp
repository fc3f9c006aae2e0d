// Compiles only with a glslang that knows the extensions of the cooperative-matrix kernels.
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types : require

layout(local_size_x = 32) in;
layout(set = 0, binding = 0) buffer Data { int8_t data[]; };

void main() {
  coopmat<int8_t, gl_ScopeSubgroup, 16, 32, gl_MatrixUseA> a;
  coopMatLoad(a, data, 0, 32, gl_CooperativeMatrixLayoutRowMajor);
  coopMatStore(a, data, 512, 32, gl_CooperativeMatrixLayoutRowMajor);
}
