// Linear layers on int8, in all of their forms: q8ta_linear, with bounds, with a residual, and with
// a float32 result.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "Entry.h"
#include "Int8Grid.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

struct Activated {
  float value = 0.0f;
  bool is_exact = true;
};

// By the definitions of PyTorch, with exp() in float64.
Activated activate(const std::string& name, float f, float alpha, float beta) {
  const double x = f;
  const auto close = [](double value) { return Activated{static_cast<float>(value), false}; };
  const auto sigmoid = [](double v) { return 1.0 / (1.0 + std::exp(-v)); };
  if (name == "none") {
    return {f, true};
  }
  if (name == "relu") {
    return {std::max(f, 0.0f), true};
  }
  if (name == "clamp") {
    return {std::min(std::max(f, alpha), beta), true};
  }
  if (name == "leaky_relu") {
    return {f > 0.0f ? f : f * alpha, true};
  }
  if (name == "sigmoid") {
    return close(sigmoid(x));
  }
  if (name == "tanh") {
    return close(std::tanh(x));
  }
  if (name == "silu") {
    return close(x * sigmoid(x));
  }
  if (name == "hardswish") {
    return close(x * std::min(std::max(x + 3.0, 0.0), 6.0) / 6.0);
  }
  if (name == "hardsigmoid") {
    return close(std::min(std::max(x + 3.0, 0.0), 6.0) / 6.0);
  }
  if (name == "gelu") {
    return close(x * 0.5 * std::erfc(-x / std::sqrt(2.0)));
  }
  if (name == "gelu_tanh") {
    const double inner = std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
    return close(x * sigmoid(2.0 * inner));
  }
  if (name == "elu") {
    return close(x > 0.0 ? x : alpha * std::expm1(x));
  }
  throw Meaningless("activation '" + name + "'");
}

struct Weights {
  int64_t N = 0;
  int64_t K = 0;
  const Tensor* weights = nullptr;
  std::vector<float> scales;  // input_scale * w_scale[n]
  std::vector<float> bias;
};

Weights read_weights(const Arguments& arguments, float input_scale) {
  Weights w;
  w.weights = &arguments.constant("weights");
  arguments.constant("weight_sums");  // follow from the weights
  const Sizes& sizes = w.weights->sizes;
  if (w.weights->dtype != DType::kInt8 || sizes.size() != 2 || sizes[0] < 1 || sizes[1] < 1) {
    throw Meaningless("weights that are not int8 [N, K]");
  }
  w.N = sizes[0];
  w.K = sizes[1];
  const auto n = static_cast<size_t>(w.N);
  const auto check = [&](const Tensor& tensor) {
    if (tensor.dtype != DType::kFloat32 || tensor.sizes.size() != 1 || tensor.sizes[0] < w.N) {
      throw Meaningless("scales or bias that are not float32 [N]");
    }
  };
  const Tensor& scales = arguments.constant("weight_scales");
  check(scales);
  const Tensor* bias = arguments.optional_constant("bias");
  if (bias != nullptr) {
    check(*bias);
  }
  for (size_t i = 0; i < n; ++i) {
    const float scale = input_scale * scales.float_at(i);
    if (!std::isnormal(scale) && scales.float_at(i) != 0.0f) {
      throw Meaningless("a weight scale that is not normal");
    }
    w.scales.push_back(scale);
    w.bias.push_back(bias != nullptr ? bias->float_at(i) : 0.0f);
  }
  return w;
}

// Only a float32 x is divided by its scale; that of an int8 x has to be fit for products alone.
Int8Grid read_input_grid(const Arguments& arguments) {
  if (arguments.tensor("x").dtype == DType::kFloat32) {
    return read_grid(arguments, "input_");
  }
  Int8Grid grid;
  grid.scale = static_cast<float>(arguments.number("input_scale"));
  grid.zero_point = read_zero_point(arguments, "input_");
  return grid;
}

// x as int8: a float32 x is quantized first.
Tensor read_x(const Arguments& arguments, const Int8Grid& grid, int64_t K) {
  const Tensor& x = arguments.tensor("x");
  if (x.sizes.empty() || x.sizes.back() != K) {
    throw Meaningless("x that is not [..., K]");
  }
  if (x.dtype == DType::kInt8) {
    return x;
  }
  if (x.dtype != DType::kFloat32) {
    throw Meaningless("x that is neither int8 nor float32");
  }
  Tensor quantized = zeros(DType::kInt8, x.sizes);
  quantized.accuracy = computed_of(x.accuracy);
  for (size_t i = 0; i < x.count(); ++i) {
    quantized.bytes[i] = static_cast<uint8_t>(quantize(x.float_at(i), grid));
  }
  return quantized;
}

