// Linear layers on int8: activations quantized per tensor, weights per channel.
//   acc = sum_k (x[k] - input_zero_point) * w[n, k]                      int32, exact
//   f   = float(acc) * fl32(input_scale * w_scale[n]) + bias[n]          float32, in this order
//   f   = activation(f)                                                  glsl/activations.py
//   q8ta_linear:           y = quantize(f, output)                                         int8
//   q8ta_linear.residual:  y = quantize(g + (residual - zero_point) * fl32(scale), output) int8
//       g = f, or with round_linear dequantize(quantize(f, linear), linear)
//   linear_q8ta_q8csw:     y = f                                                           float32
// A relu before the quantize only narrows quant_min, since quantizing is monotone; other clamps
// come as quant_min and quant_max already.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

#include "Kernels.h"
#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/elementwise/QuantizeDequantize.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// ---- Arguments.

enum class ResidualMode : uint32_t { kNone, kDirect, kRounded };  // RESIDUAL in linear_io.glsl

// The tensor that is added to the layer's result, and how that is rounded before.
struct ResidualArgs {
  ResidualMode mode = ResidualMode::kNone;
  ValueId tensor = -1;  // int8, of the shape of y
  double scale = 1.0;
  int64_t zero_point = 0;
  QuantizeParams linear;  // with kRounded only
};

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
  Activation activation = Activation::none;
  double alpha = 0.0;  // parameters of the activation
  double beta = 0.0;
  int64_t quant_min = -128;
  int64_t quant_max = 127;
  ResidualArgs residual;
  ValueId y = -1;  // [..., N]
};

void read_input_and_weights(const OpArgs& args, LinearArgs& linear) {
  linear.op = args.op();
  linear.x = args.tensor("x");
  linear.input_scale = args.number("input_scale");
  linear.input_zero_point = args.integer("input_zero_point");
  linear.weights = args.constant("weights");
  // Not weight_sums: they are computed here, so that they agree with the weights.
  linear.weight_scales = args.constant("weight_scales");
  linear.bias = args.optional_constant("bias");
  linear.y = args.output();
}

void read_output(const OpArgs& args, LinearArgs& linear) {
  linear.quantized_output = true;
  linear.output_scale = args.number("output_scale");
  linear.output_zero_point = args.integer("output_zero_point");
}

// A row of the activation table, or relu: the clamp from 0 to infinity.
Activation activation_of(const OpArgs& args, const std::string& name) {
  if (name == "relu") {
    return Activation::clamp;
  }
  const auto* row = std::find(std::begin(kActivationNames), std::end(kActivationNames), name);
  std::string known = "relu";
  for (const char* one : kActivationNames) {
    known += std::string(", ") + one;
  }
  ETVK_CHECK(row != std::end(kActivationNames), kInvalidProgram,
             args.op() << ": activation '" << name << "' is none of " << known);
  return static_cast<Activation>(row - std::begin(kActivationNames));
}

void read_activation(const OpArgs& args, LinearArgs& linear, bool has_parameters) {
  const std::string name = args.string("activation");
  linear.activation = activation_of(args, name);
  if (has_parameters) {
    linear.alpha = args.number("alpha");
    linear.beta = args.number("beta");
    ETVK_CHECK(!std::isnan(linear.alpha) && !std::isnan(linear.beta), kInvalidProgram,
               args.op() << ": a parameter of activation '" << name << "' is not a number");
    // A clamp may be open on a side; elsewhere infinity times zero would be no number.
    const bool finite = std::isfinite(static_cast<float>(linear.alpha)) &&
                        std::isfinite(static_cast<float>(linear.beta));
    ETVK_CHECK(finite || linear.activation == Activation::clamp, kInvalidProgram,
               args.op() << ": parameters " << linear.alpha << " and " << linear.beta
                         << " of activation '" << name << "' must be finite float32 numbers");
  }
  if (name == "relu") {
    linear.alpha = 0.0;
    linear.beta = std::numeric_limits<double>::infinity();
  }
}

