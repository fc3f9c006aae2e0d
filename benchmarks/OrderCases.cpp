#include "OrderCases.h"

#include <algorithm>
#include <numeric>

#include "vk/Error.h"

namespace etvk::bench {

namespace {

constexpr int64_t kPlaces = 8;

// Over the last dimension or the first one.
void make_cumsum(Builder& b, const Shape& shape, int64_t dim) {
  b.op("aten.cumsum.default");
  const Bytes& x = b.input(DType::kFloat32, shape);
  b.argument(dim);
  b.argument(Null{});
  Bytes& y = b.output(DType::kFloat32, shape);
  b.made().is_exact = false;
  const int64_t rows = shape[dim == 0 ? 1 : 0];
  const int64_t count = shape[static_cast<size_t>(dim)];
  for (int64_t r = 0; r < rows; ++r) {
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = dim == 0 ? i * rows + r : r * count + i;
      sum += float_at(x, at);
      set_float(y, at, static_cast<float>(sum));
    }
  }
}

void make_topk(Builder& b, const Shape& shape) {
  ETVK_CHECK(shape[1] >= kPlaces, kInvalidArgument,
             "topk of " << shape[1] << " columns: needs at least " << kPlaces);
  b.op("et_vk.topk_places.default");
  const Bytes& x = b.input(DType::kFloat32, shape);
  b.argument(kPlaces);
  b.argument(int64_t{1});
  b.argument(true);
  Bytes& y = b.output(DType::kInt32, {shape[0], kPlaces});
  std::vector<int32_t> order(static_cast<size_t>(shape[1]));
  for (int64_t r = 0; r < shape[0]; ++r) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t left, int32_t right) {
      return float_at(x, r * shape[1] + left) > float_at(x, r * shape[1] + right);
    });
    std::memcpy(&y[static_cast<size_t>(r * kPlaces) * 4], order.data(), kPlaces * 4);
  }
}

}  // namespace

std::vector<Maker> order_makers() {
  return {
      {"cumsum_rows", true, [](Builder& b, const Shape& s) { make_cumsum(b, s, 1); }},
      {"cumsum_columns", true, [](Builder& b, const Shape& s) { make_cumsum(b, s, 0); }},
      {"topk", true, make_topk},
  };
}

}  // namespace etvk::bench
