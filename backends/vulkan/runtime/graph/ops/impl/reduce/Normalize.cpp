// float32 by statistics of rows: softmax and log_softmax over a dimension, layer norm, group norm,
// batch norm with the statistics of the batch itself (of which instance norms are made), RMS norm,
// and the variance. All are normalize.comp; they differ in what a row is and in how weights lie.
#include "graph/ops/impl/reduce/Normalize.h"

#include <algorithm>
#include <cmath>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/reduce/ReducedLoops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

struct NormArgs {
  std::string op;
  Normalization function = Normalization::kSoftmax;
  ValueId x = -1;
  ValueId weight = -1;  // -1: none
  ValueId bias = -1;
  ValueId y = -1;
  float epsilon = 0.0f;
};

// x as nested loops: by loop its size, its strides in x and in the weights, and whether a row goes
// through it.
struct Rows {
  Sizes sizes;
  Sizes x_strides;
  Sizes weight_strides;
  std::vector<bool> is_inside;
  std::vector<size_t> memory_order;  // of the loops, the outermost in memory first
  double divisor = 1.0;              // of a variance
};

// A row goes through the dimensions `inside`; weights have none.
Rows rows_of(const ComputeGraph& graph, ValueId x, const std::vector<bool>& inside) {
  return {graph.sizes(x), graph.strides(x), graph.strides(x), inside, graph.memory_dims(x), 1.0};
}

// Neighbouring rows are neighbours in memory, or with `in_order` of dimensions.
ReducedLoops loops_of(const NormArgs& args, const Rows& rows, bool in_order) {
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
      own.strides[1].push_back(rows.weight_strides[loop]);
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

// A weight that there is not is bound as x, of which nothing is touched there.
Binding bind_weight(const ComputeGraph& graph, const NormArgs& args, ValueId weight, uint64_t end) {
  return weight < 0 ? graph.bind(args.x, 0) : bind_elements(graph, weight, end);
}

void dispatch(ComputeGraph& graph, Commands& commands, const NormArgs& args, const Rows& rows) {
  const uint32_t elements = element_count(graph, args.op, args.x);
  const bool is_variance = args.function == Normalization::kVariance;
  const ReducedLoops loops = loops_of(args, rows, is_variance);
  NormalizePush push{};
  push.count = static_cast<uint32_t>(elements / loops.reduced_count);
  push.elements = static_cast<float>(loops.reduced_count);
  push.number = is_variance ? static_cast<float>(rows.divisor) : args.epsilon;
  const bool along_rows = loops.reduced.strides[0].back() == 1;
  const bool whole_groups = takes_whole_groups(loops, along_rows);
  const int64_t inner = loops.reduced.sizes.back();
  push.steps =
      static_cast<uint32_t>(loops.reduced_count / inner * (along_rows ? (inner + 3) / 4 : inner));
  fill_push(push, loops);

  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"normalize", elements}});
  const uint32_t units = along_rows ? push.count : push.count / 4 + (push.count % 4 != 0 ? 1 : 0);
  const ReductionTeams teams = reduction_teams(row, graph.caps(), along_rows, units, push.steps);
  const uint64_t x_end = element_end(loops, 0);
  const uint64_t weight_end = element_end(loops, 1);
  commands.dispatch(
      graph.context().pipelines.get(
          row, {static_cast<uint32_t>(loops.kept.sizes.size()),
                static_cast<uint32_t>(loops.reduced.sizes.size()), teams.lanes,
                along_rows ? 1u : 0u, whole_groups ? 1u : 0u, static_cast<uint32_t>(args.function),
                args.weight >= 0 ? 1u : 0u, args.bias >= 0 ? 1u : 0u}),
      {bind_elements(graph, args.y, is_variance ? push.count : x_end),
       bind_elements(graph, args.x, x_end), bind_weight(graph, args, args.weight, weight_end),
       bind_weight(graph, args, args.bias, weight_end)},
      push, {std::min(teams.groups, graph.caps().max_workgroup_count), 1, 1});
}

void check_types(const ComputeGraph& graph, const NormArgs& args) {
  for (ValueId id : {args.x, args.y, args.weight, args.bias}) {
    ETVK_CHECK(id < 0 || graph.dtype(id) == DType::kFloat32, kInvalidProgram,
               args.op << ": all tensors must be float32, got " << dtype_name(graph.dtype(id)));
  }
}