// The schema calls the result's own quantization linear_*.
void read_residual(const OpArgs& args, LinearArgs& linear) {
  ResidualArgs& residual = linear.residual;
  residual.linear.scale = args.number("linear_scale");
  residual.linear.zero_point = static_cast<int32_t>(args.integer("linear_zero_point"));
  residual.linear.quant_min = static_cast<int32_t>(args.integer("linear_quant_min"));
  residual.linear.quant_max = static_cast<int32_t>(args.integer("linear_quant_max"));
  residual.mode = args.boolean("round_linear") ? ResidualMode::kRounded : ResidualMode::kDirect;
  residual.tensor = args.tensor("residual");
  residual.scale = args.number("residual_scale");
  residual.zero_point = args.integer("residual_zero_point");
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
  const auto* weights = reinterpret_cast<const int8_t*>(graph.constant_source(args.weights).data);
  const uint64_t bound = accumulator_bound(weights, n, k, args.input_zero_point);
  ETVK_CHECK(bound <= INT32_MAX, kNotSupported,
             args.op << ": K = " << k << " could overflow the 32-bit sum (|sum| up to " << bound
                     << "); K up to " << kSafeK << " is always safe");
}

void check_residual(const ComputeGraph& graph, const LinearArgs& args) {
  const ResidualArgs& residual = args.residual;
  if (residual.mode == ResidualMode::kNone) {
    return;
  }
  ETVK_CHECK(graph.dtype(residual.tensor) == DType::kInt8 &&
                 graph.dims(residual.tensor).size() == graph.dims(args.y).size(),
             kInvalidProgram,
             args.op << ": the residual must be int8 of the shape of y, got "
                     << dtype_name(graph.dtype(residual.tensor)) << " of rank "
                     << graph.dims(residual.tensor).size());
  check_int8_range(args.op, residual.zero_point, -128, 127);
  inverse_scale(args.op, residual.scale);
  if (residual.mode == ResidualMode::kRounded) {
    const QuantizeParams& linear = residual.linear;
    check_int8_range(args.op, linear.zero_point, linear.quant_min, linear.quant_max);
  }
}

// A relu right before the quantize moves into quant_min.
void fold_relu(LinearArgs& args) {
  const bool relu = args.activation == Activation::clamp && args.alpha == 0.0 &&
                    args.beta == std::numeric_limits<double>::infinity();
  if (relu && args.quantized_output && args.residual.mode == ResidualMode::kNone) {
    args.activation = Activation::none;
    args.quant_min = std::min(std::max(args.quant_min, args.output_zero_point), args.quant_max);
  }
}

// ---- Constants, in the layout that every kernel reads.

struct LinearConstants {
  ConstantRef weights;  // rows of whole 16-byte groups, zero behind K
  ConstantRef sums;     // int32 [N]
  ConstantRef scales;   // float32 [N], input_scale * w_scale[n]
  ConstantRef bias;     // float32 [N]
  uint32_t stride_words;
};

void check_scales(const LinearArgs& args, const float* w_scales, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float scale = static_cast<float>(args.input_scale) * w_scales[i];
    // A GPU may flush subnormal numbers to zero.
    ETVK_CHECK(scale == 0.0f ? w_scales[i] == 0.0f : std::isnormal(scale), kNotSupported,
               args.op << ": input_scale " << args.input_scale << " times weight scale "
                       << w_scales[i] << " of channel " << i << " is not a normal float32");
  }
}

// Rows of k bytes, each followed by zeros up to `stride`.
FillBytes padded_rows(const uint8_t* rows, uint64_t k, uint64_t stride) {
  return [=](uint8_t* to, uint64_t begin, uint64_t size) {
    for (uint64_t at = begin; at < begin + size;) {
      const uint64_t column = at % stride;
      const uint64_t count = std::min(stride - column, begin + size - at);
      const uint64_t own = column < k ? std::min(k - column, count) : 0;
      std::memcpy(to, rows + at / stride * k + column, own);
      std::memset(to + own, 0, count - own);
      to += count;
      at += count;
    }
  };
}

