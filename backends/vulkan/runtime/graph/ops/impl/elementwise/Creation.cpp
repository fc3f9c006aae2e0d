// Ops that make a tensor of numbers alone, of the dtype that the program declares: arange, and
// full, zeros and ones with their relatives.
#include "graph/ops/impl/elementwise/Creation.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/elementwise/ElementwiseCall.h"
#include "vk/Error.h"

namespace etvk::ops {

uint32_t fill_bits(const OpArgs& args, const char* name, double value, DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return number_bits(value, dtype);
    case DType::kBool:
      return value != 0.0 ? 1 : 0;
    case DType::kInt32:
    case DType::kInt8:
    case DType::kUint8: {
      // PyTorch cuts a fraction off, and keeps the lowest bits of what a byte does not have.
      const double whole = std::trunc(value);
      return number_bits(args, name, whole, DType::kInt32);
    }
    default:
      ETVK_FAIL(kInvalidProgram, args.op() << ": expected float32, int32, int8, uint8 or bool, got "
                                           << dtype_name(dtype));
  }
}

namespace {

void dispatch_progression(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId y,
                          Progression kind, uint32_t start, uint32_t step) {
  const ProgressionPush push{element_count(graph, op, y), start, step};
  if (push.count == 0) {
    return;
  }
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"progression", push.count}});
  commands.dispatch(graph.context().pipelines.get(row, {static_cast<uint32_t>(kind)}),
                    {bind_elements(graph, y, push.count)}, push,
                    elementwise_grid(row, graph.caps(), push.count));
}

}  // namespace

void dispatch_fill(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId y,
                   uint32_t bits) {
  const Progression kind =
      dtype_bytes(graph.dtype(y)) == 4 ? Progression::kSameWord : Progression::kSameByte;
  dispatch_progression(graph, commands, op, y, kind, bits, 0);
}

namespace {

// ---- The same number everywhere.

void add_fill(ComputeGraph& graph, const OpArgs& args, double value,
              const std::vector<ValueId>& reads, const std::function<Sizes()>& sizes) {
  const std::string op = args.op();
  const ValueId y = args.output();
  const uint32_t bits = fill_bits(args, "fill_value", value, graph.dtype(y));
  const auto record = [&graph, op, y, bits, sizes](Commands& commands) {
    const Sizes now = sizes();
    ETVK_CHECK(std::all_of(now.begin(), now.end(), [](int64_t size) { return size >= 0; }),
               kInvalidProgram, op << ": shape " << shape_text(now));
    graph.set_sizes(y, now);
    dispatch_fill(graph, commands, op, y, bits);
  };
  graph.add_node({op, reads, {y}, record});
}

void add_fill_of_size(ComputeGraph& graph, const OpArgs& args, double value) {
  const ValueId size = args.symints("size");
  add_fill(graph, args, value, args.reads(), [&graph, size] { return graph.integers(size); });
}

void add_fill_like(ComputeGraph& graph, const OpArgs& args, double value) {
  const ValueId x = args.tensor("self");
  add_fill(graph, args, value, {x}, [&graph, x] { return graph.sizes(x); });
}

void full(ComputeGraph& graph, const OpArgs& args) {
  add_fill_of_size(graph, args, args.scalar("fill_value"));
}
void zeros(ComputeGraph& graph, const OpArgs& args) { add_fill_of_size(graph, args, 0.0); }
void ones(ComputeGraph& graph, const OpArgs& args) { add_fill_of_size(graph, args, 1.0); }
void full_like(ComputeGraph& graph, const OpArgs& args) {
  add_fill_like(graph, args, args.scalar("fill_value"));
}
void zeros_like(ComputeGraph& graph, const OpArgs& args) { add_fill_like(graph, args, 0.0); }
void ones_like(ComputeGraph& graph, const OpArgs& args) { add_fill_like(graph, args, 1.0); }

// ---- arange.

void arange(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId y = args.output();
  const DType dtype = graph.dtype(y);
  ETVK_CHECK(dtype == DType::kFloat32 || dtype == DType::kInt32, kInvalidProgram,
             op << ": expected float32 or int32, got " << dtype_name(dtype));
  ETVK_CHECK(graph.dims(y).size() == 1, kInvalidProgram,
             op << ": the output must have one dimension, got shape " << shape_text(graph.dims(y)));
  const ValueId ids[] = {args.symint("start"), args.symint("end"), args.symint("step")};
  const auto record = [&graph, op, y, dtype, start = ids[0], end = ids[1],
                       step = ids[2]](Commands& commands) {
    const int64_t from = graph.integer(start);
    const int64_t to = graph.integer(end);
    const int64_t by = graph.integer(step);
    for (int64_t one : {from, to, by}) {
      ETVK_CHECK(one == static_cast<int32_t>(one), kNotSupported,
                 op << ": " << one << " is beyond 32 bits");
    }
    ETVK_CHECK(by != 0 && (by > 0 ? to >= from : to <= from), kInvalidProgram,
               op << ": no steps of " << by << " lead from " << from << " to " << to);
    const int64_t distance = by > 0 ? to - from : from - to;
    const int64_t length = (distance + std::abs(by) - 1) / std::abs(by);
    graph.set_sizes(y, {length});
    const auto bits = [dtype](int64_t value) {
      return number_bits(static_cast<double>(value), dtype);
    };
    const Progression kind = dtype == DType::kInt32 ? Progression::kIntegers : Progression::kFloats;
    dispatch_progression(graph, commands, op, y, kind, bits(from), bits(by));
  };
  graph.add_node({op, args.reads(), {y}, record});
}

const RegisterOps registered({
    {"aten.full.default", "size:symints fill_value:scalar options:rest y:out", full},
    {"aten.zeros.default", "size:symints options:rest y:out", zeros},
    {"aten.ones.default", "size:symints options:rest y:out", ones},
    {"aten.full_like.default", "self:tensor@alike fill_value:scalar options:rest y:out@alike",
     full_like},
    {"aten.zeros_like.default", "self:tensor@alike options:rest y:out@alike", zeros_like},
    {"aten.ones_like.default", "self:tensor@alike options:rest y:out@alike", ones_like},
    {"aten.arange.start_step", "start:symint end:symint step:symint options:rest y:out", arange},
});

}  // namespace

}  // namespace etvk::ops
