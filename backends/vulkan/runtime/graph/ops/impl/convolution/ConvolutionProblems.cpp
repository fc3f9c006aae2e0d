// Problems of the kernels of convolutions: windows over small images, with edges on all sides.
#include <algorithm>
#include <string>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/convolution/ConvolutionDispatch.h"
#include "graph/ops/impl/convolution/WindowProblem.h"
#include "graph/ops/impl/mac/MacProblem.h"
#include "graph/selfcheck/Problem.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGridStride = 2;  // workgroups of a depthwise kernel
constexpr size_t kWindow = 9;        // id of a constant

bool is_depthwise(const KernelRow& row) {
  return std::string(row.op).find("_dw") != std::string::npos;
}

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  const bool depthwise = is_depthwise(row);
  const std::vector<uint32_t> alignments =
      depthwise ? std::vector<uint32_t>{0, 1, 4} : std::vector<uint32_t>{1, 4, 16};
  std::vector<SpecializationConstants> forms;
  for (uint32_t window : {kWindowTaps, kWindowRows, kWindowTransposed, kWindowPoint}) {
    for (uint32_t alignment : alignments) {
      for (uint32_t n_aligned : {0u, 1u}) {
        // A depthwise kernel has a tap at a time; whole words of x are whole words of y there.
        const bool exists = depthwise ? window != kWindowRows && window != kWindowPoint &&
                                            (alignment != 4 || n_aligned == 1) &&
                                            (alignment != 1 || n_aligned == 0)
                                      : window != kWindowPoint || alignment == 16;
        if (!exists) {
          continue;
        }
        forms.push_back({alignment, n_aligned, 0, 0, 0, 0, 0, 0, 0, window});
        if (gives_float(row)) {
          forms.push_back(forms.back());
          forms.back().at(6) = static_cast<uint32_t>(InputGrid::kOfAllRows);
        }
      }
    }
  }
  return with_epilogues(row, forms);
}

WindowPush window_push(const DrawnWindow& geometry, uint32_t x_channels, uint32_t y_channels) {
  WindowPush push{};
  set_geometry(push, geometry, x_channels, y_channels);
  push.x_last_word = (kDrawnBatch * geometry.x[0] * geometry.x[1] * x_channels - 1) / 4;
  return push;
}

// x less its zero point at the taps of each pixel of y, [pixels, taps, x_channels]: 0 outside.
std::vector<int32_t> windows_of(const std::vector<int8_t>& x, const DrawnWindow& geometry,
                                uint32_t x_channels, int32_t zero_point) {
  std::vector<int32_t> windows;
  for (int64_t pixel : geometry.met_pixels()) {
    for (uint32_t c = 0; c < x_channels; ++c) {
      windows.push_back(pixel < 0 ? 0
                                  : x[static_cast<size_t>(pixel * x_channels + c)] - zero_point);
    }
  }
  return windows;
}

// The grid of x: the static one of the push constants, or one that the kernel reads.
RowGrid grid_of(const MacSpecialization& constants, const MacPush& push, Random& random) {
  return constants.x_grid == InputGrid::kStatic ? RowGrid{1.0f, push.input_zero_point}
                                                : drawn_grid(random);
}

// ---- Windows as rows of a matrix product.

// Channels of a group for an alignment, and output channels of it.
uint32_t drawn_channels(uint32_t alignment, Random& random) {
  switch (alignment) {
    case 16:
      return 16 * drawn_number(1, 2, random);
    case 4:
      return 4 * drawn_number(1, 3, random);
    default:
      return 4 * drawn_number(0, 2, random) + drawn_number(1, 3, random);
  }
}