// Four bytes a channel: `value` gives those of channel n.
template <typename Value>
FillBytes channels(Value value) {
  return [value](uint8_t* to, uint64_t begin, uint64_t size) {
    for (uint64_t at = begin; at < begin + size; at += 4) {
      const auto one = value(at / 4);
      static_assert(sizeof(one) == 4);
      std::memcpy(to + (at - begin), &one, 4);
    }
  };
}

float float_at(const uint8_t* data, uint64_t index) {
  float value = 0.0f;
  std::memcpy(&value, data + index * 4, 4);
  return value;
}

LinearConstants add_constants(ComputeGraph& graph, const LinearArgs& args) {
  const auto n = static_cast<uint64_t>(graph.dims(args.weights)[0]);
  const auto k = static_cast<uint64_t>(graph.dims(args.weights)[1]);
  const uint64_t stride = (k + 15) / 16 * 16;
  // Weights of other shapes may share the bytes, but not what is made of them.
  const std::string shape = " " + std::to_string(n) + " " + std::to_string(k);
  const uint8_t* weights = graph.constant_source(args.weights).data;
  const uint8_t* scales = graph.constant_source(args.weight_scales).data;

  LinearConstants constants;
  constants.stride_words = static_cast<uint32_t>(stride / 4);
  constants.weights = graph.add_constant(
      {weights, n * k, "linear weights" + shape, n * stride, padded_rows(weights, k, stride)});
  constants.sums = graph.add_constant(
      {weights, n * k, "linear sums" + shape, n * 4, channels([weights, k](uint64_t row) {
         int32_t sum = 0;
         for (uint64_t i = 0; i < k; ++i) {
           sum += static_cast<int8_t>(weights[row * k + i]);
         }
         return sum;
       })});

  const auto input_scale = static_cast<float>(args.input_scale);
  std::vector<float> w_scales(n);
  std::memcpy(w_scales.data(), scales, n * 4);
  check_scales(args, w_scales.data(), n);
  std::ostringstream scales_layout;
  scales_layout << "linear scales times " << std::hexfloat << input_scale;
  constants.scales = graph.add_constant(
      {scales, n * 4, scales_layout.str(), n * 4, channels([scales, input_scale](uint64_t row) {
         return input_scale * float_at(scales, row);
       })});

  if (args.bias < 0) {
    constants.bias = graph.add_constant(
        {nullptr, 0, "zeros" + shape, n * 4, channels([](uint64_t) { return 0.0f; })});
  } else {
    const uint8_t* bias = graph.constant_source(args.bias).data;
    constants.bias =
        graph.add_constant({bias, n * 4, "linear bias", n * 4,
                            channels([bias](uint64_t row) { return float_at(bias, row); })});
  }
  return constants;
}

// ---- Kernel choice and dispatch.

struct LinearPush {
  uint32_t M, N, K, w_stride_words;
  int32_t input_zero_point, output_zero_point, quant_min, quant_max;
  float inv_output_scale;
  float alpha, beta;
  float residual_scale;
  int32_t residual_zero_point;
  float linear_scale, inv_linear_scale;
  int32_t linear_zero_point, linear_quant_min, linear_quant_max;
};

// Whether no tile of the problem has a part outside it.
bool has_whole_tiles(const KernelRow& row, const LinearPush& push) {
  return push.M % row.tile_m == 0 && push.N % row.tile_n == 0 && push.K % row.tile_k == 0;
}

// Whether a pipeline of its own for each K pays: docs/benchmarks.md. Compilers spread out the loop
// of a short K, for minutes on some CPUs.
bool is_worth_a_pipeline(const KernelRow& row, uint32_t K) {
  return uses_coopmat(row) && K >= 1024;
}

