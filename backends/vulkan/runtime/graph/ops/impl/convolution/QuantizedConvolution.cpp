// Convolutions of one and two dimensions on int8: activations quantized per tensor, weights per
// output channel.
//   acc = sum over the window of (x - input_zero_point) * w               int32, exact; 0 in
//   padding
// and from there on as a linear layer (QuantizedLinear.cpp), of which the residual's own
// quantization is called conv here. Transposed: y[o * stride - padding + k * dilation] gets the
// products of x[o] and w[k].
// conv2d_dq8ca_q8csw takes a float32 x, which is quantized here on one grid of its values
// (mac/QuantizedRows.h), whose scale and zero point are those of the input.
// x and y are channels-last. Weights are rows of output channels, ordered (kh, kw, channel of the
// group); those of the stock q8ta_conv2d_dw are [KH, KW, C]. Rows may be longer than that.
#include <cstdint>
#include <vector>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/convolution/ConvolutionDispatch.h"
#include "graph/ops/impl/convolution/Window.h"
#include "graph/ops/impl/mac/MacArgs.h"
#include "graph/ops/impl/mac/MacChecks.h"
#include "graph/ops/impl/mac/MacConstants.h"
#include "graph/ops/impl/mac/MacSignature.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// ---- Weights.

// Rows of channels, [OC, >= K].
MacWeights weight_rows(const ComputeGraph& graph, const Convolution& convolution) {
  const MacArgs& args = convolution.mac;
  const auto& w = graph.dims(args.weights);
  ETVK_CHECK(graph.dtype(args.weights) == DType::kInt8 && w.size() == 2 && w[0] > 0 && w[1] > 0,
             kInvalidProgram,
             args.op << ": weights must be int8 [output channels, products], got "
                     << dtype_name(graph.dtype(args.weights)) << " of rank " << w.size());
  const int64_t taps = convolution.window.taps();
  const int64_t channels = convolution.group_channels();
  ETVK_CHECK(channels <= w[1] && taps <= w[1] / channels, kInvalidProgram,
             args.op << ": a row of weights has " << w[1] << " products, it must have " << taps
                     << " taps of " << channels << " channels");
  MacWeights weights;
  weights.N = static_cast<uint64_t>(w[0]);
  weights.K = static_cast<uint64_t>(taps * channels);
  weights.channel_stride = static_cast<uint64_t>(w[1]);
  return weights;
}

// One channel of x for each of y, [KH, KW, C].
MacWeights weight_taps(const ComputeGraph& graph, const Convolution& convolution) {
  const MacArgs& args = convolution.mac;
  const auto& w = graph.dims(args.weights);
  const Pair& kernel = convolution.window.kernel;
  ETVK_CHECK(graph.dtype(args.weights) == DType::kInt8 && w.size() == 3 && w[0] == kernel[0] &&
                 w[1] == kernel[1] && w[2] > 0,
             kInvalidProgram,
             args.op << ": weights must be int8 [" << kernel[0] << ", " << kernel[1]
                     << ", channels], got " << dtype_name(graph.dtype(args.weights)) << " "
                     << shape_text(w));
  ETVK_CHECK(convolution.group_channels() == 1, kInvalidProgram,
             args.op << ": x has " << convolution.in_channels << " channels in "
                     << convolution.window.groups << " groups, each must have one");
  MacWeights weights;
  weights.N = static_cast<uint64_t>(w[2]);
  weights.K = static_cast<uint64_t>(convolution.window.taps());
  weights.product_stride = weights.N;
  weights.channel_stride = 1;
  return weights;
}

// ---- The node.

struct WeightLayout {
  bool is_taps = false;              // [KH, KW, C]
  bool has_scales_of_group = false;  // one group's scales serve all
};

// Output sizes for these of x.
std::vector<int64_t> result_sizes(const Convolution& convolution, std::vector<int64_t> sizes) {
  const Pair size = output_size(convolution.mac.op, convolution.window, Image(sizes));
  sizes[1] = convolution.out_channels;
  sizes.back() = size[1];
  if (sizes.size() == 4) {
    sizes[2] = size[0];
  }
  return sizes;
}

