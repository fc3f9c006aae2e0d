// Operands that are broadcast or reduced: where their elements are, and how they are drawn.
#pragma once

#include <vector>

#include "Draft.h"
#include "Machine.h"

namespace etvk::fuzz {

// ---- For references.

// The sizes that two shapes are repeated to, last dimensions beside each other; throws Meaningless.
Sizes broadcast(const Sizes& a, const Sizes& b);
// The dimensions' indices of element `at` of a contiguous tensor.
Sizes index_of(size_t at, const Sizes& sizes);
// The element of an operand of these sizes for `index`, by dimension of the result.
size_t broadcast_at(const Sizes& sizes, const Sizes& index);

// Rows along one dimension of a contiguous tensor, numbered by the others.
struct RowsAlong {
  RowsAlong(const Sizes& sizes, size_t dim);

  size_t at(size_t row, size_t step) const {
    return (row / inner_ * steps + step) * inner_ + row % inner_;
  }

  size_t steps = 1;  // elements of a row

 private:
  size_t inner_ = 1;
};

struct ReducedShape {
  // Over `dims`, or where there are none all dimensions; throws Meaningless.
  ReducedShape(const Sizes& from, const Sizes& dims, bool keepdim);

  size_t result_of(size_t element) const;  // of the tensor that is reduced

  Sizes sizes;        // of the result
  int64_t count = 1;  // elements of one result

 private:
  Sizes from_;
  Sizes kept_;  // of the result, with ones where it is reduced
  std::vector<bool> reduced_;
};

// ---- For draws.

// An operand that mostly can be broadcast against `a`, of its type.
ValueId broadcast_operand(Draft& draft, ValueId a);

struct ReducedOperand {
  ValueId id = -1;
  Sizes dims;  // some of them counted from the end
};

// Of one of the block's shapes; dimensions that are not reduced may be dynamic.
ReducedOperand reduced_operand(Draft& draft, DType dtype);

}  // namespace etvk::fuzz
