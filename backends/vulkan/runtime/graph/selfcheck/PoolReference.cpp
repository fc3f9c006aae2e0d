#include "graph/selfcheck/PoolReference.h"

namespace etvk {

bool PooledDirection::set_results() {
  if (is_adaptive) {
    return x > 0 && y > 0;
  }
  const int64_t reach = dilation * (kernel - 1) + 1;
  if (x < 1 || padding > kernel / 2) {
    return false;
  }
  // Windows one after the other, as long as they fit, or in ceil_mode begin before x ends.
  y = 0;
  for (int64_t start = -padding;; start += stride) {
    const bool fits = start + reach <= x + padding;
    const bool begins = start < x && start + reach < x + padding + stride;
    if (!(ceil_mode ? begins : fits)) {
      return y > 0;
    }
    ++y;
  }
}

std::vector<int64_t> PooledDirection::taps(int64_t at) const {
  std::vector<int64_t> pixels;
  for (int64_t pixel = 0; pixel < x; ++pixel) {
    const int64_t away = pixel - (at * stride - padding);
    // Of an adaptive one, those that some of [at, at + 1) of y covers.
    const bool is_met = is_adaptive ? (pixel + 1) * y > at * x && pixel * y < (at + 1) * x
                                    : away >= 0 && away % dilation == 0 && away / dilation < kernel;
    if (is_met) {
      pixels.push_back(pixel);
    }
  }
  return pixels;
}

int64_t PooledDirection::padded_taps(int64_t at) const {
  int64_t count = 0;
  for (int64_t tap = 0; tap < kernel; ++tap) {
    count += at * stride - padding + tap * dilation < x + padding ? 1 : 0;
  }
  return count;
}

}  // namespace etvk
