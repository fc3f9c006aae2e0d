// Linear layers on int8, in all of their forms: q8ta_linear, with bounds, with a residual, with a
// float32 result, and of an x that is quantized at run time.
#include <algorithm>

#include "Entry.h"
#include "Layer.h"
#include "graph/selfcheck/RowGridReference.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

const Tensor& read_weights(const Arguments& arguments) {
  const Tensor& weights = arguments.constant("weights");
  arguments.constant("weight_sums");  // follow from the weights
  const Sizes& w = weights.sizes;
  if (weights.dtype != DType::kInt8 || w.size() != 2 || w[0] < 1 || w[1] < 1) {
    throw Meaningless("weights that are not int8 [N, K]");
  }
  return weights;
}

Tensor linear(const Arguments& arguments, DType dtype, const Finish& finish) {
  const Int8Grid input = read_input_grid(arguments);
  const Tensor& weights = read_weights(arguments);
  const Sizes& w = weights.sizes;
  const LayerEnd end(arguments, input.scale, w[0], w[0]);
  const Tensor x = read_int8_x(arguments, input);
  if (x.sizes.empty() || x.sizes.back() != w[1]) {
    throw Meaningless("x that is not [..., K]");
  }
  Sizes sizes = x.sizes;
  sizes.back() = w[0];
  Tensor y = zeros(dtype, sizes);
  y.accuracy = computed_of(x.accuracy);
  const auto channels = static_cast<size_t>(w[0]);
  const auto products = static_cast<size_t>(w[1]);
  const size_t rows = y.count() / channels;
  for (size_t m = 0; m < rows; ++m) {
    for (size_t n = 0; n < channels; ++n) {
      int64_t acc = 0;
      for (size_t k = 0; k < products; ++k) {
        acc += (x.int8_at(m * products + k) - input.zero_point) * weights.int8_at(n * products + k);
      }
      end.set(y, m * channels + n, acc, n, finish);
    }
  }
  return y;
}

Result q8ta_linear(const Arguments& arguments) { return quantized_layer(arguments, linear); }

Result q8ta_linear_residual(const Arguments& arguments) {
  return residual_layer(arguments, linear, "linear");
}

Result linear_q8ta_q8csw(const Arguments& arguments) { return float_layer(arguments, linear); }

Tensor dynamic_linear(const Arguments& arguments, DType dtype, const Finish& finish) {
  const ops::RowGrids grids = read_row_grids(arguments);
  const Tensor& weights = read_weights(arguments);
  const Sizes& w = weights.sizes;
  const LayerEnd end(arguments, 1.0f, w[0], w[0]);
  const Tensor& x = arguments.tensor("x");
  if (x.dtype != DType::kFloat32 || x.sizes.empty() || x.sizes.back() != w[1]) {
    throw Meaningless("x that is not float32 [..., K]");
  }
  Sizes sizes = x.sizes;
  sizes.back() = w[0];
  Tensor y = zeros(dtype, sizes);
  y.accuracy = x.accuracy == Accuracy::kExact ? Accuracy::kExact : Accuracy::kUnknown;
  const auto channels = static_cast<size_t>(w[0]);
  const auto products = static_cast<size_t>(w[1]);
  std::vector<float> values(x.count());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = x.float_at(i);
  }
  for (size_t m = 0; m < y.count() / channels; ++m) {
    const float* row = &values[m * products];
    const RowGrid grid = grids.per_row ? row_grid(grids, row, products)
                                       : row_grid(grids, values.data(), values.size());
    for (size_t n = 0; n < channels; ++n) {
      int64_t acc = 0;
      for (size_t k = 0; k < products; ++k) {
        acc += (quantized_on(grids, grid, row[k]) - grid.zero_point) *
               weights.int8_at(n * products + k);
      }
      end.set(y, m * channels + n, acc, n, finish, grid.scale);
    }
  }
  return y;
}

Result linear_dq8ca_q8csw(const Arguments& arguments) {
  return float_layer(arguments, dynamic_linear);
}

// ---- Draws.

// x of this type, weights, scales and bias of a layer; its result's sizes, empty where there is
// none.
ByExecution<Sizes> draw_layer(Draft& draft, const LinearShape& shape, DType dtype) {
  ValueId x = draft.find_tensor({dtype}, [&](ValueId id) {
    const auto sizes = draft.all_sizes(id);
    return std::all_of(sizes.begin(), sizes.end(),
                       [&](const Sizes& own) { return !own.empty() && own.back() == shape.K; });
  });
  if (x < 0 || draft.random().chance(40)) {
    x = draft.new_input(dtype, 1, shape.K);
  }
  if (x < 0) {
    return {};
  }
  draft.give("x", x);
  draft.give_constant("weights", DType::kInt8, {shape.N, shape.K});
  give_channels(draft, shape.N);
  ByExecution<Sizes> sizes = draft.all_sizes(x);
  for (Sizes& own : sizes) {
    own.back() = shape.N;
  }
  return sizes;
}

// The same with the grid of x, which may be float32.
ByExecution<Sizes> draw_operands(Draft& draft, const LinearShape& shape) {
  const DType dtype = draft.random().chance(20) ? DType::kFloat32 : DType::kInt8;
  draft.give_grid("input_", draft.some_scale());
  return draw_layer(draft, shape, dtype);
}

bool draw_linear(Draft& draft) {
  const LinearShape& shape = draft.block().linear_shape(draft.random());
  draft.give_string("activation", draft.random().chance(30) ? "relu" : shape.activation);
  give_output(draft, false);
  return !draw_operands(draft, shape)[0].empty();
}

bool draw_linear_bounded(Draft& draft) {
  const LinearShape& shape = draft.block().linear_shape(draft.random());
  give_activation(draft, shape.activation);
  give_output(draft, true);
  give_table(draft);
  return !draw_operands(draft, shape)[0].empty();
}

bool draw_linear_residual(Draft& draft) {
  const LinearShape& shape = draft.block().linear_shape(draft.random());
  const ByExecution<Sizes> sizes = draw_operands(draft, shape);
  give_activation(draft, shape.activation);
  give_output(draft, true);
  give_table(draft);
  return !sizes[0].empty() && give_residual(draft, "linear", sizes);
}

bool draw_stock_float_linear(Draft& draft) {
  return !draw_operands(draft, draft.block().linear_shape(draft.random()))[0].empty();
}

bool draw_float_linear(Draft& draft) {
  const LinearShape& shape = draft.block().linear_shape(draft.random());
  give_activation(draft, shape.activation);
  return !draw_operands(draft, shape)[0].empty();
}

bool draw_dynamic_linear(Draft& draft) {
  const LinearShape& shape = draft.block().linear_shape(draft.random());
  give_row_grids(draft, draft.random().chance(60));
  give_activation(draft, shape.activation);
  return !draw_layer(draft, shape, DType::kFloat32)[0].empty();
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
      {"et_vk.linear_dq8ca_q8csw.default", draw_dynamic_linear, linear_dq8ca_q8csw, true},
  };
}

}  // namespace etvk::fuzz
