#include "graph/ops/impl/convolution/ConvolutionDispatch.h"

#include <algorithm>
#include <cstdint>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/linear/LinearDispatch.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr Pair kOnes = {1, 1};
constexpr Pair kZeros = {0, 0};

uint64_t element_count(const Image& image) {
  return static_cast<uint64_t>(image.pixels() * image.channels);
}

WindowPush window_push(const Convolution& convolution, const Image& x, const Image& y) {
  const Window& window = convolution.window;
  WindowPush push{};
  push.mac = convolution.push;
  push.mac.M = static_cast<uint32_t>(y.pixels());
  set_geometry(push, window, x, y);
  push.group_channels = static_cast<uint32_t>(convolution.group_channels());
  push.run_bytes = static_cast<uint32_t>(convolution.padded_run());
  push.x_last_word = static_cast<uint32_t>((element_count(x) - 1) / 4);
  return push;
}

// Specialization constants that all kernels of windows have.
std::vector<uint32_t> specialization(const Convolution& convolution, uint32_t x_alignment,
                                     uint32_t window) {
  std::vector<uint32_t> constants =
      mac_specialization(convolution.mac, convolution.constants, convolution.push.N, {x_alignment});
  constants.push_back(window);
  return constants;
}

void dispatch_depthwise(ComputeGraph& graph, Commands& commands, const Convolution& convolution,
                        const WindowPush& push, const Image& x, const Image& y) {
  const MacArgs& mac = convolution.mac;
  const uint64_t outputs = uint64_t{push.mac.M} * push.y_channels;
  const KernelRow& row = choose_elementwise_kernel(
      graph.caps(), {{mac.quantized_output ? "q8ta_conv2d_dw" : "conv2d_dw_q8ta_q8csw", outputs}});
  const uint32_t alignment = push.x_channels != push.y_channels ? 0 : push.x_channels % 4 ? 1 : 4;
  const uint32_t kind = window_kind(convolution.window, convolution.has_whole_rows());
  // Pixels outside the image are not read, words of x behind its end are the last one again, and
  // outputs beyond the width and the channels of y are not stored (depthwise.comp).
  commands.dispatch(
      graph.context().pipelines.get(row, specialization(convolution, alignment, kind)),
      mac_bindings(graph, mac, convolution.constants, push.mac.M, push.y_channels,
                   element_count(x)),
      push, depthwise_grid(row, graph.caps(), y));
  commands.count_operations(2 * outputs * push.mac.K);
}

void dispatch_windows(ComputeGraph& graph, Commands& commands, const Convolution& convolution,
                      const WindowPush& push, const Image& x) {
  const MacArgs& mac = convolution.mac;
  const uint32_t groups = groups_of_grid(mac.op, convolution.window, graph.caps());
  const KernelRow& row =
      choose_linear_kernel(graph.caps(), mac.quantized_output ? "q8ta_conv2d" : "conv2d_q8ta_q8csw",
                           {push.mac.M, push.mac.N, push.mac.K});
  const uint32_t channels = push.group_channels;
  const uint32_t alignment = channels % 16 == 0 ? 16 : channels % 4 == 0 ? 4 : 1;
  const bool is_point = alignment == 16 && convolution.window.kernel == kOnes &&
                        convolution.window.padding == kZeros && !convolution.window.is_transposed;
  const uint32_t kind =
      is_point ? kWindowPoint : window_kind(convolution.window, convolution.has_whole_rows());
  WorkgroupCount grid = linear_grid(row, push.mac.M, push.mac.N);
  grid.z = groups;
  // Pixels outside the image are not read, words of x behind its end are the last one again
  // (window.glsl); rows of y and w and columns beyond M and N as of a linear layer.
  commands.dispatch(
      graph.context().pipelines.get(row, specialization(convolution, alignment, kind)),
      mac_bindings(graph, mac, convolution.constants, push.mac.M, push.y_channels,
                   element_count(x)),
      push, grid);
  commands.count_operations(2 * uint64_t{groups} * push.mac.M * push.mac.N * push.mac.K);
}

}  // namespace

ConvolutionKind kind_of(const Convolution& convolution) {
  const Window& window = convolution.window;
  if (window.kernel == kOnes && window.stride == kOnes && window.padding == kZeros &&
      window.output_padding == kZeros && window.groups == 1) {
    return ConvolutionKind::kPointwise;
  }
  const bool is_depthwise = window.groups > 1 && convolution.group_channels() == 1;
  return is_depthwise ? ConvolutionKind::kDepthwise : ConvolutionKind::kWindow;
}

void dispatch_convolution(ComputeGraph& graph, Commands& commands, const Convolution& convolution,
                          const Image& x, const Image& y) {
  if (convolution.kind == ConvolutionKind::kPointwise) {
    dispatch_linear(graph, commands, convolution.mac, convolution.constants, convolution.push,
                    x.pixels());
    return;
  }
  check_counts(convolution.mac.op, convolution.window, x, y);
  const WindowPush push = window_push(convolution, x, y);
  if (convolution.kind == ConvolutionKind::kDepthwise) {
    dispatch_depthwise(graph, commands, convolution, push, x, y);
  } else {
    dispatch_windows(graph, commands, convolution, push, x);
  }
}

}  // namespace etvk::ops