// What is done with each element's float value: stored, or quantized.
using Finish = std::function<void(Tensor& y, size_t at, float f)>;

// y = finish(activation(acc * scale + bias)).
Tensor linear(const Arguments& arguments, DType dtype, const Finish& finish) {
  const Int8Grid input = read_input_grid(arguments);
  const Weights w = read_weights(arguments, input.scale);
  const Tensor x = read_x(arguments, input, w.K);
  const std::string activation =
      arguments.has("activation") ? arguments.string("activation") : "none";
  const bool parameters = arguments.has("alpha");
  const auto alpha = static_cast<float>(parameters ? arguments.number("alpha") : 0.0);
  const auto beta = static_cast<float>(parameters ? arguments.number("beta") : 0.0);
  const bool is_clamp = activation == "clamp" || activation == "relu";
  const bool finite = std::isfinite(alpha) && std::isfinite(beta);
  if (std::isnan(alpha) || std::isnan(beta) || (!is_clamp && !finite)) {
    throw Meaningless("a parameter that is not finite");
  }
  activate(activation, 0.0f, alpha, beta);
  Sizes sizes = x.sizes;
  sizes.back() = w.N;
  Tensor y = zeros(dtype, sizes);
  y.accuracy = computed_of(x.accuracy);
  const size_t rows = y.count() / static_cast<size_t>(w.N);
  for (size_t m = 0; m < rows; ++m) {
    for (size_t n = 0; n < static_cast<size_t>(w.N); ++n) {
      int64_t acc = 0;
      for (size_t k = 0; k < static_cast<size_t>(w.K); ++k) {
        acc += (x.int8_at(m * static_cast<size_t>(w.K) + k) - input.zero_point) *
               w.weights->int8_at(n * static_cast<size_t>(w.K) + k);
      }
      float f = static_cast<float>(acc) * w.scales[n];
      f = f + w.bias[n];
      const Activated activated = activate(activation, f, alpha, beta);
      y.accuracy = std::max(y.accuracy, !std::isfinite(f)    ? Accuracy::kUnknown
                                        : activated.is_exact ? Accuracy::kExact
                                                             : Accuracy::kClose);
      finish(y, m * static_cast<size_t>(w.N) + n, activated.value);
    }
  }
  return y;
}

void store_quantized(Tensor& y, size_t at, float f, const Int8Grid& grid) {
  y.bytes[at] = static_cast<uint8_t>(quantize(f, grid));
}

Result q8ta_linear(const Arguments& arguments) {
  const Int8Grid grid = arguments.has("quant_min") ? read_grid(arguments, "output_", "")
                                                   : read_grid(arguments, "output_");
  return linear(arguments, DType::kInt8,
                [&](Tensor& y, size_t at, float f) { store_quantized(y, at, f, grid); });
}

Result q8ta_linear_residual(const Arguments& arguments) {
  const Int8Grid grid = read_grid(arguments, "output_", "");
  const Int8Grid residual_grid = read_grid(arguments, "residual_");
  const bool round = arguments.boolean("round_linear");
  Int8Grid own;
  if (round) {
    own = read_grid(arguments, "linear_", "linear_");
  } else {  // not used, but numbers
    arguments.number("linear_scale");
    arguments.integer("linear_zero_point");
    arguments.integer("linear_quant_min");
    arguments.integer("linear_quant_max");
  }
  const Tensor& residual = arguments.tensor("residual");
  if (residual.dtype != DType::kInt8) {
    throw Meaningless("a residual that is not int8");
  }
  Tensor y = linear(arguments, DType::kInt8, [&](Tensor& result, size_t at, float f) {
    if (result.sizes != residual.sizes) {
      throw Meaningless("a residual of another shape");
    }
    const float rounded = round ? dequantize(quantize(f, own), own) : f;
    store_quantized(result, at, rounded + dequantize(residual.int8_at(at), residual_grid), grid);
  });
  if (y.sizes != residual.sizes) {
    throw Meaningless("a residual of another shape");
  }
  // A step of the layer's own is more than one of the result where its scale is larger.
  const bool is_one_step = !round || own.scale <= grid.scale;
  if (residual.accuracy != Accuracy::kExact || (y.accuracy == Accuracy::kClose && !is_one_step)) {
    y.accuracy = Accuracy::kUnknown;
  }
  return y;
}

Result linear_q8ta_q8csw(const Arguments& arguments) {
  return linear(arguments, DType::kFloat32,
                [](Tensor& y, size_t at, float f) { set_float(y, at, f); });
}

// ---- Draws.

