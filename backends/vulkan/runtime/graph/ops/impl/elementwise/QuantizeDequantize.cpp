// quantize_per_tensor (float32 to int8) and dequantize_per_tensor (int8 to float32):
//   q = clamp(round_half_even(x * fl32(1 / scale)) + zero_point, quant_min, quant_max)
//   x = (q - zero_point) * fl32(scale)
#include "graph/ops/impl/elementwise/QuantizeDequantize.h"

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
                         const Grid& grid) {
  check_types(graph, op, x, DType::kInt8, y, DType::kFloat32);
  check_grid(op, grid);
  add_elementwise_node(
      graph, op, x, y, "dequantize_per_tensor",
      DequantizePush{0, static_cast<float>(grid.scale), static_cast<int32_t>(grid.zero_point)});
}

}  // namespace

void add_quantize_node(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
                       const Grid& grid) {
  check_types(graph, op, x, DType::kFloat32, y, DType::kInt8);
  add_elementwise_node(graph, op, x, y, "quantize_per_tensor",
                       QuantizePush{0, grid_push(op, grid)});
}

namespace {

// The dtypes that follow are those of the tensors.
void quantize_per_tensor(ComputeGraph& graph, const OpArgs& args) {
  add_quantize_node(graph, args.op(), args.tensor("input"), args.output(),
                    {args.number("scale"), args.integer("zero_point"), args.integer("quant_min"),
                     args.integer("quant_max")});
}

// The range that follows says what x holds, which needs no check.
void dequantize(ComputeGraph& graph, const OpArgs& args) {
  add_dequantize_node(graph, args.op(), args.tensor("input"), args.output(),
                      {args.number("scale"), args.integer("zero_point")});
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
