// The values of a program and, of tensors and symbolic integers, what they are in this execution.
// Knows nothing of memory.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/GraphDef.h"

namespace etvk {

// How the elements of a tensor [N, C, ...] follow each other in memory, without gaps. Its sizes,
// and all that an op means, are the same in either.
enum class Order : uint8_t {
  kRowMajor,
  kChannelsLast,  // N, then what follows C, then C; only of three or four dimensions
};

class Values {
 public:
  // Throws where a tensor's shape is none, or a constant is not of the size that its shape needs.
  Values(std::vector<ValueDef> defs, const std::vector<ConstantDef>& constants);

  size_t count() const { return defs_.size(); }
  // Throws kInvalidProgram naming `where` for an id that the program does not have.
  void check_id(ValueId id, const char* where) const;

  const ValueDef& at(ValueId id) const;
  bool is_tensor(ValueId id) const;
  bool is_symint(ValueId id) const;
  bool is_number(ValueId id) const;  // Double or Int
  double number(ValueId id) const;

  // ---- Tensors.

  const TensorDef& tensor(ValueId id) const;
  bool is_constant(ValueId id) const;
  DType dtype(ValueId id) const { return tensor(id).dtype; }
  // Upper bound, and the sizes of this execution.
  const std::vector<int64_t>& dims(ValueId id) const { return tensor(id).dims; }
  const std::vector<int64_t>& sizes(ValueId id) const;
  int64_t numel(ValueId id) const;
  uint64_t size_bytes(ValueId id) const { return tensor_bytes(dtype(id), sizes(id)); }
  uint64_t bound_bytes(ValueId id) const { return tensor_bytes(dtype(id), dims(id)); }
  // Throws kInvalidProgram for another rank, and for more than a bound of 0 or 1.
  void set_sizes(ValueId id, const std::vector<int64_t>& sizes);
  ValueId add_tensor(DType dtype, std::vector<int64_t> dims);
  ValueId add_list(std::vector<ValueId> items);

  // ---- Orders. Decided by decide_orders(); row-major until then.

  Order order(ValueId id) const;
  void set_order(ValueId id, Order order);
  // Whether it could be channels-last: it has three or four dimensions.
  bool has_order(ValueId id) const;
  // Whether the two orders are other bytes: they are the same for one channel, for channels of one
  // element, and for none.
  bool has_two_orders(ValueId id) const;
  bool is_in(ValueId id, Order order) const {
    return this->order(id) == order || (has_order(id) && !has_two_orders(id));
  }
  // The dimensions from the outermost to the innermost in memory.
  std::vector<size_t> memory_dims(ValueId id) const;
  // By dimension, in elements, for the sizes of this execution.
  std::vector<int64_t> strides(ValueId id) const;
  // Whether y, of which dimension i is dimension dims[i] of x, is the bytes that x is.
  bool is_in_place(ValueId x, ValueId y, const std::vector<size_t>& dims) const;

  // ---- Integers.

  // Int, SymInt, or a Double without a fraction: the serializer shares one value between equal
  // Python numbers, so that 1 may arrive as 1.0.
  bool is_integer(ValueId id) const;
  int64_t integer(ValueId id) const;
  // The elements of an IntList or of a ValueList of integers, as they are now.
  std::vector<int64_t> integers(ValueId list) const;
  void set_symint(ValueId id, int64_t value);

 private:
  std::vector<ValueDef> defs_;
  std::vector<std::vector<int64_t>> sizes_;  // by ValueId; of tensors
  std::vector<Order> orders_;                // by ValueId
};

}  // namespace etvk
