// Convolutions of one and two dimensions in float32: aten.convolution, and what the stock
// partitioner makes of one with a clamp behind it.
//   y = clamp(sum over the window of x * w + bias)                                 0 in padding
// Weights are constants, [OC, IC / groups, kernel...], or of a transposed one [IC, OC / groups,
// kernel...]; x and y are channels-last.
#include "graph/ops/impl/convolution/FloatConvolution.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>
#include <vector>

#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// ---- Weights.

// Which of the program's weights output channel 0 of a row is, and how far apart its channels are.
struct WeightRow {
  uint64_t first = 0;
  uint64_t channel_stride = 0;
  bool is_padding = false;
};

// Product `k` of `group`, padding included, of a convolution that is not depthwise.
WeightRow weight_row(const FloatConvolution& convolution, uint64_t group, uint64_t k) {
  const auto taps = static_cast<uint64_t>(convolution.window.taps());
  const auto channels = static_cast<uint64_t>(convolution.group_channels());
  const auto run = static_cast<uint64_t>(convolution.run());
  const auto padded_run = static_cast<uint64_t>(convolution.padded_run());
  const auto N = static_cast<uint64_t>(convolution.N());
  if (k % padded_run >= run) {
    return {0, 0, true};
  }
  const uint64_t product = k / padded_run * run + k % padded_run;
  const uint64_t tap = product / channels;
  const uint64_t channel = product % channels;
  if (convolution.window.is_transposed) {
    return {(group * channels + channel) * N * taps + tap, taps, false};
  }
  return {(group * N * channels + channel) * taps + tap, channels * taps, false};
}

// Weights as kernels read them: rows of output channels, whole groups of four.
FillBytes packed_weights(const FloatConvolution& convolution, const uint8_t* bytes) {
  return [convolution, bytes](uint8_t* to, uint64_t begin, uint64_t size) {
    const auto N = static_cast<uint64_t>(convolution.N());
    const auto stride = static_cast<uint64_t>(convolution.padded_n());
    const auto K = static_cast<uint64_t>(convolution.padded_k());
    for (uint64_t at = begin / 4; at < (begin + size) / 4;) {
      const uint64_t row = at / stride;
      const WeightRow from =
          convolution.is_depthwise()
              ? WeightRow{row, static_cast<uint64_t>(convolution.window.taps()), false}
              : weight_row(convolution, row / K, row % K);
      const uint64_t end = std::min((row + 1) * stride, (begin + size) / 4);
      for (; at < end; ++at, to += 4) {
        const uint64_t n = at - row * stride;
        if (from.is_padding || n >= N) {
          std::memset(to, 0, 4);
        } else {
          std::memcpy(to, bytes + (from.first + n * from.channel_stride) * 4, 4);
        }
      }
    }
  };
}

// All that the packed bytes depend on beside the weights.
std::string layout_key(const FloatConvolution& convolution) {
  std::ostringstream key;
  const Window& window = convolution.window;
  key << "float windows of " << window.kernel[0] << "x" << window.kernel[1] << " in "
      << window.groups << " groups, " << convolution.in_channels << " to "
      << convolution.out_channels << (window.is_transposed ? " transposed" : "") << ", runs of "
      << convolution.run();
  return key.str();
}

void add_constants(ComputeGraph& graph, FloatConvolution& convolution, ValueId weight,
                   ValueId bias) {
  const ConstantDef& source = graph.constant_source(weight);
  convolution.weights = graph.add_constant({source.data, source.size_bytes, layout_key(convolution),
                                            convolution.weight_count() * 4,
                                            packed_weights(convolution, source.data)});
  const auto bias_bytes = static_cast<uint64_t>(convolution.out_channels) * 4;
  if (bias < 0) {
    convolution.bias = graph.add_constant(
        {nullptr, 0, "zeros " + std::to_string(convolution.out_channels), bias_bytes,
         [](uint8_t* to, uint64_t, uint64_t size) { std::memset(to, 0, size); }});
    return;
  }
  const uint8_t* data = graph.constant_source(bias).data;
  convolution.bias = graph.add_constant(
      {data, bias_bytes, "bias", bias_bytes, [data](uint8_t* to, uint64_t begin, uint64_t size) {
         std::memcpy(to, data + begin, size);
       }});
}

// ---- Checks.

void check_operands(const ComputeGraph& graph, const FloatConvolution& convolution, ValueId weight,
                    ValueId bias) {
  for (ValueId id : {convolution.x, weight, bias, convolution.y}) {
    ETVK_CHECK(id < 0 || graph.dtype(id) == DType::kFloat32, kInvalidProgram,
               convolution.op << ": operands and result must be float32, got "
                              << dtype_name(graph.dtype(id)));
  }
  const Sizes& w = graph.dims(weight);
  ETVK_CHECK(w.size() == graph.dims(convolution.x).size() &&
                 std::all_of(w.begin(), w.end(), [](int64_t size) { return size > 0; }),
             kInvalidProgram,
             convolution.op << ": the weight is " << shape_text(w) << ", it must have the "
                            << graph.dims(convolution.x).size()
                            << " dimensions of x, none of them empty");
}

