// Linear layers on int8: activations quantized per tensor, weights per channel.
//   acc = sum_k (x[k] - input_zero_point) * w[n, k]                      int32, exact
//   f   = float(acc) * fl32(input_scale * w_scale[n]) + bias[n]          float32, in this order
//   q8ta_linear:         y = clamp(round_half_even(f * fl32(1 / output_scale))
//                                  + output_zero_point, quant_min, quant_max)      int8
//   linear_q8ta_q8csw:   y = f                                                     float32
// A relu or clamp before the quantize only narrows quant_min and quant_max, since quantizing is
// monotone; so the kernels know no activation.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "Kernels.h"
#include "graph/OpArgs.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Ops.h"
#include "graph/ops/impl/QuantizeDequantize.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// ---- Arguments, in schema order.

struct LinearArgs {
  std::string op;
  ValueId x = -1;  // int8 [..., K]
  double input_scale = 1.0;
  int64_t input_zero_point = 0;
  ValueId weights = -1;        // int8 [N, K]
  ValueId weight_scales = -1;  // float32 [>= N]
  ValueId bias = -1;           // float32 [>= N], or none
  bool quantized_output = false;
  double output_scale = 1.0;
  int64_t output_zero_point = 0;
  std::string activation = "none";
  int64_t quant_min = -128;
  int64_t quant_max = 127;
  ValueId y = -1;  // [..., N]
};

void read_input_and_weights(OpArgs& args, LinearArgs& linear) {
  linear.op = args.op();
  linear.x = args.tensor("x");
  linear.input_scale = args.number("input_scale");
  linear.input_zero_point = args.integer("input_zero_point");
  linear.weights = args.constant_tensor("weights");
  args.constant_tensor("weight_sums");  // computed here from the weights, so that they agree
  linear.weight_scales = args.constant_tensor("weight_scales");
}

void read_output(OpArgs& args, LinearArgs& linear) {
  linear.quantized_output = true;
  linear.output_scale = args.number("output_scale");
  linear.output_zero_point = args.integer("output_zero_point");
  linear.bias = args.optional_constant_tensor("bias");
  linear.activation = args.string("activation");
}

// ---- Checks.

// Largest |acc|: each row's sum of |w| times the largest |x - zero_point|.
uint64_t accumulator_bound(const int8_t* weights, int64_t n_count, int64_t k_count,
                           int64_t zero_point) {
  const auto largest_x = static_cast<uint64_t>(std::max(zero_point + 128, 127 - zero_point));
  uint64_t largest_sum = 0;
  for (int64_t n = 0; n < n_count; ++n) {
    uint64_t sum = 0;
    for (int64_t k = 0; k < k_count; ++k) {
      sum += static_cast<uint64_t>(std::abs(static_cast<int>(weights[n * k_count + k])));
    }
    largest_sum = std::max(largest_sum, sum);
  }
  return largest_sum * largest_x;
}

constexpr int64_t kSafeK = 65536;  // 65,536 * 255 * 128 < 2^31

void check_shapes(const ComputeGraph& graph, const LinearArgs& args) {
  const auto& w = graph.dims(args.weights);
  ETVK_CHECK(graph.dtype(args.weights) == DType::kInt8 && w.size() == 2 && w[0] > 0 && w[1] > 0,
             kInvalidProgram,
             args.op << ": weights must be int8 [N, K], got "
                     << dtype_name(graph.dtype(args.weights)) << " of rank " << w.size());
  const int64_t n = w[0];
  const int64_t k = w[1];
  const auto& x = graph.dims(args.x);
  const auto& y = graph.dims(args.y);
  ETVK_CHECK(!x.empty() && x.back() == k, kInvalidProgram,
             args.op << ": x must be [..., K] with K = " << k
                     << ", got K = " << (x.empty() ? 0 : x.back()));
  const DType y_dtype = args.quantized_output ? DType::kInt8 : DType::kFloat32;
  ETVK_CHECK(graph.dtype(args.y) == y_dtype && y.size() == x.size(), kInvalidProgram,
             args.op << ": the output must be " << dtype_name(y_dtype) << " of rank " << x.size());
  for (ValueId id : {args.weight_scales, args.bias}) {
    const char* name = id == args.bias ? "bias" : "weight_scales";
    ETVK_CHECK(id < 0 || (graph.dtype(id) == DType::kFloat32 && graph.dims(id).size() == 1 &&
                          graph.dims(id)[0] >= n),
               kInvalidProgram, args.op << ": " << name << " must be float32 [N], N = " << n);
  }
  ETVK_CHECK(n <= UINT32_MAX / 4 && k <= UINT32_MAX / 4, kNotSupported,
             args.op << ": N = " << n << ", K = " << k << " are too large");
}

