// argmax and argmin.
#include <cmath>
#include <cstring>
#include <optional>

#include "Entry.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

double element(const Tensor& x, size_t i) {
  if (x.dtype == DType::kFloat32) {
    return x.float_at(i);
  }
  int32_t value = 0;
  std::memcpy(&value, &x.bytes[i * sizeof(value)], sizeof(value));
  return value;
}

// NaN is the most extreme.
bool is_more(double a, double b, bool is_least) {
  return !std::isnan(b) && (std::isnan(a) || (is_least ? a < b : a > b));
}

Result arg(const Arguments& arguments, bool is_least) {
  const Tensor& x = arguments.tensor("self");
  if (x.dtype != DType::kFloat32 && x.dtype != DType::kInt32) {
    throw Meaningless("a type that is not compared");
  }
  const std::optional<int64_t> dim = arguments.optional_symint("dim");
  const ReducedShape shape(x.sizes, dim.has_value() ? Sizes{*dim} : Sizes{},
                           arguments.boolean("keepdim"));
  Tensor y = zeros(DType::kInt32, shape.sizes);
  // Of two that are close, either may be the larger one.
  y.accuracy = x.accuracy == Accuracy::kExact ? Accuracy::kExact : Accuracy::kUnknown;
  if (y.count() > 0 && x.count() == 0) {
    throw Meaningless("no place");
  }
  struct Found {
    int32_t place = -1;
    int32_t seen = 0;
    double value = 0.0;
  };
  std::vector<Found> all(y.count());
  for (size_t i = 0; i < x.count(); ++i) {
    Found& found = all[shape.result_of(i)];
    const double value = element(x, i);
    if (found.place < 0 || is_more(value, found.value, is_least)) {
      found.place = found.seen;
      found.value = value;
    }
    ++found.seen;
  }
  for (size_t i = 0; i < y.count(); ++i) {
    std::memcpy(&y.bytes[i * sizeof(int32_t)], &all[i].place, sizeof(int32_t));
  }
  return y;
}

Result argmax(const Arguments& arguments) { return arg(arguments, false); }
Result argmin(const Arguments& arguments) { return arg(arguments, true); }

bool draw_arg(Draft& draft) {
  const ValueId x = draft.some_tensor({DType::kFloat32, DType::kInt32}, 1);
  if (x < 0) {
    return false;
  }
  const auto rank = static_cast<int32_t>(draft.rank(x));
  draft.give("self", x);
  if (draft.random().chance(80)) {
    draft.give_integer("dim", draft.random().integer(-rank, rank - 1));
  } else {
    draft.give_none("dim");
  }
  draft.give_boolean("keepdim", draft.random().chance(50));
  return true;
}

}  // namespace

std::vector<Entry> arg_entries() {
  return {
      {"aten.argmax.default", draw_arg, argmax},
      {"aten.argmin.default", draw_arg, argmin},
  };
}

}  // namespace etvk::fuzz
