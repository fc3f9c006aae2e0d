// The arguments that linear layers and convolutions on int8 share. "Mac" stands for both: they
// multiply and accumulate, and end in the same epilogue (glsl/linear/linear_epilogue.glsl).
#pragma once

#include <cstdint>
#include <string>

#include "Kernels.h"
#include "graph/ComputeGraph.h"
#include "graph/ops/impl/Grid.h"
#include "graph/ops/impl/mac/QuantizedRows.h"

namespace etvk::ops {

enum class ResidualMode : uint32_t { kNone, kDirect, kRounded };  // RESIDUAL in linear_io.glsl

enum class InputGrid : uint32_t { kStatic, kOfEachRow, kOfAllRows };  // X_GRID in linear_io.glsl

constexpr int64_t kTableSize = 256;  // entries, one for each int8 value from -128 on

// The tensor that is added to the layer's result, and how that is rounded before.
struct ResidualArgs {
  ResidualMode mode = ResidualMode::kNone;
  ValueId tensor = -1;  // int8, of the shape of y
  Grid grid;
  Grid own;  // of the layer's own result; with kRounded only
};

struct MacArgs {
  std::string op;
  ValueId x = -1;  // int8
  InputGrid input_grid = InputGrid::kStatic;
  RowGrids row_grids;          // unless static; they lie behind x then (mac/QuantizedRows.h)
  Grid input;                  // where it is static
  ValueId weights = -1;        // int8
  ValueId weight_scales = -1;  // float32 [>= N], N output channels
  ValueId bias = -1;           // float32 [>= N], or none
  bool quantized_output = false;
  Grid output;
  Activation activation = Activation::none;
  double alpha = 0.0;  // parameters of the activation
  double beta = 0.0;
  ResidualArgs residual;
  ValueId table = -1;  // int8 [kTableSize], y for each quantized result, or none
  ValueId y = -1;
};

// x, weights, scales, bias and y, and the grid of x or how it is found at run time; what else an op
// has is read by the functions below.
MacArgs read_operands(const OpArgs& args);
MacArgs read_dynamic_operands(const OpArgs& args);
void read_output(const OpArgs& args, MacArgs& mac);
void read_ranged_output(const OpArgs& args, MacArgs& mac);  // with quant_min and quant_max
// A row of the activation table, or relu; `has_parameters`: with alpha and beta.
void read_activation(const OpArgs& args, MacArgs& mac, bool has_parameters);
// The schema calls the layer's own quantization by the layer: `own` is "linear" for linear_scale.
void read_residual(const OpArgs& args, MacArgs& mac, const std::string& own);
void read_table(const OpArgs& args, MacArgs& mac);

// A relu right before the quantize moves into the least value of its grid: quantizing is monotone.
void fold_relu(MacArgs& mac);

}  // namespace etvk::ops
