#include "graph/ops/impl/mac/MacArgs.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "vk/Error.h"

namespace etvk::ops {

namespace {

// A row of the activation table, or relu: the clamp from 0 to infinity.
Activation activation_of(const OpArgs& args, const std::string& name) {
  if (name == "relu") {
    return Activation::clamp;
  }
  const auto* row = std::find(std::begin(kActivationNames), std::end(kActivationNames), name);
  std::string known = "relu";
  for (const char* one : kActivationNames) {
    known += std::string(", ") + one;
  }
  ETVK_CHECK(row != std::end(kActivationNames), kInvalidProgram,
             args.op() << ": activation '" << name << "' is none of " << known);
  return static_cast<Activation>(row - std::begin(kActivationNames));
}

MacArgs read_layer(const OpArgs& args) {
  MacArgs mac;
  mac.op = args.op();
  mac.x = args.tensor("x");
  mac.weights = args.constant("weights");
  // Not weight_sums: they are computed here, so that they agree with the weights.
  mac.weight_scales = args.constant("weight_scales");
  mac.bias = args.optional_constant("bias");
  mac.y = args.output();
  return mac;
}

}  // namespace

MacArgs read_operands(const OpArgs& args) {
  MacArgs mac = read_layer(args);
  mac.input_scale = args.number("input_scale");
  mac.input_zero_point = args.integer("input_zero_point");
  return mac;
}

MacArgs read_dynamic_operands(const OpArgs& args) {
  MacArgs mac = read_layer(args);
  mac.row_grids = read_row_grids(args);
  mac.input_grid = mac.row_grids.per_row ? InputGrid::kOfEachRow : InputGrid::kOfAllRows;
  return mac;
}

void read_output(const OpArgs& args, MacArgs& mac) {
  mac.quantized_output = true;
  mac.output_scale = args.number("output_scale");
  mac.output_zero_point = args.integer("output_zero_point");
}

void read_range(const OpArgs& args, MacArgs& mac) {
  mac.quant_min = args.integer("quant_min");
  mac.quant_max = args.integer("quant_max");
}

void read_activation(const OpArgs& args, MacArgs& mac, bool has_parameters) {
  const std::string name = args.string("activation");
  mac.activation = activation_of(args, name);
  if (has_parameters) {
    mac.alpha = args.number("alpha");
    mac.beta = args.number("beta");
    ETVK_CHECK(!std::isnan(mac.alpha) && !std::isnan(mac.beta), kInvalidProgram,
               args.op() << ": a parameter of activation '" << name << "' is not a number");
    // A clamp may be open on a side; elsewhere infinity times zero would be no number.
    const bool finite =
        std::isfinite(static_cast<float>(mac.alpha)) && std::isfinite(static_cast<float>(mac.beta));
    ETVK_CHECK(finite || mac.activation == Activation::clamp, kInvalidProgram,
               args.op() << ": parameters " << mac.alpha << " and " << mac.beta
                         << " of activation '" << name << "' must be finite float32 numbers");
  }
  if (name == "relu") {
    mac.alpha = 0.0;
    mac.beta = std::numeric_limits<double>::infinity();
  }
}

void read_residual(const OpArgs& args, MacArgs& mac, const std::string& own) {
  const auto own_integer = [&](const char* name) {
    return static_cast<int32_t>(args.integer((own + name).c_str()));
  };
  ResidualArgs& residual = mac.residual;
  residual.own.scale = args.number((own + "_scale").c_str());
  residual.own.zero_point = own_integer("_zero_point");
  residual.own.quant_min = own_integer("_quant_min");
  residual.own.quant_max = own_integer("_quant_max");
  residual.mode =
      args.boolean(("round_" + own).c_str()) ? ResidualMode::kRounded : ResidualMode::kDirect;
  residual.tensor = args.tensor("residual");
  residual.scale = args.number("residual_scale");
  residual.zero_point = args.integer("residual_zero_point");
}

void read_table(const OpArgs& args, MacArgs& mac) { mac.table = args.optional_constant("table"); }

void fold_relu(MacArgs& mac) {
  const bool relu = mac.activation == Activation::clamp && mac.alpha == 0.0 &&
                    mac.beta == std::numeric_limits<double>::infinity();
  if (relu && mac.quantized_output && mac.residual.mode == ResidualMode::kNone) {
    mac.activation = Activation::none;
    mac.quant_min = std::min(std::max(mac.quant_min, mac.output_zero_point), mac.quant_max);
  }
}

}  // namespace etvk::ops
