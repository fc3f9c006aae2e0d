// What calls of the ops of the table glsl/elementwise.py have in common: which row is meant, types,
// numbers, registration.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "graph/ComputeGraph.h"
#include "vk/Error.h"

namespace etvk::ops {

// Registers each name of the rows once.
template <typename Row, size_t kCount>
std::vector<OpRow> op_rows(const Row (&rows)[kCount], OpBuilder build) {
  std::vector<OpRow> named;
  for (const Row& row : rows) {
    const bool is_new = std::none_of(named.begin(), named.end(), [&row](const OpRow& other) {
      return std::string(other.name) == row.name;
    });
    if (is_new) {
      named.push_back({row.name, row.signature, build});
    }
  }
  return named;
}

// The row of the call's op, where several have the name the one of its keyword's value.
template <typename Row, size_t kCount>
const Row& row_of(const Row (&rows)[kCount], const OpArgs& args) {
  std::string known;
  std::string given;
  for (const Row& row : rows) {
    if (args.op() != row.name) {
      continue;
    }
    if (row.keyword == nullptr) {
      return row;
    }
    const std::string* value = args.optional_string(row.keyword);
    const bool is_same = value == nullptr
                             ? row.keyword_value == nullptr
                             : row.keyword_value != nullptr && *value == row.keyword_value;
    if (is_same) {
      return row;
    }
    given = std::string(row.keyword) + " '" + (value == nullptr ? "None" : *value) + "'";
    known += (known.empty() ? "" : ", ") +
             std::string(row.keyword_value == nullptr ? "None" : row.keyword_value);
  }
  ETVK_FAIL(kInvalidProgram, args.op() << ": " << given << " is none of " << known);
}

// Throws kInvalidProgram unless the operands are of one type that the row takes, and y of the one
// that it gives. Whether the operands are bool.
template <typename Row>
bool check_types(const ComputeGraph& graph, const std::string& op, const Row& row,
                 const std::vector<ValueId>& operands, ValueId y) {
  const char* taken = !row.takes_bool ? "float32" : row.takes_float ? "float32 or bool" : "bool";
  for (ValueId id : operands) {
    const DType dtype = graph.dtype(id);
    const bool is_taken =
        (row.takes_float && dtype == DType::kFloat32) || (row.takes_bool && dtype == DType::kBool);
    ETVK_CHECK(is_taken, kInvalidProgram,
               op << ": expected operands of " << taken << ", got " << dtype_name(dtype));
    ETVK_CHECK(dtype == graph.dtype(operands[0]), kInvalidProgram,
               op << ": operands of different types, " << dtype_name(graph.dtype(operands[0]))
                  << " and " << dtype_name(dtype));
  }
  const DType result = row.gives_bool ? DType::kBool : DType::kFloat32;
  ETVK_CHECK(graph.dtype(y) == result, kInvalidProgram,
             op << ": the output must be " << dtype_name(result) << ", got "
                << dtype_name(graph.dtype(y)));
  return graph.dtype(operands[0]) == DType::kBool;
}

}  // namespace etvk::ops
