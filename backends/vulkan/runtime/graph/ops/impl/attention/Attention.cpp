// Attention in one kernel.
//   et_vk.attention: its operands are read, and its result is written, with their dimensions
//   permuted
//                    to [batch, heads, rows, vector]; fewer dimensions are the last ones of these
//   et_vk.q8ta_attention: the same where q, k and v have scales, and are int8, or y has one
//   et_vk.sdpa:      ExecuTorch's own op, the same without permutations, with an additive mask
#include "graph/ops/impl/attention/Attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr size_t kRank = 4;

using Dims = std::vector<size_t>;

struct AttentionArgs {
  std::string op;
  ValueId q = -1;
  ValueId k = -1;
  ValueId v = -1;
  ValueId mask = -1;  // -1: none
  ValueId y = -1;
  MaskForm form = MaskForm::kNone;
  std::optional<double> scale;  // none: 1 / sqrt(D)
  double fill = 0.0;
  bool is_causal = false;
  bool zero_rows = false;
  Dims q_dims, k_dims, v_dims, y_dims;
  std::optional<Grid> q_grid, k_grid, v_grid, y_grid;  // a tensor without one is float32
};

// A tensor as [batch, heads, rows, vector]; strides of dimensions that it lacks are 0.
struct Heads {
  std::array<int64_t, kRank> sizes = {1, 1, 1, 1};
  std::array<int64_t, kRank> strides = {0, 0, 0, 0};

  // One past the furthest element that is reached from the first one.
  uint64_t end() const {
    uint64_t last = 0;
    for (size_t i = 0; i < kRank; ++i) {
      if (sizes[i] == 0) {
        return 0;
      }
      last += static_cast<uint64_t>((sizes[i] - 1) * strides[i]);
    }
    return last + 1;
  }
};

Heads heads_of(const Sizes& sizes, const Sizes& strides, const Dims& dims) {
  Heads heads;
  for (size_t i = 0; i < dims.size(); ++i) {
    heads.sizes[kRank - dims.size() + i] = sizes[dims[i]];
    heads.strides[kRank - dims.size() + i] = strides[dims[i]];
  }
  return heads;
}

Heads heads_of(const ComputeGraph& graph, ValueId id, const Dims& dims) {
  return heads_of(graph.sizes(id), graph.strides(id), dims);
}

Dims in_order(size_t rank) {
  Dims dims(rank);
  for (size_t i = 0; i < rank; ++i) {
    dims[i] = i;
  }
  return dims;
}

// The mask as [batch, heads, rows, positions], of the result's sizes: repeated where it is smaller.
Heads mask_of(const ComputeGraph& graph, const AttentionArgs& args, const Heads& q, int64_t S) {
  if (args.mask < 0) {
    return {};
  }
  Heads mask = heads_of(graph, args.mask, in_order(graph.dims(args.mask).size()));
  const std::array<int64_t, kRank> wanted = {q.sizes[0], q.sizes[1], q.sizes[2], S};
  for (size_t i = 0; i < kRank; ++i) {
    ETVK_CHECK(mask.sizes[i] == wanted[i] || mask.sizes[i] == 1, kInvalidProgram,
               args.op << ": a mask of " << shape_text(graph.sizes(args.mask)) << " for scores of "
                       << shape_text({wanted.begin(), wanted.end()}));
    mask.strides[i] = mask.sizes[i] == 1 ? 0 : mask.strides[i];
    mask.sizes[i] = wanted[i];
  }
  return mask;
}

void check_sizes(const AttentionArgs& args, const Heads& q, Heads& k, Heads& v) {
  ETVK_CHECK(q.sizes[3] == k.sizes[3] && k.sizes[2] == v.sizes[2] && k.sizes[1] == v.sizes[1],
             kInvalidProgram,
             args.op << ": q, k and v of heads, rows and vectors "
                     << shape_text({q.sizes.begin(), q.sizes.end()}) << ", "
                     << shape_text({k.sizes.begin(), k.sizes.end()}) << " and "
                     << shape_text({v.sizes.begin(), v.sizes.end()}) << " do not fit");
  ETVK_CHECK(
      k.sizes[1] > 0 && q.sizes[1] % k.sizes[1] == 0, kInvalidProgram,
      args.op << ": " << q.sizes[1] << " heads of q in groups for " << k.sizes[1] << " of k");
  for (Heads* one : {&k, &v}) {
    ETVK_CHECK(one->sizes[0] == q.sizes[0] || one->sizes[0] == 1, kInvalidProgram,
               args.op << ": batches of " << q.sizes[0] << " and " << one->sizes[0]);
    one->strides[0] = one->sizes[0] == 1 ? 0 : one->strides[0];
  }
  ETVK_CHECK(std::max(q.sizes[3], v.sizes[3]) <= kMaxHeadSize, kNotSupported,
             args.op << ": vectors of " << std::max(q.sizes[3], v.sizes[3])
                     << " elements, the limit is " << kMaxHeadSize);
}

