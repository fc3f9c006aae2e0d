// Problems of unary.comp: each function of the table on drawn values and on special ones.
#include <algorithm>
#include <limits>
#include <set>
#include <string>

#include "ElementwiseRows.h"
#include "graph/ops/impl/elementwise/Unary.h"
#include "graph/selfcheck/DrawnFloats.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/FloatReferences.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

bool is_of_bool(const KernelRow& kernel) { return kernel.op == std::string("unary_of_bool"); }

bool is_case_of(const UnaryOp& op, const KernelRow& kernel) {
  const bool gives_bool = kernel.op != std::string("unary");
  return op.gives_bool == gives_bool && (is_of_bool(kernel) ? op.takes_bool : op.takes_float);
}

std::vector<SpecializationConstants> all_constants(const KernelRow& kernel) {
  std::set<uint32_t> codes;
  for (const UnaryOp& op : kUnaryOps) {
    if (is_case_of(op, kernel)) {
      codes.insert(op.code);
    }
  }
  std::vector<SpecializationConstants> all;
  for (uint32_t code : codes) {
    all.push_back({code});
  }
  return all;
}

Problem make(const KernelRow& kernel, const SpecializationConstants& constants, Random& random) {
  const auto* op = std::find_if(
      std::begin(kUnaryOps), std::end(kUnaryOps),
      [&](const UnaryOp& one) { return is_case_of(one, kernel) && one.code == constants.at(0); });
  ETVK_CHECK(op != std::end(kUnaryOps), kInternal,
             kernel.name << ": no function has code " << constants.at(0));
  const UnaryReference& reference = float_reference(*op);
  UnaryPush push{};
  push.count = flat_count(kernel, random);
  std::vector<double> parameters;
  for (uint32_t i = 0; i < op->parameter_count; ++i) {
    // Zero stands for those that have no default.
    push.parameters[i] = op->defaults[i] == 0.0 ? 2.0f : static_cast<float>(op->defaults[i]);
    parameters.push_back(push.parameters[i]);
  }
  const DrawnOperand x(is_of_bool(kernel), push.count, random);
  DrawnResults y(op->gives_bool);
  for (uint32_t i = 0; i < push.count; ++i) {
    y.add(reference(x.at(i), parameters));
  }
  Problem problem;
  problem.text = std::string(op->name) + " of " + std::to_string(push.count) + " elements";
  y.bind_to(problem);
  x.bind_to(problem);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({
    {"unary", all_constants, make},
    {"unary_to_bool", all_constants, make},
    {"unary_of_bool", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
