#include "graph/ops/impl/mac/MacDispatch.h"

#include <cmath>

#include "graph/ops/impl/Loops.h"
#include "vk/Error.h"

namespace etvk::ops {

MacPush mac_push(const MacArgs& args, const MacConstants& constants) {
  MacPush push{};
  push.w_stride_words = constants.stride_words;
  push.input_zero_point = static_cast<int32_t>(args.input.zero_point);
  push.output_grid = grid_push(args.op, args.output);
  push.alpha = static_cast<float>(args.alpha);
  push.beta = static_cast<float>(args.beta);
  if (args.residual.mode != ResidualMode::kNone) {
    push.residual_scale = static_cast<float>(args.residual.grid.scale);
    push.residual_zero_point = static_cast<int32_t>(args.residual.grid.zero_point);
  }
  if (args.residual.mode == ResidualMode::kRounded) {
    push.own_scale = static_cast<float>(args.residual.own.scale);
    push.own_grid = grid_push(args.op, args.residual.own);
  }
  return push;
}

std::vector<uint32_t> mac_specialization(const MacArgs& args, const MacConstants& constants,
                                         uint32_t channels, const LoadForm& loads) {
  // Sums and scales are finite (check_scales), and no activation makes NaN of an infinity. So it
  // takes a second infinity, of a bias or a residual.
  const float largest_residual = 255.0f * static_cast<float>(args.residual.grid.scale);
  const bool may_be_nan =
      args.quantized_output && !(constants.has_finite_bias && std::isfinite(largest_residual));
  return {loads.x_alignment,
          channels % 4 == 0 ? 1u : 0u,
          static_cast<uint32_t>(args.activation),
          static_cast<uint32_t>(args.residual.mode),
          loads.whole_tiles ? 1u : 0u,
          loads.k_quads,
          static_cast<uint32_t>(args.input_grid),
          args.table >= 0 ? 1u : 0u,
          may_be_nan ? 1u : 0u};
}

std::vector<Binding> mac_bindings(const ComputeGraph& graph, const MacArgs& args,
                                  const MacConstants& constants, uint64_t rows, uint64_t channels,
                                  uint64_t x_elements) {
  const uint64_t outputs = rows * channels;
  std::vector<Binding> bindings{
      bind_elements(graph, args.y, outputs),
      bind_elements(graph, args.x, x_elements),
      graph.bind_constant(constants.weights, constants.weight_bytes),
      graph.bind_constant(constants.sums, channels * 4),
      graph.bind_constant(constants.scales, channels * 4),
      graph.bind_constant(constants.bias, channels * 4),
  };
  if (args.quantized_output) {
    const bool has_residual = args.residual.mode != ResidualMode::kNone;
    bindings.push_back(has_residual ? bind_elements(graph, args.residual.tensor, outputs)
                                    : bind_elements(graph, args.x, 0));
    bindings.push_back(args.table >= 0 ? bind_elements(graph, args.table, kTableSize)
                                       : bind_elements(graph, args.x, 0));
  } else {
    const bool is_static = args.input_grid == InputGrid::kStatic;
    const int64_t grids = args.input_grid == InputGrid::kOfEachRow ? static_cast<int64_t>(rows) : 1;
    const int64_t end = padded_row(static_cast<int64_t>(x_elements)) + grids * kGridBytes;
    bindings.push_back(bind_elements(graph, args.x, is_static ? 0 : static_cast<uint64_t>(end)));
  }
  return bindings;
}

std::vector<ValueId> node_inputs(const MacArgs& args, ValueId x) {
  std::vector<ValueId> inputs{x, args.x};
  if (args.residual.mode != ResidualMode::kNone) {
    inputs.push_back(args.residual.tensor);
  }
  if (args.table >= 0) {
    inputs.push_back(args.table);
  }
  return inputs;
}

void check_residual_sizes(const ComputeGraph& graph, const MacArgs& args,
                          const std::vector<int64_t>& sizes) {
  ETVK_CHECK(
      args.residual.mode == ResidualMode::kNone || graph.sizes(args.residual.tensor) == sizes,
      kInvalidProgram,
      args.op << ": the residual is " << shape_text(graph.sizes(args.residual.tensor))
              << ", it must have the result's shape " << shape_text(sizes));
}

}  // namespace etvk::ops
