#include "Layer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <stdexcept>

#include "graph/selfcheck/References.h"

namespace etvk::fuzz {

namespace {

// Throws Meaningless for a name that there is not.
Activated activate(const std::string& name, float f, float alpha, float beta) {
  try {
    return activated(name, f, alpha, beta);
  } catch (const std::out_of_range& error) {
    throw Meaningless(error.what());
  }
}

void check_channels(const Tensor& tensor, int64_t count) {
  if (tensor.dtype != DType::kFloat32 || tensor.sizes.size() != 1 || tensor.sizes[0] < count) {
    throw Meaningless("scales or bias that are not float32 [N]");
  }
}

std::vector<uint8_t> floats_between(testing::Random& random, int64_t count, float low, float high) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count) * 4);
  for (size_t at = 0; at < bytes.size(); at += 4) {
    const float value = random.uniform(low, high);
    std::memcpy(&bytes[at], &value, sizeof(value));
  }
  return bytes;
}

void store_quantized(Tensor& y, size_t at, float f, const Int8Grid& grid) {
  // The error of an exp() is more than a step of a grid as fine as this.
  if (y.accuracy == Accuracy::kClose && grid.scale < kFloatError) {
    y.accuracy = Accuracy::kUnknown;
  }
  y.bytes[at] = static_cast<uint8_t>(quantize(f, grid));
}

// y through the op's table, if it has one.
Tensor looked_up(const Arguments& arguments, Tensor y) {
  const Tensor* table = arguments.has("table") ? arguments.optional_constant("table") : nullptr;
  if (table == nullptr) {
    return y;
  }
  if (table->dtype != DType::kInt8 || table->sizes != Sizes{256}) {
    throw Meaningless("a table of another type or size");
  }
  for (size_t i = 0; i < y.count(); ++i) {
    y.bytes[i] = table->bytes[static_cast<size_t>(y.int8_at(i) + 128)];
  }
  y.accuracy = computed_of(y.accuracy);
  return y;
}

}  // namespace

// ---- References.

Int8Grid read_input_grid(const Arguments& arguments) {
  if (arguments.tensor("x").dtype == DType::kFloat32) {
    return read_grid(arguments, "input_");
  }
  Int8Grid grid;
  grid.scale = static_cast<float>(arguments.number("input_scale"));
  grid.zero_point = read_zero_point(arguments, "input_");
  return grid;
}

Tensor read_int8_x(const Arguments& arguments, const Int8Grid& grid) {
  const Tensor& x = arguments.tensor("x");
  if (x.dtype == DType::kInt8) {
    return x;
  }
  if (x.dtype != DType::kFloat32) {
    throw Meaningless("x that is neither int8 nor float32");
  }
  Tensor quantized = zeros(DType::kInt8, x.sizes);
  quantized.accuracy = computed_of(x.accuracy);
  for (size_t i = 0; i < x.count(); ++i) {
    quantized.bytes[i] = static_cast<uint8_t>(quantize(x.float_at(i), grid));
  }
  return quantized;
}

ops::RowGrids read_row_grids(const Arguments& arguments) {
  static const std::map<std::string, ops::RowRule> rules{{"affine", ops::RowRule::kAffine},
                                                         {"xnnpack", ops::RowRule::kXnnpack},
                                                         {"symmetric", ops::RowRule::kSymmetric}};
  const std::string granularity = arguments.string("granularity");
  const auto rule = rules.find(arguments.string("rule"));
  if (rule == rules.end() || (granularity != "per_row" && granularity != "per_tensor")) {
    throw Meaningless("no such grids");
  }
  ops::RowGrids grids;
  grids.per_row = granularity == "per_row";
  grids.rule = rule->second;
  const int64_t low = arguments.integer("quant_min");
  const int64_t high = arguments.integer("quant_max");
  const bool is_full = low == -128 && high == 127;
  if (low < -128 || high > 127 || low >= high ||
      (grids.rule == ops::RowRule::kXnnpack && !is_full)) {
    throw Meaningless("a range that is not int8, or not of the rule");
  }
  grids.quant_min = static_cast<int32_t>(low);
  grids.quant_max = static_cast<int32_t>(high);
  grids.eps = static_cast<float>(arguments.number("eps"));
  const float least = grids.rule == ops::RowRule::kXnnpack ? 0x1p-90f : 0x1p-126f;
  if (!(least <= grids.eps && grids.eps <= 0x1p100f)) {
    throw Meaningless("an eps that is too small or too large");
  }
  return grids;
}

LayerEnd::LayerEnd(const Arguments& arguments, float input_scale, int64_t channels,
                   int64_t scale_count) {
  activation_ = arguments.has("activation") ? arguments.string("activation") : "none";
  const bool parameters = arguments.has("alpha");
  alpha_ = static_cast<float>(parameters ? arguments.number("alpha") : 0.0);
  beta_ = static_cast<float>(parameters ? arguments.number("beta") : 0.0);
  const bool is_clamp = activation_ == "clamp" || activation_ == "relu";
  const bool finite = std::isfinite(alpha_) && std::isfinite(beta_);
  if (std::isnan(alpha_) || std::isnan(beta_) || (!is_clamp && !finite)) {
    throw Meaningless("a parameter that is not finite");
  }
  activate(activation_, 0.0f, alpha_, beta_);
  const Tensor& scales = arguments.constant("weight_scales");
  check_channels(scales, scale_count);
  const Tensor* bias = arguments.optional_constant("bias");
  if (bias != nullptr) {
    check_channels(*bias, channels);
  }
  for (size_t i = 0; i < static_cast<size_t>(channels); ++i) {
    const float own = scales.float_at(i % static_cast<size_t>(scale_count));
    const float scale = input_scale * own;
    if (!std::isnormal(scale) && own != 0.0f) {
      throw Meaningless("a weight scale that is not normal");
    }
    scales_.push_back(scale);
    bias_.push_back(bias != nullptr ? bias->float_at(i) : 0.0f);
  }
}