void check_accumulator(const ComputeGraph& graph, const LinearArgs& args) {
  const int64_t n = graph.dims(args.weights)[0];
  const int64_t k = graph.dims(args.weights)[1];
  if (k <= kSafeK) {
    return;
  }
  const auto* weights = reinterpret_cast<const int8_t*>(graph.constant_data(args.weights));
  const uint64_t bound = accumulator_bound(weights, n, k, args.input_zero_point);
  ETVK_CHECK(bound <= INT32_MAX, kNotSupported,
             args.op << ": K = " << k << " could overflow the 32-bit sum (|sum| up to " << bound
                     << "); K up to " << kSafeK << " is always safe");
}

// The smallest output of the activation, as int8.
int64_t activation_minimum(const LinearArgs& args) {
  if (args.activation == "none") {
    return -128;
  }
  ETVK_CHECK(args.activation == "relu", kInvalidProgram,
             args.op << ": activation '" << args.activation << "' is not none or relu");
  return args.output_zero_point;
}

// ---- Constants, in the layout that every kernel reads.

struct LinearConstants {
  ConstantRef weights;  // rows of whole 16-byte groups, zero behind K
  ConstantRef sums;     // int32 [N]
  ConstantRef scales;   // float32 [N], input_scale * w_scale[n]
  ConstantRef bias;     // float32 [N]
  uint32_t stride_words;
};

std::vector<float> output_scales(const ComputeGraph& graph, const LinearArgs& args, int64_t n) {
  std::vector<float> scales(static_cast<size_t>(n));
  std::memcpy(scales.data(), graph.constant_data(args.weight_scales), scales.size() * 4);
  for (size_t i = 0; i < scales.size(); ++i) {
    const float w_scale = scales[i];
    scales[i] = static_cast<float>(args.input_scale) * w_scale;
    // A GPU may flush subnormal numbers to zero.
    ETVK_CHECK(scales[i] == 0.0f ? w_scale == 0.0f : std::isnormal(scales[i]), kNotSupported,
               args.op << ": input_scale " << args.input_scale << " times weight scale " << w_scale
                       << " of channel " << i << " is not a normal float32");
  }
  return scales;
}

LinearConstants add_constants(ComputeGraph& graph, const LinearArgs& args) {
  const auto n = static_cast<size_t>(graph.dims(args.weights)[0]);
  const auto k = static_cast<size_t>(graph.dims(args.weights)[1]);
  const size_t stride = (k + 15) / 16 * 16;
  const uint8_t* weights = graph.constant_data(args.weights);
  // Tied weights have one constant, or one each with the same bytes and pointer.
  const auto key = [](const char* kind, const void* data, size_t count) {
    return std::string(kind) + " " + std::to_string(reinterpret_cast<uintptr_t>(data)) + " " +
           std::to_string(count);
  };

  LinearConstants constants;
  constants.stride_words = static_cast<uint32_t>(stride / 4);
  constants.weights =
      graph.add_constant(key("linear weights", weights, n * k), n * stride, [=](uint8_t* to) {
        for (size_t row = 0; row < n; ++row) {
          std::memcpy(to + row * stride, weights + row * k, k);
        }
      });
  constants.sums = graph.add_constant(key("linear sums", weights, n * k), n * 4, [=](uint8_t* to) {
    for (size_t row = 0; row < n; ++row) {
      int32_t sum = 0;
      for (size_t i = 0; i < k; ++i) {
        sum += static_cast<int8_t>(weights[row * k + i]);
      }
      std::memcpy(to + row * 4, &sum, 4);
    }
  });
  constants.scales = graph.add_constant(
      "", n * 4, [scales = output_scales(graph, args, graph.dims(args.weights)[0])](uint8_t* to) {
        std::memcpy(to, scales.data(), scales.size() * 4);
      });
  const uint8_t* bias = args.bias < 0 ? nullptr : graph.constant_data(args.bias);
  constants.bias = graph.add_constant(key("linear bias", bias, n), n * 4, [=](uint8_t* to) {
    if (bias != nullptr) {
      std::memcpy(to, bias, n * 4);  // else zeros, which the arena is filled with
    }
  });
  return constants;
}

// ---- Kernel choice and dispatch.

struct LinearPush {
  uint32_t M, N, K, w_stride_words;
  int32_t input_zero_point, output_zero_point, quant_min, quant_max;
  float inv_output_scale;
};

