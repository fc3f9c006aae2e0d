// A device, its pipelines and constants, shared by all programs of the process that ask for the
// same one.
#pragma once

#include <memory>
#include <string>

#include "vk/ConstantStore.h"
#include "vk/Device.h"
#include "vk/Pipeline.h"

namespace etvk {

struct ContextOptions {
  std::string device;          // ETVK_DEVICE: index or part of a name; empty: the best there is
  std::string disable;         // ETVK_DISABLE: comma list, see without_disabled()
  bool validation = false;     // ETVK_VALIDATION=1
  std::string pipeline_cache;  // ETVK_PIPELINE_CACHE: path of a file; empty: none

  static ContextOptions from_environment();
};

struct Context {
  Context(std::shared_ptr<Instance> instance, size_t device_index, DeviceCaps caps,
          std::string pipeline_cache_path = "")
      : device(std::move(instance), device_index, std::move(caps)),
        pipelines(device, std::move(pipeline_cache_path)) {}

  Device device;
  PipelineCache pipelines;
  ConstantStore constants;
};

// The context for `options`, made on first use. Thread-safe. Contexts live until the process ends:
// a driver may already be unloaded when static destructors run. Throws kDeviceUnavailable when
// there is no loader, no driver or no such device.
Context& context_for(const ContextOptions& options);

// The same for ContextOptions::from_environment().
Context& context_from_environment();

// Every device there is, features that ETVK_DISABLE names cleared; empty without a loader or
// driver.
std::vector<DeviceCaps> available_devices(const ContextOptions& options);

}  // namespace etvk
