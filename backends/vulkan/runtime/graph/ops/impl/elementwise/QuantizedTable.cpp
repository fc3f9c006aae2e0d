// et_vk.q8ta_table: y = table[x + 128], any function of one int8 value as its 256 results, which
// are int8 or float32. uint8 x is taken for the int8 of the same bits, and the results may be
// uint8: so a table converts between the two.
#include "graph/ops/impl/elementwise/QuantizedTable.h"

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "vk/Error.h"

namespace etvk::ops {

void dispatch_table(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId x,
                    ValueId y, const Binding& table) {
  graph.set_sizes(y, graph.sizes(x));
  const uint32_t count = element_count(graph, op, y);
  if (count == 0) {
    return;
  }
  const bool is_float = graph.dtype(y) == DType::kFloat32;
  const KernelRow& row = choose_elementwise_kernel(
      graph.caps(), {{is_float ? "q8ta_table_float" : "q8ta_table", count}});
  commands.dispatch(graph.context().pipelines.get(row, {}),
                    {bind_elements(graph, y, count), bind_elements(graph, x, count), table}, count,
                    elementwise_grid(row, graph.caps(), count));
}

namespace {

void q8ta_table(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("x");
  const ValueId table = args.constant("table");
  const ValueId y = args.output();

  const DType dtype = graph.dtype(y);
  ETVK_CHECK(graph.dtype(x) == DType::kInt8 || graph.dtype(x) == DType::kUint8, kInvalidProgram,
             op << ": x must be int8 or uint8, got " << dtype_name(graph.dtype(x)));
  const bool is_integer = dtype == DType::kInt8 || dtype == DType::kUint8;
  ETVK_CHECK(is_integer || dtype == DType::kFloat32, kInvalidProgram,
             op << ": the output must be int8, uint8 or float32, got " << dtype_name(dtype));
  ETVK_CHECK(graph.dtype(table) == dtype && graph.dims(table) == Sizes{256}, kInvalidProgram,
             op << ": the table must be " << dtype_name(dtype) << " [256], got "
                << dtype_name(graph.dtype(table)) << " " << shape_text(graph.dims(table)));

  const auto record = [&graph, op, x, table, y](Commands& commands) {
    dispatch_table(graph, commands, op, x, y, bind_elements(graph, table, 256));
  };
  graph.add_node({op, {x, table}, {y}, record});
}

const RegisterOps registered({{"et_vk.q8ta_table.default",
                               "x:tensor@alike table:constant y:out@alike", q8ta_table}});

}  // namespace

}  // namespace etvk::ops
