// Finds kernels that a device computes wrongly, before a program runs them. Each pipeline is
// checked on a problem of its own once on a device, with a driver and a shader: what has passed is
// kept in a file, and later loads pay nothing.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "vk/Device.h"
#include "vk/Pipeline.h"

namespace etvk {

enum class SelfCheckMode {
  kOn,
  kOff,
  kAlways,  // whatever the file says, in each process
};

// Of ETVK_SELF_CHECK: on (also if empty), off or always. Throws kInvalidArgument for another word.
SelfCheckMode self_check_mode(const std::string& word);

// Of one device. Thread-safe.
class SelfCheck {
 public:
  // `path` of the file; empty: there is none.
  SelfCheck(const Device& device, SelfCheckMode mode, std::string path)
      : device_(device), mode_(mode), path_(std::move(path)) {}

  // Names of kernels that have computed wrongly, for DeviceCaps.
  std::vector<std::string> wrong_kernels() const;

  // Whether all of `pipelines`, which have been created, compute rightly; those that have not been
  // checked before are, all in one submission. One that is wrong is named on stderr and among
  // wrong_kernels() from then on. Throws Error as a program would that runs.
  bool passes(const std::vector<const Pipeline*>& pipelines);

 private:
  void read_file();
  bool check(const std::vector<const Pipeline*>& pipelines);

  const Device& device_;
  const SelfCheckMode mode_;
  const std::string path_;
  mutable std::mutex mutex_;
  bool file_is_read_ = false;
  std::set<std::string> passed_;     // pipeline_key()s
  std::set<const Pipeline*> known_;  // the same as pipelines of this process
  std::set<std::string> wrong_;      // names of kernels
};

}  // namespace etvk
