// Float32 matrix products: geometry and dispatch. The ops that are made of them are in Matmul.cpp.
#pragma once

#include <cstdint>
#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/Loops.h"

namespace etvk::ops {

constexpr size_t kMaxBatchLoops = 4;  // that the shaders have room for

// ---- Push and specialization constants of matmul_io.glsl.

struct MatmulPush {
  uint32_t M, N, K;
  uint32_t tiles_m, tiles_n, tiles;
  uint32_t batch_sizes[kMaxBatchLoops - 1];
  uint32_t a_batch[kMaxBatchLoops];
  uint32_t b_batch[kMaxBatchLoops];
  uint32_t a_m, a_k, b_k, b_n, c_m, c_n;
  float alpha, beta;
};

constexpr uint32_t kAlongK = 0;   // A_FORM
constexpr uint32_t kAnyA = 1;     // A_FORM
constexpr uint32_t kAlongN = 0;   // B_FORM
constexpr uint32_t kBAlongK = 1;  // B_FORM
constexpr uint32_t kAnyB = 2;     // B_FORM

// ---- Geometry.

// An operand as matrices: the last two of these dimensions are rows and columns.
struct Matrices {
  Sizes sizes;
  Sizes strides;
};

// y = alpha * a * b + beta * c, with the dimensions before the last two of a and b broadcast.
struct MatmulCall {
  std::string op;
  ValueId a = -1;
  ValueId b = -1;
  ValueId c = -1;  // -1: none
  ValueId y = -1;
  float alpha = 1.0f;
  float beta = 1.0f;
};

// Sizes of the result: [..., M, N]. Throws kInvalidProgram naming `op` where a and b have no
// product.
Sizes matmul_sizes(const std::string& op, const Sizes& a, const Sizes& b);

// Dispatches for the sizes that the tensors have now; y is row-major and has its sizes already.
// `c` broadcasts to [M, N] of one product. Throws kNotSupported for more batch dimensions than
// kMaxBatchLoops that cannot be merged.
void dispatch_matmul(ComputeGraph& graph, Commands& commands, const MatmulCall& call,
                     const Matrices& a, const Matrices& b, const Matrices& c);

}  // namespace etvk::ops