std::vector<uint8_t> floats_between(testing::Random& random, int64_t count, float low, float high) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count) * 4);
  for (size_t at = 0; at < bytes.size(); at += 4) {
    const float value = random.uniform(low, high);
    std::memcpy(&bytes[at], &value, sizeof(value));
  }
  return bytes;
}

// x, weights, scales and bias of a layer; its result's sizes, empty where there is none.
ByExecution<Sizes> draw_operands(Draft& draft, const LinearShape& shape) {
  testing::Random& random = draft.random();
  const DType dtype = random.chance(20) ? DType::kFloat32 : DType::kInt8;
  ValueId x = draft.find_tensor({dtype}, [&](ValueId id) {
    const auto sizes = draft.all_sizes(id);
    return std::all_of(sizes.begin(), sizes.end(),
                       [&](const Sizes& own) { return !own.empty() && own.back() == shape.K; });
  });
  if (x < 0 || random.chance(40)) {
    x = draft.new_input(dtype, 1, shape.K);
  }
  if (x < 0) {
    return {};
  }
  const int64_t channels = shape.N + (random.chance(20) ? random.integer(0, 4) : 0);
  draft.give("x", x);
  draft.give_grid("input_", draft.some_scale());
  draft.give_constant("weights", DType::kInt8, {shape.N, shape.K});
  draft.give_constant("weight_sums", DType::kInt32, {shape.N});
  draft.give_constant("weight_scales", DType::kFloat32, {channels},
                      floats_between(random, channels, 0.001f, 0.01f));
  if (random.chance(70)) {
    draft.give_constant("bias", DType::kFloat32, {channels},
                        floats_between(random, channels, -2.0f, 2.0f));
  } else {
    draft.give_none("bias");
  }
  ByExecution<Sizes> sizes = draft.all_sizes(x);
  for (Sizes& own : sizes) {
    own.back() = shape.N;
  }
  return sizes;
}

void draw_activation(Draft& draft, const LinearShape& shape) {
  const float low = draft.random().uniform(-2.0f, 0.5f);
  draft.give_string("activation", shape.activation);
  draft.give_number("alpha", low);
  draft.give_number("beta", low + draft.random().uniform(0.0f, 4.0f));
}

bool draw_linear(Draft& draft) {
  const LinearShape& shape = draft.block().linear_shape(draft.random());
  draft.give_string("activation", draft.random().chance(30) ? "relu" : shape.activation);
  draft.give_grid("output_", draft.some_scale());
  return !draw_operands(draft, shape)[0].empty();
}

bool draw_linear_bounded(Draft& draft) {
  const LinearShape& shape = draft.block().linear_shape(draft.random());
  draw_activation(draft, shape);
  draft.give_grid("output_", draft.some_scale());
  draft.give_range("");
  return !draw_operands(draft, shape)[0].empty();
}

bool draw_linear_residual(Draft& draft) {
  const LinearShape& shape = draft.block().linear_shape(draft.random());
  const ByExecution<Sizes> sizes = draw_operands(draft, shape);
  if (sizes[0].empty()) {
    return false;
  }
  ValueId residual =
      draft.find_tensor({DType::kInt8}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
  if (residual < 0) {
    residual = draft.new_input(DType::kInt8, sizes);
  }
  draft.give("residual", residual);
  draft.give_grid("residual_", draft.some_scale());
  draft.give_boolean("round_linear", draft.random().chance(50));
  draft.give_grid("linear_", draft.some_scale());
  draft.give_range("linear_");
  draw_activation(draft, shape);
  draft.give_grid("output_", draft.some_scale());
  draft.give_range("");
  return true;
}

bool draw_stock_float_linear(Draft& draft) {
  return !draw_operands(draft, draft.block().linear_shape(draft.random()))[0].empty();
}

bool draw_float_linear(Draft& draft) {
  const LinearShape& shape = draft.block().linear_shape(draft.random());
  draw_activation(draft, shape);
  return !draw_operands(draft, shape)[0].empty();
}

}  // namespace

std::vector<Entry> linear_entries() {
  return {
      {"et_vk.q8ta_linear.default", draw_linear, q8ta_linear, true},
      {"et_vk.q8ta_linear_gemv.default", draw_linear, q8ta_linear, true},
      {"et_vk.q8ta_linear.bounded", draw_linear_bounded, q8ta_linear, true},
      {"et_vk.q8ta_linear.residual", draw_linear_residual, q8ta_linear_residual, true},
      {"et_vk.linear_q8ta_q8csw.default", draw_stock_float_linear, linear_q8ta_q8csw, true},
      {"et_vk.linear_q8ta_q8csw.int8", draw_float_linear, linear_q8ta_q8csw, true},
  };
}

}  // namespace etvk::fuzz
