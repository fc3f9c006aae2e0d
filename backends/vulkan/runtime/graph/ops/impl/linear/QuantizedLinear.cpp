// Linear layers on int8: activations quantized per tensor, weights per channel.
//   acc = sum_k (x[k] - input_zero_point) * w[n, k]                      int32, exact
//   f   = float(acc) * fl32(input_scale * w_scale[n]) + bias[n]          float32, in this order
//   f   = activation(f)                                                  glsl/activations.py
//   q8ta_linear:           y = quantize(f, output)                                         int8
//   q8ta_linear.residual:  y = quantize(g + (residual - zero_point) * fl32(scale), output) int8
//       g = f, or with round_linear dequantize(quantize(f, linear), linear)
//       and with a table, y = table[y + 128]
//   linear_q8ta_q8csw:     y = f                                                           float32
//   linear_dq8ca_q8csw:    y = f of a float32 x, which is quantized here, each row on a grid of its
//       own or all on one: these are input_zero_point and input_scale (mac/QuantizedRows.h)
// A relu before the quantize only narrows quant_min, since quantizing is monotone; other clamps
// come as quant_min and quant_max already.
#include <cstdint>
#include <vector>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/linear/LinearDispatch.h"
#include "graph/ops/impl/mac/MacArgs.h"
#include "graph/ops/impl/mac/MacChecks.h"
#include "graph/ops/impl/mac/MacConstants.h"
#include "graph/ops/impl/mac/MacDispatch.h"
#include "graph/ops/impl/mac/MacSignature.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

void check_shapes(const ComputeGraph& graph, const MacArgs& args) {
  const auto& w = graph.dims(args.weights);
  ETVK_CHECK(graph.dtype(args.weights) == DType::kInt8 && w.size() == 2 && w[0] > 0 && w[1] > 0,
             kInvalidProgram,
             args.op << ": weights must be int8 [N, K], got "
                     << dtype_name(graph.dtype(args.weights)) << " of rank " << w.size());
  const int64_t n = w[0];
  const int64_t k = w[1];
  const auto& x = graph.dims(args.x);
  ETVK_CHECK(!x.empty() && x.back() == k, kInvalidProgram,
             args.op << ": x must be [..., K] with K = " << k
                     << ", got K = " << (x.empty() ? 0 : x.back()));
  check_result(graph, args, n, n);
  ETVK_CHECK(n <= UINT32_MAX / 4 && k <= UINT32_MAX / 4, kNotSupported,
             args.op << ": N = " << n << ", K = " << k << " are too large");
}

MacWeights weights_of(const ComputeGraph& graph, ValueId id) {
  MacWeights weights;
  weights.bytes = graph.constant_source(id).data;
  weights.N = static_cast<uint64_t>(graph.dims(id)[0]);
  weights.K = static_cast<uint64_t>(graph.dims(id)[1]);
  weights.size_bytes = weights.N * weights.K;
  weights.channel_stride = weights.K;
  weights.scale_count = weights.N;
  return weights;
}

void add_linear(ComputeGraph& graph, MacArgs args) {
  check_shapes(graph, args);
  const MacWeights weights = weights_of(graph, args.weights);
  check_numbers(graph, args);
  check_accumulator(args, weights);
  fold_relu(args);
  const ValueId x = args.x;
  add_int8_input(graph, args);

  const MacConstants constants =
      add_mac_constants(graph, args, weights, packed_rows(weights, weights.K, weights.K));
  MacPush push = mac_push(args, constants);
  push.N = static_cast<uint32_t>(weights.N);
  const auto k = static_cast<int64_t>(weights.K);
  // Both operands' rows are padded to the same size, so that the padding counts as products.
  push.K = static_cast<uint32_t>(args.input_grid == InputGrid::kOfEachRow ? padded_row(k) : k);
  const auto record = [&graph, args, x, k, constants, push](Commands& commands) {
    std::vector<int64_t> sizes = graph.sizes(x);
    ETVK_CHECK(sizes.back() == k, kInvalidProgram,
               args.op << ": x is " << shape_text(sizes) << ", its last size must be K = " << k);
    sizes.back() = push.N;
    check_residual_sizes(graph, args, sizes);
    graph.set_sizes(args.y, sizes);
    const int64_t m = graph.numel(args.y) / push.N;
    if (m != 0) {
      dispatch_linear(graph, commands, args, constants, push, m);
    }
  };
  graph.add_node({args.op, node_inputs(args, x), {args.y}, record});
}

