// Float32 convolutions of one and two dimensions: aten.convolution, and with a clamp behind it.
#include <algorithm>
#include <cmath>

#include "Entry.h"
#include "FloatSum.h"
#include "Windows.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

const Tensor& check_float(const Tensor& tensor) {
  if (tensor.dtype != DType::kFloat32) {
    throw Meaningless("an operand of another type");
  }
  return tensor;
}

// What a layer adds up, and its result's sizes.
struct Layer {
  const Tensor& x;
  const Tensor& weight;
  const Tensor* bias;
  Window window;
  int64_t channels = 0;      // of a group of x
  int64_t out_channels = 0;  // of a group of y
  Pair in, out;
  Sizes sizes;

  explicit Layer(const Arguments& arguments)
      : x(check_float(arguments.tensor("input"))),
        weight(check_float(arguments.constant("weight"))),
        bias(arguments.optional_constant("bias")) {
    const Sizes& w = weight.sizes;
    if ((x.sizes.size() != 3 && x.sizes.size() != 4) || w.size() != x.sizes.size() ||
        std::any_of(w.begin(), w.end(), [](int64_t size) { return size < 1; })) {
      throw Meaningless("x or a weight of another rank");
    }
    window = read_window(arguments, {w.begin() + 2, w.end()}, w.size() - 2,
                         arguments.boolean("transposed"));
    if (w[0] % window.groups != 0) {
      throw Meaningless("channels that are no groups");
    }
    channels = window.is_transposed ? w[0] / window.groups : w[1];
    out_channels = window.is_transposed ? w[1] : w[0] / window.groups;
    if (x.sizes[1] != channels * window.groups) {
      throw Meaningless("a weight for other channels");
    }
    if (bias != nullptr && check_float(*bias).sizes != Sizes{out_channels * window.groups}) {
      throw Meaningless("a bias of other channels");
    }
    in = {x.sizes.size() == 4 ? x.sizes[2] : 1, x.sizes.back()};
    out = {output_size(window, 0, in[0]), output_size(window, 1, in[1])};
    sizes = x.sizes;
    sizes[1] = out_channels * window.groups;
    sizes.back() = out[1];
    if (sizes.size() == 4) {
      sizes[2] = out[0];
    }
  }

  double weight_at(int64_t group, int64_t n, int64_t c, int64_t tap) const {
    const int64_t taps = window.kernel[0] * window.kernel[1];
    const int64_t row = window.is_transposed ? (group * channels + c) * out_channels + n
                                             : (group * out_channels + n) * channels + c;
    return weight.float_at(static_cast<size_t>(row * taps + tap));
  }

  FloatSum sum_at(int64_t image, int64_t group, int64_t n, int64_t h, int64_t w) const {
    FloatSum sum;
    for (int64_t tap = 0; tap < window.kernel[0] * window.kernel[1]; ++tap) {
      const int64_t x_h = pixel_of(window, 0, h, tap / window.kernel[1], in[0]);
      const int64_t x_w = pixel_of(window, 1, w, tap % window.kernel[1], in[1]);
      for (int64_t c = 0; c < channels; ++c) {
        const double own = weight_at(group, n, c, tap);
        if (x_h >= 0 && x_w >= 0) {
          const int64_t plane = image * x.sizes[1] + group * channels + c;
          const int64_t at = (plane * in[0] + x_h) * in[1] + x_w;
          sum.add(x.float_at(static_cast<size_t>(at)) * own, 1.0);
        } else if (!std::isfinite(own)) {
          // Whether a padding's zero times infinity counts, PyTorch leaves to its libraries.
          sum.magnitude = INFINITY;
        }
      }
    }
    if (bias != nullptr) {
      sum.add(bias->float_at(static_cast<size_t>(group * out_channels + n)), 1.0);
    }
    return sum;
  }
};

Tensor convolved(const Arguments& arguments, double least, double most) {
  const Layer layer(arguments);
  Tensor y = zeros(DType::kFloat32, layer.sizes);
  y.accuracy = layer.x.accuracy == Accuracy::kExact ? Accuracy::kClose : Accuracy::kUnknown;
  size_t at = 0;
  for (int64_t image = 0; image < layer.sizes[0]; ++image) {
    for (int64_t group = 0; group < layer.window.groups; ++group) {
      for (int64_t n = 0; n < layer.out_channels; ++n) {
        for (int64_t h = 0; h < layer.out[0]; ++h) {
          for (int64_t w = 0; w < layer.out[1]; ++w) {
            const FloatSum sum = layer.sum_at(image, group, n, h, w);
            if (!sum.is_known()) {
              y.accuracy = Accuracy::kUnknown;
            }
            const double bounded = std::min(std::max(sum.value, least), most);
            set_float(y, at++, static_cast<float>(std::isnan(sum.value) ? sum.value : bounded));
          }
        }
      }
    }
  }
  return y;
}

Result convolution(const Arguments& arguments) { return convolved(arguments, -INFINITY, INFINITY); }

Result conv_with_clamp(const Arguments& arguments) {
  const double least = arguments.optional_scalar("output_min").value_or(-INFINITY);
  const double most = arguments.optional_scalar("output_max").value_or(INFINITY);
  if (std::isnan(least) || std::isnan(most)) {
    throw Meaningless("a bound that is NaN");
  }
  return convolved(arguments, least, most);
}

// ---- Draws.

bool draw_convolution(Draft& draft) {
  testing::Random& random = draft.random();
  const ConvolutionShape& shape = draft.block().convolution_shape(random);
  const ValueId x = draw_image(draft, DType::kFloat32, shape.channels);
  if (x < 0) {
    return false;
  }
  const size_t dims = draft.rank(x) - 2;
  const Window window = draw_window(draft, shape, dims);
  draft.give("input", x);
  Sizes weight = shape.is_transposed ? Sizes{shape.channels, shape.out_channels / shape.groups}
                                     : Sizes{shape.out_channels, shape.channels / shape.groups};
  for (int64_t size : own_dims(window.kernel, dims)) {
    weight.push_back(size);
  }
  draft.give_constant("weight", DType::kFloat32, weight);
  if (random.chance(60)) {
    draft.give_constant("bias", DType::kFloat32, {shape.out_channels});
  } else {
    draft.give_none("bias");
  }
  return !result_sizes(draft.all_sizes(x), window, shape.out_channels)[0].empty();
}

bool draw_clamped(Draft& draft) {
  testing::Random& random = draft.random();
  for (const char* name : {"output_min", "output_max"}) {
    if (random.chance(30)) {
      draft.give_none(name);
    } else {
      draft.give_number(name, random.uniform(-2.0f, 2.0f));
    }
  }
  return draw_convolution(draft);
}

}  // namespace

std::vector<Entry> float_conv_entries() {
  return {
      {"aten.convolution.default", draw_convolution, convolution, true},
      {"et_vk.conv_with_clamp.default", draw_clamped, conv_with_clamp, true},
  };
}

}  // namespace etvk::fuzz
