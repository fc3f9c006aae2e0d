// Problems of progression.comp: each kind of number.
#include <string>

#include "graph/GraphDef.h"
#include "graph/ops/impl/elementwise/Creation.h"
#include "graph/ops/impl/elementwise/ElementwiseCall.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"

namespace etvk::ops {

namespace {

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  return {{0}, {1}, {2}, {3}};
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const auto kind = static_cast<Progression>(constants.at(0));
  const bool is_float = kind == Progression::kFloats;
  const auto start = static_cast<float>(random.integer(-1000, 1000));
  const auto step = static_cast<float>(random.integer(-9, 9));
  const DType dtype = is_float ? DType::kFloat32 : DType::kInt32;
  const ProgressionPush push{flat_count(row, random), number_bits(start, dtype),
                             number_bits(step, dtype)};
  std::vector<float> floats;
  std::vector<uint32_t> words;
  std::vector<uint8_t> bytes;
  for (uint32_t i = 0; i < push.count; ++i) {
    floats.push_back(start + static_cast<float>(i) * step);  // exact
    words.push_back(kind == Progression::kIntegers ? push.start + i * push.step : push.start);
    bytes.push_back(static_cast<uint8_t>(push.start));
  }
  Problem problem;
  problem.text = std::to_string(push.count) + " elements";
  if (is_float) {
    problem.bind_output(floats);
  } else if (kind == Progression::kSameByte) {
    problem.bind_output(bytes);
  } else {
    problem.bind_output(words);
  }
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({{"progression", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
