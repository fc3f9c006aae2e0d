#include "graph/ops/impl/linear/LinearDispatch.h"

#include <algorithm>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// Whether no tile of the problem has a part outside it.
bool has_whole_tiles(const KernelRow& row, const MacPush& push) {
  return push.M % row.tile_m == 0 && push.N % row.tile_n == 0 && push.K % row.tile_k == 0;
}

// Whether a pipeline of its own for each K pays: docs/benchmarks.md. Compilers spread out the loop
// of a short K, for minutes on some CPUs.
bool is_worth_a_pipeline(const KernelRow& row, uint32_t K) {
  return uses_coopmat(row) && K >= 1024;
}

}  // namespace

void dispatch_linear(ComputeGraph& graph, Commands& commands, const MacArgs& args,
                     const MacConstants& constants, MacPush push, int64_t M) {
  ETVK_CHECK(M * std::max<int64_t>(push.N, push.K) <= UINT32_MAX, kNotSupported,
             args.op << ": M = " << M << " rows of " << std::max(push.N, push.K)
                     << " are over the limit of 2^32 - 1 elements");
  push.M = static_cast<uint32_t>(M);
  const char* family = args.quantized_output ? "q8ta_linear" : "linear_q8ta_q8csw";
  const KernelRow& row = choose_linear_kernel(graph.caps(), family, {push.M, push.N, push.K});
  const LoadForm loads{push.K % 16 == 0  ? 16u
                       : push.K % 4 == 0 ? 4u
                                         : 1u,
                       has_whole_tiles(row, push),
                       is_worth_a_pipeline(row, push.K) ? push.w_stride_words / 4 : 0};
  // Rows of x and w beyond M and N repeat the last one, columns likewise (linear_io.glsl,
  // linear_epilogue.glsl); without a residual or a table its binding is not touched.
  const uint64_t x_elements = uint64_t{push.M} * push.K;
  commands.dispatch(
      graph.context().pipelines.get(row, mac_specialization(args, constants, push.N, loads)),
      mac_bindings(graph, args, constants, push.M, push.N, x_elements), push,
      linear_grid(row, push.M, push.N));
  commands.count_operations(2 * uint64_t{push.M} * push.N * push.K);
}

}  // namespace etvk::ops
