// Windows over small images, with edges on all sides, for the problems of convolutions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/ops/impl/convolution/Window.h"
#include "graph/selfcheck/Random.h"

namespace etvk::ops {

constexpr uint32_t kDrawnBatch = 2;

// The numbers of a window, down and across, and the images.
struct DrawnWindow {
  uint32_t kernel[2], stride[2], padding[2], dilation[2];
  uint32_t x[2], y[2];
  bool is_transposed = false;

  // Images of which y has at least `least_pixels` pixels, all together.
  DrawnWindow(uint32_t window, uint32_t least_pixels, Random& random);

  // For each pixel of y and each tap, the pixel of x that it meets, counted through the batch; -1:
  // none.
  std::vector<int64_t> met_pixels() const;
  uint32_t pixels() const { return kDrawnBatch * y[0] * y[1]; }
  uint32_t taps() const { return kernel[0] * kernel[1]; }
  std::string text(uint32_t x_channels, uint32_t y_channels) const;

 private:
  // Where along direction `d` tap `tap` of pixel `at` of y meets x; -1: nowhere.
  int64_t met(size_t d, uint32_t at, uint32_t tap) const;
};

// Down and across in one word, as push constants have them.
inline uint32_t packed_pair(const uint32_t (&pair)[2]) { return pair[0] | pair[1] << 16; }

// set_geometry() of Window.h for a drawn window.
template <typename Push>
void set_geometry(Push& push, const DrawnWindow& window, uint32_t x_channels, uint32_t y_channels) {
  push.x_height = window.x[0];
  push.x_width = window.x[1];
  push.x_channels = x_channels;
  push.y_height = window.y[0];
  push.y_width = window.y[1];
  push.y_channels = y_channels;
  push.kernel = packed_pair(window.kernel);
  push.stride = packed_pair(window.stride);
  push.padding = packed_pair(window.padding);
  push.dilation = packed_pair(window.dilation);
}

}  // namespace etvk::ops
