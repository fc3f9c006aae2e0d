// What calls of the ops of the table glsl/elementwise.py have in common: which row is meant, types,
// numbers, registration.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "graph/ComputeGraph.h"
#include "graph/ops/ElementwiseTable.h"
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

inline bool is_taken(const TableFunction& row, DType operand) {
  return (row.takes_float && operand == DType::kFloat32) ||
         (row.takes_bool && operand == DType::kBool) || (row.takes_int && operand == DType::kInt32);
}

// The row of the call's op, where several have the name the one of its operands' type and of its
// keyword's value. Of a type that none takes, one that says so in `check_types`.
template <typename Row, size_t kCount>
const Row& row_of(const Row (&rows)[kCount], const OpArgs& args, DType operands) {
  const bool is_known = std::any_of(std::begin(rows), std::end(rows), [&](const Row& row) {
    return args.op() == row.name && is_taken(row, operands);
  });
  std::string known;
  std::string given;
  for (const Row& row : rows) {
    const bool fits =
        is_known ? is_taken(row, operands) : row.takes_int == (operands == DType::kInt32);
    if (args.op() != row.name || !fits) {
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
  ETVK_CHECK(!given.empty(), kInvalidProgram,
             args.op() << ": there is no kernel for operands of " << dtype_name(operands));
  ETVK_FAIL(kInvalidProgram, args.op() << ": " << given << " is none of " << known);
}

inline DType result_type(const TableFunction& row) {
  return row.gives_bool ? DType::kBool : row.takes_int ? DType::kInt32 : DType::kFloat32;
}

// Throws kInvalidProgram unless the operands are of one type that the row takes, and y of the one
// that it gives.
template <typename Row>
void check_types(const ComputeGraph& graph, const std::string& op, const Row& row,
                 const std::vector<ValueId>& operands, ValueId y) {
  const char* taken = row.takes_int     ? "int32"
                      : !row.takes_bool ? "float32"
                      : row.takes_float ? "float32 or bool"
                                        : "bool";
  for (ValueId id : operands) {
    const DType dtype = graph.dtype(id);
    ETVK_CHECK(is_taken(row, dtype), kInvalidProgram,
               op << ": expected operands of " << taken << ", got " << dtype_name(dtype));
    ETVK_CHECK(dtype == graph.dtype(operands[0]), kInvalidProgram,
               op << ": operands of different types, " << dtype_name(graph.dtype(operands[0]))
                  << " and " << dtype_name(dtype));
  }
  const DType result = result_type(row);
  ETVK_CHECK(graph.dtype(y) == result, kInvalidProgram,
             op << ": the output must be " << dtype_name(result) << ", got "
                << dtype_name(graph.dtype(y)));
}

// Of the kernels `family` for operands of this type: "binary_of_int", for example.
inline std::string kernels_of(const std::string& family, const TableFunction& row, DType operands) {
  return family + (operands == DType::kInt32  ? (row.gives_bool ? "_int_to_bool" : "_of_int")
                   : operands == DType::kBool ? "_of_bool"
                   : row.gives_bool           ? "_to_bool"
                                              : "");
}

// The operands in whose memory y may lie: a thread reads of them what it writes.
inline std::vector<ValueId> overwritable(const ComputeGraph& graph,
                                         const std::vector<ValueId>& operands, ValueId y) {
  std::vector<ValueId> found;
  std::copy_if(operands.begin(), operands.end(), std::back_inserter(found), [&](ValueId id) {
    return graph.dims(id) == graph.dims(y) &&
           dtype_bytes(graph.dtype(id)) == dtype_bytes(graph.dtype(y));
  });
  return found;
}

// A number as a push constant: the bits of a float32 or, for operands of int32, of an int32.
inline uint32_t number_bits(double value, DType operands) {
  if (operands == DType::kInt32) {
    return static_cast<uint32_t>(static_cast<int32_t>(value));
  }
  const auto number = static_cast<float>(value);
  uint32_t bits = 0;
  std::memcpy(&bits, &number, sizeof(bits));
  return bits;
}

// The same of a call's argument. Throws where an integer is wanted and it is none of 32 bits.
inline uint32_t number_bits(const OpArgs& args, const char* name, double value, DType operands) {
  const bool fits = value >= INT32_MIN && value <= INT32_MAX && value == std::floor(value);
  ETVK_CHECK(fits || operands != DType::kInt32, kNotSupported,
             args.op() << ": " << name << " is " << value
                       << ", and with integers it must be one within 32 bits");
  return number_bits(value, operands);
}

}  // namespace etvk::ops