// The result as it is in memory: dimension i of it is dimension y_dims[i] of what is computed.
Sizes result_sizes(const AttentionArgs& args, const Heads& q, const Heads& v) {
  const std::array<int64_t, kRank> own = {q.sizes[0], q.sizes[1], q.sizes[2], v.sizes[3]};
  const size_t rank = args.y_dims.size();
  Sizes sizes(rank);
  for (size_t i = 0; i < rank; ++i) {
    sizes[i] = own[kRank - rank + args.y_dims[i]];
  }
  return sizes;
}

Dims inverse(const Dims& dims) {
  Dims other(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    other[dims[i]] = i;
  }
  return other;
}

bool has_whole_groups(const Heads& heads, int64_t group) {
  const bool vectors = heads.sizes[3] > 0 && heads.sizes[3] % group == 0 && heads.strides[3] == 1;
  return vectors && std::all_of(heads.strides.begin(), heads.strides.end() - 1,
                                [group](int64_t stride) { return stride % group == 0; });
}

// GROUPS of the shader.
uint32_t groups_of(const std::array<Heads, 4>& operands) {
  const auto all_have = [&operands](int64_t group) {
    return std::all_of(operands.begin(), operands.end(),
                       [group](const Heads& one) { return has_whole_groups(one, group); });
  };
  return all_have(16) ? 2 : all_have(4) ? 1 : 0;
}

void set_strides(uint32_t (&to)[kRank], const Heads& from) {
  std::transform(from.strides.begin(), from.strides.end(), to,
                 [](int64_t stride) { return static_cast<uint32_t>(stride); });
}

// The scale of products is rounded once.
void fill_grids(AttentionPush& push, const AttentionArgs& args) {
  const double score = args.scale.value_or(1.0 / std::sqrt(static_cast<double>(push.D)));
  const Grid q = args.q_grid.value_or(Grid{});
  const Grid k = args.k_grid.value_or(Grid{});
  const Grid v = args.v_grid.value_or(Grid{});
  push.scale = static_cast<float>(score * (q.scale * k.scale));
  push.v_scale = static_cast<float>(v.scale);
  push.q_zero_point = static_cast<int8_t>(q.zero_point);
  push.k_zero_point = static_cast<int8_t>(k.zero_point);
  push.v_zero_point = static_cast<int8_t>(v.zero_point);
  push.output_grid = packed_grid_push(args.op, args.y_grid);
}

