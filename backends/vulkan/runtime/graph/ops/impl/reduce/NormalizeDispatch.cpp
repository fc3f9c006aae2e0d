#include "graph/ops/impl/reduce/NormalizeDispatch.h"

#include <algorithm>
#include <optional>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/reduce/ReducedLoops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

bool has_weights(const NormArgs& args) { return args.weight >= 0 || args.bias >= 0; }

// Neighbouring rows are neighbours in memory, or with `in_order` of dimensions. Where there are no
// weights their strides are those of x, and keep no loops apart.
ReducedLoops loops_of(const NormArgs& args, const Rows& rows, bool in_order) {
  const Sizes& weight_strides = has_weights(args) ? rows.weight_strides : rows.x_strides;
  ReducedLoops loops;
  Loops nests[2] = {{{}, {{}, {}}}, {{}, {{}, {}}}};
  for (size_t place = 0; place < rows.sizes.size(); ++place) {
    for (const bool inside : {false, true}) {
      const size_t loop = in_order && !inside ? place : rows.memory_order[place];
      if (rows.is_inside[loop] != inside) {
        continue;
      }
      Loops& own = nests[inside ? 1 : 0];
      own.sizes.push_back(rows.sizes[loop]);
      own.strides[0].push_back(rows.x_strides[loop]);
      own.strides[1].push_back(weight_strides[loop]);
      loops.reduced_count *= inside ? rows.sizes[loop] : 1;
    }
  }
  loops.kept = merge_loops(args.op, nests[0]);
  loops.reduced = merge_loops(args.op, nests[1]);
  const size_t count = loops.kept.sizes.size() + loops.reduced.sizes.size();
  ETVK_CHECK(
      count <= kMaxLoops, kNotSupported,
      args.op << ": " << count << " dimensions that cannot be merged, the limit is " << kMaxLoops);
  return loops;
}

void fill_push(NormalizePush& push, const ReducedLoops& loops) {
  size_t at = 0;
  for (const Loops* nest : {&loops.kept, &loops.reduced}) {
    for (size_t i = 0; i < nest->sizes.size(); ++i, ++at) {
      push.sizes[at] = static_cast<uint32_t>(nest->sizes[i]);
      push.strides[at] = {static_cast<uint32_t>(nest->strides[0][i]),
                          static_cast<uint32_t>(nest->strides[1][i])};
    }
  }
}

NormGridsPush grids_of(const NormArgs& args) {
  const Grid input = args.input.value_or(Grid{});
  return {static_cast<float>(input.scale), static_cast<int32_t>(input.zero_point),
          packed_grid_push(args.op, args.output)};
}

// A weight that there is not is bound as x, of which nothing is touched there.
Binding bind_weight(const ComputeGraph& graph, const NormArgs& args, ValueId weight, uint64_t end) {
  return weight < 0 ? graph.bind(args.x, 0) : bind_elements(graph, weight, end);
}

std::vector<Binding> bindings(const ComputeGraph& graph, const NormArgs& args, uint64_t x_end,
                              uint64_t y_end, uint64_t weight_end) {
  return {bind_elements(graph, args.y, y_end), bind_elements(graph, args.x, x_end),
          bind_weight(graph, args, args.weight, weight_end),
          bind_weight(graph, args, args.bias, weight_end)};
}

uint32_t flag(bool is_set) { return is_set ? 1 : 0; }

float number_of(const NormArgs& args, const Rows& rows) {
  return args.function == Normalization::kVariance ? static_cast<float>(rows.divisor)
                                                   : args.epsilon;
}

// Whether rows follow each other without gaps, in whole groups of four elements, and weights along
// each of them.
bool are_whole_rows(const NormArgs& args, const ReducedLoops& loops) {
  const Sizes& kept = loops.kept.sizes;
  const Sizes& reduced = loops.reduced.sizes;
  if (kept.size() != 1 || reduced.size() != 1 || loops.reduced_count % 4 != 0) {
    return false;
  }
  const auto lie = [&](size_t operand, int64_t row_stride) {
    return loops.reduced.strides[operand][0] == 1 &&
           (kept[0] == 1 || loops.kept.strides[operand][0] == row_stride);
  };
  return lie(0, loops.reduced_count) && (!has_weights(args) || lie(1, 0));
}

NormalizeRowsPush rows_push(const NormArgs& args, const RowsWork& work, float number) {
  NormalizeRowsPush push{};
  push.count = static_cast<uint32_t>(work.rows);
  push.row_groups = work.elements / 4;
  push.inverse_elements = 1.0f / static_cast<float>(work.elements);
  push.number = number;
  push.grids = grids_of(args);
  return push;
}

// The rows of x, where they follow each other without gaps; else none.
std::optional<RowsWork> whole_rows(const ComputeGraph& graph, const NormArgs& args,
                                   const ReducedLoops& loops) {
  if (!are_whole_rows(args, loops)) {
    return std::nullopt;
  }
  const uint32_t elements = element_count(graph, args.op, args.x);
  return RowsWork{elements / static_cast<uint64_t>(loops.reduced_count),
                  static_cast<uint32_t>(loops.reduced_count)};
}

