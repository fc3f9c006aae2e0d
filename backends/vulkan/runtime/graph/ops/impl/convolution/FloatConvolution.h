// Float32 convolutions: geometry, packed weights and dispatch. The ops are in FloatConvolution.cpp.
#pragma once

#include <cstdint>
#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/convolution/Window.h"

namespace etvk::ops {

// ---- Push and specialization constants of float_window.glsl.

struct FloatWindowPush {
  uint32_t M, N, K;
  uint32_t tiles_n, tiles;
  float least, most;
  uint32_t x_height, x_width, x_channels;
  uint32_t y_height, y_width, y_channels;
  uint32_t group_channels;
  uint32_t run, padded_run;
  uint32_t kernel, stride, padding, dilation;
};

constexpr uint32_t kWindowGroups = 0;      // A_FORM
constexpr uint32_t kWindowElements = 1;    // A_FORM
constexpr uint32_t kWindowMultiplied = 2;  // A_FORM

// ---- The layer.

// x and y are channels-last.
struct FloatConvolution {
  std::string op;
  ValueId x = -1;
  ValueId y = -1;
  Window window;
  float least = 0.0f;  // of y
  float most = 0.0f;
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  ConstantRef weights = 0;  // [groups, padded_k(), N padded], or of depthwise [taps, N padded]
  ConstantRef bias = 0;     // [out_channels]

  int64_t group_channels() const { return in_channels / window.groups; }
  // Output channels of one matrix product.
  int64_t N() const { return is_depthwise() ? out_channels : out_channels / window.groups; }
  int64_t padded_n() const { return (N() + 3) / 4 * 4; }
  // A channel of x for each of y, in a kernel of its own.
  bool is_depthwise() const { return window.groups > 1 && group_channels() == 1; }
  // Whether a row of the window is one piece of x.
  bool has_whole_rows() const {
    return !window.is_transposed && window.groups == 1 &&
           (window.dilation[1] == 1 || window.kernel[1] == 1);
  }
  // Products that follow each other in x as they do in the window, and how many there are in the
  // rows of weights.
  int64_t run() const { return group_channels() * (has_whole_rows() ? window.kernel[1] : 1); }
  int64_t padded_run() const { return (run() + 3) / 4 * 4; }
  int64_t padded_k() const { return window.taps() * group_channels() / run() * padded_run(); }
  uint64_t weight_count() const {
    return is_depthwise() ? static_cast<uint64_t>(window.taps() * padded_n())
                          : static_cast<uint64_t>(window.groups * padded_k() * padded_n());
  }
};

// x and y have pixels. Throws kNotSupported for more elements than kernels count.
void dispatch_convolution(ComputeGraph& graph, Commands& commands,
                          const FloatConvolution& convolution, const Image& x, const Image& y);

}  // namespace etvk::ops
