#include "ProductCases.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "vk/Error.h"

namespace etvk::bench {

namespace {

constexpr int64_t kLongSum = 1000;  // from which the contract is 1e-4

// x[M, K] * w[K, K]^T; the shape is [M, K].
void make_linear(Builder& b, const Shape& shape) {
  const int64_t M = shape[0];
  const int64_t K = shape[1];
  b.op("aten.linear.default");
  const Bytes x = b.input(DType::kFloat32, {M, K});
  const Bytes& w = b.constant(DType::kFloat32, {K, K});
  b.argument(Null{});
  Bytes& y = b.output(DType::kFloat32, {M, K});
  b.made().moved_bytes += w.size();
  b.made().is_exact = false;
  b.made().relative_error = K > kLongSum ? 1e-4 : 1e-5;
  for (int64_t m = 0; m < M; ++m) {
    for (int64_t n = 0; n < K; ++n) {
      double sum = 0.0;
      for (int64_t k = 0; k < K; ++k) {
        sum += double{float_at(x, m * K + k)} * float_at(w, n * K + k);
      }
      set_float(y, m * K + n, static_cast<float>(sum));
    }
  }
}

// What an attention is of, beside its shape.
struct Heads {
  int64_t vector;  // elements
  bool is_int8;    // from int8 to int8, else float32
  bool is_masked;  // by which positions count, as for padded sentences
};

// One row of y: of position `row` of a head whose vectors begin at `first`. `counts`: by position;
// empty: all do.
void set_attention_row(const Bytes& q, const Bytes& k, const Bytes& v, const Bytes& counts,
                       Bytes& y, int64_t vector, int64_t rows, int64_t first, int64_t row) {
  std::vector<double> weights(static_cast<size_t>(rows));
  double most = -1e30;
  for (int64_t s = 0; s < rows; ++s) {
    double score = 0.0;
    for (int64_t d = 0; d < vector; ++d) {
      score += double{float_at(q, first + row * vector + d)} * float_at(k, first + s * vector + d) /
               std::sqrt(static_cast<double>(vector));
    }
    if (!counts.empty() && counts[static_cast<size_t>(s)] == 0) {
      score = -1e30;
    }
    weights[static_cast<size_t>(s)] = score;
    most = std::max(most, score);
  }
  double total = 0.0;
  std::vector<double> sums(static_cast<size_t>(vector), 0.0);
  for (int64_t s = 0; s < rows; ++s) {
    const double weight = std::exp(weights[static_cast<size_t>(s)] - most);
    total += weight;
    for (int64_t d = 0; d < vector; ++d) {
      sums[static_cast<size_t>(d)] += weight * float_at(v, first + s * vector + d);
    }
  }
  for (int64_t d = 0; d < vector; ++d) {
    set_float(y, first + row * vector + d,
              static_cast<float>(sums[static_cast<size_t>(d)] / total));
  }
}

// float32 values that int8 ones stand for.
Bytes dequantized(const Bytes& bytes, double scale, int zero_point) {
  Bytes values(bytes.size() * 4);
  for (size_t i = 0; i < bytes.size(); ++i) {
    set_float(values, static_cast<int64_t>(i),
              static_cast<float>(scale * (int8s(bytes)[i] - zero_point)));
  }
  return values;
}

// Self-attention; the shape is [positions, heads * vector].
void make_attention(Builder& b, const Shape& shape, const Heads& kind) {
  const bool is_int8 = kind.is_int8;
  const int64_t rows = shape[0];
  ETVK_CHECK(shape[1] % kind.vector == 0, kInvalidArgument,
             "attention: " << shape[1] << " columns, expected a multiple of " << kind.vector);
  const int64_t heads = shape[1] / kind.vector;
  const Shape sizes = {1, heads, rows, kind.vector};
  const DType dtype = is_int8 ? DType::kInt8 : DType::kFloat32;
  b.op(is_int8 ? "et_vk.q8ta_attention.default" : "et_vk.attention.default");
  const auto operand = [&](double scale, int zero_point) {
    const Bytes bytes = b.input(dtype, sizes);
    if (!is_int8) {
      return bytes;
    }
    b.argument(scale);
    b.argument(int64_t{zero_point});
    return dequantized(bytes, scale, zero_point);
  };
  const Bytes q = operand(kScaleA, kZeroA);
  const Bytes k = operand(kScaleB, kZeroB);
  const Bytes v = operand(kScaleA, kZeroA);
  Bytes counts;
  if (kind.is_masked) {
    counts = b.input(DType::kBool, {1, 1, 1, rows});
  } else {
    b.argument(Null{});
  }
  b.argument(std::string(kind.is_masked ? "fill_false" : "none"));
  b.argument(1.0 / std::sqrt(static_cast<double>(kind.vector)));
  b.argument(-std::numeric_limits<double>::infinity());
  b.argument(false);
  b.argument(false);
  for (int i = 0; i < 4; ++i) {
    b.integers({0, 1, 2, 3});
  }
  if (is_int8) {
    b.argument(kOutputScale);
    b.argument(int64_t{kZeroY});
    b.argument(int64_t{-128});
    b.argument(int64_t{127});
  }
  Bytes values(static_cast<size_t>(numel(sizes)) * 4);
  b.made().is_exact = false;
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t row = 0; row < rows; ++row) {
      set_attention_row(q, k, v, counts, values, kind.vector, rows, head * rows * kind.vector, row);
    }
  }
  Bytes& y = b.output(dtype, sizes);
  for (int64_t i = 0; is_int8 && i < numel(sizes); ++i) {
    y[static_cast<size_t>(i)] = static_cast<uint8_t>(quantize(float_at(values, i), kOutputScale));
  }
  y = is_int8 ? y : values;
}

}  // namespace

std::vector<Maker> product_makers() {
  const auto attention = [](const char* name, const Heads& kind) {
    return Maker{name,
                 !kind.is_int8,
                 [kind](Builder& b, const Shape& shape) { make_attention(b, shape, kind); },
                 "product",
                 {{1, 384}, {128, 384}, {128, 768}, {128, 24576}}};
  };
  return {
      {"linear_float", true, make_linear, "product", {{1, 384}, {128, 384}, {128, 768}}},
      attention("attention_float", {64, false, false}),
      attention("attention_float_masked", {64, false, true}),
      attention("attention_float_masked_32", {32, false, true}),
      attention("attention_float_128", {128, false, false}),
      attention("attention", {64, true, false}),
      attention("attention_masked", {64, true, true}),
      attention("attention_masked_32", {32, true, true}),
  };
}

}  // namespace etvk::bench
