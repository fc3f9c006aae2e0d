// Problems of q8ta_mean.comp.
#include "graph/ops/impl/reduce/DrawnReduction.h"
#include "graph/ops/impl/reduce/QuantizedMean.h"
#include "graph/selfcheck/DrawnGrid.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 2;

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  for (const ReductionConstants& one : all_reductions(row)) {
    all.push_back({one.kept, one.reduced, one.lanes, one.along_rows, one.whole_groups});
  }
  return all;
}

Problem make(const KernelRow& row, const SpecializationConstants& values, Random& random) {
  const ReductionConstants constants{values.at(0), values.at(1), values.at(2), values.at(3),
                                     values.at(4)};
  const bool along_rows = constants.along_rows != 0;
  // A team makes a word of y, four results.
  const uint32_t teams = row.workgroup_size / constants.lanes;
  const DrawnReduction x(constants, teams * 5, along_rows ? 4 : 1, random);
  std::vector<int8_t> elements(x.x_count());
  random.fill(elements);
  const int32_t zero_point = random.integer(-128, 127);

  MeanPush push{};
  push.count = x.count();
  const uint32_t row_size = x.reduced.back();
  push.steps = x.reduced_count() / row_size * (along_rows ? (row_size + 3) / 4 : row_size);
  push.scale = random.uniform(0.02f, 0.05f) / static_cast<float>(x.reduced_count());
  push.correction = static_cast<int32_t>(x.reduced_count()) * zero_point;
  draw_grid(push.output_grid, 40.0f, 200.0f, random);
  push.last_word = (x.x_count() - 1) / 4;
  x.fill(push.sizes, push.strides);

  std::vector<int8_t> y;
  for (uint32_t result = 0; result < push.count; ++result) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < x.reduced_count(); ++i) {
      sum += elements[x.x_at(result, i)] - zero_point;
    }
    const float f = static_cast<float>(sum) * push.scale;
    y.push_back(quantized(f, push.output_grid));
  }
  Problem problem;
  problem.text = x.text();
  problem.bind_output(y);
  problem.bind(elements);
  problem.set_push(push);
  problem.groups.x = kGroups;
  return problem;
}

const RegisterProblems registered({{"q8ta_mean", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