LinearPush push_constants(const ComputeGraph& graph, const LinearArgs& args) {
  LinearPush push{};
  push.N = static_cast<uint32_t>(graph.dims(args.weights)[0]);
  push.K = static_cast<uint32_t>(graph.dims(args.weights)[1]);
  push.input_zero_point = static_cast<int32_t>(args.input_zero_point);
  push.output_zero_point = static_cast<int32_t>(args.output_zero_point);
  push.quant_min = static_cast<int32_t>(args.quant_min);
  push.quant_max = static_cast<int32_t>(args.quant_max);
  push.inv_output_scale = inverse_scale(args.op, args.output_scale);
  push.alpha = static_cast<float>(args.alpha);
  push.beta = static_cast<float>(args.beta);
  if (args.residual.mode != ResidualMode::kNone) {
    push.residual_scale = static_cast<float>(args.residual.scale);
    push.residual_zero_point = static_cast<int32_t>(args.residual.zero_point);
  }
  if (args.residual.mode == ResidualMode::kRounded) {
    const QuantizeParams& linear = args.residual.linear;
    push.linear_scale = static_cast<float>(linear.scale);
    push.inv_linear_scale = inverse_scale(args.op, linear.scale);
    push.linear_zero_point = linear.zero_point;
    push.linear_quant_min = linear.quant_min;
    push.linear_quant_max = linear.quant_max;
  }
  return push;
}

void add_linear(ComputeGraph& graph, LinearArgs args) {
  check_shapes(graph, args);
  check_int8_range(args.op, args.input_zero_point, -128, 127);
  check_int8_range(args.op, args.output_zero_point, args.quant_min, args.quant_max);
  check_accumulator(graph, args);
  check_residual(graph, args);
  fold_relu(args);

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

  LinearPush push = push_constants(graph, args);
  const LinearConstants constants = add_constants(graph, args);
  push.w_stride_words = constants.stride_words;

  const char* family = args.quantized_output ? "q8ta_linear" : "linear_q8ta_q8csw";
  const ResidualMode mode = args.residual.mode;
  const ValueId residual = mode == ResidualMode::kNone ? args.x : args.residual.tensor;
  const auto record = [&graph, op = args.op, x = args.x, y = args.y, residual, mode,
                       activation = args.activation, constants, push,
                       family](Commands& commands) mutable {
    std::vector<int64_t> sizes = graph.sizes(x);
    ETVK_CHECK(sizes.back() == push.K, kInvalidProgram,
               op << ": x is " << shape_text(sizes) << ", its last size must be K = " << push.K);
    sizes.back() = push.N;
    ETVK_CHECK(mode == ResidualMode::kNone || graph.sizes(residual) == sizes, kInvalidProgram,
               op << ": the residual is " << shape_text(graph.sizes(residual))
                  << ", it must have the result's shape " << shape_text(sizes));
    graph.set_sizes(y, sizes);
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
    // y, activation, residual, whole tiles, quads of a row of w or 0.
    const uint32_t k_quads = is_worth_a_pipeline(row, push.K) ? push.w_stride_words / 4 : 0;
    const uint32_t x_alignment = push.K % 16 == 0 ? 16 : push.K % 4 == 0 ? 4 : 1;
    const Pipeline& pipeline = graph.context().pipelines.get(
        row, {x_alignment, push.N % 4 == 0 ? 1u : 0u, static_cast<uint32_t>(activation),
              static_cast<uint32_t>(mode), has_whole_tiles(row, push) ? 1u : 0u, k_quads});
    // Rows of x and w beyond M and N repeat the last one, columns likewise (linear_io.glsl,
    // linear_epilogue.glsl); without a residual its binding is not touched.
    const uint64_t outputs = uint64_t{push.M} * push.N;
    const uint64_t channels = uint64_t{push.N} * 4;
    std::vector<Binding> bindings{
        bind_elements(graph, y, outputs),
        bind_elements(graph, x, uint64_t{push.M} * push.K),
        graph.bind_constant(constants.weights, uint64_t{push.N} * push.w_stride_words * 4),
        graph.bind_constant(constants.sums, channels),
        graph.bind_constant(constants.scales, channels),
        graph.bind_constant(constants.bias, channels),
    };
    if (graph.dtype(y) == DType::kInt8) {
      bindings.push_back(bind_elements(graph, residual, mode == ResidualMode::kNone ? 0 : outputs));
    }
    commands.dispatch(pipeline, bindings, push, linear_grid(row, push.M, push.N));
  };
  graph.add_node({args.op, {args.x, residual}, {args.y}, record});
}

