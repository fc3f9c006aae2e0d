// A logical device with one compute queue, shared by every program in the process. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "vk/Api.h"
#include "vk/DeviceCaps.h"
#include "vk/Handle.h"
#include "vk/Instance.h"

namespace etvk {

// What a caller of Device::allocate_memory wants to do with the memory.
enum class MemoryUse {
  kDevice,        // only kernels touch it
  kDeviceMapped,  // fast for kernels and mapped for the host; see DeviceCaps::mapped_memory
  kUpload,        // the host writes, a copy reads
  kDirectInput,   // the host writes, kernels read
  kReadback,      // a copy or a kernel writes, the host reads (cached where there is such memory)
};

// Memory that the Buffers of a device hold now.
struct MemoryInUse {
  std::atomic<uint64_t> size_bytes{0};
  std::atomic<uint64_t> buffers{0};
};

class Device {
 public:
  Device(std::shared_ptr<Instance> instance, size_t index, DeviceCaps caps);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceApi& api() const { return api_; }
  VkDevice handle() const { return device_.get(); }
  const DeviceCaps& caps() const { return caps_; }
  const Instance& instance() const { return *instance_; }
  uint32_t queue_family() const { return queue_family_; }
  uint64_t max_allocation_bytes() const { return max_allocation_bytes_; }
  MemoryInUse& memory_in_use() const { return memory_in_use_; }

  // Index into the driver's memory types, among `type_bits`; throws kNotSupported if none fits.
  uint32_t memory_type(uint32_t type_bits, MemoryUse use) const;
  VkMemoryPropertyFlags memory_flags(uint32_t type) const;

  // One submission at a time (a Vulkan queue is not thread-safe); waiting happens outside the lock.
  // `fence` is signalled when all is done. Both throw kDeviceUnavailable on a lost device.
  void submit(VkCommandBuffer commands, VkFence fence) const;
  void wait(VkFence fence) const;

 private:
  std::shared_ptr<Instance> instance_;
  VkPhysicalDevice physical_ = VK_NULL_HANDLE;
  DeviceCaps caps_;
  uint32_t queue_family_ = 0;
  uint64_t max_allocation_bytes_ = 0;
  VkPhysicalDeviceMemoryProperties memory_{};
  DeviceApi api_;
  Handle<VkDevice> device_;
  VkQueue queue_ = VK_NULL_HANDLE;
  mutable std::mutex queue_mutex_;
  mutable MemoryInUse memory_in_use_;
};

}  // namespace etvk
