// Problems of the matmul shaders: several products around the edges of a tile, each form of the
// operands.
#include <algorithm>
#include <cmath>

#include "graph/ops/impl/matmul/Matmul.h"
#include "graph/selfcheck/Problem.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 3;
constexpr uint32_t kBatch[kMaxBatchLoops] = {1, 2, 1, 2};
constexpr uint32_t kProducts = 4;
constexpr float kRelativeError = 1e-5f;  // of the largest result of a row

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  return {
      // forms of a and b, whole groups of y, an addend
      {kAlongK, kAlongN, 1, 0}, {kAlongK, kBAlongK, 0, 1}, {kAlongK, kAnyB, 1, 1},
      {kAnyA, kAlongN, 1, 1},   {kAnyA, kBAlongK, 1, 0},   {kAnyA, kAnyB, 0, 0},
  };
}

uint32_t round_up(uint32_t size) { return (size + 3) / 4 * 4; }

std::vector<float> drawn(size_t count, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) {
    value = random.uniform(-1.0f, 1.0f);
  }
  return values;
}

// The operands of one product begin here.
struct Start {
  uint32_t a = 0;
  uint32_t b = 0;
};

Start start_of(const MatmulPush& push, uint32_t product) {
  Start start;
  for (size_t d = kMaxBatchLoops; d-- > 0;) {
    const uint32_t index = product % kBatch[d];
    product /= kBatch[d];
    start.a += index * push.a_batch[d];
    start.b += index * push.b_batch[d];
  }
  return start;
}

MatmulPush drawn_push(const KernelRow& row, const SpecializationConstants& constants,
                      Random& random) {
  const uint32_t a_form = constants.at(0);
  const uint32_t b_form = constants.at(1);
  MatmulPush push{};
  push.M = row.tile_m + static_cast<uint32_t>(random.integer(1, 3));
  push.N = round_up(row.tile_n) + (constants.at(2) != 0 ? 4 : 3);
  push.K = 2 * row.tile_k + 4 + (a_form == kAlongK || b_form == kBAlongK ? 0 : 3);
  push.tiles_m = (push.M + row.tile_m - 1) / row.tile_m;
  push.tiles_n = (push.N + row.tile_n - 1) / row.tile_n;
  push.tiles = push.tiles_m * push.tiles_n * kProducts;
  std::copy(kBatch + 1, kBatch + kMaxBatchLoops, push.batch_sizes);
  push.a_k = a_form == kAlongK ? 1 : push.M;
  push.a_m = a_form == kAlongK ? push.K : 1;
  push.b_n = b_form == kAlongN ? 1 : push.K + (b_form == kAnyB ? 1 : 0);
  push.b_k = b_form == kAlongN ? push.N : 1;
  push.a_batch[1] = push.M * push.K;
  push.a_batch[3] = 2 * push.M * push.K;
  push.b_batch[3] = round_up(push.N * (push.K + 1));  // the outer loop repeats b
  push.c_m = push.N;
  push.c_n = 1;
  push.alpha = random.uniform(0.5f, 2.0f);
  push.beta = random.uniform(0.5f, 2.0f);
  return push;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const bool has_c = constants.at(3) != 0;
  const MatmulPush push = drawn_push(row, constants, random);
  const std::vector<float> a = drawn(size_t{kProducts} * push.M * push.K, random);
  const std::vector<float> b = drawn(size_t{2} * push.b_batch[3], random);
  const std::vector<float> c = drawn(size_t{push.M} * push.N, random);

  Problem problem;
  std::vector<float> y;
  for (uint32_t product = 0; product < kProducts; ++product) {
    const Start start = start_of(push, product);
    for (uint32_t m = 0; m < push.M; ++m) {
      float largest = 0.0f;
      for (uint32_t n = 0; n < push.N; ++n) {
        double sum = 0.0;
        for (uint32_t k = 0; k < push.K; ++k) {
          sum += double{a[start.a + m * push.a_m + k * push.a_k]} *
                 b[start.b + k * push.b_k + n * push.b_n];
        }
        const double addend = has_c ? double{push.beta} * c[m * push.c_m + n * push.c_n] : 0.0;
        y.push_back(static_cast<float>(push.alpha * sum + addend));
        largest = std::max(largest, std::abs(y.back()));
      }
      problem.limits.insert(problem.limits.end(), push.N, kRelativeError * largest);
    }
  }
  problem.text = std::to_string(kProducts) + " products of " + std::to_string(push.M) + "x" +
                 std::to_string(push.K) + "x" + std::to_string(push.N);
  problem.bind_output(y);
  problem.bind(a);
  problem.bind(b);
  problem.bind(c);
  problem.set_push(push);
  problem.groups.x = kGroups;
  return problem;
}

const RegisterProblems registered({{"matmul", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
