// Which pipelines have passed the self-check on which device, kept in a text file: by device,
// driver and version, then by kernel (its name and shader) and specialization constants.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/ops/KernelTable.h"
#include "graph/selfcheck/Problem.h"

namespace etvk {

// One word for the kernel, its shader included, and one for each constant.
std::string pipeline_key(const KernelRow& row, const SpecializationConstants& constants);

class PassedKernels {
 public:
  // `why` is set, and the result empty, when `text` is not what text() wrote.
  static PassedKernels parse(const std::string& text, std::string* why);
  std::string text() const;

  // `device` is a device_key(); what it holds are pipeline_key()s.
  std::set<std::string> of(const std::string& device) const;
  // Of the devices, drivers and versions that come, those of longest ago are forgotten.
  void add(const std::string& device, const std::set<std::string>& pipelines);

 private:
  std::vector<std::pair<std::string, std::set<std::string>>> devices_;  // the last one came last
};

// What the file at `path` has of the device: nothing where it is not there, or with `why` set where
// it cannot be used.
std::set<std::string> read_passed(const std::string& path, const std::string& device,
                                  std::string* why);

// Adds to the file, and makes its folder. What other processes have added stays; a damaged file is
// begun anew. False with `why` set if it cannot be written or something else lies there.
bool keep_passed(const std::string& path, const std::string& device,
                 const std::set<std::string>& pipelines, std::string* why);

}  // namespace etvk