void record_attention(ComputeGraph& graph, Commands& commands, const AttentionArgs& args) {
  const Heads q = heads_of(graph, args.q, args.q_dims);
  Heads k = heads_of(graph, args.k, args.k_dims);
  Heads v = heads_of(graph, args.v, args.v_dims);
  check_sizes(args, q, k, v);
  const Sizes sizes = result_sizes(args, q, v);
  graph.set_sizes(args.y, sizes);
  const Heads mask = mask_of(graph, args, q, k.sizes[2]);
  const uint32_t count = element_count(graph, args.op, args.y);
  if (count == 0) {
    return;
  }
  for (ValueId id : {args.q, args.k, args.v, args.mask}) {
    if (id >= 0) {
      element_count(graph, args.op, id);
    }
  }
  const Heads y = heads_of(sizes, contiguous_strides(sizes), inverse(args.y_dims));

  AttentionPush push{};
  push.heads = static_cast<uint32_t>(q.sizes[1]);
  push.heads_of_group = static_cast<uint32_t>(q.sizes[1] / k.sizes[1]);
  push.L = static_cast<uint32_t>(q.sizes[2]);
  push.S = static_cast<uint32_t>(k.sizes[2]);
  push.D = static_cast<uint16_t>(q.sizes[3]);
  push.DV = static_cast<uint16_t>(v.sizes[3]);
  const auto products = static_cast<uint64_t>(q.sizes[0] * q.sizes[1]);
  const KernelRow& row = choose_attention_kernel(
      graph.caps(),
      {push.L, std::max<uint32_t>(push.D, push.DV), products, args.q_grid.has_value()});
  push.tiles = static_cast<uint32_t>(products) * ((push.L - 1) / row.tile_m + 1);
  set_strides(push.q, q);
  set_strides(push.k, k);
  set_strides(push.v, v);
  set_strides(push.y, y);
  set_strides(push.mask, mask);
  fill_grids(push, args);
  // Either makes the row NaN, and kernels look for infinity alone.
  push.fill = std::isnan(args.fill) ? std::numeric_limits<float>::infinity()
                                    : static_cast<float>(args.fill);

  commands.dispatch(
      graph.context().pipelines.get(
          row, {groups_of({q, k, v, y}), static_cast<uint32_t>(args.form), args.is_causal ? 1u : 0u,
                args.zero_rows ? 1u : 0u, args.q_grid ? 1u : 0u, args.y_grid ? 1u : 0u}),
      {bind_elements(graph, args.y, count), bind_elements(graph, args.q, q.end()),
       bind_elements(graph, args.k, k.end()), bind_elements(graph, args.v, v.end()),
       args.mask >= 0 ? bind_elements(graph, args.mask, mask.end()) : graph.bind(args.q, 0)},
      push, {std::min(push.tiles, graph.caps().max_workgroup_count), 1, 1});
  commands.count_operations(2 * products * push.L * push.S * (uint64_t{push.D} + push.DV));
}

// Of q, k and v, or of y.
void check_tensor(const ComputeGraph& graph, const AttentionArgs& args, ValueId id,
                  const std::optional<Grid>& grid) {
  const DType wanted = grid ? DType::kInt8 : DType::kFloat32;
  const char* names = id == args.y ? "the result" : "q, k, v";
  ETVK_CHECK(graph.dtype(id) == wanted, kInvalidProgram,
             args.op << ": " << names << " must be " << dtype_name(wanted) << ", got "
                     << dtype_name(graph.dtype(id)));
  const size_t rank = graph.dims(id).size();
  ETVK_CHECK(rank >= 2 && rank <= kRank, kInvalidProgram,
             args.op << ": q, k, v and the result have 2 to 4 dimensions, got "
                     << shape_text(graph.dims(id)));
  check_grid(args.op, grid.value_or(Grid{}));
}

void check(const ComputeGraph& graph, const AttentionArgs& args) {
  const bool is_int8 = args.q_grid.has_value();
  ETVK_CHECK(args.k_grid.has_value() == is_int8 && args.v_grid.has_value() == is_int8,
             kInvalidProgram, args.op << ": q, k and v all have a scale, or none has");
  check_tensor(graph, args, args.q, args.q_grid);
  check_tensor(graph, args, args.k, args.k_grid);
  check_tensor(graph, args, args.v, args.v_grid);
  check_tensor(graph, args, args.y, args.y_grid);
  ETVK_CHECK(graph.dims(args.k).size() == graph.dims(args.v).size() &&
                 graph.dims(args.k).size() <= graph.dims(args.q).size(),
             kInvalidProgram, args.op << ": k and v have as many dimensions, and no more than q");
  ETVK_CHECK((args.mask >= 0) == (args.form != MaskForm::kNone), kInvalidProgram,
             args.op << ": a mask and its kind are given both or neither");
  if (args.mask < 0) {
    return;
  }
  const DType wanted = args.form == MaskForm::kAdded ? DType::kFloat32 : DType::kBool;
  ETVK_CHECK(
      graph.dtype(args.mask) == wanted && graph.dims(args.mask).size() <= kRank, kInvalidProgram,
      args.op << ": the mask must be " << dtype_name(wanted) << " of at most 4 dimensions, got "
              << dtype_name(graph.dtype(args.mask)) << " " << shape_text(graph.dims(args.mask)));
}

void add_attention(ComputeGraph& graph, const AttentionArgs& args) {
  check(graph, args);
  std::vector<ValueId> reads = {args.q, args.k, args.v};
  if (args.mask >= 0) {
    reads.push_back(args.mask);
  }
  const auto record = [&graph, args](Commands& commands) {
    record_attention(graph, commands, args);
  };
  graph.add_node({args.op, reads, {args.y}, record});
}

