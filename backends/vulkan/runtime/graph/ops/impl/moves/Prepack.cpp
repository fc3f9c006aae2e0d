// et_vk.prepack(x) -> y: makes a constant of the program an ordinary tensor. Constants are uploaded
// as they are, so y only names the constant's memory.
#include "graph/ComputeGraph.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

void prepack(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.constant("x");
  const ValueId y = args.output();
  ETVK_CHECK(graph.dims(x) == graph.dims(y), kInvalidProgram,
             args.op() << ": the constant is " << shape_text(graph.dims(x))
                       << ", the output is declared as " << shape_text(graph.dims(y)));
  graph.add_alias(x, y);
}

const RegisterOps registered({{"et_vk.prepack.default", "x:constant y:out", prepack}});

}  // namespace

}  // namespace etvk::ops
