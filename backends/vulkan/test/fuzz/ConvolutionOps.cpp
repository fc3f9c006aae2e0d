// Convolutions on int8 of one and two dimensions, in all of their forms.
#include <algorithm>

#include "Entry.h"
#include "Layer.h"
#include "Windows.h"
#include "graph/selfcheck/RowGridReference.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

// Weights by output channel, kh, kw and channel of the group.
struct Weights {
  const Tensor* tensor = nullptr;
  int64_t out_channels = 0;
  int64_t row = 0;  // 0: [KH, KW, C]
  Window window;
  int64_t channels = 0;  // of a group

  int64_t at(int64_t n, int64_t kh, int64_t kw, int64_t c) const {
    const int64_t tap = kh * window.kernel[1] + kw;
    const int64_t index = row == 0 ? tap * out_channels + n : n * row + tap * channels + c;
    return tensor->int8_at(static_cast<size_t>(index));
  }
};

Weights read_weights(const Arguments& arguments, const Window& window, int64_t channels) {
  Weights weights;
  weights.tensor = &arguments.constant("weights");
  arguments.constant("weight_sums");  // follow from the weights
  weights.window = window;
  weights.channels = channels;
  const Sizes& sizes = weights.tensor->sizes;
  const bool is_taps = arguments.op().name == "et_vk.q8ta_conv2d_dw.default";
  const int64_t taps = window.kernel[0] * window.kernel[1];
  if (weights.tensor->dtype != DType::kInt8 || sizes.size() != (is_taps ? 3 : 2) ||
      std::any_of(sizes.begin(), sizes.end(), [](int64_t size) { return size < 1; })) {
    throw Meaningless("weights of another type or rank");
  }
  if (is_taps) {
    if (sizes[0] != window.kernel[0] || sizes[1] != window.kernel[1] || channels != 1) {
      throw Meaningless("weights that are not [KH, KW, C]");
    }
    weights.out_channels = sizes[2];
  } else {
    if (sizes[1] / channels < taps) {
      throw Meaningless("rows of weights that are too short");
    }
    weights.out_channels = sizes[0];
    weights.row = sizes[1];
  }
  if (weights.out_channels % window.groups != 0) {
    throw Meaningless("output channels that are no groups");
  }
  return weights;
}

// x as integers, and its grid; one that is found at run time is none of the layer's constants.
struct Input {
  Tensor x;
  int64_t zero_point = 0;
  float static_scale = 1.0f;
  float found_scale = 1.0f;
};

Input read_static(const Arguments& arguments) {
  const Int8Grid grid = read_input_grid(arguments);
  return {read_int8_x(arguments, grid), grid.zero_point, grid.scale, 1.0f};
}

Input read_dynamic(const Arguments& arguments) {
  const ops::RowGrids grids = read_row_grids(arguments);
  const Tensor& x = arguments.tensor("x");
  if (grids.per_row || x.dtype != DType::kFloat32) {
    throw Meaningless("a grid for each row, or x that is not float32");
  }
  std::vector<float> values(x.count());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = x.float_at(i);
  }
  const RowGrid grid = row_grid(grids, values.data(), values.size());
  Input input{zeros(DType::kInt8, x.sizes), grid.zero_point, 1.0f, grid.scale};
  input.x.accuracy = x.accuracy == Accuracy::kExact ? Accuracy::kExact : Accuracy::kUnknown;
  for (size_t i = 0; i < values.size(); ++i) {
    input.x.bytes[i] = static_cast<uint8_t>(quantized_on(grids, grid, values[i]));
  }
  return input;
}

