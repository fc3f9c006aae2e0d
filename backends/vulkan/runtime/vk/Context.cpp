#include "vk/Context.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

#include "CacheText.h"
#include "vk/DeviceQuery.h"
#include "vk/Environment.h"
#include "vk/Error.h"
#include "vk/Process.h"

namespace etvk {

namespace {

constexpr uint64_t kMaxTimeoutMs = 86'400'000;  // a day

using OptionKey =
    std::tuple<std::string, std::string, bool, std::string, int64_t, SelfCheckMode, std::string>;

struct Contexts {
  std::mutex mutex;
  std::map<bool, std::shared_ptr<Instance>> instances;  // by validation
  std::map<OptionKey, std::shared_ptr<Context>> contexts;
  std::vector<std::shared_ptr<Context>> lost;

  std::shared_ptr<Instance> instance(bool validation) {
    auto& slot = instances[validation];
    if (slot == nullptr) {
      slot = std::make_shared<Instance>(validation);
    }
    return slot;
  }
};

Contexts& contexts() {
  static auto* all = new Contexts;  // never destroyed, see context_for
  return *all;
}

// Lost contexts go when no program has them any more and the device has let go of their memory.
void drop_lost(Contexts& all) {
  for (auto one = all.contexts.begin(); one != all.contexts.end();) {
    if (!one->second->device.is_lost()) {
      ++one;
      continue;
    }
    all.instances.clear();  // a new one sees the hardware as it is now
    all.lost.push_back(std::move(one->second));
    one = all.contexts.erase(one);
  }
  const auto is_over = [](const std::shared_ptr<Context>& context) {
    return context.use_count() == 1 && context->device.settle();
  };
  all.lost.erase(std::remove_if(all.lost.begin(), all.lost.end(), is_over), all.lost.end());
}

}  // namespace

ContextOptions ContextOptions::from_environment() {
  ContextOptions options;
  options.device = environment("ETVK_DEVICE");
  options.disable = environment("ETVK_DISABLE");
  options.validation = environment_flag("ETVK_VALIDATION");
  options.pipeline_cache = environment("ETVK_PIPELINE_CACHE");
  options.timeout = std::chrono::milliseconds(
      environment_number("ETVK_TIMEOUT_MS", kMaxTimeoutMs, kDefaultTimeout.count()));
  options.self_check = self_check_mode(environment("ETVK_SELF_CHECK"));
  options.self_check_cache = user_cache_path("ETVK_SELF_CHECK_CACHE", "self_check.txt");
  return options;
}

std::shared_ptr<Context> context_for(const ContextOptions& options) {
  enter_vulkan();
  Contexts& all = contexts();
  std::lock_guard<std::mutex> lock(all.mutex);
  drop_lost(all);
  const OptionKey key(options.device, options.disable, options.validation, options.pipeline_cache,
                      options.timeout.count(), options.self_check, options.self_check_cache);
  const auto found = all.contexts.find(key);
  if (found != all.contexts.end()) {
    return found->second;
  }
  const auto instance = all.instance(options.validation);
  const auto devices = query_devices(*instance);
  const size_t index = choose_device(devices, options.device);
  auto made = std::make_shared<Context>(instance, index,
                                        without_disabled(devices[index], options.disable), options);
  all.contexts.emplace(key, made);
  return made;
}

std::shared_ptr<Context> context_from_environment() {
  return context_for(ContextOptions::from_environment());
}

std::vector<DeviceCaps> available_devices(const ContextOptions& options) {
  enter_vulkan();
  Contexts& all = contexts();
  std::lock_guard<std::mutex> lock(all.mutex);
  std::vector<DeviceCaps> devices;
  try {
    devices = query_devices(*all.instance(options.validation));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDeviceUnavailable) {
      throw;
    }
  }
  for (DeviceCaps& caps : devices) {
    caps = without_disabled(caps, options.disable);
  }
  return devices;
}

}  // namespace etvk