Problem make_windows(const KernelRow& row, const SpecializationConstants& values, Random& random) {
  const MacSpecialization constants(values);
  const uint32_t window = values.at(kWindow);
  const uint32_t groups = window == kWindowRows ? 1 : 2;
  const uint32_t channels = drawn_channels(constants.x_alignment, random);
  const uint32_t aligned = (drawn_edge(row.tile_n, random) + 3) / 4 * 4;
  const uint32_t N = constants.n_aligned != 0 ? aligned : aligned - drawn_number(1, 3, random);
  const DrawnWindow geometry(window, row.tile_m + 1, random);
  const uint32_t x_channels = groups * channels;
  const uint32_t y_channels = groups * N;
  const uint32_t K = geometry.taps() * channels;
  MacProblem layer(row, constants, geometry.pixels(), y_channels, K, random);

  WindowPush push = window_push(geometry, x_channels, y_channels);
  const uint32_t run = channels * (window == kWindowRows ? geometry.kernel[1] : 1);
  push.mac = layer.push();
  push.group_channels = channels;
  push.run_bytes = (run + 3) / 4 * 4;
  const uint32_t stride = (K / run * push.run_bytes + 15) / 16 * 16;
  push.mac.M = geometry.pixels();
  push.mac.N = N;
  push.mac.K = K;
  push.mac.w_stride_words = stride / 4;

  std::vector<int8_t> x(size_t{kDrawnBatch} * geometry.x[0] * geometry.x[1] * x_channels);
  random.fill(x);
  // Output channels are drawn from a few, so that the exact sums cost little.
  constexpr uint32_t kDistinct = 12;
  std::vector<std::vector<int8_t>> distinct(kDistinct, std::vector<int8_t>(K));
  for (auto& weights : distinct) {
    random.fill(weights);
  }
  std::vector<uint32_t> chosen;
  std::vector<int32_t> sums;
  std::vector<int8_t> weights(size_t{y_channels} * stride);
  for (uint32_t n = 0; n < y_channels; ++n) {
    chosen.push_back(drawn_number(0, kDistinct - 1, random));
    int32_t sum = 0;
    for (uint32_t k = 0; k < K; ++k) {
      const int8_t weight = distinct[chosen[n]][k];
      weights[n * stride + k / run * push.run_bytes + k % run] = weight;
      sum += weight;
    }
    sums.push_back(sum);
  }
  const RowGrid grid = grid_of(constants, push.mac, random);
  const std::vector<int32_t> windows = windows_of(x, geometry, x_channels, grid.zero_point);
  for (uint32_t m = 0; m < push.mac.M; ++m) {
    for (uint32_t group = 0; group < groups; ++group) {
      int32_t dots[kDistinct] = {};
      for (uint32_t k = 0; k < K; ++k) {
        const size_t at = (size_t{m} * geometry.taps() + k / channels) * x_channels +
                          group * channels + k % channels;
        for (uint32_t i = 0; i < kDistinct; ++i) {
          dots[i] += windows[at] * distinct[i][k];
        }
      }
      for (uint32_t n = 0; n < N; ++n) {
        layer.add(dots[chosen[group * N + n]], grid.scale);
      }
    }
  }
  Problem problem;
  problem.text = geometry.text(x_channels, y_channels) + " in " + std::to_string(groups) +
                 (groups == 1 ? " group" : " groups");
  layer.bind_to(problem, x, weights, sums, {grid});
  problem.set_push(push);
  problem.groups = linear_grid(row, push.mac.M, N);
  problem.groups.z = groups;
  return problem;
}

// ---- Depthwise.

Problem make_depthwise(const KernelRow& row, const SpecializationConstants& values,
                       Random& random) {
  const MacSpecialization constants(values);
  const uint32_t multiplier = constants.x_alignment == 0 ? 2 + 2 * constants.n_aligned : 1;
  const uint32_t x_channels = constants.x_alignment == 4 || constants.n_aligned != 0
                                  ? 4 * drawn_number(5, 8, random)
                                  : 4 * drawn_number(5, 8, random) - (multiplier == 1 ? 1 : 3);
  const uint32_t N = x_channels * multiplier;
  // Words of channels times strips of pixels fill both workgroups and some of a second pass.
  const uint32_t strips = 5 * kGridStride * row.workgroup_size / (2 * ((N + 3) / 4));
  const DrawnWindow geometry(values.at(kWindow), strips * row.tile_m, random);
  MacProblem layer(row, constants, geometry.pixels(), N, geometry.taps(), random);

  WindowPush push = window_push(geometry, x_channels, N);
  push.mac = layer.push();
  push.group_channels = 1;
  push.run_bytes = 4;
  push.mac.M = geometry.pixels();
  push.mac.N = N;
  push.mac.K = geometry.taps();
  push.mac.w_stride_words = (N + 3) / 4;

  std::vector<int8_t> x(size_t{kDrawnBatch} * geometry.x[0] * geometry.x[1] * x_channels);
  random.fill(x);
  const uint32_t stride = push.mac.w_stride_words * 4;
  std::vector<int8_t> weights(size_t{geometry.taps()} * stride);
  std::vector<int32_t> sums(N);
  for (uint32_t tap = 0; tap < geometry.taps(); ++tap) {
    for (uint32_t n = 0; n < N; ++n) {
      weights[tap * stride + n] = static_cast<int8_t>(random.integer(-128, 127));
      sums[n] += weights[tap * stride + n];
    }
  }
  const RowGrid grid = grid_of(constants, push.mac, random);
  const std::vector<int32_t> windows = windows_of(x, geometry, x_channels, grid.zero_point);
  for (uint32_t m = 0; m < push.mac.M; ++m) {
    for (uint32_t n = 0; n < N; ++n) {
      int32_t sum = 0;
      for (uint32_t tap = 0; tap < geometry.taps(); ++tap) {
        const size_t at = (size_t{m} * geometry.taps() + tap) * x_channels + n / multiplier;
        sum += windows[at] * weights[tap * stride + n];
      }
      layer.add(sum, grid.scale);
    }
  }
  Problem problem;
  problem.text = geometry.text(x_channels, N) + ", depthwise";
  layer.bind_to(problem, x, weights, sums, {grid});
  problem.set_push(push);
  problem.groups.x = kGridStride;
  return problem;
}

const RegisterProblems registered({
    {"q8ta_conv2d", all_constants, make_windows},
    {"conv2d_q8ta_q8csw", all_constants, make_windows},
    {"q8ta_conv2d_dw", all_constants, make_depthwise},
    {"conv2d_dw_q8ta_q8csw", all_constants, make_depthwise},
});

}  // namespace

}  // namespace etvk::ops
