// Chooses and dispatches the kernels of a convolution for the sizes of one execution.
#pragma once

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/convolution/Window.h"
#include "graph/ops/impl/mac/MacArgs.h"
#include "graph/ops/impl/mac/MacConstants.h"
#include "graph/ops/impl/mac/MacDispatch.h"

namespace etvk::ops {

struct WindowPush {  // MacParams with CONVOLUTION, in linear_io.glsl
  MacPush mac;
  uint32_t x_height, x_width, x_channels;
  uint32_t y_height, y_width, y_channels;
  uint32_t group_channels, run_bytes, x_last_word;
  uint32_t kernel, stride, padding, dilation;
};

enum class ConvolutionKind {
  kPointwise,  // pixels are rows of a linear layer: its kernels
  kDepthwise,  // a channel of x for each channel of y
  kWindow,     // a matrix product whose rows are the windows
};

struct Convolution {
  MacArgs mac;     // x is int8
  ValueId x = -1;  // the op's own
  Window window;
  ConvolutionKind kind = ConvolutionKind::kWindow;
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  MacConstants constants{};  // rows of padded_run() bytes; of taps for depthwise
  MacPush push{};            // for all sizes

  int64_t group_channels() const { return in_channels / window.groups; }
  // Whether a row of the window is one piece of x.
  bool has_whole_rows() const {
    return !window.is_transposed && window.groups == 1 && window.dilation[1] == 1;
  }
  // Products that follow each other in x as they do in the window, and the bytes they take in rows
  // of weights.
  int64_t run() const { return group_channels() * (has_whole_rows() ? window.kernel[1] : 1); }
  int64_t padded_run() const { return (run() + 3) / 4 * 4; }
};

ConvolutionKind kind_of(const Convolution& convolution);

// x and y have pixels. Throws kNotSupported for more elements than kernels count.
void dispatch_convolution(ComputeGraph& graph, Commands& commands, const Convolution& convolution,
                          const Image& x, const Image& y);

}  // namespace etvk::ops