void q8ta_linear(ComputeGraph& graph, const OpArgs& args) {
  LinearArgs linear;
  read_input_and_weights(args, linear);
  read_output(args, linear);
  read_activation(args, linear, false);
  add_linear(graph, linear);
}

void read_range(const OpArgs& args, LinearArgs& linear) {
  linear.quant_min = args.integer("quant_min");
  linear.quant_max = args.integer("quant_max");
}

void q8ta_linear_bounded(ComputeGraph& graph, const OpArgs& args) {
  LinearArgs linear;
  read_input_and_weights(args, linear);
  read_output(args, linear);
  read_activation(args, linear, true);
  read_range(args, linear);
  add_linear(graph, linear);
}

void q8ta_linear_residual(ComputeGraph& graph, const OpArgs& args) {
  LinearArgs linear;
  read_input_and_weights(args, linear);
  read_activation(args, linear, true);
  read_residual(args, linear);
  read_output(args, linear);
  read_range(args, linear);
  add_linear(graph, linear);
}

// The stock op, which knows no activation.
void linear_q8ta_q8csw(ComputeGraph& graph, const OpArgs& args) {
  LinearArgs linear;
  read_input_and_weights(args, linear);
  add_linear(graph, linear);
}

void linear_q8ta_q8csw_int8(ComputeGraph& graph, const OpArgs& args) {
  LinearArgs linear;
  read_input_and_weights(args, linear);
  read_activation(args, linear, true);
  add_linear(graph, linear);
}

#define ETVK_LINEAR_INPUT                                                                       \
  "x:tensor input_scale:number input_zero_point:integer weights:constant weight_sums:constant " \
  "weight_scales:constant "
#define ETVK_OUTPUT "output_scale:number output_zero_point:integer "
#define ETVK_RANGE "quant_min:integer quant_max:integer "
#define ETVK_ACTIVATION "activation:string alpha:number beta:number "

constexpr const char* kLinear =
    ETVK_LINEAR_INPUT ETVK_OUTPUT "bias:constant? activation:string y:out";

const RegisterOps registered({
    {"et_vk.q8ta_linear.default", kLinear, q8ta_linear},
    {"et_vk.q8ta_linear_gemv.default", kLinear, q8ta_linear},  // the kernel is chosen from M here
    {"et_vk.q8ta_linear.bounded",
     ETVK_LINEAR_INPUT ETVK_OUTPUT "bias:constant? " ETVK_ACTIVATION ETVK_RANGE "y:out",
     q8ta_linear_bounded},
    {"et_vk.q8ta_linear.residual",
     ETVK_LINEAR_INPUT
     "linear_scale:number linear_zero_point:integer bias:constant? " ETVK_ACTIVATION
     "linear_quant_min:integer linear_quant_max:integer round_linear:boolean residual:tensor "
     "residual_scale:number residual_zero_point:integer " ETVK_OUTPUT ETVK_RANGE "y:out",
     q8ta_linear_residual},
    {"et_vk.linear_q8ta_q8csw.default", ETVK_LINEAR_INPUT "bias:constant? y:out",
     linear_q8ta_q8csw},
    {"et_vk.linear_q8ta_q8csw.int8", ETVK_LINEAR_INPUT "bias:constant? " ETVK_ACTIVATION "y:out",
     linear_q8ta_q8csw_int8},
});

#undef ETVK_LINEAR_INPUT
#undef ETVK_OUTPUT
#undef ETVK_RANGE
#undef ETVK_ACTIVATION

}  // namespace

}  // namespace etvk::ops
