// The geometry of a pooling: how its window walks over the last two dimensions of x, down and
// across.
#pragma once

#include <cstdint>
#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/convolution/Window.h"

namespace etvk::ops {

struct PoolWindow {
  bool is_adaptive = false;
  Pair output = {1, 1};  // of an adaptive one, which has nothing of the following
  Pair kernel = {1, 1};
  Pair stride = {1, 1};
  Pair padding = {0, 0};
  Pair dilation = {1, 1};
  bool ceil_mode = false;

  // Whether all windows lie within the image, with or without its padding.
  bool is_within(bool with_padding) const {
    return !is_adaptive && !ceil_mode && (with_padding || padding == Pair{0, 0});
  }
};

// Reads and checks the lists that the op has; one number stands for both directions, and no stride
// for that of the kernel. Throws kInvalidProgram naming the list and its limit.
PoolWindow read_pool_window(const OpArgs& args);

// Height and width of y for those of x. Throws kInvalidProgram where no window fits, kNotSupported
// where a distance in the padded image does not fit 32 bits.
Pair pooled_size(const std::string& op, const PoolWindow& window, const Pair& x);

// The most elements that a window can have in an image of at most this size, those of padding
// included. Throws kNotSupported over the limit.
int64_t most_taps(const std::string& op, const PoolWindow& window, const Pair& x_bounds);

}  // namespace etvk::ops
