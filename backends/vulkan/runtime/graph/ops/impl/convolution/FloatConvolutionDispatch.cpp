// Chooses and dispatches the kernels of a float32 convolution for the sizes of one execution.
#include <algorithm>
#include <cstdint>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/convolution/FloatConvolution.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

FloatWindowPush push_of(const FloatConvolution& convolution, const Image& x, const Image& y) {
  const Window& window = convolution.window;
  FloatWindowPush push{};
  push.M = static_cast<uint32_t>(y.pixels());
  push.N = static_cast<uint32_t>(convolution.N());
  push.K =
      static_cast<uint32_t>(convolution.is_depthwise() ? window.taps() : convolution.padded_k());
  push.least = convolution.least;
  push.most = convolution.most;
  set_geometry(push, window, x, y);
  push.group_channels = static_cast<uint32_t>(convolution.group_channels());
  push.run = static_cast<uint32_t>(convolution.run());
  push.padded_run = static_cast<uint32_t>(convolution.padded_run());
  return push;
}

// Whether x is read in groups of four: those of a run, and wherever one begins.
bool reads_groups(const FloatConvolution& convolution, const Image& x) {
  const Window& window = convolution.window;
  if (!convolution.has_whole_rows() || convolution.is_depthwise()) {
    return (convolution.is_depthwise() ? x.channels : convolution.group_channels()) % 4 == 0;
  }
  const int64_t pixels[] = {window.kernel[1], window.stride[1], window.padding[1], x.size[1]};
  return std::all_of(std::begin(pixels), std::end(pixels),
                     [&x](int64_t count) { return count * x.channels % 4 == 0; });
}

std::vector<uint32_t> specialization(const FloatConvolution& convolution, const Image& x) {
  const bool is_multiplied =
      convolution.is_depthwise() && convolution.out_channels != convolution.in_channels;
  const uint32_t form = is_multiplied                  ? kWindowMultiplied
                        : reads_groups(convolution, x) ? kWindowGroups
                                                       : kWindowElements;
  return {form, convolution.N() % 4 == 0 ? 1u : 0u,
          window_kind(convolution.window, convolution.has_whole_rows())};
}

// Pixels outside the image and elements beyond a run are not read; channels beyond N are the last
// ones, and pixels and channels beyond M and N are not stored (float_window.glsl).
std::vector<Binding> bindings(const ComputeGraph& graph, const FloatConvolution& convolution,
                              const Image& x, const Image& y) {
  return {
      bind_elements(graph, convolution.y, static_cast<uint64_t>(y.pixels() * y.channels)),
      bind_elements(graph, convolution.x, static_cast<uint64_t>(x.pixels() * x.channels)),
      graph.bind_constant(convolution.weights, convolution.weight_count() * 4),
      graph.bind_constant(convolution.bias, static_cast<uint64_t>(y.channels) * 4),
  };
}

void dispatch_depthwise(ComputeGraph& graph, Commands& commands,
                        const FloatConvolution& convolution, const Image& x, const Image& y) {
  const FloatWindowPush push = push_of(convolution, x, y);
  const uint64_t outputs = uint64_t{push.M} * push.N;
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{"conv2d_dw", outputs}});
  commands.dispatch(graph.context().pipelines.get(row, specialization(convolution, x)),
                    bindings(graph, convolution, x, y), push, depthwise_grid(row, graph.caps(), y));
  commands.count_operations(2 * outputs * push.K);
}

void dispatch_products(ComputeGraph& graph, Commands& commands, const FloatConvolution& convolution,
                       const Image& x, const Image& y) {
  const uint32_t groups = groups_of_grid(convolution.op, convolution.window, graph.caps());
  FloatWindowPush push = push_of(convolution, x, y);
  const KernelRow& row =
      choose_linear_kernel(graph.caps(), "conv2d", {push.M, push.N, push.K, groups});
  push.tiles_n = (push.N + row.tile_n - 1) / row.tile_n;
  push.tiles = (push.M + row.tile_m - 1) / row.tile_m * push.tiles_n;
  commands.dispatch(graph.context().pipelines.get(row, specialization(convolution, x)),
                    bindings(graph, convolution, x, y), push,
                    {std::min(push.tiles, graph.caps().max_workgroup_count), 1, groups});
  commands.count_operations(2 * uint64_t{groups} * push.M * push.N * push.K);
}

}  // namespace

void dispatch_convolution(ComputeGraph& graph, Commands& commands,
                          const FloatConvolution& convolution, const Image& x, const Image& y) {
  check_counts(convolution.op, convolution.window, x, y);
  if (convolution.is_depthwise()) {
    dispatch_depthwise(graph, commands, convolution, x, y);
  } else {
    dispatch_products(graph, commands, convolution, x, y);
  }
}

}  // namespace etvk::ops
