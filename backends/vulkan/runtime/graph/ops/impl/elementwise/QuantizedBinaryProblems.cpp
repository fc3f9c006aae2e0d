// Problems of q8ta_binary.comp.
#include <algorithm>
#include <string>

#include "graph/ops/impl/elementwise/QuantizedBinary.h"
#include "graph/selfcheck/DrawnGrid.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

// By the ids of the shader.
struct Constants {
  uint32_t rank, operation, may_be_nan, a_repeated, b_repeated;
};

// Elements of y that its loops count as one.
uint32_t unit_of(const KernelRow& row) {
  const std::string op = row.op;
  return op == "q8ta_binary_groups" ? 16 : op == "q8ta_binary_words" ? 4 : 1;
}

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  for (uint32_t operation : {0u, 1u, 2u}) {
    all.push_back({1, operation, 0, 0, 0});
    all.push_back({2, operation, 1, 0, 0});
  }
  for (uint32_t rank = 3; rank <= kMaxLoops; ++rank) {
    all.push_back({rank, rank % 3, rank % 2, 0, 0});
  }
  if (unit_of(row) > 1) {
    for (uint32_t rank : {1u, 2u, 4u}) {
      all.push_back({rank, 0, 0, 1, 0});
      all.push_back({rank, 1, 1, 0, 1});
      all.push_back({rank, 2, 0, 1, 1});
    }
  }
  return all;
}

struct Operand {
  std::vector<uint32_t> strides;
  std::vector<int8_t> elements;
  float scale = 1.0f;
  int32_t zero_point = 0;
  uint32_t unit = 1;  // elements that its strides count as one
};

Operand drawn_operand(const LoopSizes& sizes, uint32_t unit, bool is_repeated, Random& random) {
  Operand operand;
  operand.unit = is_repeated ? 1 : unit;
  operand.strides = drawn_strides(sizes,
                                  unit == 1     ? Innermost::kAny
                                  : is_repeated ? Innermost::kRepeated
                                                : Innermost::kNeighbours,
                                  random);
  operand.elements.resize(end_of(sizes, operand.strides) * operand.unit);
  random.fill(operand.elements);
  operand.scale = random.uniform(0.01f, 0.1f);
  operand.zero_point = random.integer(-128, 127);
  return operand;
}

// For element `i` of y.
float value_at(const Operand& operand, const LoopSizes& sizes, uint32_t unit, uint32_t i) {
  const uint64_t at = element_of_step(i / unit, sizes, operand.strides) * operand.unit;
  const int8_t element = operand.elements[at + i % operand.unit];
  return static_cast<float>(element - operand.zero_point) * operand.scale;
}

Problem make(const KernelRow& row, const SpecializationConstants& values, Random& random) {
  const Constants constants{values.at(0), values.at(1), values.at(2), values.at(3), values.at(4)};
  const uint32_t unit = unit_of(row);
  const uint32_t count = flat_count(row, random);
  const LoopSizes sizes = constants.rank == 1 ? LoopSizes{(count + unit - 1) / unit}
                                              : drawn_sizes(constants.rank, count / unit, random);
  const Operand a = drawn_operand(sizes, unit, constants.a_repeated != 0, random);
  const Operand b = drawn_operand(sizes, unit, constants.b_repeated != 0, random);

  QuantizedBinaryPush push{};
  // Of a single loop, the last unit may be a part of one.
  push.count = constants.rank == 1 ? count : steps_of(sizes) * unit;
  push.a_scale = a.scale;
  push.b_scale = b.scale;
  draw_grid(push.output_grid, 5.0f, 20.0f, random, 127);
  push.a_zero_point = a.zero_point;
  push.b_zero_point = b.zero_point;
  std::copy(sizes.begin() + 1, sizes.end(), push.sizes);
  std::copy(a.strides.begin(), a.strides.end(), push.a_strides);
  std::copy(b.strides.begin(), b.strides.end(), push.b_strides);

  std::vector<int8_t> y;
  for (uint32_t i = 0; i < push.count; ++i) {
    const float left = value_at(a, sizes, unit, i);
    const float right = value_at(b, sizes, unit, i);
    const float g = constants.operation == 0   ? left + right
                    : constants.operation == 1 ? left - right
                                               : left * right;
    y.push_back(quantized(g, push.output_grid));
  }
  Problem problem;
  problem.text = std::to_string(push.count) + " elements in loops of " + sizes_text(sizes);
  problem.bind_output(y);
  problem.bind(a.elements);
  problem.bind(b.elements);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({
    {"q8ta_binary", all_constants, make},
    {"q8ta_binary_words", all_constants, make},
    {"q8ta_binary_groups", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
