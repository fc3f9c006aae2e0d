#include "ConvolutionCases.h"

#include <algorithm>

#include "vk/Error.h"

namespace etvk::bench {

namespace {

constexpr float kWeightScale = 0.0007f;

// Square images and windows.
struct Layer {
  const char* name;
  int64_t size;      // of x
  int64_t channels;  // of x
  int64_t out_channels;
  int64_t kernel;
  int64_t stride;
  bool is_depthwise = false;

  int64_t padding() const { return kernel / 2; }
  int64_t out_size() const { return (size + 2 * padding() - kernel) / stride + 1; }
};

constexpr Layer kLayers[] = {
    // ResNet-50
    {"conv_first", 224, 3, 64, 7, 2},
    {"conv_56", 56, 64, 64, 3, 1},
    {"conv_28", 28, 128, 128, 3, 1},
    {"conv_14", 14, 256, 256, 3, 1},
    {"conv_7", 7, 512, 512, 3, 1},
    {"conv_stride", 56, 128, 128, 3, 2},
    {"conv_pointwise", 56, 64, 256, 1, 1},
    // MobileNetV2
    {"depthwise_112", 112, 96, 96, 3, 2, true},
    {"depthwise_56", 56, 144, 144, 3, 1, true},
    {"depthwise_14", 14, 576, 576, 3, 1, true},
};

// Sums of the products of one pixel, without the zero point: x is [images, size, size, channels],
// w is [taps, channels of a group, output channels].
void add_pixel(const Layer& layer, const int8_t* x, const std::vector<int16_t>& w, int64_t outputs,
               int64_t image, int64_t h, int64_t column, std::vector<int32_t>& acc) {
  std::fill(acc.begin(), acc.end(), 0);
  const int64_t channels = layer.is_depthwise ? 1 : layer.channels;
  for (int64_t tap = 0; tap < layer.kernel * layer.kernel; ++tap) {
    const int64_t x_h = h * layer.stride - layer.padding() + tap / layer.kernel;
    const int64_t x_w = column * layer.stride - layer.padding() + tap % layer.kernel;
    if (x_h < 0 || x_h >= layer.size || x_w < 0 || x_w >= layer.size) {
      continue;
    }
    const int8_t* pixel = x + ((image * layer.size + x_h) * layer.size + x_w) * layer.channels;
    for (int64_t c = 0; c < channels; ++c) {
      const int16_t* row = &w[static_cast<size_t>((tap * channels + c) * outputs)];
      const int32_t own = pixel[c] - kZeroA;
      for (int64_t n = 0; n < outputs; ++n) {
        acc[static_cast<size_t>(n)] += (layer.is_depthwise ? pixel[n] - kZeroA : own) * row[n];
      }
    }
  }
}

// From rows of output channels to [products, output channels].
std::vector<int16_t> transposed(const int8_t* rows, int64_t outputs, int64_t products) {
  std::vector<int16_t> w(static_cast<size_t>(outputs * products));
  for (int64_t n = 0; n < outputs; ++n) {
    for (int64_t k = 0; k < products; ++k) {
      w[static_cast<size_t>(k * outputs + n)] = rows[n * products + k];
    }
  }
  return w;
}

void add_arguments(Builder& b, const Layer& layer, int64_t outputs, int64_t products,
                   double output_scale) {
  b.argument(kScaleA);
  b.argument(int64_t{kZeroA});
  b.constant(DType::kInt8, {outputs, products});
  b.constant(DType::kInt32, {outputs});
  Bytes scales(static_cast<size_t>(outputs) * 4);
  for (int64_t n = 0; n < outputs; ++n) {
    set_float(scales, n, kWeightScale);
  }
  b.constant(DType::kFloat32, {outputs}, scales);
  b.argument(output_scale);
  b.argument(int64_t{kZeroY});
  b.argument(Null{});
  for (const int64_t one : {layer.kernel, layer.stride, layer.padding(), int64_t{0}, int64_t{1}}) {
    b.integers({one, one});
  }
  b.argument(false);
  b.argument(layer.is_depthwise ? layer.channels : int64_t{1});
  b.argument(std::string("none"));
  b.argument(0.0);
  b.argument(0.0);
  b.argument(int64_t{-128});
  b.argument(int64_t{127});
  b.argument(Null{});
}

void make_convolution(Builder& b, const Shape& shape, const Layer& layer) {
  const int64_t images = shape[0];
  const int64_t outputs = shape[1];
  ETVK_CHECK(!layer.is_depthwise || outputs == layer.channels, kInvalidArgument,
             layer.name << ": " << outputs << " output channels, it has " << layer.channels);
  b.op("et_vk.q8ta_conv2d.bounded");
  // What comes from the layer before is channels-last already: so no copy is measured.
  const Bytes& x = b.input(DType::kInt8, {images, layer.size, layer.size, layer.channels}, false);
  const ValueId image =
      b.add(TensorDef{DType::kInt8, {images, layer.channels, layer.size, layer.size}, -1});
  b.made().base.chain.push_back({"test.to_channels_last", {b.last_input(), image}});
  b.made().call.args.push_back(image);
  const int64_t products = layer.kernel * layer.kernel * (layer.is_depthwise ? 1 : layer.channels);
  // So that results of random operands fill int8.
  const double output_scale =
      kScaleA * double{kWeightScale} * 100.0 * std::sqrt(static_cast<double>(products));
  add_arguments(b, layer, outputs, products, output_scale);

  const int64_t size = layer.out_size();
  Bytes& y = b.output(DType::kInt8, {images, size, size, outputs});
  b.made().reorder = "test.from_channels_last";
  b.made().reordered = b.made().y;
  b.made().y.dims = {images, outputs, size, size};
  b.made().moved_bytes += static_cast<size_t>(outputs * products);

  const std::vector<int16_t> w = transposed(int8s(b.made().constants.front()), outputs, products);
  const float scale = static_cast<float>(kScaleA) * kWeightScale;
  std::vector<int32_t> acc(static_cast<size_t>(outputs));
  size_t at = 0;
  for (int64_t pixel = 0; pixel < images * size * size; ++pixel) {
    add_pixel(layer, int8s(x), w, outputs, pixel / (size * size), pixel / size % size, pixel % size,
              acc);
    for (const int32_t sum : acc) {
      y[at++] = static_cast<uint8_t>(quantize(static_cast<float>(sum) * scale, output_scale));
    }
  }
}

}  // namespace

std::vector<Maker> convolution_makers() {
  std::vector<Maker> makers;
  for (const Layer& layer : kLayers) {
    const auto make = [layer](Builder& b, const Shape& shape) {
      make_convolution(b, shape, layer);
    };
    makers.push_back({layer.name,
                      false,
                      make,
                      "convolution",
                      {{1, layer.out_channels}, {32, layer.out_channels}}});
  }
  return makers;
}

}  // namespace etvk::bench