void record_convolution(ComputeGraph& graph, Commands& commands, const Convolution& convolution) {
  const MacArgs& args = convolution.mac;
  const std::vector<int64_t>& x = graph.sizes(convolution.x);
  ETVK_CHECK(x[1] == convolution.in_channels, kInvalidProgram,
             args.op << ": x is " << shape_text(x) << ", it must have " << convolution.in_channels
                     << " channels");
  const std::vector<int64_t> y = result_sizes(convolution, x);
  check_residual_sizes(graph, args, y);
  graph.set_sizes(args.y, y);
  if (y[0] > 0) {
    dispatch_convolution(graph, commands, convolution, Image(x), Image(y));
  }
}

void add_convolution(ComputeGraph& graph, Convolution convolution, const WeightLayout& layout) {
  MacArgs& args = convolution.mac;
  const int64_t groups = convolution.window.groups;
  convolution.x = args.x;
  convolution.in_channels = graph.dims(args.x)[1];
  ETVK_CHECK(convolution.in_channels >= 1 && convolution.in_channels % groups == 0, kInvalidProgram,
             args.op << ": x has " << convolution.in_channels
                     << " channels, they must be divisible "
                     << "by groups = " << groups);
  MacWeights weights =
      layout.is_taps ? weight_taps(graph, convolution) : weight_rows(graph, convolution);
  weights.bytes = graph.constant_source(args.weights).data;
  weights.size_bytes = graph.constant_source(args.weights).size_bytes;
  convolution.out_channels = static_cast<int64_t>(weights.N);
  ETVK_CHECK(convolution.out_channels % groups == 0, kInvalidProgram,
             args.op << ": " << convolution.out_channels << " output channels must be divisible by "
                     << "groups = " << groups);
  ETVK_CHECK(weights.N <= UINT32_MAX / 16 && weights.K <= UINT32_MAX / 16, kNotSupported,
             args.op << ": " << weights.N << " output channels of " << weights.K
                     << " products are too many");
  weights.scale_count =
      layout.has_scales_of_group ? weights.N / static_cast<uint64_t>(groups) : weights.N;
  check_result(graph, args, static_cast<int64_t>(weights.scale_count), convolution.out_channels);
  check_numbers(graph, args);
  check_accumulator(args, weights);
  fold_relu(args);
  add_int8_input(graph, args);

  convolution.kind = layout.is_taps ? ConvolutionKind::kDepthwise : kind_of(convolution);
  const bool is_depthwise = convolution.kind == ConvolutionKind::kDepthwise;
  const auto run = static_cast<uint64_t>(convolution.run());
  const PackedWeights packed =
      is_depthwise ? packed_taps(weights)
      : convolution.kind == ConvolutionKind::kPointwise
          ? packed_rows(weights, weights.K, weights.K)
          : packed_rows(weights, run, static_cast<uint64_t>(convolution.padded_run()));
  convolution.constants = add_mac_constants(graph, args, weights, packed);
  convolution.push = mac_push(args, convolution.constants);
  convolution.push.N = static_cast<uint32_t>(is_depthwise ? weights.N : weights.N / groups);
  convolution.push.K = static_cast<uint32_t>(weights.K);
  const auto record = [&graph, convolution](Commands& commands) {
    record_convolution(graph, commands, convolution);
  };
  graph.add_node({args.op, node_inputs(args, convolution.x), {args.y}, record});
}

// ---- Operators.

Convolution read_convolution(const ComputeGraph& graph, const OpArgs& args, const MacArgs& operands,
                             bool is_transposed) {
  Convolution convolution;
  convolution.mac = operands;
  convolution.window =
      read_window(args, args.integers("kernel_size"), graph.dims(operands.x).size(), is_transposed);
  return convolution;
}

// With the arguments that our ops have, unlike the stock ones.
Convolution read_own(const ComputeGraph& graph, const OpArgs& args, const MacArgs& operands) {
  Convolution convolution = read_convolution(graph, args, operands, args.boolean("transposed"));
  read_activation(args, convolution.mac, true);
  return convolution;
}

void add_stock(ComputeGraph& graph, const OpArgs& args, bool is_transposed,
               const WeightLayout& layout) {
  Convolution convolution = read_convolution(graph, args, read_operands(args), is_transposed);
  read_output(args, convolution.mac);
  read_activation(args, convolution.mac, false);
  add_convolution(graph, convolution, layout);
}

void q8ta_conv2d(ComputeGraph& graph, const OpArgs& args) { add_stock(graph, args, false, {}); }

void q8ta_conv2d_dw(ComputeGraph& graph, const OpArgs& args) {
  add_stock(graph, args, false, {true, false});
}

