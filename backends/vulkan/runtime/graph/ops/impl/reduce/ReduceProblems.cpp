// Problems of reduce.comp: each reduction of the table, in one dispatch and as the first of two.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <string>

#include "ElementwiseRows.h"
#include "graph/ops/impl/reduce/DrawnReduction.h"
#include "graph/ops/impl/reduce/Reduce.h"
#include "graph/selfcheck/Cover.h"
#include "graph/selfcheck/FloatReferences.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 2;
constexpr uint32_t kParts = 3;

// The specialization constants behind those of the loops.
struct Function {
  uint32_t code, is_compensated, finishes;
};

SpecializationConstants with(const ReductionConstants& loops, const Function& function) {
  return {loops.kept,
          loops.reduced,
          loops.lanes,
          loops.along_rows,
          loops.whole_groups,
          function.code,
          function.is_compensated,
          function.finishes};
}

bool is_of_integers(const KernelRow& row) { return std::string(row.op) == "reduce_of_int"; }

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::set<uint32_t> codes;
  std::vector<Function> functions;
  for (const ReductionOp& op : kReductionOps) {
    if (op.takes_int == is_of_integers(row) && codes.insert(op.code).second) {
      functions.push_back({op.code, op.is_compensated ? 1u : 0u, 1});
      if (row.tile_k > 1) {  // it divides the elements of a result into parts
        functions.push_back({op.code, op.is_compensated ? 1u : 0u, 0});
      }
    }
  }
  std::vector<SpecializationConstants> all;
  for (const ReductionConstants& loops : all_reductions(row)) {
    for (const Function& function : functions) {
      all.push_back(with(loops, function));
    }
  }
  std::vector<std::vector<size_t>> together = kReductionPairs;
  together.push_back({3, 4, 5, 7});  // the function and its stage with what it steps along
  return covering(all, together, static_cast<uint64_t>(row.id));
}

const ReductionOp& op_of(uint32_t code, bool integers) {
  const auto* op = std::find_if(
      std::begin(kReductionOps), std::end(kReductionOps),
      [&](const ReductionOp& one) { return one.code == code && one.takes_int == integers; });
  ETVK_CHECK(op != std::end(kReductionOps), kInternal, "reduce: no function has code " << code);
  return *op;
}

Problem make(const KernelRow& row, const SpecializationConstants& values, Random& random) {
  const ReductionConstants constants{values.at(0), values.at(1), values.at(2), values.at(3),
                                     values.at(4)};
  const Function function{values.at(5), values.at(6), values.at(7)};
  const bool along_rows = constants.along_rows != 0;
  const bool whole = constants.whole_groups != 0;
  const uint32_t step_elements = along_rows && whole ? 4 : 1;
  const uint32_t unit_results = !along_rows && whole ? 4 : 1;
  const uint32_t parts = function.finishes != 0 ? 1 : kParts;
  const uint32_t teams = row.workgroup_size / constants.lanes;
  const DrawnReduction x(constants, teams * unit_results * 5 / 4 + 1, step_elements * parts,
                         random);
  const bool integers = is_of_integers(row);
  const ReductionReference reference = float_reference(op_of(function.code, integers));
  // Factors so near to one that no order of them overflows on the way.
  const bool is_product = reference.start == 1.0;
  const float low = is_product ? 0.9f : -10.0f;
  const float high = is_product ? 1.1f : 10.0f;
  std::vector<int32_t> words;
  std::vector<float> floats;
  for (uint32_t i = 0; i < x.x_count(); ++i) {
    words.push_back(random.chance(5) ? static_cast<int32_t>(random.bits()) : random.integer(-9, 9));
    floats.push_back(random.uniform(low, high));
  }
  const auto element = [&](uint64_t at) {
    return integers ? static_cast<double>(words[at]) : static_cast<double>(floats[at]);
  };
  ReducePush push{};
  push.count = x.count();
  push.steps = x.reduced_count() / step_elements;
  push.part_steps = (push.steps + parts - 1) / parts;
  push.elements = static_cast<float>(x.reduced_count());
  x.fill(push.sizes, push.strides);

  const uint32_t part_elements = push.part_steps * step_elements;
  std::vector<double> y;
  Problem problem;
  for (uint32_t part = 0; part < parts; ++part) {
    for (uint32_t result = 0; result < push.count; ++result) {
      double all = reference.start;
      const uint32_t end = std::min((part + 1) * part_elements, x.reduced_count());
      for (uint32_t i = part * part_elements; i < end; ++i) {
        all = reference.combine(all, element(x.x_at(result, i)));
      }
      y.push_back(function.finishes != 0 ? reference.finish(all, push.elements) : all);
    }
  }
  problem.text = x.text();
  if (integers) {
    problem.bind_output(std::vector<int32_t>(y.begin(), y.end()));
    problem.bind(words);
  } else {
    const std::vector<float> results(y.begin(), y.end());
    std::transform(results.begin(), results.end(), std::back_inserter(problem.limits), float_limit);
    problem.bind_output(results);
    problem.bind(floats);
  }
  problem.set_push(push);
  problem.groups = {kGroups, parts, 1};
  return problem;
}

const RegisterProblems registered({{"reduce", all_constants, make},
                                   {"reduce_of_int", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
