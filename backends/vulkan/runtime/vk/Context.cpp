#include "vk/Context.h"

#include <map>
#include <mutex>
#include <tuple>

#include "vk/DeviceQuery.h"
#include "vk/Environment.h"
#include "vk/Error.h"

namespace etvk {

namespace {

using OptionKey = std::tuple<std::string, std::string, bool, std::string>;

struct Contexts {
  std::mutex mutex;
  std::map<bool, std::shared_ptr<Instance>> instances;  // by validation
  std::map<OptionKey, std::unique_ptr<Context>> contexts;

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

}  // namespace

ContextOptions ContextOptions::from_environment() {
  ContextOptions options;
  options.device = environment("ETVK_DEVICE");
  options.disable = environment("ETVK_DISABLE");
  options.validation = environment_flag("ETVK_VALIDATION");
  options.pipeline_cache = environment("ETVK_PIPELINE_CACHE");
  return options;
}

Context& context_for(const ContextOptions& options) {
  Contexts& all = contexts();
  std::lock_guard<std::mutex> lock(all.mutex);
  auto& slot = all.contexts[OptionKey(options.device, options.disable, options.validation,
                                      options.pipeline_cache)];
  if (slot == nullptr) {
    const auto instance = all.instance(options.validation);
    const auto devices = query_devices(*instance);
    const size_t index = choose_device(devices, options.device);
    slot = std::make_unique<Context>(
        instance, index, without_disabled(devices[index], options.disable), options.pipeline_cache);
  }
  return *slot;
}

Context& context_from_environment() { return context_for(ContextOptions::from_environment()); }

std::vector<DeviceCaps> available_devices(const ContextOptions& options) {
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
