// Problems of dequantize_rows.comp.
#include <cstring>
#include <string>
#include <vector>

#include "graph/ops/impl/mac/QuantizedRows.h"
#include "graph/ops/impl/mac/RoundedRows.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"

namespace etvk::ops {

namespace {

std::vector<SpecializationConstants> all_constants(const KernelRow&) { return {{0}, {1}}; }

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  DequantizeRowsPush push{};
  push.K = static_cast<uint32_t>(4 * random.integer(2, 20));
  push.K -= constants.at(0) != 0 ? 0 : static_cast<uint32_t>(random.integer(1, 3));
  push.M = flat_count(row, random) / push.K + 1;
  const auto row_bytes = static_cast<size_t>(padded_row(push.K));
  std::vector<int8_t> x(row_bytes * push.M);
  random.fill(x);
  std::vector<float> y;
  std::vector<int8_t> grids(size_t{push.M} * kGridBytes);
  for (size_t m = 0; m < push.M; ++m) {
    const float scale = random.uniform(0.01f, 0.2f);
    const int32_t zero_point = random.integer(-128, 127);
    std::memcpy(&grids[m * kGridBytes], &scale, 4);
    std::memcpy(&grids[m * kGridBytes + 4], &zero_point, 4);
    for (size_t k = 0; k < push.K; ++k) {
      y.push_back(static_cast<float>(x[m * row_bytes + k] - zero_point) * scale);
    }
  }
  x.insert(x.end(), grids.begin(), grids.end());
  Problem problem;
  problem.text = "M=" + std::to_string(push.M) + " K=" + std::to_string(push.K);
  problem.bind_output(y);
  problem.bind(x);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({{"dequantize_rows", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