void q8ta_linear(ComputeGraph& graph, const OpArgs& args) {
  MacArgs mac = read_operands(args);
  read_output(args, mac);
  read_activation(args, mac, false);
  add_linear(graph, mac);
}

void q8ta_linear_bounded(ComputeGraph& graph, const OpArgs& args) {
  MacArgs mac = read_operands(args);
  read_activation(args, mac, true);
  read_ranged_output(args, mac);
  read_table(args, mac);
  add_linear(graph, mac);
}

void q8ta_linear_residual(ComputeGraph& graph, const OpArgs& args) {
  MacArgs mac = read_operands(args);
  read_activation(args, mac, true);
  read_residual(args, mac, "linear");
  read_ranged_output(args, mac);
  read_table(args, mac);
  add_linear(graph, mac);
}

// The stock op, which knows no activation.
void linear_q8ta_q8csw(ComputeGraph& graph, const OpArgs& args) {
  add_linear(graph, read_operands(args));
}

void linear_q8ta_q8csw_int8(ComputeGraph& graph, const OpArgs& args) {
  MacArgs mac = read_operands(args);
  read_activation(args, mac, true);
  add_linear(graph, mac);
}

void linear_dq8ca_q8csw(ComputeGraph& graph, const OpArgs& args) {
  MacArgs mac = read_dynamic_operands(args);
  read_activation(args, mac, true);
  add_linear(graph, mac);
}

constexpr const char* kLinear =
    "x:tensor " ETVK_MAC_OPERANDS ETVK_MAC_OUTPUT "bias:constant? activation:string y:out";

const RegisterOps registered({
    {"et_vk.q8ta_linear.default", kLinear, q8ta_linear},
    {"et_vk.q8ta_linear_gemv.default", kLinear, q8ta_linear},  // the kernel is chosen from M here
    {"et_vk.q8ta_linear.bounded",
     "x:tensor " ETVK_MAC_OPERANDS ETVK_MAC_OUTPUT
     "bias:constant? " ETVK_MAC_ACTIVATION ETVK_MAC_RANGE ETVK_MAC_TABLE "y:out",
     q8ta_linear_bounded},
    {"et_vk.q8ta_linear.residual",
     "x:tensor " ETVK_MAC_OPERANDS
     "linear_scale:number linear_zero_point:integer bias:constant? " ETVK_MAC_ACTIVATION
     "linear_quant_min:integer linear_quant_max:integer round_linear:boolean residual:tensor "
     "residual_scale:number residual_zero_point:integer " ETVK_MAC_OUTPUT
         ETVK_MAC_RANGE ETVK_MAC_TABLE "y:out",
     q8ta_linear_residual},
    {"et_vk.linear_q8ta_q8csw.default", "x:tensor " ETVK_MAC_OPERANDS "bias:constant? y:out",
     linear_q8ta_q8csw},
    {"et_vk.linear_q8ta_q8csw.int8",
     "x:tensor " ETVK_MAC_OPERANDS "bias:constant? " ETVK_MAC_ACTIVATION "y:out",
     linear_q8ta_q8csw_int8},
    {"et_vk.linear_dq8ca_q8csw.default",
     "x:tensor " ETVK_MAC_DYNAMIC_OPERANDS "bias:constant? " ETVK_MAC_ACTIVATION "y:out",
     linear_dq8ca_q8csw},
});

}  // namespace

}  // namespace etvk::ops
