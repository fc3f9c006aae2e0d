// et_vk.state(size, initial) -> y: what the program keeps from one execution to the next, at first
// the constant `initial`: all of y, or one element that all of y is. et_vk.assign_state(state,
// value) -> y: the state is `value` from the next execution on; so is y at once. In this one
// `state` stays what it was, wherever it is read.
#include "graph/ComputeGraph.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

void state(ComputeGraph& graph, const OpArgs& args) {
  const ValueId initial = args.constant("initial");
  const ValueId y = args.output();
  ETVK_CHECK(args.integers("size") == graph.dims(y) && graph.dtype(initial) == graph.dtype(y) &&
                 (graph.dims(initial) == graph.dims(y) || graph.numel(initial) == 1),
             kInvalidProgram,
             args.op() << ": a state of " << dtype_name(graph.dtype(y)) << " "
                       << shape_text(graph.dims(y)) << " cannot start as "
                       << dtype_name(graph.dtype(initial)) << " " << shape_text(graph.dims(initial))
                       << " of size " << shape_text(args.integers("size")));
  graph.states().add(args.op(), y, graph.constant_source(initial));
}

void assign_state(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId state = args.tensor("state");
  const ValueId value = args.tensor("value");
  const ValueId y = args.output();
  ETVK_CHECK(graph.dims(value) == graph.dims(y), kInvalidProgram,
             op << ": the value is " << shape_text(graph.dims(value))
                << ", the output is declared as " << shape_text(graph.dims(y)));
  graph.states().assign(op, state, value);
  graph.add_alias(value, y);
  const auto check = [&graph, op, state, value, y](Commands&) {
    ETVK_CHECK(graph.sizes(value) == graph.dims(state), kInvalidProgram,
               op << ": a state of shape " << shape_text(graph.dims(state)) << " cannot become "
                  << shape_text(graph.sizes(value)));
    graph.set_sizes(y, graph.sizes(value));
  };
  // The alias already stands for a write of y.
  graph.add_node({op, {state, value}, {}, check});
}

const RegisterOps registered({
    {"et_vk.state.default", "size:integers initial:constant y:out", state},
    {"et_vk.assign_state.default", "state:tensor value:tensor y:out", assign_state},
});

}  // namespace

}  // namespace etvk::ops
