// Conversions among float32, int32, int8, uint8 and bool. A blob has int64 as int32, so one between
// these two is an alias, as is any to the same type.
#include "graph/ops/impl/elementwise/Convert.h"

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/moves/View.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

void check_type(const ComputeGraph& graph, const std::string& op, ValueId id) {
  const DType dtype = graph.dtype(id);
  const bool is_known = dtype == DType::kFloat32 || dtype == DType::kInt32 ||
                        dtype == DType::kInt8 || dtype == DType::kUint8 || dtype == DType::kBool;
  ETVK_CHECK(is_known, kInvalidProgram,
             op << ": expected float32, int32, int8, uint8 or bool, got " << dtype_name(dtype));
}

// Memory formats and dim orders, which follow, say nothing about orders here.
void convert(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  const ValueId y = args.output();
  check_type(graph, op, x);
  check_type(graph, op, y);
  if (graph.dtype(x) == graph.dtype(y)) {
    add_view(graph, op, x, y, [](const Sizes& sizes) { return sizes; });
    return;
  }
  const auto record = [&graph, op, x, y](Commands& commands) {
    graph.set_sizes(y, graph.sizes(x));
    const ConvertPush push{element_count(graph, op, y)};
    if (push.count == 0) {
      return;
    }
    const auto binding = [&](ValueId id) {
      return dtype_bytes(graph.dtype(id)) == 4 ? bind_groups(graph, id, push.count)
                                               : bind_elements(graph, id, push.count);
    };
    const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"convert", push.count}});
    const std::vector<uint32_t> constants = {static_cast<uint32_t>(graph.dtype(x)),
                                             static_cast<uint32_t>(graph.dtype(y))};
    commands.dispatch(graph.context().pipelines.get(row, constants),
                      {bind_elements(graph, y, push.count), binding(x)}, push,
                      elementwise_grid(row, graph.caps(), push.count));
  };
  graph.add_node({op, {x}, {y}, record});
}

constexpr const char* kSignature = "self:tensor@alike options:rest y:out@alike";

const RegisterOps registered({
    {"dim_order_ops._to_dim_order_copy.default", kSignature, convert},
    {"aten._to_copy.default", kSignature, convert},
});

}  // namespace

}  // namespace etvk::ops
