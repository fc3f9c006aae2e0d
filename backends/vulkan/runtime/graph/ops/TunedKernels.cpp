#include "graph/ops/TunedKernels.h"

#include <cstdio>
#include <mutex>
#include <sstream>
#include <utility>

#include "CacheFile.h"
#include "CacheText.h"
#include "Fnv1a.h"
#include "graph/ops/KernelTable.h"
#include "vk/DeviceKey.h"
#include "vk/Environment.h"
#include "vk/Error.h"

namespace etvk {

namespace {

constexpr const char* kMagic = "executorch_vulkan tuned kernels ";  // of every version
constexpr const char* kVersion = "1\n";
constexpr const char* kDeviceWord = "device ";

bool starts_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

// Of everything that a measured time depends on.
std::string table_fingerprint() {
  static const std::string fingerprint = [] {
    size_t count = 0;
    const KernelRow* rows = kernel_rows(&count);
    std::ostringstream all;
    for (const KernelRow* row = rows; row != rows + count; ++row) {
      all << row->name << ' ' << row->tile_m << ' ' << row->tile_n << ' ' << row->tile_k << ' '
          << row->workgroup_size << '\n';
      all.write(reinterpret_cast<const char*>(row->spirv),
                static_cast<std::streamsize>(row->spirv_words * sizeof(uint32_t)));
    }
    return hex_text(fnv1a(all.str().data(), all.str().size()));
  }();
  return fingerprint;
}

TunedKernels read_tuned_kernels(const std::string& path, const DeviceCaps& caps) {
  std::string why;
  const std::string text = read_cache_file(path, &why);
  TunedKernels tuned;
  if (why.empty() && !text.empty()) {
    tuned = TunedKernels::parse(text, &why);
  }
  if (why.empty() && !tuned.has(tuning_key(caps))) {
    why = text.empty() ? "it is empty or not there"
                       : "it has nothing for " + caps.name + " with this driver and these kernels";
  }
  if (!why.empty()) {
    std::fprintf(stderr,
                 "executorch_vulkan: ETVK_TUNE: not using %s: %s; './dev bench --tune' measures\n",
                 path.c_str(), why.c_str());
  }
  return tuned;
}

}  // namespace

TunedKernels TunedKernels::parse(const std::string& text, std::string* why) {
  const std::string body = checked_body(text, std::string(kMagic) + kVersion, why);
  if (body.empty()) {
    return {};
  }
  TunedKernels tuned;
  std::istringstream lines(body);
  std::string line;
  std::string device;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    if (starts_with(line, kDeviceWord)) {
      device = line.substr(std::string(kDeviceWord).size());
      continue;
    }
    TunedShape shape;
    std::string kernel;
    std::istringstream words(line);
    if (device.empty() || !(words >> shape.op >> shape.M >> shape.N >> shape.K >> kernel)) {
      *why = "it has the line '" + line + "'";
      return {};
    }
    tuned.set(device, shape, kernel);
  }
  return tuned;
}

std::string TunedKernels::text() const {
  std::ostringstream body;
  body << kMagic << kVersion;
  for (const auto& [device, kernels] : devices_) {
    body << kDeviceWord << device << "\n";
    for (const auto& [shape, kernel] : kernels) {
      body << shape.op << " " << shape.M << " " << shape.N << " " << shape.K << " " << kernel
           << "\n";
    }
  }
  return with_checksum(body.str());
}

std::string TunedKernels::find(const std::string& device, const TunedShape& shape) const {
  const auto kernels = devices_.find(device);
  if (kernels == devices_.end()) {
    return "";
  }
  const auto kernel = kernels->second.find(shape);
  return kernel == kernels->second.end() ? "" : kernel->second;
}

void TunedKernels::set(const std::string& device, const TunedShape& shape,
                       const std::string& kernel) {
  devices_[device][shape] = kernel;
}

std::string tuning_key(const DeviceCaps& caps) {
  return device_key(caps) + ", kernels " + table_fingerprint();
}

std::string tuned_kernels_path() {
  const std::string path = user_cache_path("ETVK_TUNE_CACHE", "tuned_kernels.txt");
  ETVK_CHECK(!path.empty(), kInvalidArgument,
             "ETVK_TUNE_CACHE, XDG_CACHE_HOME and HOME are not set: nowhere to keep tuned kernels");
  return path;
}

bool keep_tuned_kernel(const std::string& path, const std::string& device, const TunedShape& shape,
                       const std::string& kernel, std::string* why) {
  const auto add = [&](const std::string& text) {
    std::string damage;
    TunedKernels tuned;
    if (!text.empty()) {
      tuned = TunedKernels::parse(text, &damage);
    }
    if (!damage.empty()) {
      std::fprintf(stderr, "executorch_vulkan: replacing %s: %s\n", path.c_str(), damage.c_str());
    }
    tuned.set(device, shape, kernel);
    return tuned.text();
  };
  return update_cache_file(path, kMagic, add, why);
}

std::string tuned_linear_kernel(const DeviceCaps& caps, const TunedShape& shape) {
  if (!environment_flag("ETVK_TUNE")) {
    return "";
  }
  static std::mutex mutex;
  static auto* files = new std::map<std::pair<std::string, std::string>, TunedKernels>;
  const std::string key = tuning_key(caps);
  const std::string path = tuned_kernels_path();
  const std::lock_guard<std::mutex> lock(mutex);
  auto file = files->find({path, key});
  if (file == files->end()) {
    file = files->emplace(std::pair(path, key), read_tuned_kernels(path, caps)).first;
  }
  return file->second.find(key, shape);
}

}  // namespace etvk
