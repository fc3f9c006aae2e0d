// Problems of q8ta_table.comp.
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"

namespace etvk::ops {

namespace {

template <typename Entry>
Problem table_problem(const KernelRow& row, const std::vector<Entry>& table, Random& random) {
  const uint32_t count = flat_count(row, random);
  std::vector<int8_t> x(count);
  random.fill(x);
  std::vector<Entry> y;
  for (int8_t value : x) {
    y.push_back(table[static_cast<size_t>(value + 128)]);
  }
  Problem problem;
  problem.text = std::to_string(count) + " elements";
  problem.bind_output(y);
  problem.bind(x);
  problem.bind(table);
  problem.set_push(count);
  problem.groups.x = kFlatGroups;
  return problem;
}

Problem int8_problem(const KernelRow& row, const SpecializationConstants&, Random& random) {
  std::vector<int8_t> table(256);
  random.fill(table);
  return table_problem(row, table, random);
}

Problem float_problem(const KernelRow& row, const SpecializationConstants&, Random& random) {
  std::vector<float> table;
  for (int i = 0; i < 256; ++i) {
    table.push_back(random.uniform(-1.0f, 1.0f));
  }
  return table_problem(row, table, random);
}

const RegisterProblems registered({
    {"q8ta_table", no_constants, int8_problem},
    {"q8ta_table_float", no_constants, float_problem},
});

}  // namespace

}  // namespace etvk::ops
