#include "graph/selfcheck/Cover.h"

#include <algorithm>
#include <set>
#include <utility>

#include "graph/selfcheck/Random.h"

namespace etvk {

namespace {

using Value = std::pair<size_t, uint32_t>;  // of the constant with this id
using Target = std::pair<Value, Value>;     // the same twice: this value alone

std::set<Target> targets_of(const SpecializationConstants& constants,
                            const std::vector<std::vector<size_t>>& together) {
  std::set<Target> targets;
  for (size_t id = 0; id < constants.size(); ++id) {
    const Value value{id, constants[id]};
    targets.emplace(value, value);
  }
  for (const std::vector<size_t>& ids : together) {
    for (size_t i = 0; i < ids.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        targets.emplace(Value{ids[j], constants.at(ids[j])}, Value{ids[i], constants.at(ids[i])});
      }
    }
  }
  return targets;
}

size_t count_in(const std::set<Target>& targets, const std::set<Target>& missing) {
  return static_cast<size_t>(std::count_if(
      targets.begin(), targets.end(), [&](const Target& one) { return missing.count(one) != 0; }));
}

}  // namespace

std::vector<SpecializationConstants> covering(const std::vector<SpecializationConstants>& all,
                                              const std::vector<std::vector<size_t>>& together,
                                              uint64_t seed) {
  struct Candidate {
    SpecializationConstants constants;
    std::set<Target> targets;
  };
  std::vector<Candidate> candidates;
  std::set<Target> missing;
  for (const SpecializationConstants& constants : all) {
    candidates.push_back({constants, targets_of(constants, together)});
    missing.insert(candidates.back().targets.begin(), candidates.back().targets.end());
  }
  // The first of those that bring most is taken, so their order is drawn.
  Random random(seed);
  for (size_t i = candidates.size(); i > 1; --i) {
    std::swap(candidates[i - 1], candidates[random.below(i)]);
  }
  std::vector<SpecializationConstants> chosen;
  while (!missing.empty()) {
    const Candidate* best = nullptr;
    size_t most = 0;
    for (const Candidate& one : candidates) {
      const size_t brought = count_in(one.targets, missing);
      if (brought > most) {
        best = &one;
        most = brought;
      }
    }
    chosen.push_back(best->constants);
    for (const Target& target : best->targets) {
      missing.erase(target);
    }
  }
  return chosen;
}

}  // namespace etvk