// The numbers of channels, of x and of y.
void read_channels(const ComputeGraph& graph, FloatConvolution& convolution, const Sizes& w) {
  const int64_t groups = convolution.window.groups;
  convolution.in_channels = graph.dims(convolution.x)[1];
  ETVK_CHECK(w[0] % groups == 0, kInvalidProgram,
             convolution.op << ": the weight is " << shape_text(w)
                            << ", its first dimension must be divisible by groups = " << groups);
  const bool is_transposed = convolution.window.is_transposed;
  ETVK_CHECK(w[1] <= INT32_MAX / groups, kNotSupported,
             convolution.op << ": " << groups << " groups of " << w[1] << " channels are too many");
  convolution.out_channels = is_transposed ? w[1] * groups : w[0];
  const int64_t wanted = is_transposed ? w[0] : w[1] * groups;
  ETVK_CHECK(convolution.in_channels == wanted, kInvalidProgram,
             convolution.op << ": x has " << convolution.in_channels << " channels, a weight of "
                            << shape_text(w) << " in " << groups << " groups takes " << wanted);
}

// ---- The node.

void record_convolution(ComputeGraph& graph, Commands& commands,
                        const FloatConvolution& convolution) {
  const Sizes& x = graph.sizes(convolution.x);
  ETVK_CHECK(x[1] == convolution.in_channels, kInvalidProgram,
             convolution.op << ": x is " << shape_text(x) << ", it must have "
                            << convolution.in_channels << " channels");
  const Pair pixels = output_size(convolution.op, convolution.window, Image(x));
  Sizes y = x;
  y[1] = convolution.out_channels;
  y.back() = pixels[1];
  if (y.size() == 4) {
    y[2] = pixels[0];
  }
  graph.set_sizes(convolution.y, y);
  if (y[0] > 0) {
    dispatch_convolution(graph, commands, convolution, Image(x), Image(y));
  }
}

// Of a double that float32 need not hold: beyond its range it is infinite.
float bound(double value) {
  return std::abs(value) > std::numeric_limits<float>::max()
             ? std::copysign(kInfinity, static_cast<float>(value > 0.0 ? 1 : -1))
             : static_cast<float>(value);
}

void add_convolution(ComputeGraph& graph, const OpArgs& args, double least, double most) {
  FloatConvolution convolution;
  convolution.op = args.op();
  convolution.x = args.tensor("input");
  convolution.y = args.output();
  convolution.least = bound(least);
  convolution.most = bound(most);
  const ValueId weight = args.constant("weight");
  const ValueId bias = args.optional_constant("bias");
  check_operands(graph, convolution, weight, bias);
  const Sizes& w = graph.dims(weight);
  convolution.window =
      read_window(args, {w.begin() + 2, w.end()}, w.size(), args.boolean("transposed"));
  read_channels(graph, convolution, w);
  ETVK_CHECK(bias < 0 || graph.dims(bias) == Sizes{convolution.out_channels}, kInvalidProgram,
             convolution.op << ": the bias is " << shape_text(graph.dims(bias)) << ", it must be ["
                            << convolution.out_channels << "]");
  ETVK_CHECK(graph.dims(convolution.y).size() == w.size(), kInvalidProgram,
             convolution.op << ": the output must have rank " << w.size());
  ETVK_CHECK(convolution.weight_count() <= INT32_MAX, kNotSupported,
             convolution.op << ": " << convolution.weight_count()
                            << " weights, padding included, are over the limit of 2^31 - 1");
  add_constants(graph, convolution, weight, bias);
  const auto record = [&graph, convolution](Commands& commands) {
    record_convolution(graph, commands, convolution);
  };
  graph.add_node({convolution.op, {convolution.x}, {convolution.y}, record});
}

void convolution(ComputeGraph& graph, const OpArgs& args) {
  add_convolution(graph, args, -INFINITY, INFINITY);
}

void conv_with_clamp(ComputeGraph& graph, const OpArgs& args) {
  const double least = args.optional_scalar("output_min").value_or(-INFINITY);
  const double most = args.optional_scalar("output_max").value_or(INFINITY);
  ETVK_CHECK(!std::isnan(least) && !std::isnan(most), kNotSupported,
             args.op() << ": a bound of the result is NaN");
  add_convolution(graph, args, least, most);
}

#define ETVK_CONVOLUTION                                                       \
  "input:tensor@channels_last weight:constant bias:constant? stride:integers " \
  "padding:integers dilation:integers transposed:boolean output_padding:integers groups:integer "

const RegisterOps registered({
    {"aten.convolution.default", ETVK_CONVOLUTION "y:out@channels_last", convolution},
    {"et_vk.conv_with_clamp.default",
     ETVK_CONVOLUTION "output_min:scalar? output_max:scalar? y:out@channels_last", conv_with_clamp},
});

#undef ETVK_CONVOLUTION

}  // namespace

}  // namespace etvk::ops
