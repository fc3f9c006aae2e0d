// quantize_per_tensor (float32 to int8) and dequantize_per_tensor (int8 to float32):
//   q = clamp(round_half_even(x * fl32(1 / scale)) + zero_point, quant_min, quant_max)
//   x = (q - zero_point) * fl32(scale)
#include "graph/ops/impl/elementwise/QuantizeDequantize.h"

#include <cmath>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// Element by element, as they lie in memory. `kernels` is the op of the kernel table.
template <typename Push>
void add_elementwise_node(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
                          const char* kernels, Push push) {
  ETVK_CHECK(graph.dims(x).size() == graph.dims(y).size(), kInvalidProgram,
             op << ": input and output differ in rank");
  const auto record = [&graph, op, x, y, kernels, push](Commands& commands) mutable {
    graph.set_sizes(y, graph.sizes(x));
    push.count = element_count(graph, op, y);
    if (push.count == 0) {
      return;
    }
    const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{kernels, push.count}});
    commands.dispatch(graph.context().pipelines.get(row, {}),
                      {bind_elements(graph, y, push.count), bind_groups(graph, x, push.count)},
                      push, elementwise_grid(row, graph.caps(), push.count));
  };
  graph.add_node({op, {x}, {y}, record});
}

void add_dequantize_node(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
                         double scale, int64_t zero_point) {
  check_types(graph, op, x, DType::kInt8, y, DType::kFloat32);
  check_int8_range(op, zero_point, -128, 127);
  inverse_scale(op, scale);
  add_elementwise_node(
      graph, op, x, y, "dequantize_per_tensor",
      DequantizePush{0, static_cast<float>(scale), static_cast<int32_t>(zero_point)});
}

}  // namespace

float inverse_scale(const std::string& op, double scale) {
  // A GPU may flush subnormal numbers to zero, so results could differ between drivers.
  const float inverse = static_cast<float>(1.0 / scale);
  ETVK_CHECK(scale > 0.0 && std::isnormal(static_cast<float>(scale)) && std::isnormal(inverse),
             kNotSupported,
             op << ": scale " << scale << " must be positive, and it and its inverse must be "
                << "normal float32 numbers");
  return inverse;
}

void check_int8_range(const std::string& op, int64_t zero_point, int64_t quant_min,
                      int64_t quant_max) {
  ETVK_CHECK(-128 <= quant_min && quant_min <= quant_max && quant_max <= 127, kInvalidProgram,
             op << ": range " << quant_min << " to " << quant_max << " is not within int8");
  ETVK_CHECK(-128 <= zero_point && zero_point <= 127, kInvalidProgram,
             op << ": zero point " << zero_point << " is not within int8");
}

void add_quantize_node(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
                       const QuantizeParams& params) {
  check_types(graph, op, x, DType::kFloat32, y, DType::kInt8);
  check_int8_range(op, params.zero_point, params.quant_min, params.quant_max);
  add_elementwise_node(graph, op, x, y, "quantize_per_tensor",
                       QuantizePush{0, inverse_scale(op, params.scale), params.zero_point,
                                    params.quant_min, params.quant_max});
}

namespace {

// The dtypes that follow are those of the tensors.
void quantize_per_tensor(ComputeGraph& graph, const OpArgs& args) {
  QuantizeParams params;
  params.scale = args.number("scale");
  params.zero_point = static_cast<int32_t>(args.integer("zero_point"));
  params.quant_min = static_cast<int32_t>(args.integer("quant_min"));
  params.quant_max = static_cast<int32_t>(args.integer("quant_max"));
  add_quantize_node(graph, args.op(), args.tensor("input"), args.output(), params);
}

// The range that follows says what x holds, which needs no check.
void dequantize(ComputeGraph& graph, const OpArgs& args) {
  add_dequantize_node(graph, args.op(), args.tensor("input"), args.output(), args.number("scale"),
                      args.integer("zero_point"));
}

const RegisterOps registered({
    {"quantized_decomposed.quantize_per_tensor.default",
     "input:tensor@alike scale:number zero_point:integer quant_min:integer quant_max:integer "
     "dtype:any "
     "y:out@alike",
     quantize_per_tensor},
    {"quantized_decomposed.dequantize_per_tensor.default",
     "input:tensor@alike scale:number zero_point:integer quant_min:any quant_max:any dtype:any "
     "out_dtype:any y:out@alike",
     dequantize},
    {"et_vk.q8ta_dequantize.default",
     "input:tensor@alike scale:number zero_point:integer y:out@alike", dequantize},
});

}  // namespace

}  // namespace etvk::ops
