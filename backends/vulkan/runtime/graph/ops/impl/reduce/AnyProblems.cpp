// Problems of any.comp: few elements are true, so that a result may hang on one of them.
#include "graph/ops/impl/reduce/Any.h"
#include "graph/ops/impl/reduce/DrawnReduction.h"
#include "graph/selfcheck/Problem.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 2;

std::vector<SpecializationConstants> constants_of(const std::vector<ReductionConstants>& chosen) {
  std::vector<SpecializationConstants> all;
  for (const ReductionConstants& one : chosen) {
    all.push_back({one.kept, one.reduced, one.lanes, one.along_rows, one.whole_groups});
  }
  return all;
}

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  return constants_of(all_reductions(row));
}

std::vector<SpecializationConstants> all_constants_of_float(const KernelRow& row) {
  return constants_of(all_reductions(row, false));
}

template <typename Element>
Problem make(const KernelRow& row, const SpecializationConstants& values, Random& random) {
  const ReductionConstants constants{values.at(0), values.at(1), values.at(2), values.at(3),
                                     values.at(4)};
  const bool words_along_rows = constants.along_rows != 0 && constants.whole_groups != 0;
  const uint32_t step_elements = words_along_rows ? 4 : 1;
  const uint32_t teams = row.workgroup_size / constants.lanes;
  const DrawnReduction x(constants, teams * 5 + 1, step_elements, random);
  std::vector<Element> elements(x.x_count(), Element{0});
  for (uint32_t result = 0; result < x.count(); ++result) {
    if (random.chance(50)) {
      elements[x.x_at(result, static_cast<uint32_t>(random.below(x.reduced_count())))] = Element{1};
    }
  }
  AnyPush push{};
  push.count = x.count();
  push.steps = x.reduced_count() / step_elements;
  x.fill(push.sizes, push.strides);
  std::vector<uint8_t> y;
  for (uint32_t result = 0; result < push.count; ++result) {
    bool found = false;
    for (uint32_t i = 0; i < x.reduced_count(); ++i) {
      found = found || elements[x.x_at(result, i)] != Element{0};
    }
    y.push_back(found ? 1 : 0);
  }
  Problem problem;
  problem.text = x.text();
  problem.bind_output(y);
  problem.bind(elements);
  problem.set_push(push);
  problem.groups = {kGroups, 1, 1};
  return problem;
}

const RegisterProblems registered({{"any", all_constants, make<uint8_t>},
                                   {"any_of_float", all_constants_of_float, make<float>}});

}  // namespace

}  // namespace etvk::ops
