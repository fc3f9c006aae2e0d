// The self-check without faults: every kernel has problems, the device's kernels solve them, and
// what has passed is remembered. Needs a Vulkan driver; the last line counts checks.
#include <algorithm>
#include <cstdio>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "Check.h"
#include "ElementwiseRows.h"
#include "Kernels.h"
#include "graph/ops/KernelSelect.h"
#include "graph/selfcheck/Cover.h"
#include "graph/selfcheck/FloatReferences.h"
#include "graph/selfcheck/PassedKernels.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"
#include "graph/selfcheck/Sweep.h"
#include "vk/Context.h"
#include "vk/Error.h"

namespace {

using namespace etvk;
using testing::expect;

template <typename Body>
void for_each_row(Body body) {
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  for (const KernelRow* row = rows; row != rows + count; ++row) {
    body(*row);
  }
}

// Also for those that no device here can run.
void test_every_row_has_problems() {
  for_each_row([](const KernelRow& row) {
    const ProblemFamily& family = problem_family(row.op);
    const auto all = family.all_constants(row);
    expect(!all.empty(), std::string(row.name) + " has pipelines to check");
    for (const SpecializationConstants& constants : {all.front(), all.back()}) {
      Random random(7);
      const Problem problem = family.make(row, constants, random);
      const bool fits = problem.bindings.size() == row.binding_count &&
                        problem.push_constants.size() == row.push_constant_bytes &&
                        problem.expected.size() == problem.bindings[0].size();
      expect(fits, std::string(row.name) + ": bindings and push constants of the row");
      expect(difference(problem, problem.expected.data()).empty(), "the expected result is right");
      expect(!difference(problem, problem.bindings[0].data()).empty(), "nothing done is wrong");
    }
  });
  try {
    problem_family("no_such_op");
    expect(false, "a family without problems is an error");
  } catch (const Error& error) {
    expect(error.code() == ErrorCode::kInternal, "a family without problems");
  }
}

void test_covering() {
  std::vector<SpecializationConstants> all;
  for (uint32_t i = 0; i < 4 * 3 * 2 * 5; ++i) {
    const SpecializationConstants constants = {i % 4, i / 4 % 3, i / 12 % 2, i / 24};
    if (constants[0] != 3 || constants[1] == 0) {  // not all values go together
      all.push_back(constants);
    }
  }
  const auto pairs_in = [](const std::vector<SpecializationConstants>& list, size_t i, size_t j) {
    std::set<std::pair<uint32_t, uint32_t>> pairs;
    for (const SpecializationConstants& constants : list) {
      pairs.emplace(constants[i], constants[j]);
    }
    return pairs;
  };
  std::set<std::set<SpecializationConstants>> choices;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto chosen = covering(all, {{0, 1}, {0, 2, 1}}, seed);
    for (const auto& [i, j] : {std::pair<size_t, size_t>{0, 1}, {0, 2}, {1, 2}, {3, 3}}) {
      expect(pairs_in(chosen, i, j) == pairs_in(all, i, j), "each pair and value that exists");
    }
    const std::set<SpecializationConstants> choice(chosen.begin(), chosen.end());
    expect(choice.size() == chosen.size() && chosen.size() <= 12, "few of them, once each");
    const bool exist = std::all_of(choice.begin(), choice.end(), [&](const auto& one) {
      return std::find(all.begin(), all.end(), one) != all.end();
    });
    expect(exist, "none that does not exist");
    choices.insert(choice);
  }
  expect(choices.size() > 1, "another seed, another choice");
}

// Behind an activation that is not exact, a fault of one step would pass.
void test_layers_are_checked_exactly() {
  for_each_row([](const KernelRow& row) {
    const std::string op = row.op;
    if (op.find("linear") == std::string::npos && op.find("q8ta_conv2d") == std::string::npos) {
      return;
    }
    std::set<std::pair<size_t, uint32_t>> all;
    std::set<std::pair<size_t, uint32_t>> exact;
    for (const SpecializationConstants& constants : problem_family(row.op).all_constants(row)) {
      for (size_t id = 0; id < constants.size(); ++id) {
        if (id == 2) {  // the activation
          continue;
        }
        all.emplace(id, constants[id]);
        if (activated(kActivationNames[constants[2]], -0.5f, 0.3f, 0.0f).is_exact) {
          exact.emplace(id, constants[id]);
        }
      }
    }
    expect(!all.empty() && exact == all, std::string(row.name) + ": every value exactly");
  });
}

template <typename Body>
void expect_no_error(const std::string& what, Body body) {
  std::string error;
  try {
    body();
  } catch (const std::exception& raised) {
    error = raised.what();
  }
  expect(error.empty(), what + ": " + error);
}

void test_every_function_has_a_reference() {
  const auto expect_all = [](const auto& rows) {
    for (const auto& row : rows) {
      expect_no_error(row.name, [&row] { float_reference(row); });
    }
  };
  expect_all(kUnaryOps);
  expect_all(kBinaryOps);
  expect_all(kReductionOps);
  for (const char* name : kActivationNames) {
    expect_no_error(name, [name] { activated(name, 0.5f, 0.1f, 2.0f); });
  }
}

void test_passed_kernels() {
  PassedKernels passed;
  passed.add("a", {"one 1", "two 2"});
  passed.add("b", {"three"});
  passed.add("a", {"four"});
  std::string why;
  const PassedKernels read = PassedKernels::parse(passed.text(), &why);
  expect(why.empty() && read.text() == passed.text(), "what is written is read");
  expect(read.of("a") == std::set<std::string>({"four", "one 1", "two 2"}), "of one device");
  expect(read.of("c").empty(), "of a device that is not there");
  std::string damaged = passed.text();
  damaged[damaged.size() / 2] ^= 1;
  expect(PassedKernels::parse(damaged, &why).of("a").empty() && !why.empty(), "damage is found");
  for (int i = 0; i < 20; ++i) {
    passed.add("device " + std::to_string(i), {"x"});
  }
  expect(passed.of("a").empty() && passed.of("device 19").size() == 1, "old devices are forgotten");
}

// The kernel named by an argument, or all that the device can run.
void test_kernels(const std::string& name) {
  const auto context = context_from_environment();
  for_each_row([&](const KernelRow& row) {
    const bool is_meant = name.empty() || std::string(row.name).find(name) != std::string::npos;
    if (!is_meant || !kernel_fits(row, context->device.caps())) {
      return;
    }
    const KernelReport report = check_kernel(*context, row, 4);
    std::string text = row.name;
    for (const std::string& mistake : report.mistakes) {
      text += "\n  " + mistake;
    }
    expect(report.problems > 0 && report.wrong == 0, text);
    std::printf("%s: %u pipelines, %u problems\n", row.name, report.pipelines, report.problems);
    std::fflush(stdout);
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    test_kernels(argv[1] == std::string("all") ? "" : argv[1]);
  } else {
    test_every_row_has_problems();
    test_covering();
    test_layers_are_checked_exactly();
    test_every_function_has_a_reference();
    test_passed_kernels();
  }
  return testing::report_checks();
}
