#include "graph/ops/impl/mac/QuantizedRows.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>
#include <vector>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr const char* kRules[] = {"affine", "xnnpack", "symmetric"};  // by RowRule
constexpr int64_t kLongRow = 1024;     // from this K on, more threads have something to do
constexpr uint32_t kMostRanges = 256;  // of a tensor's parts

struct Quantization {
  std::string op;
  ValueId x = -1;
  ValueId ranges = -1;  // int32 [kMostRanges, 2]; with one grid for the tensor only
  ValueId y = -1;
  RowGrids grids;
  std::shared_ptr<const RowRounding> elsewhere;  // by the node that makes x; null: not asked
};

void check_grids(const std::string& op, const RowGrids& grids) {
  ETVK_CHECK(-128 <= grids.quant_min && grids.quant_min < grids.quant_max && grids.quant_max <= 127,
             kInvalidProgram,
             op << ": range " << grids.quant_min << " to " << grids.quant_max
                << " is not within int8, or empty");
  const bool is_full = grids.quant_min == -128 && grids.quant_max == 127;
  ETVK_CHECK(is_full || grids.rule != RowRule::kXnnpack, kInvalidProgram,
             op << ": rule xnnpack is for the range -128 to 127, got " << grids.quant_min << " to "
                << grids.quant_max);
  // Xnnpack's rounding is decided by remainders, which must not be subnormal numbers either.
  const float least = grids.rule == RowRule::kXnnpack ? 0x1p-90f : 0x1p-126f;
  ETVK_CHECK(least <= grids.eps && grids.eps <= 0x1p100f, kNotSupported,
             op << ": eps " << grids.eps << " is not within " << least << " to 2^100");
}

const KernelRow& choose_row(const DeviceCaps& caps, uint32_t elements, int64_t k) {
  return choose_elementwise_kernel(
      caps, {{"quantize_rows", elements}, {"quantize_long_rows", k >= kLongRow ? UINT64_MAX : 0}});
}

// Rows that have a grid.
struct Rows {
  int64_t M, K;

  Rows(const RowGrids& grids, int64_t elements, int64_t last_size)
      : M(elements == 0   ? 0
          : grids.per_row ? elements / last_size
                          : 1),
        K(grids.per_row ? last_size : elements) {}

  int64_t size_bytes() const { return rounded_bytes(M, K); }
};

// Whether x, a view of `other`, has rows of the same size in their bounds.
bool has_rows_of(const ComputeGraph& graph, ValueId x, ValueId other) {
  const Sizes& dims = graph.dims(x);
  const Sizes& other_dims = graph.dims(other);
  return !other_dims.empty() && dims.back() == other_dims.back() &&
         graph.numel(x) == graph.numel(other);
}

void dispatch_stage(ComputeGraph& graph, Commands& commands, const KernelRow& row,
                    const Quantization& args, const QuantizeRowsPush& push, RowStage stage,
                    uint32_t groups) {
  const auto y_bytes = static_cast<uint64_t>(graph.numel(args.y));
  const uint64_t range_words = uint64_t{push.range_count} * 2;
  const bool makes_ranges = stage == RowStage::kRanges;
  const bool reads_ranges = stage == RowStage::kOfAllRows;
  commands.dispatch(graph.context().pipelines.get(
                        row, {static_cast<uint32_t>(stage), static_cast<uint32_t>(args.grids.rule),
                              push.K % 4 == 0 ? 1u : 0u}),
                    {makes_ranges ? bind_elements(graph, args.ranges, range_words)
                                  : bind_elements(graph, args.y, y_bytes),
                     bind_elements(graph, args.x, uint64_t{push.M} * push.K),
                     reads_ranges ? bind_elements(graph, args.ranges, range_words)
                                  : bind_elements(graph, args.x, 0)},
                    push, {groups, 1, 1});
}

void dispatch_whole_rows(ComputeGraph& graph, Commands& commands, const KernelRow& row,
                         const Quantization& args, const QuantizeRowsPush& push) {
  const uint32_t groups = (push.M - 1) / row.tile_m + 1;
  commands.dispatch(graph.context().pipelines.get(
                        row, {groups_of_lane(row, push.K), static_cast<uint32_t>(args.grids.rule)}),
                    {bind_elements(graph, args.y, static_cast<uint64_t>(graph.numel(args.y))),
                     bind_elements(graph, args.x, uint64_t{push.M} * push.K)},
                    push, {std::min(groups, graph.caps().max_workgroup_count), 1, 1});
}