void add_linear(ComputeGraph& graph, LinearArgs args) {
  check_shapes(graph, args);
  check_int8_range(args.op, args.input_zero_point, -128, 127);
  check_int8_range(args.op, args.output_zero_point, args.quant_min, args.quant_max);
  check_accumulator(graph, args);

  if (graph.dtype(args.x) == DType::kFloat32) {
    // The stock serializer hands over the float tensor that its own runtime would quantize.
    const ValueId quantized = graph.add_scratch(DType::kInt8, graph.dims(args.x));
    QuantizeParams params;
    params.scale = args.input_scale;
    params.zero_point = static_cast<int32_t>(args.input_zero_point);
    add_quantize_node(graph, args.op, args.x, quantized, params);
    args.x = quantized;
  }
  ETVK_CHECK(graph.dtype(args.x) == DType::kInt8, kInvalidProgram,
             args.op << ": x must be int8, got " << dtype_name(graph.dtype(args.x)));

  LinearPush push{};
  push.N = static_cast<uint32_t>(graph.dims(args.weights)[0]);
  push.K = static_cast<uint32_t>(graph.dims(args.weights)[1]);
  push.input_zero_point = static_cast<int32_t>(args.input_zero_point);
  push.output_zero_point = static_cast<int32_t>(args.output_zero_point);
  push.quant_min = static_cast<int32_t>(
      std::min(std::max(args.quant_min, activation_minimum(args)), args.quant_max));
  push.quant_max = static_cast<int32_t>(args.quant_max);
  push.inv_output_scale = inverse_scale(args.op, args.output_scale);
  const LinearConstants constants = add_constants(graph, args);
  push.w_stride_words = constants.stride_words;

  const auto resize = [&graph, x = args.x, y = args.y, n = push.N] {
    std::vector<int64_t> sizes = graph.sizes(x);
    sizes.back() = n;
    graph.set_sizes(y, sizes);
  };
  const char* family = args.quantized_output ? "q8ta_linear" : "linear_q8ta_q8csw";
  const auto record = [&graph, op = args.op, x = args.x, y = args.y, constants, push,
                       family](Commands& commands) mutable {
    const int64_t m = graph.numel(y) / push.N;
    if (m == 0) {
      return;
    }
    ETVK_CHECK(m * std::max<int64_t>(push.N, push.K) <= UINT32_MAX, kNotSupported,
               op << ": M = " << m << " rows of " << std::max(push.N, push.K)
                  << " are over the limit of 2^32 - 1 elements");
    push.M = static_cast<uint32_t>(m);
    const KernelRow& row = choose_linear_kernel(graph.caps(), family, push.M, push.N, push.K);
    // Specialization constants of the linear shaders: alignment of x rows in bytes, whole words in
    // y.
    const uint32_t x_alignment = push.K % 16 == 0 ? 16 : push.K % 4 == 0 ? 4 : 1;
    const Pipeline& pipeline =
        graph.context().pipelines.get(row, {x_alignment, push.N % 4 == 0 ? 1u : 0u});
    commands.dispatch(pipeline,
                      {graph.range(y), graph.range(x), graph.constant_range(constants.weights),
                       graph.constant_range(constants.sums), graph.constant_range(constants.scales),
                       graph.constant_range(constants.bias)},
                      &push, sizeof(push), linear_grid(row, push.M, push.N));
  };
  graph.add_node({args.op, {args.x}, {args.y}, resize, record});
}

}  // namespace

void q8ta_linear(ComputeGraph& graph, const OpCall& call) {
  OpArgs args(graph, call, 10);
  LinearArgs linear;
  read_input_and_weights(args, linear);
  read_output(args, linear);
  linear.y = args.output_tensor();
  add_linear(graph, linear);
}

void q8ta_linear_bounded(ComputeGraph& graph, const OpCall& call) {
  OpArgs args(graph, call, 12);
  LinearArgs linear;
  read_input_and_weights(args, linear);
  read_output(args, linear);
  linear.quant_min = args.integer("quant_min");
  linear.quant_max = args.integer("quant_max");
  linear.y = args.output_tensor();
  add_linear(graph, linear);
}

void linear_q8ta_q8csw(ComputeGraph& graph, const OpCall& call) {
  OpArgs args(graph, call, 7);
  LinearArgs linear;
  read_input_and_weights(args, linear);
  linear.bias = args.optional_constant_tensor("bias");
  linear.y = args.output_tensor();
  add_linear(graph, linear);
}

}  // namespace etvk::ops