// Adds the node of an op whose y has the sizes of x; `rows` says in each recording what a row is.
template <typename RowsOf>
void add_norm(ComputeGraph& graph, const NormArgs& args, RowsOf rows) {
  check_types(graph, args);
  std::vector<ValueId> reads = {args.x};
  for (ValueId id : {args.weight, args.bias}) {
    if (id >= 0) {
      reads.push_back(id);
    }
  }
  const auto record = [&graph, args, rows](Commands& commands) {
    graph.set_sizes(args.y, graph.sizes(args.x));
    const Rows own = rows(graph, args);
    if (graph.numel(args.x) > 0) {
      dispatch(graph, commands, args, own);
    }
  };
  graph.add_node({args.op, std::move(reads), {args.y}, record});
}

NormArgs read(const OpArgs& call, Normalization function, const char* x) {
  NormArgs args;
  args.op = call.op();
  args.function = function;
  args.x = call.tensor(x);
  args.y = call.output();
  return args;
}

NormArgs read_weighted(const OpArgs& call) {
  NormArgs args = read(call, Normalization::kLayerNorm, "self");
  args.weight = call.optional_tensor("weight");
  args.bias = call.optional_tensor("bias");
  args.epsilon = static_cast<float>(call.number("eps"));
  return args;
}

// ---- Softmax.

void softmax_of(ComputeGraph& graph, const OpArgs& call, Normalization function) {
  const NormArgs args = read(call, function, "self");
  ETVK_CHECK(!call.boolean("half_to_float"), kNotSupported,
             args.op << ": half_to_float must be false");
  const std::vector<bool> inside =
      reduced_dims(args.op, {call.integer("dim")}, graph.dims(args.x).size());
  add_norm(graph, args, [inside](const ComputeGraph& own, const NormArgs& norm) {
    return rows_of(own, norm.x, inside);
  });
}

void softmax(ComputeGraph& graph, const OpArgs& call) {
  softmax_of(graph, call, Normalization::kSoftmax);
}

void log_softmax(ComputeGraph& graph, const OpArgs& call) {
  softmax_of(graph, call, Normalization::kLogSoftmax);
}

// ---- Norms over the last dimensions, with a weight for each of their elements.

Rows last_dims(const ComputeGraph& graph, const NormArgs& args, const Sizes& normalized) {
  const Sizes& sizes = graph.sizes(args.x);
  const size_t outer = sizes.size() - normalized.size();
  ETVK_CHECK(std::equal(normalized.begin(), normalized.end(), sizes.begin() + outer, sizes.end()),
             kInvalidProgram,
             args.op << ": the normalized shape is " << shape_text(normalized) << ", and x is "
                     << shape_text(sizes));
  std::vector<bool> inside(sizes.size());
  std::fill(inside.begin() + static_cast<std::ptrdiff_t>(outer), inside.end(), true);
  Rows rows = rows_of(graph, args.x, inside);
  for (ValueId id : {args.weight, args.bias}) {
    if (id < 0) {
      continue;
    }
    ETVK_CHECK(graph.sizes(id) == normalized, kInvalidProgram,
               args.op << ": weight and bias must be " << shape_text(normalized) << ", got "
                       << shape_text(graph.sizes(id)));
    rows.weight_strides.assign(outer, 0);
    const Sizes strides = contiguous_strides(normalized);
    rows.weight_strides.insert(rows.weight_strides.end(), strides.begin(), strides.end());
  }
  return rows;
}

void layer_norm(ComputeGraph& graph, const OpArgs& call) {
  const NormArgs args = read_weighted(call);
  const ValueId shape = call.symints("normalized_shape");
  const size_t rank = graph.integers(shape).size();
  ETVK_CHECK(rank >= 1 && rank <= graph.dims(args.x).size(), kInvalidProgram,
             args.op << ": a normalized shape of " << rank << " dimensions, and x is "
                     << shape_text(graph.dims(args.x)));
  add_norm(graph, args, [shape](const ComputeGraph& own, const NormArgs& norm) {
    return last_dims(own, norm, own.integers(shape));
  });
}

void rms_norm(ComputeGraph& graph, const OpArgs& call) {
  NormArgs args = read(call, Normalization::kRmsNorm, "x");
  args.weight = call.tensor("weight");
  args.epsilon = static_cast<float>(call.number("eps"));
  ETVK_CHECK(!graph.dims(args.x).empty(), kInvalidProgram, args.op << ": x has no dimension");
  add_norm(graph, args, [](const ComputeGraph& own, const NormArgs& norm) {
    return last_dims(own, norm, {own.sizes(norm.x).back()});
  });
}

// ---- Norms of channels, the second dimension, with a weight for each channel.

