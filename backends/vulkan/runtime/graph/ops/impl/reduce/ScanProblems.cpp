// Problems of scan.comp: rows of several blocks, in each number of lanes, along rows and across.
#include <algorithm>
#include <cstring>
#include <string>

#include "graph/ops/impl/reduce/Scan.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 2;

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  for (uint32_t lanes = 1; lanes <= row.workgroup_size; lanes *= 2) {
    for (const uint32_t along_rows : {0u, 1u}) {
      all.push_back({lanes, along_rows, 0});
      all.push_back({lanes, along_rows, 1});
    }
  }
  return all;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const uint32_t lanes = constants.at(0);
  const bool along_rows = constants.at(1) != 0;
  const bool integers = constants.at(2) != 0;
  const uint32_t teams = row.workgroup_size / lanes;
  const uint32_t block = lanes * row.tile_k;
  ScanPush push{};
  push.inner = along_rows ? 1 : 2 + static_cast<uint32_t>(random.below(5));
  push.steps = 2 * block + static_cast<uint32_t>(random.below(block + 3));
  // Each workgroup makes some rows, and the first one some more.
  const uint32_t least_rows = teams * kGroups + 1;
  push.rows = (least_rows + push.inner - 1) / push.inner * push.inner;

  push.first = random.chance(50) ? 0 : block;
  push.end = push.steps;

  const uint32_t count = push.rows * push.steps;
  std::vector<int32_t> words(count);
  std::vector<float> floats(count);
  for (uint32_t i = 0; i < count; ++i) {
    words[i] = random.chance(5) ? static_cast<int32_t>(random.bits()) : random.integer(-9, 9);
    floats[i] = random.uniform(-10.0f, 10.0f);
  }
  // Sums start from what is in front of the first step, which is unwritten.
  uint32_t unwritten = 0;
  std::memset(&unwritten, kUnwritten, sizeof(unwritten));
  float unwritten_float = 0.0f;
  std::memcpy(&unwritten_float, &unwritten, sizeof(unwritten));
  std::vector<int32_t> integer_sums(count, static_cast<int32_t>(unwritten));
  std::vector<float> float_sums(count, unwritten_float);
  Problem problem;
  for (uint32_t r = 0; r < push.rows; ++r) {
    const uint32_t first = r / push.inner * push.steps * push.inner + r % push.inner;
    uint32_t integer_sum = push.first == 0 ? 0 : unwritten;
    double float_sum = push.first == 0 ? 0.0 : double{unwritten_float};
    for (uint32_t i = push.first; i < push.end; ++i) {
      const uint32_t at = first + i * push.inner;
      integer_sum += static_cast<uint32_t>(words[at]);
      integer_sums[at] = static_cast<int32_t>(integer_sum);
      float_sum += floats[at];
      float_sums[at] = static_cast<float>(float_sum);
    }
  }
  problem.text = std::to_string(push.rows) + " rows of " + std::to_string(push.steps);
  if (integers) {
    problem.bind_output(integer_sums);
    problem.bind(words);
  } else {
    for (const float sum : float_sums) {
      problem.limits.push_back(float_limit(sum));
    }
    problem.bind_output(float_sums);
    problem.bind(floats);
  }
  problem.set_push(push);
  problem.groups.x = kGroups;
  return problem;
}

const RegisterProblems registered({{"scan", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
