// Problems of pool.comp: small images, with windows over all edges.
#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <string>

#include "graph/ops/impl/pool/Pool.h"
#include "graph/selfcheck/DrawnGrid.h"
#include "graph/selfcheck/PoolReference.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 2;

using Loops4 = std::array<uint32_t, kPoolLoops>;

bool in_words(const KernelRow& row) {
  return std::string(row.op).find("words") != std::string::npos;
}
bool is_int8(const KernelRow& row) { return std::string(row.op).find("q8ta") != std::string::npos; }

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  // A maximum or mean, adaptive, by which divisor.
  const std::vector<std::array<uint32_t, 3>> functions = {{0, 0, 0}, {1, 0, 1}, {1, 1, 2},
                                                          {0, 1, 0}, {1, 0, 0}, {1, 0, 2}};
  std::vector<SpecializationConstants> all;
  for (size_t i = 0; i < functions.size(); ++i) {
    const auto add = [&](uint32_t down, uint32_t across) {
      all.push_back({functions[i][0], functions[i][1], functions[i][2], down, across});
    };
    if (in_words(row) || i % 3 == 1) {
      add(1, 2);  // channels-last
    }
    if (!in_words(row)) {
      add(2, 3);  // row-major
      if (i % 3 == 2) {
        add(3, 2);  // channels-last without a batch
      }
    }
  }
  return all;
}

PooledDirection drawn_direction(bool is_mean, bool is_adaptive, bool is_whole, Random& random) {
  PooledDirection one;
  one.is_adaptive = is_adaptive;
  if (is_adaptive) {
    one.y = random.integer(3, 6);
    one.x = random.integer(2, 13);
    return one;
  }
  do {
    one.x = random.integer(5, 12);
    one.kernel = random.integer(1, 4);
    one.stride = random.integer(1, 3);
    one.dilation = is_mean ? 1 : random.integer(1, 2);
    one.padding = random.integer(0, static_cast<int32_t>(one.kernel) / 2);
    one.ceil_mode = !is_whole && random.chance(50);
  } while (!one.set_results());
  return one;
}

// Where the elements of x lie: its loops nested in any order, those of words as in y.
Loops4 drawn_strides(const Loops4& sizes, bool words, Random& random) {
  std::array<size_t, kPoolLoops> order{};
  std::iota(order.begin(), order.end(), size_t{0});
  if (!words) {
    for (size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[random.below(i)]);
    }
  }
  Loops4 strides{};
  uint32_t stride = 1;
  for (size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = stride;
    stride *= sizes[order[i]];
  }
  return strides;
}