// x as [batch, groups, channels of a group, rest ...]. A row is a group of one image, or with
// `over_batch` of all images.
Rows channels(const ComputeGraph& graph, const NormArgs& args, int64_t groups, bool over_batch) {
  const Sizes& sizes = graph.sizes(args.x);
  const Sizes strides = graph.strides(args.x);
  const int64_t count = sizes[1];
  ETVK_CHECK(groups > 0 && count % groups == 0, kInvalidProgram,
             args.op << ": " << count << " channels are no " << groups << " groups");
  for (ValueId id : {args.weight, args.bias}) {
    ETVK_CHECK(id < 0 || graph.sizes(id) == Sizes{count}, kInvalidProgram,
               args.op << ": weight and bias must be [" << count << "], got "
                       << shape_text(graph.sizes(id)));
  }
  const int64_t members = count / groups;
  Rows rows;
  rows.sizes = {sizes[0], groups, members};
  rows.x_strides = {strides[0], members * strides[1], strides[1]};
  rows.weight_strides = {0, members, 1};
  rows.is_inside = {over_batch, false, true};
  for (size_t dim = 2; dim < sizes.size(); ++dim) {
    rows.sizes.push_back(sizes[dim]);
    rows.x_strides.push_back(strides[dim]);
    rows.weight_strides.push_back(0);
    rows.is_inside.push_back(true);
  }
  for (size_t dim : graph.memory_dims(args.x)) {
    if (dim < 2) {
      rows.memory_order.push_back(dim);
    }
    if (dim > 0) {
      rows.memory_order.push_back(dim + 1);
    }
  }
  return rows;
}

void check_channels(const ComputeGraph& graph, const NormArgs& args) {
  ETVK_CHECK(graph.dims(args.x).size() >= 2, kInvalidProgram,
             args.op << ": x must have channels, got " << shape_text(graph.dims(args.x)));
}

void group_norm(ComputeGraph& graph, const OpArgs& call) {
  const NormArgs args = read_weighted(call);
  check_channels(graph, args);
  const int64_t groups = call.integer("group");
  add_norm(graph, args, [groups](const ComputeGraph& own, const NormArgs& norm) {
    return channels(own, norm, groups, false);
  });
}

void batch_norm(ComputeGraph& graph, const OpArgs& call) {
  const NormArgs args = read_weighted(call);
  check_channels(graph, args);
  ETVK_CHECK(call.boolean("training"), kNotSupported,
             args.op << ": training must be true, for there are no other statistics");
  add_norm(graph, args, [](const ComputeGraph& own, const NormArgs& norm) {
    return channels(own, norm, own.sizes(norm.x)[1], true);
  });
}

// ---- Variance.

void variance(ComputeGraph& graph, const OpArgs& call) {
  const NormArgs args = read(call, Normalization::kVariance, "self");
  check_types(graph, args);
  const double correction = call.optional_scalar("correction").value_or(1.0);
  const bool keepdim = call.boolean("keepdim");
  const std::vector<bool> inside =
      reduced_dims(args.op, call.optional_integers("dim"), graph.dims(args.x).size());
  const auto record = [&graph, args, inside, keepdim, correction](Commands& commands) {
    graph.set_sizes(args.y, reduced_sizes(inside, keepdim, graph.sizes(args.x)));
    if (graph.numel(args.y) == 0) {
      return;
    }
    ETVK_CHECK(graph.numel(args.x) > 0, kInvalidProgram,
               args.op << ": a variance of no elements, x is " << shape_text(graph.sizes(args.x)));
    Rows rows = rows_of(graph, args.x, inside);
    const auto elements = static_cast<double>(graph.numel(args.x) / graph.numel(args.y));
    rows.divisor = std::max(elements - correction, 0.0);
    dispatch(graph, commands, args, rows);
  };
  graph.add_node({args.op, {args.x}, {args.y}, record});
}

const RegisterOps registered({
    {"aten._softmax.default", "self:tensor@alike dim:integer half_to_float:boolean y:out@alike",
     softmax},
    {"aten._log_softmax.default", "self:tensor@alike dim:integer half_to_float:boolean y:out@alike",
     log_softmax},
    {"aten.native_layer_norm.default",
     "self:tensor normalized_shape:symints weight:tensor? bias:tensor? eps:number y:first_out",
     layer_norm},
    {"et_vk.rms_norm.default", "x:tensor weight:tensor eps:number y:out", rms_norm},
    {"aten.native_group_norm.default",
     "self:tensor@alike weight:tensor? bias:tensor? N:any C:any HxW:any group:integer "
     "eps:number y:first_out@alike",
     group_norm},
    {"aten._native_batch_norm_legit.no_stats",
     "self:tensor@alike weight:tensor? bias:tensor? training:boolean momentum:any eps:number "
     "y:first_out@alike",
     batch_norm},
    {"aten.var.correction", "self:tensor dim:integers? correction:scalar? keepdim:boolean y:out",
     variance},
});

}  // namespace

}  // namespace etvk::ops
