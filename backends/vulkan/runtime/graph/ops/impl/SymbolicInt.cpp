// Arithmetic on symbolic integers, which carry dynamic shapes. Evaluated on the host whenever an
// input's size changes; nothing is dispatched.
#include "graph/ComputeGraph.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

using BinaryFunction = int64_t (*)(int64_t, int64_t);

void binary(ComputeGraph& graph, const OpArgs& args, BinaryFunction function) {
  const ValueId a = args.symint("a");
  const ValueId b = args.symint("b");
  const ValueId out = args.output();
  const auto evaluate = [&graph, a, b, out, function](Commands&) {
    graph.set_symint(out, function(graph.integer(a), graph.integer(b)));
  };
  graph.add_node({args.op(), {a, b}, {out}, evaluate});
}

// Wraps instead of overflowing: a size that is nonsense is refused where it is used.
int64_t wrapped(uint64_t value) { return static_cast<int64_t>(value); }

void sym_size(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.tensor("self");
  const size_t dim = wrap_dim(args.op(), args.integer("dim"), graph.dims(x).size());
  const ValueId out = args.output();
  const auto evaluate = [&graph, x, dim, out](Commands&) {
    graph.set_symint(out, graph.sizes(x)[dim]);
  };
  graph.add_node({args.op(), {x}, {out}, evaluate});
}

void sym_add(ComputeGraph& graph, const OpArgs& args) {
  binary(graph, args, [](int64_t a, int64_t b) {
    return wrapped(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  });
}

void sym_sub(ComputeGraph& graph, const OpArgs& args) {
  binary(graph, args, [](int64_t a, int64_t b) {
    return wrapped(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  });
}

void sym_mul(ComputeGraph& graph, const OpArgs& args) {
  binary(graph, args, [](int64_t a, int64_t b) {
    return wrapped(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  });
}

void sym_floordiv(ComputeGraph& graph, const OpArgs& args) {
  binary(graph, args, [](int64_t a, int64_t b) {
    ETVK_CHECK(b > 0, kInvalidProgram, "floordiv: divisor " << b << " must be positive");
    return a / b - (a % b < 0 ? 1 : 0);
  });
}

constexpr const char* kBinary = "a:symint b:symint out:symout";

const RegisterOps registered({
    {"sym_size.int", "self:tensor dim:integer out:symout", sym_size},
    {"add", kBinary, sym_add},
    {"sub", kBinary, sym_sub},
    {"mul", kBinary, sym_mul},
    {"floordiv", kBinary, sym_floordiv},
});

}  // namespace

}  // namespace etvk::ops