AttentionArgs read_operands(const OpArgs& call, const char* mask) {
  AttentionArgs args;
  args.op = call.op();
  args.q = call.tensor("q");
  args.k = call.tensor("k");
  args.v = call.tensor("v");
  args.mask = call.optional_tensor(mask);
  args.y = call.output();
  return args;
}

MaskForm mask_form(const OpArgs& call) {
  constexpr const char* kNames[] = {"none", "add", "fill_true", "fill_false"};
  const std::string& given = call.string("mask_kind");
  const auto* found = std::find(std::begin(kNames), std::end(kNames), given);
  ETVK_CHECK(
      found != std::end(kNames), kInvalidProgram,
      call.op() << ": mask_kind '" << given << "' is none of none, add, fill_true and fill_false");
  return static_cast<MaskForm>(found - std::begin(kNames));
}

Dims permutation(const OpArgs& call, const char* name, size_t rank) {
  Dims dims;
  for (int64_t dim : call.integers(name)) {
    dims.push_back(wrap_dim(call.op(), dim, rank));
  }
  Dims sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  ETVK_CHECK(sorted == in_order(rank), kInvalidProgram,
             call.op() << ": " << name << " must permute the " << rank << " dimensions, got "
                       << shape_text(call.integers(name)));
  return dims;
}

AttentionArgs read_attention(const ComputeGraph& graph, const OpArgs& call) {
  AttentionArgs args = read_operands(call, "mask");
  args.form = mask_form(call);
  args.scale = call.number("scale");
  args.fill = call.number("fill");
  args.is_causal = call.boolean("is_causal");
  args.zero_rows = call.boolean("zero_rows");
  args.q_dims = permutation(call, "q_dims", graph.dims(args.q).size());
  args.k_dims = permutation(call, "k_dims", graph.dims(args.k).size());
  args.v_dims = permutation(call, "v_dims", graph.dims(args.v).size());
  args.y_dims = permutation(call, "y_dims", graph.dims(args.q).size());
  return args;
}

void attention(ComputeGraph& graph, const OpArgs& call) {
  add_attention(graph, read_attention(graph, call));
}

void q8ta_attention(ComputeGraph& graph, const OpArgs& call) {
  AttentionArgs args = read_attention(graph, call);
  args.q_grid = read_optional_grid(call, "q");
  args.k_grid = read_optional_grid(call, "k");
  args.v_grid = read_optional_grid(call, "v");
  args.y_grid = read_optional_ranged_grid(call, "output");
  add_attention(graph, args);
}

void sdpa(ComputeGraph& graph, const OpArgs& call) {
  AttentionArgs args = read_operands(call, "attn_mask");
  args.form = args.mask >= 0 ? MaskForm::kAdded : MaskForm::kNone;
  args.scale = call.optional_scalar("scale");
  args.q_dims = in_order(graph.dims(args.q).size());
  args.k_dims = in_order(graph.dims(args.k).size());
  args.v_dims = in_order(graph.dims(args.v).size());
  args.y_dims = args.q_dims;
  add_attention(graph, args);
}

const RegisterOps registered({
    {"et_vk.attention.default",
     "q:tensor@either k:tensor@either v:tensor@either mask:tensor?@either mask_kind:string "
     "scale:number fill:number is_causal:boolean zero_rows:boolean q_dims:integers "
     "k_dims:integers v_dims:integers y_dims:integers y:out",
     attention},
    {"et_vk.q8ta_attention.default",
     "q:tensor@either q_scale:scalar? q_zero_point:integer k:tensor@either k_scale:scalar? "
     "k_zero_point:integer v:tensor@either v_scale:scalar? v_zero_point:integer "
     "mask:tensor?@either mask_kind:string scale:number fill:number is_causal:boolean "
     "zero_rows:boolean q_dims:integers k_dims:integers v_dims:integers y_dims:integers "
     "output_scale:scalar? output_zero_point:integer quant_min:integer quant_max:integer y:out",
     q8ta_attention},
    {"et_vk.sdpa.default",
     "q:tensor@either k:tensor@either v:tensor@either attn_mask:tensor?@either scale:scalar? y:out",
     sdpa},
});

}  // namespace

}  // namespace etvk::ops
