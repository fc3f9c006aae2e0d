// Arithmetic on symbolic integers, which carry dynamic shapes. Evaluated on the host whenever an
// input's size changes; nothing is dispatched.
#include "graph/OpArgs.h"
#include "graph/ops/impl/Ops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

using BinaryFunction = int64_t (*)(int64_t, int64_t);

ValueId symint_output(const ComputeGraph& graph, OpArgs& args) {
  const ValueId id = args.any("output");
  ETVK_CHECK(std::holds_alternative<SymInt>(graph.value(id)), kInvalidProgram,
             args.op() << ": the output must be a symbolic integer");
  return id;
}

void binary(ComputeGraph& graph, const OpCall& call, BinaryFunction function) {
  OpArgs args(graph, call, 2);
  const ValueId a = args.symbolic_integer("a");
  const ValueId b = args.symbolic_integer("b");
  const ValueId out = symint_output(graph, args);
  const auto resize = [&graph, a, b, out, function] {
    graph.set_symint(out, function(graph.integer(a), graph.integer(b)));
  };
  graph.add_node({args.op(), {a, b}, {out}, resize, nullptr});
}

// Wraps instead of overflowing: a size that is nonsense is refused where it is used.
int64_t wrapped(uint64_t value) { return static_cast<int64_t>(value); }

}  // namespace

void sym_size(ComputeGraph& graph, const OpCall& call) {
  OpArgs args(graph, call, 2);
  const ValueId x = args.tensor("self");
  const size_t dim = wrap_dim(args.op(), args.integer("dim"), graph.dims(x).size());
  const ValueId out = symint_output(graph, args);
  const auto resize = [&graph, x, dim, out] { graph.set_symint(out, graph.sizes(x)[dim]); };
  graph.add_node({args.op(), {x}, {out}, resize, nullptr});
}

void sym_add(ComputeGraph& graph, const OpCall& call) {
  binary(graph, call, [](int64_t a, int64_t b) {
    return wrapped(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  });
}

void sym_sub(ComputeGraph& graph, const OpCall& call) {
  binary(graph, call, [](int64_t a, int64_t b) {
    return wrapped(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  });
}

void sym_mul(ComputeGraph& graph, const OpCall& call) {
  binary(graph, call, [](int64_t a, int64_t b) {
    return wrapped(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  });
}

void sym_floordiv(ComputeGraph& graph, const OpCall& call) {
  binary(graph, call, [](int64_t a, int64_t b) {
    ETVK_CHECK(b > 0, kInvalidProgram, "floordiv: divisor " << b << " must be positive");
    return a / b - (a % b < 0 ? 1 : 0);
  });
}

}  // namespace etvk::ops
