// The geometry of a convolution: how its window walks over an image. A convolution of one dimension
// is one of two with images of height 1.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/ComputeGraph.h"

namespace etvk::ops {

using Pair = std::array<int64_t, 2>;  // down, across

struct Window {
  Pair kernel = {1, 1};
  Pair stride = {1, 1};
  Pair padding = {0, 0};
  Pair dilation = {1, 1};
  Pair output_padding = {0, 0};
  bool is_transposed = false;
  int64_t groups = 1;

  int64_t taps() const { return kernel[0] * kernel[1]; }
};

// [batch, channels, height, width] of a tensor of three or four dimensions.
struct Image {
  int64_t batch = 0;
  int64_t channels = 0;
  Pair size = {1, 1};

  explicit Image(const std::vector<int64_t>& sizes);
};

// Reads and checks the lists, each with a number for every dimension of an image (one or two), and
// groups. `is_transposed`: with output padding. Throws kInvalidProgram naming the list and its
// limit.
Window read_window(const OpArgs& args, size_t rank, bool is_transposed);

// Height and width of y. Throws kInvalidProgram where the window does not fit into the padded
// image, kNotSupported where a pixel is further away than 32 bits count.
Pair output_size(const std::string& op, const Window& window, const Image& x);

}  // namespace etvk::ops
