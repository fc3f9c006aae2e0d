// float32 by statistics of rows: softmax and log_softmax over a dimension, layer norm, group norm,
// batch norm with the statistics of the batch itself (of which instance norms are made), RMS norm,
// and the variance. All are normalize.comp, or normalize_rows.comp; they differ in what a row is
// and in how weights lie.
//   et_vk.q8ta_softmax and so on: x is int8 where it has a scale, and y where that has one
#include <algorithm>
#include <cmath>

#include "graph/ops/impl/reduce/NormalizeDispatch.h"
#include "graph/ops/impl/reduce/ReducedLoops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

NormArgs read(const OpArgs& call, Normalization function) {
  NormArgs args;
  args.op = call.op();
  args.function = function;
  const bool has_grids = call.takes("input_scale", ArgKind::kOptionalScalar);
  args.x = call.tensor(call.takes("self", ArgKind::kTensor) ? "self" : "x");
  args.y = call.output();
  if (has_grids) {
    args.input = read_optional_grid(call, "input");
    args.output = read_optional_ranged_grid(call, "output");
  }
  return args;
}

NormArgs read_weighted(const OpArgs& call) {
  NormArgs args = read(call, Normalization::kLayerNorm);
  args.weight = call.optional_tensor("weight");
  args.bias = call.optional_tensor("bias");
  args.epsilon = static_cast<float>(call.number("eps"));
  return args;
}

// ---- Softmax.

void softmax_of(ComputeGraph& graph, const OpArgs& call, Normalization function) {
  const NormArgs args = read(call, function);
  ETVK_CHECK(!call.takes("half_to_float", ArgKind::kBoolean) || !call.boolean("half_to_float"),
             kNotSupported, args.op << ": half_to_float must be false");
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
  NormArgs args = read(call, Normalization::kRmsNorm);
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
  const NormArgs args = read(call, Normalization::kVariance);
  check_norm_types(graph, args);
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
    dispatch_norm(graph, commands, args, rows);
  };
  graph.add_node({args.op, {args.x}, {args.y}, record});
}

// What int8 ops have behind x, and at their end.
#define INPUT_GRID " input_scale:scalar? input_zero_point:integer "
#define OUTPUT_GRID \
  " output_scale:scalar? output_zero_point:integer quant_min:integer quant_max:integer "

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
    {"et_vk.q8ta_softmax.default",
     "x:tensor@alike" INPUT_GRID "dim:integer" OUTPUT_GRID "y:out@alike", softmax},
    {"et_vk.q8ta_log_softmax.default",
     "x:tensor@alike" INPUT_GRID "dim:integer" OUTPUT_GRID "y:out@alike", log_softmax},
    {"et_vk.q8ta_layer_norm.default",
     "x:tensor" INPUT_GRID
     "normalized_shape:symints weight:tensor? bias:tensor? eps:number" OUTPUT_GRID "y:out",
     layer_norm},
    {"et_vk.q8ta_rms_norm.default",
     "x:tensor" INPUT_GRID "weight:tensor eps:number" OUTPUT_GRID "y:out", rms_norm},
    {"et_vk.q8ta_group_norm.default",
     "x:tensor@alike" INPUT_GRID "group:integer weight:tensor? bias:tensor? eps:number" OUTPUT_GRID
     "y:out@alike",
     group_norm},
});

}  // namespace

}  // namespace etvk::ops
