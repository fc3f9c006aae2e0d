#include "graph/ops/impl/convolution/Window.h"

#include <algorithm>
#include <cstdint>

#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr int64_t kMost = 65535;  // of a kernel, stride ...: half a word of the push constants

Pair checked_pair(const OpArgs& args, const char* name, std::vector<int64_t> list, size_t rank,
                  int64_t least) {
  list.resize(list.size() == 1 ? rank - 2 : list.size(), list.empty() ? 0 : list[0]);
  ETVK_CHECK(list.size() == rank - 2, kInvalidProgram,
             args.op() << ": " << name << " has " << list.size() << " numbers, it must have "
                       << rank - 2 << ", one for each dimension of x behind the channels");
  Pair pair = {least, least};  // of a dimension that x does not have: a kernel of 1, no padding
  for (size_t i = 0; i < list.size(); ++i) {
    ETVK_CHECK(
        list[i] >= least, kInvalidProgram,
        args.op() << ": " << name << " has " << list[i] << ", it must be at least " << least);
    ETVK_CHECK(list[i] <= kMost, kNotSupported,
               args.op() << ": " << name << " has " << list[i] << ", the limit is " << kMost);
    pair[2 - list.size() + i] = list[i];
  }
  return pair;
}

}  // namespace

Image::Image(const std::vector<int64_t>& sizes)
    : batch(sizes[0]), channels(sizes[1]), size({sizes.size() == 4 ? sizes[2] : 1, sizes.back()}) {}

Window read_window(const OpArgs& args, const std::vector<int64_t>& kernel_size, size_t rank,
                   bool is_transposed) {
  ETVK_CHECK(rank == 3 || rank == 4, kInvalidProgram,
             args.op() << ": x must have 3 or 4 dimensions, got " << rank);
  const auto read_pair = [&](const char* name, int64_t least) {
    return checked_pair(args, name, args.integers(name), rank, least);
  };
  Window window;
  window.kernel = checked_pair(args, "kernel_size", kernel_size, rank, 1);
  window.stride = read_pair("stride", 1);
  window.padding = read_pair("padding", 0);
  window.dilation = read_pair("dilation", 1);
  window.is_transposed = is_transposed;
  if (is_transposed) {
    window.output_padding = read_pair("output_padding", 0);
    for (size_t i = 0; i < 2; ++i) {
      const int64_t limit = std::max(window.stride[i], window.dilation[i]);
      ETVK_CHECK(window.output_padding[i] < limit, kInvalidProgram,
                 args.op() << ": output_padding has " << window.output_padding[i]
                           << ", it must be less than the larger of stride and dilation, "
                           << limit);
    }
  }
  window.groups = args.integer("groups");
  ETVK_CHECK(window.groups >= 1, kInvalidProgram,
             args.op() << ": groups is " << window.groups << ", it must be at least 1");
  return window;
}

Pair output_size(const std::string& op, const Window& window, const Image& x) {
  Pair size{};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t in = x.size[i];
    const int64_t extent = window.dilation[i] * (window.kernel[i] - 1) + 1;
    const int64_t padded = in + 2 * window.padding[i];
    ETVK_CHECK(in >= 1, kInvalidProgram, op << ": x has a dimension of " << in << " pixels");
    if (window.is_transposed) {
      size[i] =
          (in - 1) * window.stride[i] - 2 * window.padding[i] + extent + window.output_padding[i];
      ETVK_CHECK(size[i] >= 1, kInvalidProgram,
                 op << ": " << in << " pixels give " << size[i] << ", with padding of "
                    << window.padding[i] << " on both sides taken off");
    } else {
      ETVK_CHECK(extent <= padded, kInvalidProgram,
                 op << ": the window is " << extent << " pixels, the padded image only " << padded);
      size[i] = (padded - extent) / window.stride[i] + 1;
    }
    // Shaders count pixels of x and of y, with what lies around them, in 32 bits.
    constexpr int64_t kMostPixels = INT32_MAX / 4;
    ETVK_CHECK(std::max({in, size[i], extent}) <= kMostPixels, kNotSupported,
               op << ": " << std::max({in, size[i], extent}) << " pixels are over the limit of "
                  << kMostPixels);
  }
  return size;
}

void check_counts(const std::string& op, const Window& window, const Image& x, const Image& y) {
  const int64_t around =
      2 * window.padding[1] + window.dilation[1] * (window.kernel[1] + 4) + 4 * window.stride[1];
  const int64_t row = (x.size[1] + around) * x.channels;
  const int64_t most = std::max({x.pixels() * x.channels, row, y.pixels() * y.channels});
  ETVK_CHECK(most <= INT32_MAX, kNotSupported,
             op << ": " << most << " elements, of x, of a padded row of x or of y, are over the "
                << "limit of 2^31 - 1");
}

uint32_t groups_of_grid(const std::string& op, const Window& window, const DeviceCaps& caps) {
  ETVK_CHECK(window.groups <= caps.max_workgroup_count, kNotSupported,
             op << ": " << window.groups << " groups, the device has at most "
                << caps.max_workgroup_count << " workgroups in a direction");
  return static_cast<uint32_t>(window.groups);
}

WorkgroupCount depthwise_grid(const KernelRow& row, const DeviceCaps& caps, const Image& y) {
  const int64_t strips = (y.size[1] + row.tile_m - 1) / row.tile_m;
  const int64_t threads = y.batch * y.size[0] * strips * ((y.channels + 3) / 4);
  const int64_t groups = (threads + row.workgroup_size - 1) / row.workgroup_size;
  return {static_cast<uint32_t>(std::min<int64_t>(groups, caps.max_workgroup_count)), 1, 1};
}

}  // namespace etvk::ops