const KernelRow* rows_kernel(const ComputeGraph& graph, const RowsWork& work) {
  return choose_rows_kernel(graph.caps(), "normalize_rows", {"normalize"}, work);
}

// Whether both operands of the sum that x is lie as x does, in rows that a kernel has.
bool can_make_sum(const ComputeGraph& graph, const NormArgs& args, const Rows& rows) {
  for (ValueId id : {args.sum->a, args.sum->b}) {
    if (graph.sizes(id) != graph.sizes(args.x) || graph.strides(id) != graph.strides(args.x)) {
      return false;
    }
  }
  const std::optional<RowsWork> work = whole_rows(graph, args, loops_of(args, rows, false));
  return work && rows_kernel(graph, *work) != nullptr;
}

// One dispatch of normalize_rows.comp, or with ROUNDS.
struct RowsDispatch {
  const KernelRow& row;
  RowsWork work;
  float number;
  NormSum sum;
};

std::vector<uint32_t> rows_constants(const NormArgs& args, const RowsDispatch& own) {
  return {groups_of_lane(own.row, own.work.elements),
          static_cast<uint32_t>(args.function),
          flag(args.weight >= 0),
          flag(args.bias >= 0),
          flag(args.input.has_value()),
          flag(args.output.has_value()),
          static_cast<uint32_t>(own.sum)};
}

WorkgroupCount rows_grid(const ComputeGraph& graph, const RowsDispatch& own) {
  const uint64_t groups = (own.work.rows - 1) / own.row.tile_m + 1;
  return {static_cast<uint32_t>(std::min<uint64_t>(groups, graph.caps().max_workgroup_count)), 1,
          1};
}

std::vector<Binding> rows_bindings(const ComputeGraph& graph, const NormArgs& args,
                                   const RowsDispatch& own) {
  const uint64_t end = own.work.rows * own.work.elements;
  const bool is_variance = args.function == Normalization::kVariance;
  std::vector<Binding> all =
      bindings(graph, args, end, is_variance ? own.work.rows : end, own.work.elements);
  const Binding nothing = graph.bind(args.x, 0);
  const bool is_sum = own.sum != NormSum::kNone;
  if (is_sum) {
    all[1] = bind_elements(graph, args.sum->a, end);
  }
  all.push_back(is_sum ? bind_elements(graph, args.sum->b, end) : nothing);
  all.push_back(own.sum == NormSum::kStored ? bind_elements(graph, args.x, end) : nothing);
  return all;
}

void dispatch_rows(ComputeGraph& graph, Commands& commands, const NormArgs& args,
                   const RowsDispatch& own) {
  commands.dispatch(graph.context().pipelines.get(own.row, rows_constants(args, own)),
                    rows_bindings(graph, args, own), rows_push(args, own.work, own.number),
                    rows_grid(graph, own));
}

const KernelRow* rounding_kernel(const ComputeGraph& graph, const NormArgs& args,
                                 const RowsWork& work, const RowRounding* rounding) {
  const bool is_asked = rounding != nullptr && rounding->y >= 0 && !args.output.has_value() &&
                        work.elements == graph.sizes(args.y).back();
  return is_asked ? choose_rows_kernel(graph.caps(), "normalize_and_round_rows",
                                       {"normalize", "normalize_rows", "quantize_rows",
                                        "quantize_long_rows", "quantize_whole_rows"},
                                       work)
                  : nullptr;
}

void dispatch_and_round_rows(ComputeGraph& graph, Commands& commands, const NormArgs& args,
                             const RowsDispatch& own, RowRounding& rounding) {
  const RowGrids& grids = rounding.grids;
  const NormalizeAndRoundRowsPush push{rows_push(args, own.work, own.number), grids.quant_min,
                                       grids.quant_max, grids.eps};
  std::vector<uint32_t> constants = rows_constants(args, own);
  constants.push_back(static_cast<uint32_t>(grids.rule));
  const int64_t bytes = rounded_bytes(static_cast<int64_t>(own.work.rows), own.work.elements);
  graph.set_sizes(rounding.y, {bytes});
  std::vector<Binding> all = rows_bindings(graph, args, own);
  all.push_back(all.front());
  all.front() = bind_elements(graph, rounding.y, static_cast<uint64_t>(bytes));
  commands.dispatch(graph.context().pipelines.get(own.row, constants), all, push,
                    rows_grid(graph, own));
  rounding.rounded_row = own.work.elements;
}

}  // namespace

Rows rows_of(const ComputeGraph& graph, ValueId x, const std::vector<bool>& inside) {
  return {graph.sizes(x), graph.strides(x), graph.strides(x), inside, graph.memory_dims(x), 1.0};
}

