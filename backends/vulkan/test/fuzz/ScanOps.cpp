// Cumulative sums.
#include <algorithm>
#include <cstring>

#include "Entry.h"
#include "FloatSum.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

Result cumsum(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const size_t dim = arguments.dim("dim", std::max<size_t>(x.sizes.size(), 1));
  if (x.dtype != DType::kFloat32 && x.dtype != DType::kInt32) {
    throw Meaningless("a type that is not added up");
  }
  const RowsAlong rows(x.sizes, dim);
  Tensor y = zeros(x.dtype, x.sizes);
  const bool of_floats = x.dtype == DType::kFloat32;
  y.accuracy = x.accuracy != Accuracy::kExact ? Accuracy::kUnknown
               : of_floats                    ? Accuracy::kClose
                                              : Accuracy::kExact;
  const size_t row_count = y.count() == 0 ? 0 : y.count() / rows.steps;
  for (size_t row = 0; row < row_count; ++row) {
    FloatSum sum;
    uint32_t integer_sum = 0;
    for (size_t i = 0; i < rows.steps; ++i) {
      const size_t at = rows.at(row, i);
      if (of_floats) {
        sum.add(x.float_at(at), 1.0);
        set_float(y, at, static_cast<float>(sum.value));
        y.accuracy = sum.is_known() ? y.accuracy : Accuracy::kUnknown;
      } else {
        integer_sum += static_cast<uint32_t>(x.int32_at(at));
        std::memcpy(&y.bytes[at * sizeof(integer_sum)], &integer_sum, sizeof(integer_sum));
      }
    }
  }
  return y;
}

bool draw_cumsum(Draft& draft) {
  const ValueId x = draft.some_tensor({DType::kFloat32, DType::kInt32}, 1);
  if (x < 0) {
    return false;
  }
  draft.give("self", x);
  draft.give_integer("dim", draft.some_dim(x));
  return true;
}

}  // namespace

std::vector<Entry> scan_entries() { return {{"aten.cumsum.default", draw_cumsum, cumsum}}; }

}  // namespace etvk::fuzz
