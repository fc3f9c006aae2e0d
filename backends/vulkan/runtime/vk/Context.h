// A device, its pipelines, their check and constants, shared by all programs of the process that
// ask for the same one.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "graph/selfcheck/SelfCheck.h"
#include "vk/ConstantStore.h"
#include "vk/Device.h"
#include "vk/Pipeline.h"

namespace etvk {

struct ContextOptions {
  std::string device;          // ETVK_DEVICE: index or part of a name; empty: the best there is
  std::string disable;         // ETVK_DISABLE: comma list, see without_disabled()
  bool validation = false;     // ETVK_VALIDATION=1
  std::string pipeline_cache;  // ETVK_PIPELINE_CACHE: path of a file; empty: none
  std::chrono::milliseconds timeout = kDefaultTimeout;  // ETVK_TIMEOUT_MS; 0: for ever
  SelfCheckMode self_check = SelfCheckMode::kOn;        // ETVK_SELF_CHECK
  std::string self_check_cache;                         // path of a file; empty: none

  static ContextOptions from_environment();
};

struct Context {
  Context(std::shared_ptr<Instance> instance, size_t device_index, DeviceCaps caps,
          const ContextOptions& options = {})
      : device(std::move(instance), device_index, std::move(caps), options.timeout),
        pipelines(device, options.pipeline_cache),
        self_check(device, options.self_check, options.self_check_cache) {}

  Device device;
  PipelineCache pipelines;
  SelfCheck self_check;
  ConstantStore constants;
};

// The context for `options`, made on first use, and again when its device has been lost.
// Thread-safe. Others live until the process ends: a driver may already be unloaded when static
// destructors run. Throws kDeviceUnavailable when there is no loader, no driver or no such device,
// or in a forked process (vk/Process.h).
std::shared_ptr<Context> context_for(const ContextOptions& options);

// The same for ContextOptions::from_environment().
std::shared_ptr<Context> context_from_environment();

// Every device there is, features that ETVK_DISABLE names cleared; empty without a loader or
// driver.
std::vector<DeviceCaps> available_devices(const ContextOptions& options);

}  // namespace etvk
