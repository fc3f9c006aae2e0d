#include "ProductCases.h"

#include <algorithm>
#include <cmath>

#include "vk/Error.h"

namespace etvk::bench {

namespace {

constexpr int64_t kVector = 64;     // of an attention head
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

// One row of y: of position `row` of a head whose vectors begin at `first`.
void set_attention_row(const Bytes& q, const Bytes& k, const Bytes& v, Bytes& y, int64_t rows,
                       int64_t first, int64_t row) {
  std::vector<double> weights(static_cast<size_t>(rows));
  double most = -1e30;
  for (int64_t s = 0; s < rows; ++s) {
    double score = 0.0;
    for (int64_t d = 0; d < kVector; ++d) {
      score += double{float_at(q, first + row * kVector + d)} *
               float_at(k, first + s * kVector + d) / std::sqrt(double{kVector});
    }
    weights[static_cast<size_t>(s)] = score;
    most = std::max(most, score);
  }
  double total = 0.0;
  std::vector<double> sums(kVector, 0.0);
  for (int64_t s = 0; s < rows; ++s) {
    const double weight = std::exp(weights[static_cast<size_t>(s)] - most);
    total += weight;
    for (int64_t d = 0; d < kVector; ++d) {
      sums[static_cast<size_t>(d)] += weight * float_at(v, first + s * kVector + d);
    }
  }
  for (int64_t d = 0; d < kVector; ++d) {
    set_float(y, first + row * kVector + d,
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

// Self-attention of heads of kVector, in float32 or from int8 to int8; the shape is
// [positions, heads * kVector].
void make_attention(Builder& b, const Shape& shape, bool is_int8) {
  const int64_t rows = shape[0];
  ETVK_CHECK(shape[1] % kVector == 0, kInvalidArgument,
             "attention: " << shape[1] << " columns, expected a multiple of " << kVector);
  const int64_t heads = shape[1] / kVector;
  const Shape sizes = {1, heads, rows, kVector};
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
  b.argument(Null{});
  b.argument(std::string("none"));
  b.argument(1.0 / std::sqrt(double{kVector}));
  b.argument(0.0);
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
      set_attention_row(q, k, v, values, rows, head * rows * kVector, row);
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
  const std::vector<Shape> shapes = {{1, 384}, {128, 384}, {128, 768}, {128, 24576}};
  return {
      {"linear_float", true, make_linear, "product", {{1, 384}, {128, 384}, {128, 768}}},
      {"attention_float", true, [](Builder& b, const Shape& s) { make_attention(b, s, false); },
       "product", shapes},
      {"attention", false, [](Builder& b, const Shape& s) { make_attention(b, s, true); },
       "product", shapes},
  };
}

}  // namespace etvk::bench
