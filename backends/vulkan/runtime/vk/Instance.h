// The Vulkan instance, its validation layer where asked for, and the physical devices it sees.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "vk/Api.h"
#include "vk/Handle.h"

namespace etvk {

class Instance {
 public:
  // With `validation` the Khronos layer is loaded with synchronization checks, and every warning
  // and error is counted and printed; throws kDeviceUnavailable if the layer is not installed.
  explicit Instance(bool validation);
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const InstanceApi& api() const { return api_; }
  const std::vector<VkPhysicalDevice>& physical_devices() const { return physical_devices_; }
  bool validation() const { return static_cast<bool>(messenger_); }

  // Messages that the validation layer has raised so far, and the last of them.
  uint64_t validation_message_count() const { return message_count_.load(); }

 private:
  static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                   VkDebugUtilsMessageTypeFlagsEXT types,
                                                   const VkDebugUtilsMessengerCallbackDataEXT* data,
                                                   void* user_data);

  std::atomic<uint64_t> message_count_{0};  // outlives the instance, which may still report
  InstanceApi api_;
  Handle<VkInstance> instance_;
  Handle<VkDebugUtilsMessengerEXT> messenger_;
  std::vector<VkPhysicalDevice> physical_devices_;
};

}  // namespace etvk