// Its weights are quantized along a dimension that has one group's channels.
void q8ta_conv2d_transposed(ComputeGraph& graph, const OpArgs& args) {
  add_stock(graph, args, true, {false, true});
}

void q8ta_conv2d_bounded(ComputeGraph& graph, const OpArgs& args) {
  Convolution convolution = read_own(graph, args, read_operands(args));
  read_ranged_output(args, convolution.mac);
  read_table(args, convolution.mac);
  add_convolution(graph, convolution, {});
}

void q8ta_conv2d_residual(ComputeGraph& graph, const OpArgs& args) {
  Convolution convolution = read_own(graph, args, read_operands(args));
  read_residual(args, convolution.mac, "conv");
  read_ranged_output(args, convolution.mac);
  read_table(args, convolution.mac);
  add_convolution(graph, convolution, {});
}

void conv2d_q8ta_q8csw_int8(ComputeGraph& graph, const OpArgs& args) {
  add_convolution(graph, read_own(graph, args, read_operands(args)), {});
}

void conv2d_dq8ca_q8csw(ComputeGraph& graph, const OpArgs& args) {
  const MacArgs operands = read_dynamic_operands(args);
  ETVK_CHECK(operands.input_grid == InputGrid::kOfAllRows, kInvalidProgram,
             args.op() << ": granularity must be per_tensor, got per_row");
  add_convolution(graph, read_own(graph, args, operands), {});
}

#define ETVK_X "x:tensor@channels_last " ETVK_MAC_OPERANDS
#define ETVK_STOCK_WINDOW "kernel_size:integers stride:integers padding:integers "
#define ETVK_WINDOW \
  ETVK_STOCK_WINDOW \
  "output_padding:integers dilation:integers transposed:boolean groups:integer "
#define ETVK_Y "y:out@channels_last"

constexpr const char* kStock = ETVK_X ETVK_MAC_OUTPUT "bias:constant? " ETVK_STOCK_WINDOW
                                                      "dilation:integers groups:integer "
                                                      "activation:string " ETVK_Y;

const RegisterOps registered({
    {"et_vk.q8ta_conv2d.default", kStock, q8ta_conv2d},
    {"et_vk.q8ta_conv2d_pw.default", kStock, q8ta_conv2d},
    {"et_vk.q8ta_conv2d_dw.default", kStock, q8ta_conv2d_dw},
    {"et_vk.q8ta_conv2d_transposed.default",
     ETVK_X ETVK_MAC_OUTPUT "bias:constant? " ETVK_STOCK_WINDOW
                            "output_padding:integers dilation:integers groups:integer "
                            "activation:string " ETVK_Y,
     q8ta_conv2d_transposed},
    {"et_vk.q8ta_conv2d.bounded",
     ETVK_X ETVK_MAC_OUTPUT
     "bias:constant? " ETVK_WINDOW ETVK_MAC_ACTIVATION ETVK_MAC_RANGE ETVK_MAC_TABLE ETVK_Y,
     q8ta_conv2d_bounded},
    {"et_vk.q8ta_conv2d.residual",
     ETVK_X
     "conv_scale:number conv_zero_point:integer bias:constant? " ETVK_WINDOW ETVK_MAC_ACTIVATION
     "conv_quant_min:integer conv_quant_max:integer round_conv:boolean "
     "residual:tensor@channels_last residual_scale:number "
     "residual_zero_point:integer " ETVK_MAC_OUTPUT ETVK_MAC_RANGE ETVK_MAC_TABLE ETVK_Y,
     q8ta_conv2d_residual},
    {"et_vk.conv2d_q8ta_q8csw.int8",
     ETVK_X "bias:constant? " ETVK_WINDOW ETVK_MAC_ACTIVATION ETVK_Y, conv2d_q8ta_q8csw_int8},
    {"et_vk.conv2d_dq8ca_q8csw.default",
     "x:tensor@channels_last " ETVK_MAC_DYNAMIC_OPERANDS
     "bias:constant? " ETVK_WINDOW ETVK_MAC_ACTIVATION ETVK_Y,
     conv2d_dq8ca_q8csw},
});

#undef ETVK_X
#undef ETVK_STOCK_WINDOW
#undef ETVK_WINDOW
#undef ETVK_Y

}  // namespace

}  // namespace etvk::ops
