#include "OrderOps.h"

#include <algorithm>

#include "graph/ComputeGraph.h"
#include "graph/OpRegistry.h"
#include "graph/ops/impl/moves/View.h"
#include "vk/Error.h"

namespace etvk::testing {

namespace {

using Sizes = std::vector<int64_t>;

void to_channels_last(ComputeGraph& graph, const OpArgs& args) {
  const size_t rank = graph.dims(args.tensor("x")).size();
  ETVK_CHECK(rank == 3 || rank == 4, kInvalidProgram,
             args.op() << ": x must have 3 or 4 dimensions, got " << rank);
  ops::add_view(graph, args.op(), args.tensor("x"), args.output(), [](Sizes sizes) {
    std::rotate(sizes.begin() + 1, sizes.end() - 1, sizes.end());
    return sizes;
  });
}

void channels_last(ComputeGraph& graph, const OpArgs& args) {
  ops::add_view(graph, args.op(), args.tensor("x"), args.output(),
                [](const Sizes& sizes) { return sizes; });
}

void from_channels_last(ComputeGraph& graph, const OpArgs& args) {
  ops::add_view(graph, args.op(), args.tensor("x"), args.output(), [](Sizes sizes) {
    std::rotate(sizes.begin() + 1, sizes.begin() + 2, sizes.end());
    return sizes;
  });
}

}  // namespace

void register_order_ops() {
  static const RegisterOps registered({
      {"test.to_channels_last", "x:tensor y:out@channels_last", to_channels_last},
      {"test.channels_last", "x:tensor@channels_last y:out@channels_last", channels_last},
      {"test.from_channels_last", "x:tensor@channels_last y:out", from_channels_last},
  });
}

}  // namespace etvk::testing
