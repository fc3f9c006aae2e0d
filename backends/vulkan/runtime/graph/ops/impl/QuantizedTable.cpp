// et_vk.q8ta_table: y = table[x + 128], any function of one int8 value as its 256 results, which
// are int8 or float32. uint8 x is taken for the int8 of the same bits, and the results may be
// uint8: so a table converts between the two.
#include "Kernels.h"
#include "graph/OpArgs.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/Ops.h"
#include "vk/Error.h"

namespace etvk::ops {

void q8ta_table(ComputeGraph& graph, const OpCall& call) {
  OpArgs args(graph, call, 2);
  const std::string op = args.op();
  const ValueId x = args.tensor("x");
  const ValueId table = args.constant_tensor("table");
  const ValueId y = args.output_tensor();

  const DType dtype = graph.dtype(y);
  ETVK_CHECK(graph.dtype(x) == DType::kInt8 || graph.dtype(x) == DType::kUint8, kInvalidProgram,
             op << ": x must be int8 or uint8, got " << dtype_name(graph.dtype(x)));
  const bool is_integer = dtype == DType::kInt8 || dtype == DType::kUint8;
  ETVK_CHECK(is_integer || dtype == DType::kFloat32, kInvalidProgram,
             op << ": the output must be int8, uint8 or float32, got " << dtype_name(dtype));
  ETVK_CHECK(graph.dtype(table) == dtype && graph.dims(table) == Sizes{256}, kInvalidProgram,
             op << ": the table must be " << dtype_name(dtype) << " [256], got "
                << dtype_name(graph.dtype(table)) << " " << shape_text(graph.dims(table)));

  const auto resize = [&graph, x, y] { graph.set_sizes(y, graph.sizes(x)); };
  const KernelId kernel = is_integer ? KernelId::q8ta_table__elementwise__m1n256k1__wg64
                                     : KernelId::q8ta_table_float__elementwise__m1n256k1__wg64;
  const auto record = [&graph, op, x, table, y, kernel](Commands& commands) {
    const uint32_t count = element_count(graph, op, y);
    if (count == 0) {
      return;
    }
    const KernelRow& row = kernel_row(kernel);
    commands.dispatch(graph.context().pipelines.get(row, {}),
                      {graph.range(y), graph.range(x), graph.range(table)}, &count, sizeof(count),
                      elementwise_grid(row, graph.caps(), count));
  };
  graph.add_node({op, {x, table}, {y}, resize, record});
}

}  // namespace etvk::ops
