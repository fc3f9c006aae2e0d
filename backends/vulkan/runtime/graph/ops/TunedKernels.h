// Kernels that the tuner (etvk_bench --tune) found fastest, kept in a text file: by device, driver
// and kernel table, then by op and shape. Off unless ETVK_TUNE=1, so that selection depends on
// nothing but the device and the shape. Holds names only; whether a row can run is KernelSelect's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "vk/DeviceCaps.h"

namespace etvk {

struct TunedShape {
  std::string op;
  uint32_t M = 0;
  uint32_t N = 0;
  uint32_t K = 0;

  bool operator<(const TunedShape& other) const {
    return std::tie(op, M, N, K) < std::tie(other.op, other.M, other.N, other.K);
  }
};

class TunedKernels {
 public:
  // `why` is set, and the result empty, when `text` is not what text() wrote.
  static TunedKernels parse(const std::string& text, std::string* why);
  std::string text() const;

  // `device` is a tuning_key(). An empty name: not measured.
  std::string find(const std::string& device, const TunedShape& shape) const;
  bool has(const std::string& device) const { return devices_.count(device) > 0; }
  void set(const std::string& device, const TunedShape& shape, const std::string& kernel);

 private:
  std::map<std::string, std::map<TunedShape, std::string>> devices_;
};

// One line that changes with the device, its driver, what ETVK_DISABLE left of it, and the shaders
// and sizes of the kernel table.
std::string tuning_key(const DeviceCaps& caps);

// ETVK_TUNE_CACHE, or executorch_vulkan/tuned_kernels.txt in the user's cache folder (XDG). Throws
// kInvalidArgument if there is neither.
std::string tuned_kernels_path();

// Adds one kernel to the file at `path`, or puts it in place of the shape's old one. What other
// processes have added stays; a damaged file is begun anew, with a line on stderr. False with `why`
// set if the file cannot be written or something else lies there.
bool keep_tuned_kernel(const std::string& path, const std::string& device, const TunedShape& shape,
                       const std::string& kernel, std::string* why);

// With ETVK_TUNE=1 the tuned kernel's name, else or where none was measured "". The file is read
// once; one that is damaged or of another device, driver or build is reported on stderr and
// ignored. Throws kInvalidArgument for another value of ETVK_TUNE. Thread-safe.
std::string tuned_linear_kernel(const DeviceCaps& caps, const TunedShape& shape);

}  // namespace etvk
