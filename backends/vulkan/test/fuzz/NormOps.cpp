// Softmax, norms and the variance: statistics of rows; and whether any element is true.
#include <algorithm>
#include <cmath>

#include "Entry.h"
#include "Int8Grid.h"
#include "Shapes.h"
#include "graph/selfcheck/NormalizeReference.h"

namespace etvk::fuzz {

namespace {

using ops::Normalization;

// ---- Results.

const Tensor& float_tensor(const Tensor& x) {
  if (x.dtype != DType::kFloat32) {
    throw Meaningless("a tensor that is not float32");
  }
  return x;
}

const Tensor* weight_of(const Arguments& arguments, const char* name, const Sizes& sizes) {
  const Tensor* weight = arguments.optional_tensor(name);
  if (weight != nullptr && float_tensor(*weight).sizes != sizes) {
    throw Meaningless("a weight of another shape");
  }
  return weight;
}

// Where float32 overflows or loses digits before float64 does is not the fuzzer's business.
bool is_delicate(const std::vector<double>& row) {
  return std::any_of(row.begin(), row.end(), [](double x) {
    return std::isfinite(x) && (std::abs(x) > 1e15 || (x != 0.0 && std::abs(x) < 1e-15));
  });
}

// Of elements that are all about one value: float32 and float64 differ by as much in their mean as
// they are away from it, so that without an epsilon nothing is left.
bool is_of_one_value(const std::vector<double>& row, double epsilon) {
  const auto [least, most] = std::minmax_element(row.begin(), row.end());
  const double spread = row.empty() ? 0.0 : *most - *least;
  return !row.empty() && spread + std::sqrt(std::abs(epsilon)) <= 1e-6 * std::abs(*most);
}

// The elements of x by row; `row_of` gives an element's.
template <typename RowOf>
std::vector<std::vector<size_t>> rows_of(const Tensor& x, RowOf row_of) {
  std::vector<std::vector<size_t>> rows;
  for (size_t i = 0; i < x.count(); ++i) {
    const size_t row = row_of(i);
    rows.resize(std::max(rows.size(), row + 1));
    rows[row].push_back(i);
  }
  return rows;
}

std::vector<double> values_of(const Tensor& x, const std::vector<size_t>& row) {
  std::vector<double> values;
  for (size_t at : row) {
    values.push_back(x.float_at(at));
  }
  return values;
}

struct Weights {
  const Tensor* scale = nullptr;
  const Tensor* shift = nullptr;
};

// y of the sizes of x; `weight_at` gives the weight's element for one of x.
template <typename RowOf, typename WeightAt>
Tensor normalized(const Tensor& x, Normalization function, double epsilon, RowOf row_of,
                  const Weights& weights, WeightAt weight_at) {
  Tensor y = zeros(DType::kFloat32, x.sizes);
  Accuracy accuracy = x.accuracy;
  for (const Tensor* own : {weights.scale, weights.shift}) {
    accuracy = own == nullptr ? accuracy : std::max(accuracy, own->accuracy);
  }
  y.accuracy = accuracy == Accuracy::kExact ? Accuracy::kClose : Accuracy::kUnknown;
  for (const std::vector<size_t>& row : rows_of(x, row_of)) {
    const std::vector<double> values = values_of(x, row);
    const bool is_centered = function == Normalization::kLayerNorm;
    if (is_delicate(values) || (is_centered && is_of_one_value(values, epsilon))) {
      y.accuracy = Accuracy::kUnknown;
    }
    const std::vector<double> normal = normalized_row(function, values, epsilon);
    for (size_t i = 0; i < row.size(); ++i) {
      const size_t at = row[i];
      const double scale = weights.scale == nullptr ? 1.0 : weights.scale->float_at(weight_at(at));
      const double shift = weights.shift == nullptr ? 0.0 : weights.shift->float_at(weight_at(at));
      const bool cancels = std::abs(normal[i] * scale) > 100.0 || std::abs(shift) > 100.0;
      if (cancels && std::isfinite(normal[i] * scale) && std::isfinite(shift)) {
        y.accuracy = Accuracy::kUnknown;
      }
      set_float(y, at, static_cast<float>(normal[i] * scale + shift));
    }
  }
  return y;
}

double epsilon_of(const Arguments& arguments) {
  const auto epsilon = static_cast<float>(arguments.number("eps"));
  if (!(std::abs(epsilon) < 1e15f) || (epsilon != 0.0f && std::abs(epsilon) < 1e-15f)) {
    throw Unchecked("an epsilon of a magnitude that loses digits");
  }
  return epsilon;
}

bool names(const Arguments& arguments, const char* part) {
  return arguments.op().name.find(part) != std::string::npos;
}

Tensor softmax_of(const Arguments& arguments, const Tensor& x) {
  const ReducedShape shape(x.sizes, {arguments.integer("dim")}, true);
  const bool is_log = names(arguments, "log_softmax");
  return normalized(
      x, is_log ? Normalization::kLogSoftmax : Normalization::kSoftmax, 0.0,
      [&shape](size_t i) { return shape.result_of(i); }, {}, [](size_t) { return size_t{0}; });
}

Result softmax(const Arguments& arguments) {
  if (arguments.boolean("half_to_float")) {
    throw Meaningless("half_to_float");
  }
  return softmax_of(arguments, float_tensor(arguments.tensor("self")));
}

// Over the last dimensions, which are `normalized_sizes`.
Tensor over_last(const Arguments& arguments, const Tensor& x, Normalization function,
                 const Sizes& normalized_sizes) {
  const Weights weights{
      weight_of(arguments, "weight", normalized_sizes),
      arguments.has("bias") ? weight_of(arguments, "bias", normalized_sizes) : nullptr};
  const size_t count = zeros(DType::kFloat32, normalized_sizes).count();
  return normalized(
      x, function, epsilon_of(arguments), [count](size_t i) { return i / count; }, weights,
      [count](size_t i) { return i % count; });
}

Tensor layer_norm_of(const Arguments& arguments, const Tensor& x) {
  const Sizes sizes = arguments.integers("normalized_shape");
  if (sizes.empty() || sizes.size() > x.sizes.size() ||
      !std::equal(sizes.rbegin(), sizes.rend(), x.sizes.rbegin())) {
    throw Meaningless("a normalized shape that is not x's");
  }
  return over_last(arguments, x, Normalization::kLayerNorm, sizes);
}

Result layer_norm(const Arguments& arguments) {
  return layer_norm_of(arguments, float_tensor(arguments.tensor("self")));
}

Tensor rms_norm_of(const Arguments& arguments, const Tensor& x) {
  if (x.sizes.empty()) {
    throw Meaningless("no dimension");
  }
  const Tensor& weight = float_tensor(arguments.tensor("weight"));
  if (weight.sizes != Sizes{x.sizes.back()}) {
    throw Meaningless("a weight of another shape");
  }
  const auto count = static_cast<size_t>(std::max<int64_t>(x.sizes.back(), 1));
  return normalized(
      x, Normalization::kRmsNorm, epsilon_of(arguments), [count](size_t i) { return i / count; },
      {&weight, nullptr}, [count](size_t i) { return i % count; });
}

Result rms_norm(const Arguments& arguments) {
  return rms_norm_of(arguments, float_tensor(arguments.tensor("x")));
}

// Of groups of channels, of one image or of all.
Tensor over_channels(const Arguments& arguments, const Tensor& x, int64_t groups, bool over_batch) {
  if (x.sizes.size() < 2) {
    throw Meaningless("no channels");
  }
  const int64_t channels = x.sizes[1];
  if (groups <= 0 || channels % groups != 0) {
    throw Meaningless("channels that are no groups");
  }
  const Weights weights{weight_of(arguments, "weight", {channels}),
                        weight_of(arguments, "bias", {channels})};
  const auto row_of = [&](size_t i) {
    const Sizes index = index_of(i, x.sizes);
    const int64_t group = index[1] / std::max<int64_t>(channels / groups, 1);
    return static_cast<size_t>((over_batch ? 0 : index[0] * groups) + group);
  };
  return normalized(x, Normalization::kLayerNorm, epsilon_of(arguments), row_of, weights,
                    [&x](size_t i) { return static_cast<size_t>(index_of(i, x.sizes)[1]); });
}

Tensor group_norm_of(const Arguments& arguments, const Tensor& x) {
  return over_channels(arguments, x, arguments.integer("group"), false);
}

Result group_norm(const Arguments& arguments) {
  return group_norm_of(arguments, float_tensor(arguments.tensor("self")));
}

Result batch_norm(const Arguments& arguments) {
  const Tensor& x = float_tensor(arguments.tensor("self"));
  if (!arguments.boolean("training")) {
    throw Meaningless("other statistics than the batch's");
  }
  return over_channels(arguments, x, x.sizes.size() < 2 ? 1 : x.sizes[1], true);
}

template <Tensor (*norm)(const Arguments& arguments, const Tensor& x)>
Result quantized_norm(const Arguments& arguments) {
  return quantized_result(arguments, norm(arguments, real_tensor(arguments, "x", "input_")));
}

Result variance(const Arguments& arguments) {
  const Tensor& x = float_tensor(arguments.tensor("self"));
  const ReducedShape shape(x.sizes, arguments.optional_integers("dim"),
                           arguments.boolean("keepdim"));
  const double correction = arguments.optional_scalar("correction").value_or(1.0);
  Tensor y = zeros(DType::kFloat32, shape.sizes);
  y.accuracy = x.accuracy == Accuracy::kExact ? Accuracy::kClose : Accuracy::kUnknown;
  if (y.count() > 0 && x.count() == 0) {
    throw Meaningless("a variance of no elements");
  }
  const auto rows = rows_of(x, [&shape](size_t i) { return shape.result_of(i); });
  const double divisor = std::max(static_cast<double>(shape.count) - correction, 0.0);
  for (size_t i = 0; i < y.count(); ++i) {
    const std::vector<double> row = values_of(x, rows[i]);
    if (is_delicate(row) || !(divisor == 0.0 || (divisor > 1e-9 && divisor < 1e9))) {
      y.accuracy = Accuracy::kUnknown;
    }
    set_float(y, i, static_cast<float>(normalized_row(Normalization::kVariance, row, divisor)[0]));
  }
  return y;
}

Result any_over(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  if (x.dtype != DType::kBool && x.dtype != DType::kFloat32) {
    throw Meaningless("an operand of another type");
  }
  const bool has_dim = arguments.has("dim");
  const bool of_one = arguments.op().name == "aten.any.dim";
  const Sizes dims = of_one    ? Sizes{arguments.integer("dim")}
                     : has_dim ? arguments.optional_integers("dim")
                               : Sizes{};
  const ReducedShape shape(x.sizes, dims, has_dim && arguments.boolean("keepdim"));
  Tensor y = zeros(DType::kBool, shape.sizes);
  y.accuracy = x.accuracy == Accuracy::kExact ? Accuracy::kExact : Accuracy::kUnknown;
  if (y.count() > 0 && x.count() == 0) {
    throw Meaningless("a reduction of no elements");
  }
  for (size_t i = 0; i < x.count(); ++i) {
    const bool is_true = x.dtype == DType::kBool ? x.bytes[i] != 0 : x.float_at(i) != 0.0f;
    uint8_t& result = y.bytes[shape.result_of(i)];
    result = result != 0 || is_true ? 1 : 0;
  }
  return y;
}

// ---- Draws.

bool draw_any(Draft& draft) {
  const bool of_bool = draft.random().chance(70);
  const ReducedOperand operand = reduced_operand(draft, of_bool ? DType::kBool : DType::kFloat32);
  draft.give("self", operand.id);
  if (draft.op().name == "aten.any.default") {
    return true;
  }
  draft.give_boolean("keepdim", draft.random().chance(50));
  if (draft.op().name == "aten.any.dims") {
    draft.give_fixed_integers("dim", operand.dims);
    return true;
  }
  draft.give_integer("dim", operand.dims.empty() ? 0 : operand.dims[0]);
  return true;
}

bool takes(const Draft& draft, const char* name) {
  return position_of(draft.op(), name) < draft.op().args.size();
}

// Half of them end in rows of whole groups of four elements, which have a kernel of their own.
ValueId operand(Draft& draft, DType dtype, size_t least_rank) {
  if (draft.random().chance(50)) {
    return draft.some_tensor({dtype}, least_rank);
  }
  constexpr int32_t kMostGroups[] = {16, 64, 300};
  const int32_t groups = draft.random().integer(4, draft.random().pick(kMostGroups));
  return draft.new_input(dtype, std::max<size_t>(least_rank, 1), 4 * groups);
}

// The operand of an op of float32 only, or of one that has grids, which it is given then.
ValueId give_operand(Draft& draft, size_t least_rank = 0) {
  if (!takes(draft, "output_scale")) {
    const ValueId x = operand(draft, DType::kFloat32, least_rank);
    draft.give(takes(draft, "self") ? "self" : "x", x);
    return x;
  }
  const bool int8_x = draft.random().chance(70);
  const ValueId x = operand(draft, int8_x ? DType::kInt8 : DType::kFloat32, least_rank);
  draft.give("x", x);
  draft.give_grid("input_", draft.some_scale());
  draft.give_grid("output_", draft.some_scale());
  draft.give_range("");
  if (!int8_x) {
    draft.give_none("input_scale");
  }
  if (draft.random().chance(30)) {
    draft.give_none("output_scale");
  }
  return x;
}

bool draw_softmax(Draft& draft) {
  const ValueId x = give_operand(draft);
  const auto rank = std::max(static_cast<int32_t>(draft.rank(x)), 1);
  draft.give_integer("dim", draft.random().integer(-rank, rank - 1));
  if (takes(draft, "half_to_float")) {
    draft.give_boolean("half_to_float", false);
  }
  return true;
}

// A weight or bias of these sizes, or none where the op takes none.
bool give_weight(Draft& draft, const char* name, const ByExecution<Sizes>& sizes, bool optional) {
  if (optional && draft.random().chance(30)) {
    draft.give_none(name);
    return true;
  }
  const bool is_fixed = sizes[0] == sizes[1] && sizes[0] == sizes[2];
  if (is_fixed && draft.random().chance(70)) {
    draft.give_constant(name, DType::kFloat32, sizes[0]);
    return true;
  }
  const ValueId id = draft.new_input(DType::kFloat32, sizes);
  if (id >= 0) {
    draft.give(name, id);
  }
  return id >= 0;
}

void give_epsilon(Draft& draft) {
  constexpr double kEpsilons[] = {1e-5, 1e-12, 0.0, 1.0, 1e-3};
  draft.give_number("eps", draft.random().pick(kEpsilons));
}

bool draw_layer_norm(Draft& draft) {
  const ValueId x = give_operand(draft, 1);
  const size_t count = 1 + draft.random().below(std::min<size_t>(draft.rank(x), 2));
  ByExecution<Sizes> sizes = draft.all_sizes(x);
  for (Sizes& own : sizes) {
    own.erase(own.begin(), own.end() - static_cast<std::ptrdiff_t>(count));
  }
  give_epsilon(draft);
  return draft.give_integers("normalized_shape", sizes) &&
         give_weight(draft, "weight", sizes, true) && give_weight(draft, "bias", sizes, true);
}

bool draw_rms_norm(Draft& draft) {
  const ValueId x = give_operand(draft, 1);
  ByExecution<Sizes> sizes = draft.all_sizes(x);
  for (Sizes& own : sizes) {
    own = {own.back()};
  }
  give_epsilon(draft);
  return give_weight(draft, "weight", sizes, false);
}

bool draw_channel_norm(Draft& draft) {
  const ValueId x = give_operand(draft, 2);
  ByExecution<Sizes> sizes = draft.all_sizes(x);
  for (Sizes& own : sizes) {
    own = {own[1]};
  }
  give_epsilon(draft);
  return give_weight(draft, "weight", sizes, true) && give_weight(draft, "bias", sizes, true);
}

bool draw_group_norm(Draft& draft) {
  if (!draw_channel_norm(draft)) {
    return false;
  }
  constexpr int32_t kGroups[] = {1, 1, 2, 3, 4};  // what does not divide the channels is drawn anew
  draft.give_integer("group", draft.random().pick(kGroups));
  return true;
}

bool draw_batch_norm(Draft& draft) {
  draft.give_boolean("training", true);
  return draw_channel_norm(draft);
}

bool draw_variance(Draft& draft) {
  const ReducedOperand operand = reduced_operand(draft, DType::kFloat32);
  draft.give("self", operand.id);
  draft.give_boolean("keepdim", draft.random().chance(50));
  draft.give_fixed_integers("dim", operand.dims);
  constexpr double kCorrections[] = {0.0, 1.0, 1.0, 0.5, 5.0};
  if (draft.random().chance(20)) {
    draft.give_none("correction");
  } else {
    draft.give_number("correction", draft.random().pick(kCorrections));
  }
  return true;
}

}  // namespace

std::vector<Entry> norm_entries() {
  std::vector<Entry> entries = {
      {"aten._softmax.default", draw_softmax, softmax},
      {"aten._log_softmax.default", draw_softmax, softmax},
      {"aten.native_layer_norm.default", draw_layer_norm, layer_norm},
      {"et_vk.rms_norm.default", draw_rms_norm, rms_norm},
      {"aten.native_group_norm.default", draw_group_norm, group_norm},
      {"aten._native_batch_norm_legit.no_stats", draw_batch_norm, batch_norm},
      {"et_vk.q8ta_softmax.default", draw_softmax, quantized_norm<softmax_of>},
      {"et_vk.q8ta_log_softmax.default", draw_softmax, quantized_norm<softmax_of>},
      {"et_vk.q8ta_layer_norm.default", draw_layer_norm, quantized_norm<layer_norm_of>},
      {"et_vk.q8ta_rms_norm.default", draw_rms_norm, quantized_norm<rms_norm_of>},
      {"et_vk.q8ta_group_norm.default", draw_group_norm, quantized_norm<group_norm_of>},
      {"aten.var.correction", draw_variance, variance},
      {"aten.any.default", draw_any, any_over},
      {"aten.any.dim", draw_any, any_over},
      {"aten.any.dims", draw_any, any_over},
  };
  for (Entry& entry : entries) {
    entry.many_pipelines = true;
    entry.is_one_of_many = true;
  }
  return entries;
}

}  // namespace etvk::fuzz
