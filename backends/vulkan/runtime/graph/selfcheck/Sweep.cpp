#include "graph/selfcheck/Sweep.h"

#include <set>

#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/Trials.h"

namespace etvk {

namespace {

constexpr uint64_t kSeeds = 3;             // problems of a pipeline
constexpr size_t kMostMistakes = 5;        // in a report
constexpr uint64_t kMostBytes = 32 << 20;  // of the problems of one command buffer

uint64_t size_of(const Problem& problem) {
  uint64_t bytes = problem.bindings[0].size() * kRunsAtOnce;
  for (size_t i = 1; i < problem.bindings.size(); ++i) {
    bytes += problem.bindings[i].size();
  }
  return bytes;
}

std::string constants_text(const SpecializationConstants& constants) {
  std::string text;
  for (uint32_t constant : constants) {
    text += (text.empty() ? "" : " ") + std::to_string(constant);
  }
  return text.empty() ? "" : "constants " + text + ", ";
}

void run(Context& context, std::vector<Trial>& trials, uint32_t runs, KernelReport& report) {
  const uint32_t submissions = (runs + kRunsAtOnce - 1) / kRunsAtOnce;
  const std::vector<std::string> mistakes = run_trials(context.device, trials, submissions);
  for (size_t i = 0; i < trials.size(); ++i) {
    ++report.problems;
    if (mistakes[i].empty()) {
      continue;
    }
    ++report.wrong;
    if (report.mistakes.size() < kMostMistakes) {
      report.mistakes.push_back(constants_text(trials[i].pipeline->constants()) + mistakes[i]);
    }
  }
  trials.clear();
}

}  // namespace

KernelReport check_kernel(Context& context, const KernelRow& row, uint32_t runs) {
  const ProblemFamily& family = problem_family(row.op);
  KernelReport report;
  std::vector<const Pipeline*> pipelines;
  const auto listed = family.all_constants(row);
  for (const SpecializationConstants& constants :
       std::set<SpecializationConstants>(listed.begin(), listed.end())) {
    pipelines.push_back(&context.pipelines.get(row, constants));
  }
  context.pipelines.create(pipelines);
  report.pipelines = static_cast<uint32_t>(pipelines.size());
  std::vector<Trial> trials;
  uint64_t bytes = 0;
  for (const Pipeline* pipeline : pipelines) {
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      Random random(seed);
      trials.push_back({pipeline, family.make(row, pipeline->constants(), random)});
      bytes += size_of(trials.back().problem);
      if (bytes > kMostBytes) {
        run(context, trials, runs, report);
        bytes = 0;
      }
    }
  }
  if (!trials.empty()) {
    run(context, trials, runs, report);
  }
  return report;
}

}  // namespace etvk
