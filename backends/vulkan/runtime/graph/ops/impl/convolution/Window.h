// The geometry of a convolution: how its window walks over an image. A convolution of one dimension
// is one of two with images of height 1.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"

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

  int64_t pixels() const { return batch * size[0] * size[1]; }

  explicit Image(const std::vector<int64_t>& sizes);
};

// Checks the size of the kernel, and reads and checks the lists, each with a number for every
// dimension of an image (one or two) or one for all of them, and groups. `is_transposed`: with
// output padding. Throws kInvalidProgram naming the list and its limit.
Window read_window(const OpArgs& args, const std::vector<int64_t>& kernel_size, size_t rank,
                   bool is_transposed);

// Height and width of y. Throws kInvalidProgram where the window does not fit into the padded
// image, kNotSupported where a pixel is further away than 32 bits count.
Pair output_size(const std::string& op, const Window& window, const Image& x);

// Throws kNotSupported naming `op` for more elements of x, of a padded row of it or of y than
// shaders address in 32 bits.
void check_counts(const std::string& op, const Window& window, const Image& x, const Image& y);

// WINDOW of window_places.glsl.
constexpr uint32_t kWindowTaps = 0;
constexpr uint32_t kWindowRows = 1;
constexpr uint32_t kWindowTransposed = 2;
constexpr uint32_t kWindowPoint = 3;  // with channels of a group that are a multiple of 16

inline uint32_t window_kind(const Window& window, bool has_whole_rows) {
  return window.is_transposed ? kWindowTransposed : has_whole_rows ? kWindowRows : kWindowTaps;
}

// Two numbers of 16 bits in one word, as push constants have them.
inline uint32_t packed(const Pair& pair) { return static_cast<uint32_t>(pair[0] | pair[1] << 16); }

// What the push constants of all kernels of windows have.
template <typename Push>
void set_geometry(Push& push, const Window& window, const Image& x, const Image& y) {
  push.x_height = static_cast<uint32_t>(x.size[0]);
  push.x_width = static_cast<uint32_t>(x.size[1]);
  push.x_channels = static_cast<uint32_t>(x.channels);
  push.y_height = static_cast<uint32_t>(y.size[0]);
  push.y_width = static_cast<uint32_t>(y.size[1]);
  push.y_channels = static_cast<uint32_t>(y.channels);
  push.kernel = packed(window.kernel);
  push.stride = packed(window.stride);
  push.padding = packed(window.padding);
  push.dilation = packed(window.dilation);
}

// The groups, each of which is a layer of workgroups. Throws kNotSupported naming `op` where the
// device has fewer.
uint32_t groups_of_grid(const std::string& op, const Window& window, const DeviceCaps& caps);

// Threads of depthwise.comp: four channels of row.tile_m pixels each, striding over what the
// largest allowed grid does not cover.
WorkgroupCount depthwise_grid(const KernelRow& row, const DeviceCaps& caps, const Image& y);

}  // namespace etvk::ops
