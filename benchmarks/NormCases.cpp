#include "NormCases.h"

#include <cmath>
#include <numeric>

namespace etvk::bench {

namespace {

constexpr double kEpsilon = 1e-5;

// Over the last dimension or the first one.
void make_softmax(Builder& b, const Shape& shape, int64_t dim) {
  b.op("aten._softmax.default");
  const Bytes& x = b.input(DType::kFloat32, shape);
  b.argument(dim);
  b.argument(false);
  Bytes& y = b.output(DType::kFloat32, shape);
  b.made().is_exact = false;
  const int64_t rows = shape[dim == 0 ? 1 : 0];
  const int64_t count = shape[static_cast<size_t>(dim)];
  for (int64_t r = 0; r < rows; ++r) {
    const auto at = [&](int64_t i) { return dim == 0 ? i * rows + r : r * count + i; };
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) {
      sum += std::exp(double{float_at(x, at(i))});
    }
    for (int64_t i = 0; i < count; ++i) {
      set_float(y, at(i), static_cast<float>(std::exp(double{float_at(x, at(i))}) / sum));
    }
  }
}

// The elements of one row of x, and of the weight and the bias, which may be none.
void normalize_row(std::vector<double>& row, bool is_layer, const Bytes& weight,
                   const Bytes* bias) {
  const auto count = static_cast<double>(row.size());
  const double mean = is_layer ? std::accumulate(row.begin(), row.end(), 0.0) / count : 0.0;
  double squares = 0.0;
  for (double x : row) {
    squares += (x - mean) * (x - mean);
  }
  const double root = std::sqrt(squares / count + kEpsilon);
  for (size_t i = 0; i < row.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    row[i] = (row[i] - mean) / root * float_at(weight, at);
    row[i] += bias == nullptr ? 0.0 : double{float_at(*bias, at)};
  }
}

// Layer norm with weight and bias, or RMS norm with a weight.
void make_norm(Builder& b, const Shape& shape, bool is_layer) {
  b.op(is_layer ? "aten.native_layer_norm.default" : "et_vk.rms_norm.default");
  b.made().results = is_layer ? 1 : 0;
  b.made().is_exact = false;
  const Bytes& x = b.input(DType::kFloat32, shape);
  if (is_layer) {
    b.integers({shape[1]});
  }
  const Bytes& weight = b.constant(DType::kFloat32, {shape[1]});
  const Bytes* bias = is_layer ? &b.constant(DType::kFloat32, {shape[1]}) : nullptr;
  b.argument(kEpsilon);
  Bytes& y = b.output(DType::kFloat32, shape);
  std::vector<double> row(static_cast<size_t>(shape[1]));
  for (int64_t first = 0; first < numel(shape); first += shape[1]) {
    for (int64_t i = 0; i < shape[1]; ++i) {
      row[static_cast<size_t>(i)] = float_at(x, first + i);
    }
    normalize_row(row, is_layer, weight, bias);
    for (int64_t i = 0; i < shape[1]; ++i) {
      set_float(y, first + i, static_cast<float>(row[static_cast<size_t>(i)]));
    }
  }
}

// Layer norm with weight and bias that reads and writes int8.
void make_int8_layer_norm(Builder& b, const Shape& shape) {
  b.op("et_vk.q8ta_layer_norm.default");
  b.made().is_exact = false;
  const Bytes& x = b.input(DType::kInt8, shape);
  b.argument(kScaleA);
  b.argument(int64_t{kZeroA});
  b.integers({shape[1]});
  const Bytes& weight = b.constant(DType::kFloat32, {shape[1]});
  const Bytes& bias = b.constant(DType::kFloat32, {shape[1]});
  b.argument(kEpsilon);
  b.argument(kOutputScale);
  for (const int64_t value : {kZeroY, -128, 127}) {
    b.argument(value);
  }
  Bytes& y = b.output(DType::kInt8, shape);
  std::vector<double> row(static_cast<size_t>(shape[1]));
  for (int64_t first = 0; first < numel(shape); first += shape[1]) {
    for (int64_t i = 0; i < shape[1]; ++i) {
      row[static_cast<size_t>(i)] = kScaleA * (int8s(x)[first + i] - kZeroA);
    }
    normalize_row(row, true, weight, &bias);
    for (int64_t i = 0; i < shape[1]; ++i) {
      const auto f = static_cast<float>(row[static_cast<size_t>(i)]);
      y[static_cast<size_t>(first + i)] = static_cast<uint8_t>(quantize(f, kOutputScale));
    }
  }
}

}  // namespace

std::vector<Maker> norm_makers() {
  // MiniLM and BERT-base, in batches of 1 and 32.
  const std::vector<Shape> shapes = {{128, 384}, {128, 768}, {4096, 384}, {4096, 768}};
  return {
      {"softmax_rows", true, [](Builder& b, const Shape& s) { make_softmax(b, s, 1); }},
      {"softmax_columns", true, [](Builder& b, const Shape& s) { make_softmax(b, s, 0); }},
      {"layer_norm", true, [](Builder& b, const Shape& s) { make_norm(b, s, true); }},
      {"rms_norm", true, [](Builder& b, const Shape& s) { make_norm(b, s, false); }},
      {"layer_norm_int8", false, make_int8_layer_norm, "norm", shapes},
  };
}

}  // namespace etvk::bench
