// et_vk.prepack(x) -> y: makes a constant of the program an ordinary tensor. Constants are uploaded
// as they are, so y only names the constant's memory.
#include "graph/OpArgs.h"
#include "graph/ops/impl/Ops.h"

namespace etvk::ops {

void prepack(ComputeGraph& graph, const OpCall& call) {
  OpArgs args(graph, call, 1);
  const ValueId x = args.constant_tensor("x");
  const ValueId y = args.output_tensor();
  graph.add_alias(x, y);
}

}  // namespace etvk::ops
