// argmax and argmin, and the places of the largest elements.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>

#include "Entry.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

double element(const Tensor& x, size_t i) {
  return x.dtype == DType::kFloat32 ? x.float_at(i) : x.int32_at(i);
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

Result topk_places(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("x");
  if (x.dtype != DType::kFloat32 && x.dtype != DType::kInt32) {
    throw Meaningless("a type that is not compared");
  }
  const size_t dim = arguments.dim("dim", std::max<size_t>(x.sizes.size(), 1));
  const bool largest = arguments.boolean("largest");
  const int64_t k = arguments.integer("k");
  const RowsAlong rows(x.sizes, dim);
  Sizes sizes = x.sizes;
  if (!sizes.empty()) {
    sizes[dim] = k;
  }
  if (k < 1) {
    throw Meaningless("no place is wanted");
  }
  Tensor y = zeros(DType::kInt32, sizes);
  if (y.count() > 0 && static_cast<size_t>(k) > rows.steps) {
    throw Meaningless("more places than there are");
  }
  y.accuracy = x.accuracy == Accuracy::kExact ? Accuracy::kExact : Accuracy::kUnknown;
  const RowsAlong results(y.sizes, dim);
  for (size_t row = 0; row < y.count() / static_cast<size_t>(k); ++row) {
    const auto rank = [&](size_t i) {
      const double value = element(x, rows.at(row, i));
      const double size = std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
      return std::pair(largest ? -size : size, std::isnan(value) != largest);
    };
    std::vector<size_t> order(rows.steps);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return rank(a) < rank(b); });
    for (size_t j = 0; j < static_cast<size_t>(k); ++j) {
      const auto place = static_cast<int32_t>(order[j]);
      std::memcpy(&y.bytes[results.at(row, j) * sizeof(place)], &place, sizeof(place));
    }
  }
  return y;
}

bool draw_topk(Draft& draft) {
  const ValueId x = draft.some_tensor({DType::kFloat32, DType::kInt32}, 1);
  if (x < 0) {
    return false;
  }
  draft.give("x", x);
  draft.give_integer("dim", draft.some_dim(x));
  draft.give_integer("k", draft.random().integer(1, 4));
  draft.give_boolean("largest", draft.random().chance(50));
  return true;
}

bool draw_arg(Draft& draft) {
  const ValueId x = draft.some_tensor({DType::kFloat32, DType::kInt32}, 1);
  if (x < 0) {
    return false;
  }
  draft.give("self", x);
  if (draft.random().chance(80)) {
    draft.give_integer("dim", draft.some_dim(x));
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
      {"et_vk.topk_places.default", draw_topk, topk_places},
  };
}

}  // namespace etvk::fuzz
