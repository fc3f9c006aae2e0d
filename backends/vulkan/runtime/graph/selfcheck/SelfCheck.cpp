#include "graph/selfcheck/SelfCheck.h"

#include <algorithm>
#include <cstdio>

#include "graph/selfcheck/PassedKernels.h"
#include "graph/selfcheck/Trials.h"
#include "vk/DeviceKey.h"
#include "vk/Environment.h"
#include "vk/Error.h"

namespace etvk {

namespace {

constexpr uint64_t kSeed = 1;

// Something that does no harm, and of interest only to who looks for it.
void say(const std::string& path, const char* what, const std::string& why) {
  if (environment_flag("ETVK_LOG_KERNELS")) {
    std::fprintf(stderr, "executorch_vulkan: self-check: %s %s: %s\n", path.c_str(), what,
                 why.c_str());
  }
}

}  // namespace

SelfCheckMode self_check_mode(const std::string& word) {
  ETVK_CHECK(word.empty() || word == "on" || word == "off" || word == "always", kInvalidArgument,
             "ETVK_SELF_CHECK=" << word << ": expected on, off or always");
  return word == "off"      ? SelfCheckMode::kOff
         : word == "always" ? SelfCheckMode::kAlways
                            : SelfCheckMode::kOn;
}

std::vector<std::string> SelfCheck::wrong_kernels() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return {wrong_.begin(), wrong_.end()};
}

void SelfCheck::read_file() {
  if (file_is_read_ || path_.empty() || mode_ != SelfCheckMode::kOn) {
    return;
  }
  file_is_read_ = true;
  std::string why;
  passed_ = read_passed(path_, device_key(device_.caps()), &why);
  if (!why.empty()) {
    say(path_, "is not used", why);
  }
}

bool SelfCheck::passes(const std::vector<const Pipeline*>& pipelines) {
  if (mode_ == SelfCheckMode::kOff) {
    return true;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  read_file();
  std::vector<const Pipeline*> unknown;
  for (const Pipeline* one : pipelines) {
    // Another program may have found it out since this one chose its kernels.
    if (wrong_.count(one->row().name) != 0) {
      return false;
    }
    const bool is_new =
        known_.count(one) == 0 && std::find(unknown.begin(), unknown.end(), one) == unknown.end();
    if (is_new && passed_.count(pipeline_key(one->row(), one->constants())) == 0) {
      unknown.push_back(one);
    }
  }
  const bool all_right = unknown.empty() || check(unknown);
  if (all_right) {
    known_.insert(pipelines.begin(), pipelines.end());
  }
  return all_right;
}

bool SelfCheck::check(const std::vector<const Pipeline*>& pipelines) {
  std::vector<Trial> trials;
  for (const Pipeline* one : pipelines) {
    Random random(kSeed);
    const ProblemFamily& family = problem_family(one->row().op);
    trials.push_back({one, family.make(one->row(), one->constants(), random)});
  }
  const std::vector<std::string> mistakes = run_trials(device_, trials);
  std::set<std::string> passed;
  bool all_right = true;
  for (size_t i = 0; i < pipelines.size(); ++i) {
    const KernelRow& row = pipelines[i]->row();
    const std::string key = pipeline_key(row, pipelines[i]->constants());
    if (mistakes[i].empty()) {
      passed.insert(key);
      continue;
    }
    all_right = false;
    if (wrong_.insert(row.name).second) {
      std::fprintf(stderr,
                   "executorch_vulkan: %s (%s) computes wrongly with the kernel %s, which is not "
                   "used: %s. 'python -m executorch_vulkan check' tells more\n",
                   device_.caps().name.c_str(), device_.caps().driver.c_str(), row.name,
                   mistakes[i].c_str());
    }
  }
  passed_.insert(passed.begin(), passed.end());
  std::string why;
  if (mode_ == SelfCheckMode::kOn && !path_.empty() && !passed.empty() &&
      !keep_passed(path_, device_key(device_.caps()), passed, &why)) {
    say(path_, "is not written, so each process checks for itself", why);
  }
  return all_right;
}

}  // namespace etvk
