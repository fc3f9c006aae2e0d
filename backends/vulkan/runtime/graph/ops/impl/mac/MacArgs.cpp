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
  mac.input = read_grid(args, "input");
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
  mac.output = read_grid(args, "output");
}

void read_ranged_output(const OpArgs& args, MacArgs& mac) {
  mac.quantized_output = true;
  mac.output = read_ranged_grid(args, "output");
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
  ResidualArgs& residual = mac.residual;
  residual.own = read_ranged_grid(args, own, own + "_quant");
  residual.mode =
      args.boolean(("round_" + own).c_str()) ? ResidualMode::kRounded : ResidualMode::kDirect;
  residual.tensor = args.tensor("residual");
  residual.grid = read_grid(args, "residual");
}

void read_table(const OpArgs& args, MacArgs& mac) { mac.table = args.optional_constant("table"); }

void fold_relu(MacArgs& mac) {
  const bool relu = mac.activation == Activation::clamp && mac.alpha == 0.0 &&
                    mac.beta == std::numeric_limits<double>::infinity();
  if (relu && mac.quantized_output && mac.residual.mode == ResidualMode::kNone) {
    mac.activation = Activation::none;
    Grid& output = mac.output;
    output.quant_min = std::min(std::max(output.quant_min, output.zero_point), output.quant_max);
  }
}

}  // namespace etvk::ops
