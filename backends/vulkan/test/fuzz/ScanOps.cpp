// Cumulative sums.
#include <algorithm>
#include <cstring>

#include "Entry.h"
#include "FloatSum.h"

namespace etvk::fuzz {

namespace {

int32_t integer_at(const Tensor& x, size_t i) {
  int32_t value = 0;
  std::memcpy(&value, &x.bytes[i * sizeof(value)], sizeof(value));
  return value;
}

Result cumsum(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const size_t dim = arguments.dim("dim", std::max<size_t>(x.sizes.size(), 1));
  if (x.dtype != DType::kFloat32 && x.dtype != DType::kInt32) {
    throw Meaningless("a type that is not added up");
  }
  size_t steps = 1;
  size_t inner = 1;
  for (size_t i = dim; i < x.sizes.size(); ++i) {
    (i == dim ? steps : inner) *= static_cast<size_t>(x.sizes[i]);
  }
  Tensor y = zeros(x.dtype, x.sizes);
  const bool of_floats = x.dtype == DType::kFloat32;
  y.accuracy = x.accuracy != Accuracy::kExact ? Accuracy::kUnknown
               : of_floats                    ? Accuracy::kClose
                                              : Accuracy::kExact;
  const size_t rows = y.count() == 0 ? 0 : y.count() / steps;
  for (size_t row = 0; row < rows; ++row) {
    FloatSum sum;
    uint32_t integer_sum = 0;
    for (size_t i = 0; i < steps; ++i) {
      const size_t at = (row / inner * steps + i) * inner + row % inner;
      if (of_floats) {
        sum.add(x.float_at(at), 1.0);
        set_float(y, at, static_cast<float>(sum.value));
        y.accuracy = sum.is_known() ? y.accuracy : Accuracy::kUnknown;
      } else {
        integer_sum += static_cast<uint32_t>(integer_at(x, at));
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
  const auto rank = static_cast<int32_t>(draft.rank(x));
  draft.give("self", x);
  draft.give_integer("dim", draft.random().integer(-rank, rank - 1));
  return true;
}

}  // namespace

std::vector<Entry> scan_entries() { return {{"aten.cumsum.default", draw_cumsum, cumsum}}; }

}  // namespace etvk::fuzz
