#include "graph/selfcheck/PassedKernels.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "CacheFile.h"
#include "CacheText.h"
#include "Fnv1a.h"

namespace etvk {

namespace {

constexpr const char* kMagic = "executorch_vulkan self-check ";  // of every version
// Changes with the problems: what has passed others has to pass these.
constexpr const char* kVersion = "1\n";
constexpr const char* kDeviceWord = "device ";
constexpr size_t kMostDevices = 16;

}  // namespace

std::string pipeline_key(const KernelRow& row, const SpecializationConstants& constants) {
  const uint64_t shader = fnv1a(row.spirv, row.spirv_words * sizeof(uint32_t));
  std::string key = std::string(row.name) + ":" + hex_text(shader);
  for (uint32_t constant : constants) {
    key += " " + std::to_string(constant);
  }
  return key;
}

PassedKernels PassedKernels::parse(const std::string& text, std::string* why) {
  std::istringstream lines(checked_body(text, std::string(kMagic) + kVersion, why));
  PassedKernels passed;
  std::string line;
  std::getline(lines, line);
  const std::string device_word = kDeviceWord;
  while (std::getline(lines, line)) {
    if (line.compare(0, device_word.size(), device_word) == 0) {
      passed.devices_.push_back({line.substr(device_word.size()), {}});
    } else if (!passed.devices_.empty()) {
      passed.devices_.back().second.insert(line);
    }
  }
  return passed;
}

std::string PassedKernels::text() const {
  std::ostringstream body;
  body << kMagic << kVersion;
  for (const auto& [device, pipelines] : devices_) {
    body << kDeviceWord << device << "\n";
    for (const std::string& pipeline : pipelines) {
      body << pipeline << "\n";
    }
  }
  return with_checksum(body.str());
}

std::set<std::string> PassedKernels::of(const std::string& device) const {
  for (const auto& [name, pipelines] : devices_) {
    if (name == device) {
      return pipelines;
    }
  }
  return {};
}

void PassedKernels::add(const std::string& device, const std::set<std::string>& pipelines) {
  std::set<std::string> all = of(device);
  all.insert(pipelines.begin(), pipelines.end());
  devices_.erase(std::remove_if(devices_.begin(), devices_.end(),
                                [&](const auto& one) { return one.first == device; }),
                 devices_.end());
  devices_.emplace_back(device, std::move(all));
  if (devices_.size() > kMostDevices) {
    devices_.erase(devices_.begin());
  }
}

std::set<std::string> read_passed(const std::string& path, const std::string& device,
                                  std::string* why) {
  const std::string text = read_cache_file(path, why);
  return text.empty() ? std::set<std::string>{} : PassedKernels::parse(text, why).of(device);
}

bool keep_passed(const std::string& path, const std::string& device,
                 const std::set<std::string>& pipelines, std::string* why) {
  std::error_code ignored;  // writing says what is wrong
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const auto add = [&](const std::string& text) {
    std::string damage;
    PassedKernels passed = PassedKernels::parse(text, &damage);
    passed.add(device, pipelines);
    return passed.text();
  };
  return update_cache_file(path, kMagic, add, why);
}

}  // namespace etvk
