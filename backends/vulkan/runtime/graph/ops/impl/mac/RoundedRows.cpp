// round_rows: float32 values rounded to int8 ones on a grid that is found at run time, and back to
// float32, where no layer takes the int8 ones:
//   y = (quantize(x) - zero_point) * scale
#include "graph/ops/impl/mac/RoundedRows.h"

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/mac/QuantizedRows.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

struct Rounding {
  std::string op;
  ValueId x, q, y;
  bool per_row;
};

void record(ComputeGraph& graph, Commands& commands, const Rounding& args) {
  const std::vector<int64_t>& sizes = graph.sizes(args.x);
  graph.set_sizes(args.y, sizes);
  const uint32_t elements = element_count(graph, args.op, args.y);
  if (elements == 0) {
    return;
  }
  const uint32_t k = args.per_row ? static_cast<uint32_t>(sizes.back()) : elements;
  const DequantizeRowsPush push{elements / k, k};
  const uint32_t units = push.M * (k / 4 + (k % 4 != 0 ? 1 : 0));
  // Four elements each; of short rows these may be more than there are.
  const uint64_t work = uint64_t{units} * 4;
  ETVK_CHECK(work <= UINT32_MAX, kNotSupported,
             args.op << ": " << push.M << " rows of " << k
                     << " elements are over the limit of 2^32 - 1, in groups of four");
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"dequantize_rows", work}});
  commands.dispatch(graph.context().pipelines.get(row, {k % 4 == 0 ? 1u : 0u}),
                    {bind_elements(graph, args.y, elements),
                     bind_elements(graph, args.q, static_cast<uint64_t>(graph.numel(args.q)))},
                    push, elementwise_grid(row, graph.caps(), static_cast<uint32_t>(work)));
}

void round_rows(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.tensor("x");
  const ValueId y = args.output();
  check_types(graph, args.op(), x, DType::kFloat32, y, DType::kFloat32);
  const RowGrids grids = read_row_grids(args);
  const Rounding rounding{args.op(), x, add_quantized_rows(graph, args.op(), x, grids), y,
                          grids.per_row};
  graph.add_node({args.op(), {x, rounding.q}, {y}, [&graph, rounding](Commands& commands) {
                    record(graph, commands, rounding);
                  }});
}

const RegisterOps registered({
    {"et_vk.round_rows.default",
     "x:tensor granularity:string rule:string quant_min:integer quant_max:integer eps:number y:out",
     round_rows},
});

}  // namespace

}  // namespace etvk::ops
