#include "graph/ops/impl/convolution/WindowProblem.h"

#include <algorithm>

#include "graph/ops/impl/mac/MacProblem.h"

namespace etvk::ops {

DrawnWindow::DrawnWindow(uint32_t window, uint32_t least_pixels, Random& random)
    : is_transposed(window == kWindowTransposed) {
  const uint32_t width = drawn_number(6, 10, random);
  const uint32_t least[] = {(least_pixels + kDrawnBatch * width - 1) / (kDrawnBatch * width),
                            width};
  for (size_t d = 0; d < 2; ++d) {
    const bool is_across = d == 1;
    kernel[d] = window == kWindowPoint ? 1 : drawn_number(2, 3, random);
    stride[d] = drawn_number(1, 2, random);
    padding[d] = window == kWindowPoint ? 0 : drawn_number(0, 2, random);
    // Across, a gap between taps is what rows of the window have not.
    dilation[d] = window == kWindowTaps && is_across   ? 2
                  : window == kWindowRows && is_across ? 1
                                                       : drawn_number(1, 2, random);
    const uint32_t reach = dilation[d] * (kernel[d] - 1) + 1;
    if (is_transposed) {
      x[d] = least[d] + 2 * padding[d];
      y[d] = (x[d] - 1) * stride[d] + reach - 2 * padding[d];
    } else {
      y[d] = least[d];
      x[d] = (y[d] - 1) * stride[d] + reach + drawn_number(0, stride[d] - 1, random);
      x[d] = std::max(x[d], 2 * padding[d] + 1) - 2 * padding[d];
      y[d] = (x[d] + 2 * padding[d] - reach) / stride[d] + 1;
    }
  }
}

int64_t DrawnWindow::met(size_t d, uint32_t at, uint32_t tap) const {
  const int64_t away = int64_t{tap} * dilation[d];
  int64_t pixel = int64_t{at} * stride[d] - padding[d] + away;
  if (is_transposed) {
    const int64_t scaled = int64_t{at} + padding[d] - away;
    pixel = scaled < 0 || scaled % stride[d] != 0 ? -1 : scaled / stride[d];
  }
  return pixel < 0 || pixel >= x[d] ? -1 : pixel;
}

std::vector<int64_t> DrawnWindow::met_pixels() const {
  std::vector<int64_t> found;
  found.reserve(size_t{pixels()} * taps());
  for (uint32_t m = 0; m < pixels(); ++m) {
    const uint32_t image = m / (y[0] * y[1]);
    for (uint32_t tap = 0; tap < taps(); ++tap) {
      const int64_t h = met(0, m / y[1] % y[0], tap / kernel[1]);
      const int64_t w = met(1, m % y[1], tap % kernel[1]);
      found.push_back(h < 0 || w < 0 ? -1 : (int64_t{image} * x[0] + h) * x[1] + w);
    }
  }
  return found;
}

std::string DrawnWindow::text(uint32_t x_channels, uint32_t y_channels) const {
  const auto pair = [](const uint32_t (&sizes)[2]) {
    return std::to_string(sizes[0]) + "x" + std::to_string(sizes[1]);
  };
  return pair(kernel) + (is_transposed ? " transposed" : "") + " stride " + pair(stride) +
         " padding " + pair(padding) + " dilation " + pair(dilation) + ", " +
         std::to_string(kDrawnBatch) + " images of " + pair(x) + "x" + std::to_string(x_channels) +
         " to " + pair(y) + "x" + std::to_string(y_channels);
}

}  // namespace etvk::ops