void record(ComputeGraph& graph, Commands& commands, const Quantization& args) {
  const uint32_t elements = element_count(graph, args.op, args.x);
  const Rows rows(args.grids, elements, graph.sizes(args.x).back());
  graph.set_sizes(args.y, {rows.size_bytes()});
  // The larger of both tensors, so that no index overflows.
  element_count(graph, args.op, args.y);
  const bool is_done = args.elsewhere != nullptr && args.elsewhere->rounded_row == rows.K;
  if (elements == 0 || is_done) {
    return;
  }
  QuantizeRowsPush push{
      static_cast<uint32_t>(rows.M), static_cast<uint32_t>(rows.K), 0,
      args.grids.quant_min,          args.grids.quant_max,          args.grids.eps};
  if (args.grids.per_row && rows.K % 4 == 0) {
    const RowsWork work{push.M, push.K};
    if (const KernelRow* row = choose_rows_kernel(graph.caps(), "quantize_whole_rows",
                                                  {"quantize_rows", "quantize_long_rows"}, work)) {
      dispatch_whole_rows(graph, commands, *row, args, push);
      return;
    }
  }
  const KernelRow& row = choose_row(graph.caps(), elements, rows.K);
  if (args.grids.per_row) {
    const uint32_t groups = std::min(push.M, graph.caps().max_workgroup_count);
    dispatch_stage(graph, commands, row, args, push, RowStage::kOfEachRow, groups);
    return;
  }
  push.range_count = std::min((elements - 1) / row.tile_n + 1, kMostRanges);
  dispatch_stage(graph, commands, row, args, push, RowStage::kRanges, push.range_count);
  dispatch_stage(graph, commands, row, args, push, RowStage::kOfAllRows, push.range_count);
}

}  // namespace

RowGrids read_row_grids(const OpArgs& args) {
  RowGrids grids;
  const std::string granularity = args.string("granularity");
  ETVK_CHECK(
      granularity == "per_row" || granularity == "per_tensor", kInvalidProgram,
      args.op() << ": granularity '" << granularity << "' is neither per_row nor per_tensor");
  grids.per_row = granularity == "per_row";
  const std::string rule = args.string("rule");
  const auto* found = std::find(std::begin(kRules), std::end(kRules), rule);
  ETVK_CHECK(found != std::end(kRules), kInvalidProgram,
             args.op() << ": rule '" << rule << "' is none of affine, xnnpack, symmetric");
  grids.rule = static_cast<RowRule>(found - std::begin(kRules));
  grids.quant_min = static_cast<int32_t>(args.integer("quant_min"));
  grids.quant_max = static_cast<int32_t>(args.integer("quant_max"));
  grids.eps = static_cast<float>(args.number("eps"));
  check_grids(args.op(), grids);
  return grids;
}

ValueId add_quantized_rows(ComputeGraph& graph, const std::string& op, ValueId x,
                           const RowGrids& grids) {
  ETVK_CHECK(graph.dtype(x) == DType::kFloat32 && !graph.dims(x).empty(), kInvalidProgram,
             op << ": x must be float32 [..., K], got " << dtype_name(graph.dtype(x)) << " of rank "
                << graph.dims(x).size());
  std::ostringstream key;
  key << "quantized rows of " << x << " " << grids.per_row << " " << static_cast<int>(grids.rule)
      << " " << grids.quant_min << " " << grids.quant_max << " " << std::hexfloat << grids.eps;
  ValueId& shared = graph.shared_scratch(key.str());
  if (shared >= 0) {
    return shared;
  }
  const Rows rows(grids, graph.numel(x), graph.dims(x).back());
  Quantization args{op,    x,      -1, graph.add_scratch(DType::kInt8, {rows.size_bytes()}),
                    grids, nullptr};
  std::vector<ValueId> writes{args.y};
  if (!grids.per_row) {
    args.ranges = graph.add_scratch(DType::kInt32, {kMostRanges, 2});
    writes.push_back(args.ranges);
  }
  const std::shared_ptr<RowRounding> offered = graph.offered<RowRounding>(x);
  if (grids.per_row && offered != nullptr && offered->y < 0 && has_rows_of(graph, x, offered->x)) {
    offered->y = args.y;
    offered->grids = grids;
    graph.also_write(x, args.y);
    args.elsewhere = offered;
  }
  graph.add_node(
      {op, {x}, writes, [&graph, args](Commands& commands) { record(graph, commands, args); }});
  shared = args.y;
  return shared;
}

}  // namespace etvk::ops