void LayerEnd::set(Tensor& y, size_t at, int64_t acc, size_t channel, const Finish& finish,
                   float row_scale) const {
  float f = static_cast<float>(acc) * (row_scale * scales_[channel]);
  f = f + bias_[channel];
  const Activated activated = activate(activation_, f, alpha_, beta_);
  y.accuracy = std::max(y.accuracy, !std::isfinite(f)    ? Accuracy::kUnknown
                                    : activated.is_exact ? Accuracy::kExact
                                                         : Accuracy::kClose);
  finish(y, at, activated.value);
}

Result quantized_layer(const Arguments& arguments, Layer layer) {
  const Int8Grid grid = arguments.has("quant_min") ? read_grid(arguments, "output_", "")
                                                   : read_grid(arguments, "output_");
  const Finish finish = [&](Tensor& y, size_t at, float f) { store_quantized(y, at, f, grid); };
  return looked_up(arguments, layer(arguments, DType::kInt8, finish));
}

Result residual_layer(const Arguments& arguments, Layer layer, const std::string& own_name) {
  const Int8Grid grid = read_grid(arguments, "output_", "");
  const Int8Grid residual_grid = read_grid(arguments, "residual_");
  const bool round = arguments.boolean(("round_" + own_name).c_str());
  const std::string prefix = own_name + "_";
  Int8Grid own;
  if (round) {
    own = read_grid(arguments, prefix, prefix);
  } else {  // not used, but numbers
    arguments.number((prefix + "scale").c_str());
    for (const char* name : {"zero_point", "quant_min", "quant_max"}) {
      arguments.integer((prefix + name).c_str());
    }
  }
  const Tensor& residual = arguments.tensor("residual");
  if (residual.dtype != DType::kInt8) {
    throw Meaningless("a residual that is not int8");
  }
  Tensor y = layer(arguments, DType::kInt8, [&](Tensor& result, size_t at, float f) {
    if (result.sizes != residual.sizes) {
      throw Meaningless("a residual of another shape");
    }
    const float rounded = round ? dequantize(quantize(f, own), own) : f;
    store_quantized(result, at, rounded + dequantize(residual.int8_at(at), residual_grid), grid);
  });
  if (y.sizes != residual.sizes) {
    throw Meaningless("a residual of another shape");
  }
  // A step of the layer's own is more than one of the result where its scale is larger.
  const bool is_one_step = !round || own.scale <= grid.scale;
  if (residual.accuracy != Accuracy::kExact || (y.accuracy == Accuracy::kClose && !is_one_step)) {
    y.accuracy = Accuracy::kUnknown;
  }
  return looked_up(arguments, y);
}

Result float_layer(const Arguments& arguments, Layer layer) {
  return layer(arguments, DType::kFloat32,
               [](Tensor& y, size_t at, float f) { set_float(y, at, f); });
}

// ---- Draws.

void give_channels(Draft& draft, int64_t channels) {
  testing::Random& random = draft.random();
  const int64_t given = channels + (random.chance(20) ? random.integer(0, 4) : 0);
  draft.give_constant("weight_sums", DType::kInt32, {channels});
  draft.give_constant("weight_scales", DType::kFloat32, {given},
                      floats_between(random, given, 0.001f, 0.01f));
  if (random.chance(70)) {
    draft.give_constant("bias", DType::kFloat32, {given},
                        floats_between(random, given, -2.0f, 2.0f));
  } else {
    draft.give_none("bias");
  }
}

void give_row_grids(Draft& draft, bool per_row) {
  static const std::vector<const char*> rules{"affine", "xnnpack", "symmetric"};
  const char* rule = draft.random().pick(rules);
  draft.give_string("granularity", per_row ? "per_row" : "per_tensor");
  draft.give_string("rule", rule);
  const bool is_narrow = rule != rules[1] && draft.random().chance(20);
  draft.give_integer("quant_min", is_narrow ? -127 : -128);
  draft.give_integer("quant_max", 127);
  draft.give_number("eps", draft.random().chance(50) ? 0x1p-12 : 0x1p-23);
}

void give_activation(Draft& draft, const char* activation) {
  const float low = draft.random().uniform(-2.0f, 0.5f);
  draft.give_string("activation", activation);
  draft.give_number("alpha", low);
  draft.give_number("beta", low + draft.random().uniform(0.0f, 4.0f));
}

void give_output(Draft& draft, bool has_range) {
  draft.give_grid("output_", draft.some_scale());
  if (has_range) {
    draft.give_range("");
  }
}

void give_table(Draft& draft) {
  if (draft.random().chance(40)) {
    draft.give_constant("table", DType::kInt8, {256});
  } else {
    draft.give_none("table");
  }
}

bool give_residual(Draft& draft, const std::string& own, const ByExecution<Sizes>& sizes) {
  ValueId residual =
      draft.find_tensor({DType::kInt8}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
  if (residual < 0) {
    residual = draft.new_input(DType::kInt8, sizes);
  }
  if (residual < 0) {
    return false;
  }
  draft.give("residual", residual);
  draft.give_grid("residual_", draft.some_scale());
  draft.give_boolean(("round_" + own).c_str(), draft.random().chance(50));
  draft.give_grid(own + "_", draft.some_scale());
  draft.give_range(own + "_");
  return true;
}

}  // namespace etvk::fuzz
