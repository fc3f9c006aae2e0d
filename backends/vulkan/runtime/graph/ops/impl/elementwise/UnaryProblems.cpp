// Problems of unary.comp: each function of the table on drawn values and on special ones.
#include <algorithm>
#include <limits>
#include <set>
#include <string>

#include "ElementwiseRows.h"
#include "graph/ops/impl/elementwise/ElementwiseCall.h"
#include "graph/ops/impl/elementwise/Unary.h"
#include "graph/selfcheck/DrawnFloats.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/FloatReferences.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

DType operand_type(const KernelRow& kernel) {
  const std::string op = kernel.op;
  return op == "unary_of_bool"                               ? DType::kBool
         : op == "unary_of_int" || op == "unary_int_to_bool" ? DType::kInt32
                                                             : DType::kFloat32;
}

bool is_case_of(const UnaryOp& op, const KernelRow& kernel) {
  return kernels_of("unary", op, operand_type(kernel)) == kernel.op &&
         is_taken(op, operand_type(kernel));
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
  const DType type = operand_type(kernel);
  std::vector<double> parameters;
  for (uint32_t i = 0; i < op->parameter_count; ++i) {
    // Zero stands for those that have no default.
    parameters.push_back(op->defaults[i] == 0.0 ? 2.0 : op->defaults[i]);
    push.parameters[i] = number_bits(parameters.back(), type);
  }
  const DrawnOperand x(type, push.count, random);
  DrawnResults y(result_type(*op));
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
    {"unary_of_int", all_constants, make},
    {"unary_int_to_bool", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
