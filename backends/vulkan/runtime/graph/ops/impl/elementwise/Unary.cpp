// Functions of each element of a float32, int32 or bool tensor: the rows of kUnaryOps.
#include "graph/ops/impl/elementwise/Unary.h"

#include "ElementwiseRows.h"
#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/elementwise/ElementwiseCall.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

uint32_t parameter(const OpArgs& args, const UnaryOp& row, uint32_t i, DType type) {
  const char* name = row.parameters[i];
  const double value = args.takes(name, ArgKind::kScalar)
                           ? args.scalar(name)
                           : args.optional_scalar(name).value_or(row.defaults[i]);
  return number_bits(args, name, value, type);
}

void unary(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  const DType type = graph.dtype(x);
  const UnaryOp& row = row_of(kUnaryOps, args, type);
  const ValueId y = args.output();
  check_types(graph, op, row, {x}, y);
  UnaryPush call{};
  for (uint32_t i = 0; i < row.parameter_count; ++i) {
    call.parameters[i] = parameter(args, row, i, type);
  }
  const std::string kernels = kernels_of("unary", row, type);
  const bool of_bool = type == DType::kBool;
  const auto record = [&graph, op, x, y, of_bool, kernels, code = row.code,
                       call](Commands& commands) {
    graph.set_sizes(y, graph.sizes(x));
    UnaryPush push = call;
    push.count = element_count(graph, op, y);
    if (push.count == 0) {
      return;
    }
    const KernelRow& kernel =
        choose_elementwise_kernel(graph.caps(), {{kernels.c_str(), push.count}});
    commands.dispatch(
        graph.context().pipelines.get(kernel, {code}),
        {bind_elements(graph, y, push.count),
         of_bool ? bind_elements(graph, x, push.count) : bind_groups(graph, x, push.count)},
        push, elementwise_grid(kernel, graph.caps(), push.count));
  };
  graph.add_node({op, {x}, {y}, record, -1, overwritable(graph, {x}, y)});
}

const RegisterOps registered(op_rows(kUnaryOps, unary));

}  // namespace

}  // namespace etvk::ops
