// et_vk.apply_rotary_emb and et_vk.apply_rotary_emb_hf, which the stock partitioner makes of rotary
// embeddings: queries and keys, each in a dispatch of its own. Ours leaves them written out.
#include "graph/ops/impl/elementwise/Rotary.h"

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/moves/StridedCopy.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

struct RotaryCall {
  std::string op;
  ValueId x = -1;
  ValueId cosines = -1;
  ValueId sines = -1;
  ValueId start = -1;  // a position, the row of the first one; -1: 0
  ValueId y = -1;
  bool interleaved = false;
};

// Rows of cosines that x takes, in the order of its heads' rows, and after how many of these the
// next.
struct Angles {
  int64_t rows = 0;
  int64_t repeats = 0;
  int64_t first_row = 0;
  int64_t columns = 0;
};

Angles angles_of(const ComputeGraph& graph, const RotaryCall& call) {
  const Sizes& x = graph.sizes(call.x);
  const Sizes& own = graph.sizes(call.cosines);
  ETVK_CHECK(own == graph.sizes(call.sines), kInvalidProgram,
             call.op << ": cosines of shape " << shape_text(own) << ", sines of "
                     << shape_text(graph.sizes(call.sines)));
  // One row for all heads of a position, or one for each.
  const bool of_heads = call.interleaved && own.size() == 3;
  const int64_t pair = call.interleaved ? 2 : 1;
  Angles angles{of_heads ? x[1] * x[2] : x[1], of_heads ? 1 : x[2],
                call.start < 0 ? 0 : graph.integer(call.start), own.back()};
  const int64_t given = of_heads ? own[0] * own[1] : own[0];
  const bool has_rows = call.interleaved ? given == angles.rows && (!of_heads || own[1] == x[2])
                                         : angles.first_row >= 0 && angles.first_row <= given &&
                                               angles.rows <= given - angles.first_row;
  const int64_t rotated = angles.columns * pair;
  const bool has_columns = call.interleaved ? rotated == x[3] : rotated <= x[3] && rotated % 2 == 0;
  ETVK_CHECK((of_heads || own.size() == 2) && has_rows && has_columns, kInvalidProgram,
             call.op << ": cosines of shape " << shape_text(own) << " are not those of "
                     << shape_text(x) << " from position " << angles.first_row << " on");
  return angles;
}

void record_rotary(ComputeGraph& graph, Commands& commands, const RotaryCall& call) {
  const Sizes& sizes = graph.sizes(call.x);
  graph.set_sizes(call.y, sizes);
  const Angles angles = angles_of(graph, call);
  const uint32_t count = element_count(graph, call.op, call.y);
  if (count == 0) {
    return;
  }
  const auto rotated = static_cast<uint32_t>(angles.columns * (call.interleaved ? 2 : 1));
  const RotaryPush push{count,
                        static_cast<uint32_t>(sizes[3]),
                        rotated,
                        static_cast<uint32_t>(angles.repeats),
                        static_cast<uint32_t>(angles.rows),
                        static_cast<uint32_t>(angles.first_row)};
  const auto angle_end = static_cast<uint64_t>((angles.first_row + angles.rows) * angles.columns);
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"rotary", count}});
  commands.dispatch(
      graph.context().pipelines.get(row, {call.interleaved ? 1u : 0u}),
      {bind_elements(graph, call.y, count), bind_elements(graph, call.x, count),
       bind_elements(graph, call.cosines, angle_end), bind_elements(graph, call.sines, angle_end)},
      push, elementwise_grid(row, graph.caps(), count));
}

void check_types(const ComputeGraph& graph, const RotaryCall& call) {
  for (ValueId id : {call.x, call.cosines, call.sines, call.y}) {
    ETVK_CHECK(graph.dtype(id) == DType::kFloat32, kInvalidProgram,
               call.op << ": expected float32, got " << dtype_name(graph.dtype(id)));
  }
  for (ValueId id : {call.x, call.y}) {
    ETVK_CHECK(graph.dims(id).size() == 4, kInvalidProgram,
               call.op << ": queries and keys must be [batch, positions, heads, width], got "
                       << shape_text(graph.dims(id)));
  }
}

void rotary(ComputeGraph& graph, const OpArgs& args, bool interleaved) {
  const std::vector<ValueId>& results = args.outputs(2);
  const char* operands[] = {"xq", "xk"};
  for (size_t i = 0; i < 2; ++i) {
    RotaryCall call{args.op(), args.tensor(operands[i]), args.tensor("freqs_cos"),
                    args.tensor("freqs_sin")};
    call.start = interleaved ? -1 : args.symint("start_pos");
    call.y = results[i];
    call.interleaved = interleaved;
    check_types(graph, call);
    std::vector<ValueId> reads = {call.x, call.cosines, call.sines};
    if (call.start >= 0) {
      reads.push_back(call.start);
    }
    graph.add_node({call.op, reads, {call.y}, [&graph, call](Commands& commands) {
                      record_rotary(graph, commands, call);
                    }});
  }
}

void apply_rotary(ComputeGraph& graph, const OpArgs& args) { rotary(graph, args, true); }
void apply_rotary_hf(ComputeGraph& graph, const OpArgs& args) { rotary(graph, args, false); }

const RegisterOps registered({
    {"et_vk.apply_rotary_emb.default",
     "xq:tensor xk:tensor freqs_cos:tensor freqs_sin:tensor y:outs", apply_rotary},
    {"et_vk.apply_rotary_emb_hf.default",
     "xq:tensor xk:tensor freqs_cos:tensor freqs_sin:tensor start_pos:symint y:outs",
     apply_rotary_hf},
});

}  // namespace

}  // namespace etvk::ops
