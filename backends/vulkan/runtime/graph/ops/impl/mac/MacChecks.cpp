#include "graph/ops/impl/mac/MacChecks.h"

#include <algorithm>
#include <cstdlib>

#include "graph/ops/impl/elementwise/QuantizeDequantize.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr uint64_t kSafeK = 65536;  // 65,536 * 255 * 128 < 2^31

// Largest |acc|: each channel's sum of |w| times the largest |x - zero_point|.
uint64_t accumulator_bound(const MacArgs& args, const MacWeights& weights) {
  const int64_t zero_point = args.input_grid == InputGrid::kStatic ? args.input.zero_point : 127;
  const auto largest_x = static_cast<uint64_t>(std::max(zero_point + 128, 127 - zero_point));
  uint64_t largest_sum = 0;
  for (uint64_t n = 0; n < weights.N; ++n) {
    uint64_t sum = 0;
    for (uint64_t k = 0; k < weights.K; ++k) {
      sum += static_cast<uint64_t>(std::abs(static_cast<int>(weights.at(n, k))));
    }
    largest_sum = std::max(largest_sum, sum);
  }
  return largest_sum * largest_x;
}

void check_residual(const ComputeGraph& graph, const MacArgs& args) {
  const ResidualArgs& residual = args.residual;
  if (residual.mode == ResidualMode::kNone) {
    return;
  }
  ETVK_CHECK(graph.dtype(residual.tensor) == DType::kInt8 &&
                 graph.dims(residual.tensor).size() == graph.dims(args.y).size(),
             kInvalidProgram,
             args.op << ": the residual must be int8 of the shape of y, got "
                     << dtype_name(graph.dtype(residual.tensor)) << " of rank "
                     << graph.dims(residual.tensor).size());
  check_grid(args.op, residual.grid);
  if (residual.mode == ResidualMode::kRounded) {
    check_grid(args.op, residual.own);
  }
}

void check_table(const ComputeGraph& graph, const MacArgs& args) {
  ETVK_CHECK(args.table < 0 || (graph.dtype(args.table) == DType::kInt8 &&
                                graph.dims(args.table) == std::vector<int64_t>{kTableSize}),
             kInvalidProgram,
             args.op << ": the table must be int8 [256], got "
                     << dtype_name(graph.dtype(args.table)) << " "
                     << shape_text(graph.dims(args.table)));
}

}  // namespace

void check_result(const ComputeGraph& graph, const MacArgs& args, int64_t scale_count,
                  int64_t bias_count) {
  const size_t rank = graph.dims(args.x).size();
  const DType y_dtype = args.quantized_output ? DType::kInt8 : DType::kFloat32;
  ETVK_CHECK(graph.dtype(args.y) == y_dtype && graph.dims(args.y).size() == rank, kInvalidProgram,
             args.op << ": the output must be " << dtype_name(y_dtype) << " of rank " << rank);
  for (ValueId id : {args.weight_scales, args.bias}) {
    const char* name = id == args.bias ? "bias" : "weight_scales";
    const int64_t n = id == args.bias ? bias_count : scale_count;
    ETVK_CHECK(id < 0 || (graph.dtype(id) == DType::kFloat32 && graph.dims(id).size() == 1 &&
                          graph.dims(id)[0] >= n),
               kInvalidProgram, args.op << ": " << name << " must be float32 [N], N = " << n);
  }
}

void check_numbers(const ComputeGraph& graph, const MacArgs& args) {
  check_grid(args.op, args.input);
  check_grid(args.op, args.output);
  check_residual(graph, args);
  check_table(graph, args);
}

void check_accumulator(const MacArgs& args, const MacWeights& weights) {
  if (weights.K <= kSafeK) {
    return;
  }
  const uint64_t bound = accumulator_bound(args, weights);
  ETVK_CHECK(bound <= INT32_MAX, kNotSupported,
             args.op << ": K = " << weights.K << " could overflow the 32-bit sum (|sum| up to "
                     << bound << "); K up to " << kSafeK << " is always safe");
}

void add_int8_input(ComputeGraph& graph, MacArgs& args) {
  if (args.input_grid != InputGrid::kStatic) {
    args.x = add_quantized_rows(graph, args.op, args.x, args.row_grids);
    return;
  }
  if (graph.dtype(args.x) == DType::kFloat32) {
    const ValueId quantized = graph.add_scratch(DType::kInt8, graph.dims(args.x));
    add_quantize_node(graph, args.op, args.x, quantized, args.input);
    args.x = quantized;
    return;
  }
  ETVK_CHECK(graph.dtype(args.x) == DType::kInt8, kInvalidProgram,
             args.op << ": x must be int8, got " << dtype_name(graph.dtype(args.x)));
}

}  // namespace etvk::ops
