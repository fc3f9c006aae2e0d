// Problems of normalize.comp: each of its functions, with weights and without, in float32 and int8.
#include "graph/ops/impl/reduce/DrawnReduction.h"
#include "graph/ops/impl/reduce/NormProblem.h"
#include "graph/selfcheck/Cover.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 2;

SpecializationConstants with(const ReductionConstants& loops, const NormFunction& own,
                             const NormTypes& types) {
  return {loops.kept,       loops.reduced,      loops.lanes,
          loops.along_rows, loops.whole_groups, static_cast<uint32_t>(own.function),
          own.has_weight,   own.has_bias,       types.int8_x,
          types.int8_y};
}

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  for (const ReductionConstants& loops : all_reductions(row)) {
    for (const NormFunction& function : kNormFunctions) {
      for (const NormTypes& types : kNormTypes) {
        if (is_possible(function, types)) {
          all.push_back(with(loops, function, types));
        }
      }
    }
  }
  // The function with its weights and with the types, each with what it steps along.
  std::vector<std::vector<size_t>> together = kReductionPairs;
  together.push_back({3, 4, 5, 6, 7});
  together.push_back({3, 4, 5, 8, 9});
  return covering(all, together, static_cast<uint64_t>(row.id));
}

// Weights of the innermost kept loop's steps and of all elements of a row.
LoopSizes weight_strides(const DrawnReduction& x) {
  LoopSizes strides(x.kept.size() + x.reduced.size(), 0);
  uint32_t stride = 1;
  for (size_t i = x.reduced.size(); i-- > 0;) {
    strides[x.kept.size() + i] = stride;
    stride *= x.reduced[i];
  }
  strides[x.kept.size() - 1] = stride;
  return strides;
}

Problem make(const KernelRow& row, const SpecializationConstants& values, Random& random) {
  const ReductionConstants constants{values.at(0), values.at(1), values.at(2), values.at(3),
                                     values.at(4)};
  const NormFunction own{static_cast<Normalization>(values.at(5)), values.at(6), values.at(7)};
  const bool along_rows = constants.along_rows != 0;
  const uint32_t unit_rows = along_rows ? 1 : 4;
  const uint32_t teams = row.workgroup_size / constants.lanes;
  const DrawnReduction x(constants, teams * unit_rows * 5 / 4 + 1, along_rows ? 4 : 1, random);
  const LoopSizes strides = weight_strides(x);

  NormRows rows{x.count(), x.reduced_count(), x.kept.back() * x.reduced_count(), {}, {}};
  rows.x_at = [&x](uint32_t result, uint32_t i) { return x.x_at(result, i); };
  rows.weight_at = [&x](uint32_t result, uint32_t i) {
    return uint64_t{result} % x.kept.back() * x.reduced_count() + i;
  };
  NormalizePush push{};
  push.count = x.count();
  const uint32_t inner = x.reduced.back();
  push.steps = x.reduced_count() / inner * (along_rows ? (inner + 3) / 4 : inner);
  push.elements = static_cast<float>(x.reduced_count());
  push.number = number_for(own, rows);
  uint32_t x_strides[kMaxLoops] = {};
  x.fill(push.sizes, x_strides);
  for (size_t i = 0; i < strides.size(); ++i) {
    push.strides[i] = {x_strides[i], strides[i]};
  }
  Problem problem = norm_problem(own, {values.at(8), values.at(9)}, rows, push.grids, random);
  problem.text = x.text();
  problem.set_push(push);
  problem.groups = {kGroups, 1, 1};
  return problem;
}

const RegisterProblems registered({{"normalize", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
