// The row types of the table of elementwise ops and reductions, which is written in
// glsl/elementwise.py; the build makes the rows, ElementwiseRows.h, of it.
#pragma once

#include <cstdint>

namespace etvk {

constexpr uint32_t kMostParameters = 3;

// Of a number in push constants, of the type that a kernel's operands have there.
using Bits = uint32_t;

// In all rows `name` is that of the op in a blob, which several rows may have; `code` its FUNCTION
// in the shaders, `signature` as OpRegistry.h says. The row with `keyword` is meant where the
// call's argument of this name is `keyword_value`; null: None, and for `keyword`, that there is
// none.
struct TableOp {
  const char* name;
  uint32_t code;
  const char* signature;
};

struct TableFunction : TableOp {
  const char* keyword;
  const char* keyword_value;
  bool takes_float;
  bool takes_bool;
  bool takes_int;   // int32, and nothing else
  bool gives_bool;  // else what it takes of float32 and int32
};

struct UnaryOp : TableFunction {
  uint32_t parameter_count;
  const char* parameters[kMostParameters];
  double defaults[kMostParameters];  // where an argument is None
};

struct BinaryOp : TableFunction {
  bool a_is_number;
  bool b_is_number;
  bool has_alpha;
};

// Of a bool tensor and two of one dtype, which it gives.
struct TernaryOp : TableOp {};

struct ReductionOp : TableOp {
  bool has_dim;  // with keepdim, if the signature has it; else all dimensions are reduced
  bool is_compensated;
  bool takes_int;  // int32, and gives it; else float32
};

}  // namespace etvk