Problem make(const KernelRow& row, const SpecializationConstants& values, Random& random) {
  const bool is_mean = values.at(0) != 0;
  const bool is_adaptive = values.at(1) != 0;
  const auto divisor = static_cast<PoolDivisor>(values.at(2));
  const size_t image[] = {values.at(3), values.at(4)};
  const bool is_whole = divisor == PoolDivisor::kSameForAll;
  const PooledDirection directions[] = {drawn_direction(is_mean, is_adaptive, is_whole, random),
                                        drawn_direction(is_mean, is_adaptive, is_whole, random)};

  Loops4 y_sizes{1, 1, 1, 1};
  for (size_t d = 0; d < 2; ++d) {
    y_sizes[image[d]] = static_cast<uint32_t>(directions[d].y);
  }
  const size_t channels = image[0] == 1 ? 3 : 1;
  y_sizes[channels] = in_words(row) ? 4 * static_cast<uint32_t>(random.integer(1, 3))
                                    : static_cast<uint32_t>(random.integer(3, 7));
  // Both workgroups and some of a second pass; without a batch, by more channels.
  const uint32_t least = kGroups * row.tile_n * 5 / 4;
  const auto made = [&y_sizes] {
    return std::accumulate(y_sizes.begin(), y_sizes.end(), 1u, std::multiplies<>());
  };
  y_sizes[image[1] < image[0] ? channels : 0] *= (least + made() - 1) / made();
  Loops4 x_sizes = y_sizes;
  for (size_t d = 0; d < 2; ++d) {
    x_sizes[image[d]] = static_cast<uint32_t>(directions[d].x);
  }
  const Loops4 strides = drawn_strides(x_sizes, in_words(row), random);
  const uint32_t x_count = std::accumulate(x_sizes.begin(), x_sizes.end(), 1u, std::multiplies<>());

  std::vector<int8_t> bytes(x_count);
  random.fill(bytes);
  std::vector<float> floats(x_count);
  std::transform(bytes.begin(), bytes.end(), floats.begin(), [&random](int8_t byte) {
    return static_cast<float>(byte) * random.uniform(0.9f, 1.0f);
  });
  QuantizedPoolPush push{};
  push.input_zero_point = random.integer(-128, 127);
  draw_grid(push.output_grid, 10.0f, 40.0f, random);
  std::vector<float> multipliers;
  const float scale = is_int8(row) ? random.uniform(0.02f, 0.05f) : 1.0f;
  const uint32_t most = is_adaptive ? 196 : 16;  // taps of the windows that are drawn
  for (uint32_t i = 0; i < (divisor == PoolDivisor::kSameForAll ? 1 : most); ++i) {
    multipliers.push_back(scale / static_cast<float>(i + 1));
  }
  push.pool.count = made();
  std::copy(y_sizes.begin(), y_sizes.end(), push.pool.y_sizes);
  std::copy(strides.begin(), strides.end(), push.pool.x_strides);
  for (size_t d = 0; d < 2; ++d) {
    push.pool.x_size[d] = static_cast<int32_t>(directions[d].x);
    push.pool.kernel[d] = static_cast<int32_t>(directions[d].kernel);
    push.pool.stride[d] = static_cast<int32_t>(directions[d].stride);
    push.pool.padding[d] = static_cast<int32_t>(directions[d].padding);
    push.pool.dilation[d] = static_cast<int32_t>(directions[d].dilation);
  }

  Problem problem;
  std::vector<int8_t> y_bytes;
  std::vector<float> y_floats;
  for (uint32_t i = 0; i < push.pool.count; ++i) {
    Loops4 at{};
    uint32_t rest = i;
    uint32_t base = 0;
    for (size_t loop = kPoolLoops; loop-- > 0;) {
      at[loop] = rest % y_sizes[loop];
      rest /= y_sizes[loop];
      base += loop == image[0] || loop == image[1] ? 0 : at[loop] * strides[loop];
    }
    const std::vector<int64_t> down = directions[0].taps(at[image[0]]);
    const std::vector<int64_t> across = directions[1].taps(at[image[1]]);
    int32_t acc = is_mean ? 0 : INT32_MIN;
    double sum = is_mean ? 0.0 : -std::numeric_limits<double>::infinity();
    for (int64_t h : down) {
      for (int64_t w : across) {
        const size_t from = base + static_cast<size_t>(h) * strides[image[0]] +
                            static_cast<size_t>(w) * strides[image[1]];
        const int32_t real = bytes[from] - push.input_zero_point;
        acc = is_mean ? acc + real : std::max(acc, real);
        sum = is_mean ? sum + floats[from] : std::max(sum, double{floats[from]});
      }
    }
    const size_t area = divisor == PoolDivisor::kTaps ? down.size() * across.size()
                        : divisor == PoolDivisor::kPaddedTaps
                            ? static_cast<size_t>(directions[0].padded_taps(at[image[0]]) *
                                                  directions[1].padded_taps(at[image[1]]))
                            : 1;
    const float multiplier = multipliers.at(std::max<size_t>(area, 1) - 1);
    if (is_int8(row)) {
      const bool is_empty = acc == INT32_MIN;
      const float f = is_empty ? 0.0f : static_cast<float>(acc) * multiplier;
      y_bytes.push_back(is_empty ? static_cast<int8_t>(push.output_grid.quant_min)
                                 : quantized(f, push.output_grid));
    } else {
      y_floats.push_back(static_cast<float>(is_mean ? sum * multiplier : sum));
      problem.limits.push_back(is_mean ? float_limit(100.0f) : 0.0f);
    }
  }
  problem.text = std::to_string(directions[0].x) + "x" + std::to_string(directions[1].x) +
                 " pixels to " + std::to_string(directions[0].y) + "x" +
                 std::to_string(directions[1].y) + ", " + std::to_string(push.pool.count) +
                 " results";
  if (is_int8(row)) {
    problem.bind_output(y_bytes);
    problem.bind(bytes);
    problem.set_push(push);
  } else {
    problem.bind_output(y_floats);
    problem.bind(floats);
    problem.set_push(push.pool);
  }
  problem.bind(multipliers);
  problem.groups.x = kGroups;
  return problem;
}

const RegisterProblems registered({
    {"pool", all_constants, make},
    {"pool_words", all_constants, make},
    {"q8ta_pool", all_constants, make},
    {"q8ta_pool_words", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