Tensor convolution(const Arguments& arguments, DType dtype, const Finish& finish) {
  const Sizes& sizes = arguments.tensor("x").sizes;
  if (sizes.size() != 3 && sizes.size() != 4) {
    throw Meaningless("x of another rank");
  }
  const bool is_transposed = arguments.has("transposed") ? arguments.boolean("transposed")
                                                         : arguments.has("output_padding");
  const Window window = read_window(arguments, arguments.fixed_integers("kernel_size"),
                                    sizes.size() - 2, is_transposed);
  // Rows of weights may be padded, so how many there are is what the program declares.
  const Sizes declared = arguments.declared_sizes("x");
  const int64_t in_channels = sizes[1];
  if (declared.size() != sizes.size() || declared[1] != in_channels) {
    throw Meaningless("channels that are not the declared ones");
  }
  if (in_channels < 1 || in_channels % window.groups != 0) {
    throw Meaningless("channels that are no groups");
  }
  const int64_t channels = in_channels / window.groups;
  const Weights weights = read_weights(arguments, window, channels);
  const int64_t per_group = weights.out_channels / window.groups;
  const bool has_group_scales = arguments.op().name == "et_vk.q8ta_conv2d_transposed.default";
  const Input input =
      arguments.has("granularity") ? read_dynamic(arguments) : read_static(arguments);
  const Tensor& x = input.x;
  const LayerEnd end(arguments, input.static_scale, weights.out_channels,
                     has_group_scales ? per_group : weights.out_channels);
  const Pair in = {sizes.size() == 4 ? sizes[2] : 1, sizes.back()};
  const Pair out = {output_size(window, 0, in[0]), output_size(window, 1, in[1])};
  Sizes y_sizes = sizes;
  y_sizes[1] = weights.out_channels;
  y_sizes.back() = out[1];
  y_sizes[y_sizes.size() - 2] = sizes.size() == 4 ? out[0] : weights.out_channels;
  Tensor y = zeros(dtype, y_sizes);
  y.accuracy = computed_of(x.accuracy);

  const auto sum_at = [&](int64_t image, int64_t n, int64_t h, int64_t w) {
    int64_t acc = 0;
    for (int64_t kh = 0; kh < window.kernel[0]; ++kh) {
      for (int64_t kw = 0; kw < window.kernel[1]; ++kw) {
        const int64_t x_h = pixel_of(window, 0, h, kh, in[0]);
        const int64_t x_w = pixel_of(window, 1, w, kw, in[1]);
        for (int64_t c = 0; c < channels && x_h >= 0 && x_w >= 0; ++c) {
          const int64_t channel = n / per_group * channels + c;
          const int64_t at = ((image * in_channels + channel) * in[0] + x_h) * in[1] + x_w;
          acc += (x.int8_at(static_cast<size_t>(at)) - input.zero_point) * weights.at(n, kh, kw, c);
        }
      }
    }
    return acc;
  };
  size_t at = 0;
  for (int64_t image = 0; image < sizes[0]; ++image) {
    for (int64_t n = 0; n < weights.out_channels; ++n) {
      for (int64_t h = 0; h < out[0]; ++h) {
        for (int64_t w = 0; w < out[1]; ++w) {
          end.set(y, at++, sum_at(image, n, h, w), static_cast<size_t>(n), finish,
                  input.found_scale);
        }
      }
    }
  }
  return y;
}

Result q8ta_conv2d(const Arguments& arguments) { return quantized_layer(arguments, convolution); }

Result q8ta_conv2d_residual(const Arguments& arguments) {
  return residual_layer(arguments, convolution, "conv");
}

Result float_convolution(const Arguments& arguments) { return float_layer(arguments, convolution); }

// ---- Draws.

// All but the grid of x, of this type, the activation and what the result is quantized by; the
// result's sizes.
ByExecution<Sizes> draw_layer(Draft& draft, const ConvolutionShape& shape, DType dtype,
                              bool is_taps) {
  testing::Random& random = draft.random();
  const ValueId x = draw_image(draft, dtype, shape.channels);
  if (x < 0) {
    return {};
  }
  const Window window = draw_window(draft, shape, draft.rank(x) - 2);
  draft.give_fixed_integers("kernel_size", own_dims(window.kernel, draft.rank(x) - 2));
  draft.give("x", x);
  const int64_t products = window.kernel[0] * window.kernel[1] * (shape.channels / shape.groups);
  const Sizes taps = {window.kernel[0], window.kernel[1], shape.out_channels};
  const Sizes rows = {shape.out_channels, products + (random.chance(20) ? 3 : 0)};
  draft.give_constant("weights", DType::kInt8, is_taps ? taps : rows);
  give_channels(draft, shape.out_channels);
  return result_sizes(draft.all_sizes(x), window, shape.out_channels);
}

