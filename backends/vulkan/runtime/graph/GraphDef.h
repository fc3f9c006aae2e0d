// A program as plain data: what the blob reader hands to ComputeGraph, and what tests and
// benchmarks build by hand. Value ids are indices into `values`; nothing here is checked yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace etvk {

using ValueId = int32_t;

enum class DType : uint8_t { kBool, kUint8, kInt8, kInt32, kFloat16, kFloat32, kFloat64, kInt64 };

size_t dtype_bytes(DType dtype);
const char* dtype_name(DType dtype);

// "[2, 3]", for messages.
std::string shape_text(const std::vector<int64_t>& shape);

// No device could hold more. Sizes below it also keep every product of a shape's sizes, those of an
// empty tensor among them, within 64 bits.
constexpr uint64_t kMaxTensorBytes = uint64_t{1} << 48;

// Bytes of a contiguous tensor. Throws kInvalidProgram for a negative size, kNotSupported from
// kMaxTensorBytes on; for an empty tensor, sizes of 0 count as 1 there.
uint64_t tensor_bytes(DType dtype, const std::vector<int64_t>& shape);

// A contiguous row-major tensor. For a dynamic shape, `dims` is the upper bound.
struct TensorDef {
  DType dtype = DType::kFloat32;
  std::vector<int64_t> dims;
  int32_t constant_id = -1;  // index into GraphDef::constants; -1: not a constant
};

struct Null {};
struct SymInt {
  int64_t value = 0;
};
struct ValueList {
  std::vector<ValueId> items;
};

using ValueDef = std::variant<Null, int64_t, double, bool, std::string, TensorDef, SymInt,
                              std::vector<int64_t>, std::vector<double>, ValueList>;

struct OpCall {
  std::string name;           // "et_vk.q8ta_linear.default"
  std::vector<ValueId> args;  // the schema's arguments in order, then the output
  int32_t node_id = -1;       // by which ExecuTorch's tools know it; -1: not at all
};

// Bytes owned by the caller, valid until the ComputeGraph is built.
struct ConstantDef {
  const uint8_t* data = nullptr;
  size_t size_bytes = 0;
};

struct GraphDef {
  std::vector<ValueDef> values;
  std::vector<OpCall> chain;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<ConstantDef> constants;
  // Bytes that it was read from, those of constants outside the blob included; 0: made by hand.
  uint64_t source_bytes = 0;
};

}  // namespace etvk
