// Which elements the window of a pooling meets, by PyTorch's definition: for the self-check and for
// the fuzzer.
#pragma once

#include <cstdint>
#include <vector>

namespace etvk {

// One of the two directions of an image.
struct PooledDirection {
  int64_t x = 1;  // pixels
  bool is_adaptive = false;
  int64_t kernel = 1;  // all of these only without is_adaptive
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  bool ceil_mode = false;
  int64_t y = 1;  // results; an adaptive one is given them

  // Sets y; false where no window fits.
  bool set_results();
  // The pixels of x that result `at` is made of, in order.
  std::vector<int64_t> taps(int64_t at) const;
  // How many there are with those of the padding.
  int64_t padded_taps(int64_t at) const;
};

}  // namespace etvk
