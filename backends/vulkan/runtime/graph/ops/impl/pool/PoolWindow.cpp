#include "graph/ops/impl/pool/PoolWindow.h"

#include <algorithm>

#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr int64_t kMost = INT32_MAX / 8;  // of each number, so that sums of some fit 32 bits
// A thread makes up to four results. Mesa's lavapipe ends loops after 65,536 steps of a thread, all
// its loops together, a window's rows and pixels among them.
constexpr int64_t kMostTaps = 8191;

Pair read_pair(const OpArgs& args, const char* name, int64_t least, const Pair* absent = nullptr) {
  const std::vector<int64_t> list = args.integers(name);
  if (list.empty() && absent != nullptr) {
    return *absent;
  }
  ETVK_CHECK(
      list.size() == 1 || list.size() == 2, kInvalidProgram,
      args.op() << ": " << name << " has " << list.size() << " numbers, it must have 1 or 2");
  for (int64_t one : list) {
    ETVK_CHECK(one >= least, kInvalidProgram,
               args.op() << ": " << name << " has " << one << ", it must be at least " << least);
    ETVK_CHECK(one <= kMost, kNotSupported,
               args.op() << ": " << name << " has " << one << ", the limit is " << kMost);
  }
  return {list.front(), list.back()};
}

int64_t extent(const PoolWindow& window, size_t d) {
  return window.dilation[d] * (window.kernel[d] - 1) + 1;
}

}  // namespace

PoolWindow read_pool_window(const OpArgs& args) {
  PoolWindow window;
  window.is_adaptive = args.takes("output_size", ArgKind::kIntegers);
  if (window.is_adaptive) {
    window.output = read_pair(args, "output_size", 1);
    return window;
  }
  window.kernel = read_pair(args, "kernel_size", 1);
  window.stride = read_pair(args, "stride", 1, &window.kernel);
  window.padding = read_pair(args, "padding", 0);
  if (args.takes("dilation", ArgKind::kIntegers)) {
    window.dilation = read_pair(args, "dilation", 1);
  }
  window.ceil_mode = args.boolean("ceil_mode");
  for (size_t d = 0; d < 2; ++d) {
    ETVK_CHECK(
        extent(window, d) <= kMost, kNotSupported,
        args.op() << ": a window of " << extent(window, d) << " pixels, the limit is " << kMost);
    ETVK_CHECK(window.padding[d] <= window.kernel[d] / 2, kInvalidProgram,
               args.op() << ": padding of " << window.padding[d]
                         << " is more than half of the kernel's " << window.kernel[d]);
  }
  return window;
}

Pair pooled_size(const std::string& op, const PoolWindow& window, const Pair& x) {
  Pair y = window.output;
  for (size_t d = 0; d < 2; ++d) {
    const int64_t in = x[d];
    ETVK_CHECK(in >= 1, kInvalidProgram, op << ": x has a dimension of " << in << " pixels");
    ETVK_CHECK(in <= kMost, kNotSupported, op << ": " << in << " pixels, the limit is " << kMost);
    if (window.is_adaptive) {
      ETVK_CHECK(in * y[d] <= UINT32_MAX, kNotSupported,
                 op << ": " << in << " pixels times " << y[d] << " results are over 2^32 - 1");
      continue;
    }
    const int64_t padded = in + 2 * window.padding[d];
    ETVK_CHECK(extent(window, d) <= padded ||
                   (window.ceil_mode && extent(window, d) <= padded + window.stride[d] - 1),
               kInvalidProgram,
               op << ": the window is " << extent(window, d) << " pixels, the padded image only "
                  << padded);
    const int64_t rest = padded - extent(window, d) + (window.ceil_mode ? window.stride[d] - 1 : 0);
    y[d] = rest / window.stride[d] + 1;
    // The last window must begin in the image or in the padding before it.
    if (window.ceil_mode && (y[d] - 1) * window.stride[d] >= in + window.padding[d]) {
      --y[d];
    }
  }
  return y;
}

int64_t most_taps(const std::string& op, const PoolWindow& window, const Pair& x_bounds) {
  int64_t area = 1;
  for (size_t d = 0; d < 2; ++d) {
    const int64_t taps = window.is_adaptive
                             ? (x_bounds[d] + window.output[d] - 1) / window.output[d] + 1
                             : std::min(window.kernel[d], x_bounds[d] + 2 * window.padding[d]);
    ETVK_CHECK(taps <= kMostTaps / area, kNotSupported,
               op << ": a window of " << area << " times " << taps << " elements, the limit is "
                  << kMostTaps);
    area *= std::max<int64_t>(taps, 1);
  }
  return area;
}

}  // namespace etvk::ops