void dispatch_norm(ComputeGraph& graph, Commands& commands, const NormArgs& args, const Rows& rows,
                   RowRounding* rounding) {
  const uint32_t elements = element_count(graph, args.op, args.x);
  const bool is_variance = args.function == Normalization::kVariance;
  const ReducedLoops loops = loops_of(args, rows, is_variance);
  if (const std::optional<RowsWork> work = whole_rows(graph, args, loops)) {
    const bool makes_sum = args.sum != nullptr && args.sum->is_left;
    const NormSum sum = !makes_sum                       ? NormSum::kNone
                        : graph.reader_count(args.x) > 1 ? NormSum::kStored
                                                         : NormSum::kRead;
    if (const KernelRow* row = rounding_kernel(graph, args, *work, rounding)) {
      dispatch_and_round_rows(graph, commands, args, {*row, *work, number_of(args, rows), sum},
                              *rounding);
      return;
    }
    if (const KernelRow* row = rows_kernel(graph, *work)) {
      dispatch_rows(graph, commands, args, {*row, *work, number_of(args, rows), sum});
      return;
    }
  }
  NormalizePush push{};
  push.count = static_cast<uint32_t>(elements / loops.reduced_count);
  push.elements = static_cast<float>(loops.reduced_count);
  push.number = number_of(args, rows);
  const bool along_rows = loops.reduced.strides[0].back() == 1;
  const bool whole_groups = takes_whole_groups(loops, along_rows);
  const int64_t inner = loops.reduced.sizes.back();
  push.steps =
      static_cast<uint32_t>(loops.reduced_count / inner * (along_rows ? (inner + 3) / 4 : inner));
  fill_push(push, loops);
  push.grids = grids_of(args);

  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"normalize", elements}});
  const uint32_t units = along_rows ? push.count : push.count / 4 + (push.count % 4 != 0 ? 1 : 0);
  const ReductionTeams teams = reduction_teams(row, graph.caps(), along_rows, units, push.steps);
  const uint64_t x_end = element_end(loops, 0);
  commands.dispatch(
      graph.context().pipelines.get(
          row, {static_cast<uint32_t>(loops.kept.sizes.size()),
                static_cast<uint32_t>(loops.reduced.sizes.size()), teams.lanes, flag(along_rows),
                flag(whole_groups), static_cast<uint32_t>(args.function), flag(args.weight >= 0),
                flag(args.bias >= 0), flag(args.input.has_value()), flag(args.output.has_value())}),
      bindings(graph, args, x_end, is_variance ? push.count : x_end, element_end(loops, 1)), push,
      {std::min(teams.groups, graph.caps().max_workgroup_count), 1, 1});
}

void check_norm_types(const ComputeGraph& graph, const NormArgs& args) {
  for (ValueId id : {args.x, args.y, args.weight, args.bias}) {
    const bool is_int8 = (id == args.x && args.input) || (id == args.y && args.output);
    const DType wanted = is_int8 ? DType::kInt8 : DType::kFloat32;
    ETVK_CHECK(id < 0 || graph.dtype(id) == wanted, kInvalidProgram,
               args.op << ": "
                       << (id == args.x   ? "x"
                           : id == args.y ? "y"
                                          : "weight and bias")
                       << " must be " << dtype_name(wanted) << ", got "
                       << dtype_name(graph.dtype(id)));
  }
  for (const std::optional<Grid>& grid : {args.input, args.output}) {
    check_grid(args.op, grid.value_or(Grid{}));
  }
}

void add_norm(ComputeGraph& graph, const NormArgs& given, const RowsOf& rows) {
  check_norm_types(graph, given);
  NormArgs args = given;
  std::vector<ValueId> reads = {args.x};
  const auto sum = graph.offered<FloatSum>(args.x);
  if (sum != nullptr && sum->y == args.x && graph.reader_count(args.x) == 0) {
    args.sum = sum.get();
    reads.insert(reads.end(), {sum->a, sum->b});
    sum->can_reader_make_it = [&graph, args, rows] {
      return can_make_sum(graph, args, rows(graph, args));
    };
  }
  for (ValueId id : {args.weight, args.bias}) {
    if (id >= 0) {
      reads.push_back(id);
    }
  }
  const auto rounding = std::make_shared<RowRounding>();
  rounding->x = args.y;
  const auto record = [&graph, args, rows, rounding](Commands& commands) {
    graph.set_sizes(args.y, graph.sizes(args.x));
    const Rows own = rows(graph, args);
    rounding->rounded_row = 0;
    if (graph.numel(args.x) > 0) {
      dispatch_norm(graph, commands, args, own, rounding.get());
    }
  };
  graph.add_node({args.op, std::move(reads), {args.y}, record});
  graph.offer(args.y, rounding);
  if (args.sum != nullptr) {
    graph.also_write(args.y, args.x);
  }
}

}  // namespace etvk::ops
