// Problems of the float32 kernels of convolutions: windows over small images, in groups.
#include <algorithm>
#include <cmath>
#include <string>

#include "graph/ops/impl/convolution/FloatConvolution.h"
#include "graph/ops/impl/convolution/WindowProblem.h"
#include "graph/ops/impl/mac/MacProblem.h"
#include "graph/selfcheck/Cover.h"
#include "graph/selfcheck/Problem.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGridStride = 2;      // workgroups
constexpr float kRelativeError = 1e-5f;  // of the largest result of a pixel

std::vector<SpecializationConstants> windows_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> all;  // form of x, whole groups of y, kind of window
  for (uint32_t window : {kWindowTaps, kWindowRows, kWindowTransposed}) {
    for (uint32_t form : {kWindowGroups, kWindowElements}) {
      for (uint32_t y_groups : {0u, 1u}) {
        all.push_back({form, y_groups, window});
      }
    }
  }
  return covering(all, {{0, 1, 2}}, static_cast<uint64_t>(row.id));
}

std::vector<SpecializationConstants> depthwise_constants(const KernelRow&) {
  std::vector<SpecializationConstants> all;
  for (uint32_t window : {kWindowTaps, kWindowTransposed}) {
    all.push_back({kWindowGroups, 1, window});
    all.push_back({kWindowElements, 0, window});
    all.push_back({kWindowMultiplied, 0, window});
    all.push_back({kWindowMultiplied, 1, window});
  }
  return all;
}

std::vector<float> drawn(size_t count, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) {
    value = random.uniform(-1.0f, 1.0f);
  }
  return values;
}

FloatWindowPush window_push(const DrawnWindow& window, uint32_t x_channels, uint32_t y_channels,
                            Random& random) {
  FloatWindowPush push{};
  push.M = window.pixels();
  set_geometry(push, window, x_channels, y_channels);
  push.least = random.uniform(-2.0f, -1.0f);
  push.most = random.uniform(1.0f, 2.0f);
  return push;
}

// `weight_at(channel of y, tap, channel of its group)`.
template <typename WeightAt>
Problem make_problem(const DrawnWindow& window, const FloatWindowPush& push,
                     const std::vector<float>& weights, const WeightAt& weight_at, Random& random) {
  const uint32_t groups = push.x_channels / push.group_channels;
  const uint32_t per_group = push.y_channels / groups;
  const std::vector<float> x =
      drawn(size_t{kDrawnBatch} * push.x_height * push.x_width * push.x_channels, random);
  const std::vector<float> bias = drawn(push.y_channels, random);
  const std::vector<int64_t> met = window.met_pixels();
  Problem problem;
  std::vector<float> y;
  for (uint32_t m = 0; m < push.M; ++m) {
    float largest = 0.0f;
    for (uint32_t n = 0; n < push.y_channels; ++n) {
      double sum = bias[n];
      for (uint32_t tap = 0; tap < window.taps(); ++tap) {
        const int64_t pixel = met[size_t{m} * window.taps() + tap];
        for (uint32_t c = 0; c < push.group_channels && pixel >= 0; ++c) {
          const uint32_t channel = n / per_group * push.group_channels + c;
          sum += double{x[static_cast<size_t>(pixel) * push.x_channels + channel]} *
                 weight_at(n, tap, c);
        }
      }
      const auto result = static_cast<float>(sum);
      largest = std::max(largest, std::abs(result));
      y.push_back(std::clamp(result, push.least, push.most));
    }
    problem.limits.insert(problem.limits.end(), push.y_channels, kRelativeError * largest);
  }
  problem.bind_output(y);
  problem.bind(x);
  problem.bind(weights);
  problem.bind(bias);
  problem.set_push(push);
  return problem;
}

Problem make_windows(const KernelRow& row, const SpecializationConstants& constants,
                     Random& random) {
  const uint32_t kind = constants.at(2);
  const uint32_t groups = kind == kWindowRows ? 1 : 2;
  const uint32_t channels = constants.at(0) == kWindowGroups ? 4 * drawn_number(1, 2, random)
                                                             : drawn_number(1, 3, random);
  const uint32_t whole = (drawn_edge(row.tile_n, random) + 3) / 4 * 4;
  const uint32_t N = constants.at(1) != 0 ? whole : whole - drawn_number(1, 3, random);
  const DrawnWindow window(kind, row.tile_m + 1, random);
  FloatWindowPush push = window_push(window, groups * channels, groups * N, random);
  push.group_channels = channels;
  push.run = channels * (kind == kWindowRows ? window.kernel[1] : 1);
  push.padded_run = (push.run + 3) / 4 * 4;
  push.N = N;
  push.K = window.taps() * channels / push.run * push.padded_run;
  push.tiles_n = (N + row.tile_n - 1) / row.tile_n;
  push.tiles = (push.M + row.tile_m - 1) / row.tile_m * push.tiles_n;

  // Padding of runs and of rows is zero.
  const std::vector<float> own = drawn(size_t{groups} * push.K * whole, random);
  std::vector<float> weights(own.size());
  for (size_t i = 0; i < own.size(); ++i) {
    const bool is_product = i / whole % push.padded_run < push.run && i % whole < N;
    weights[i] = is_product ? own[i] : 0.0f;
  }
  const auto weight_at = [&](uint32_t n, uint32_t tap, uint32_t c) {
    const uint32_t product = tap * channels + c;
    const uint32_t k = product / push.run * push.padded_run + product % push.run;
    return weights[(size_t{n / N} * push.K + k) * whole + n % N];
  };
  Problem problem = make_problem(window, push, weights, weight_at, random);
  problem.text = window.text(push.x_channels, push.y_channels) + " in " + std::to_string(groups) +
                 (groups == 1 ? " group" : " groups");
  problem.groups.x = kGridStride;
  problem.groups.z = groups;
  return problem;
}

Problem make_depthwise(const KernelRow& row, const SpecializationConstants& constants,
                       Random& random) {
  const bool is_multiplied = constants.at(0) == kWindowMultiplied;
  const bool is_whole = constants.at(1) != 0;
  const uint32_t multiplier = is_multiplied ? (is_whole ? 4 : 2) : 1;
  const uint32_t x_channels = 4 * drawn_number(5, 8, random) - (is_whole        ? 0
                                                                : is_multiplied ? 3
                                                                                : 1);
  const uint32_t N = x_channels * multiplier;
  const uint32_t whole = (N + 3) / 4 * 4;
  // Groups of channels times strips of pixels fill both workgroups and some of a second pass.
  const uint32_t strips = 5 * kGridStride * row.workgroup_size / (2 * (whole / 4));
  const DrawnWindow window(constants.at(2), strips * row.tile_m, random);
  FloatWindowPush push = window_push(window, x_channels, N, random);
  push.group_channels = 1;
  push.run = 1;
  push.padded_run = 4;
  push.N = N;
  push.K = window.taps();
  const std::vector<float> weights = drawn(size_t{push.K} * whole, random);
  const auto weight_at = [&](uint32_t n, uint32_t tap, uint32_t) {
    return weights[size_t{tap} * whole + n];
  };
  Problem problem = make_problem(window, push, weights, weight_at, random);
  problem.text = window.text(x_channels, N) + ", depthwise";
  problem.groups.x = kGridStride;
  return problem;
}

const RegisterProblems registered({
    {"conv2d", windows_constants, make_windows},
    {"conv2d_dw", depthwise_constants, make_depthwise},
});

}  // namespace

}  // namespace etvk::ops
