// Runs problems on a device and compares: all of them in one command buffer, each several times,
// since some drivers compute wrongly in one run of four.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/selfcheck/Problem.h"
#include "vk/Device.h"
#include "vk/Pipeline.h"

namespace etvk {

struct Trial {
  const Pipeline* pipeline = nullptr;  // created
  Problem problem;
};

// Dispatches of a trial in one submission. They share the inputs, each has an output of its own.
constexpr uint32_t kRunsAtOnce = 4;

// By trial, what the first wrong run of it gave; empty: all runs were right. `submissions` of one
// command buffer, each of kRunsAtOnce runs. Throws Error as a program would.
std::vector<std::string> run_trials(const Device& device, const std::vector<Trial>& trials,
                                    uint32_t submissions = 1);

}  // namespace etvk