ByExecution<Sizes> draw_operands(Draft& draft, const ConvolutionShape& shape, bool is_taps) {
  const DType dtype = draft.random().chance(15) ? DType::kFloat32 : DType::kInt8;
  draft.give_grid("input_", draft.some_scale());
  return draw_layer(draft, shape, dtype, is_taps);
}

bool draw_stock(Draft& draft, const ConvolutionShape& shape, bool is_taps) {
  draft.give_string("activation", draft.random().chance(30) ? "relu" : "none");
  give_output(draft, false);
  return !draw_operands(draft, shape, is_taps)[0].empty();
}

bool draw_conv2d(Draft& draft) {
  ConvolutionShape shape = draft.block().convolution_shape(draft.random());
  shape.is_transposed = false;
  return draw_stock(draft, shape, false);
}

bool draw_depthwise(Draft& draft) {
  ConvolutionShape shape = draft.block().convolution_shape(draft.random());
  shape.is_transposed = false;
  shape.groups = shape.channels;
  shape.out_channels = shape.channels;
  return draw_stock(draft, shape, true);
}

bool draw_transposed(Draft& draft) {
  ConvolutionShape shape = draft.block().convolution_shape(draft.random());
  shape.is_transposed = true;
  return draw_stock(draft, shape, false);
}

bool draw_bounded(Draft& draft) {
  const ConvolutionShape& shape = draft.block().convolution_shape(draft.random());
  give_activation(draft, shape.activation);
  give_output(draft, true);
  give_table(draft);
  return !draw_operands(draft, shape, false)[0].empty();
}

bool draw_residual(Draft& draft) {
  const ConvolutionShape& shape = draft.block().convolution_shape(draft.random());
  give_activation(draft, shape.activation);
  give_output(draft, true);
  give_table(draft);
  const ByExecution<Sizes> sizes = draw_operands(draft, shape, false);
  return !sizes[0].empty() && give_residual(draft, "conv", sizes);
}

bool draw_floats(Draft& draft) {
  const ConvolutionShape& shape = draft.block().convolution_shape(draft.random());
  give_activation(draft, shape.activation);
  return !draw_operands(draft, shape, false)[0].empty();
}

bool draw_dynamic(Draft& draft) {
  const ConvolutionShape& shape = draft.block().convolution_shape(draft.random());
  give_row_grids(draft, false);
  give_activation(draft, shape.activation);
  return !draw_layer(draft, shape, DType::kFloat32, false)[0].empty();
}

}  // namespace

std::vector<Entry> convolution_entries() {
  return {
      {"et_vk.q8ta_conv2d.default", draw_conv2d, q8ta_conv2d, true, true},
      {"et_vk.q8ta_conv2d_pw.default", draw_conv2d, q8ta_conv2d, true, true},
      {"et_vk.q8ta_conv2d_dw.default", draw_depthwise, q8ta_conv2d, true, true},
      {"et_vk.q8ta_conv2d_transposed.default", draw_transposed, q8ta_conv2d, true, true},
      {"et_vk.q8ta_conv2d.bounded", draw_bounded, q8ta_conv2d, true, true},
      {"et_vk.q8ta_conv2d.residual", draw_residual, q8ta_conv2d_residual, true, true},
      {"et_vk.conv2d_q8ta_q8csw.int8", draw_floats, float_convolution, true, true},
      {"et_vk.conv2d_dq8ca_q8csw.default", draw_dynamic, float_convolution, true, true},
  };
}

}  // namespace etvk::fuzz
