// A logical device with one compute queue, shared by every program in the process. Thread-safe.
// Once it is lost, or has not answered in time, it takes no more work; the process can make another
// one of the same hardware.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "vk/Api.h"
#include "vk/DeviceCaps.h"
#include "vk/Handle.h"
#include "vk/Instance.h"
#include "vk/Process.h"

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

// How long the host waits for the device if ETVK_TIMEOUT_MS does not say: longer than anything
// runs, the largest programs on a slow CPU included.
constexpr std::chrono::milliseconds kDefaultTimeout{600'000};

class Device {
 public:
  // `timeout` is how long wait() waits; 0: for ever.
  Device(std::shared_ptr<Instance> instance, size_t index, DeviceCaps caps,
         std::chrono::milliseconds timeout = kDefaultTimeout);
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
  // `fence` is signalled when all is done. Both throw kDeviceUnavailable on a lost device; wait()
  // also when no submission at all has finished for the timeout, which loses the device.
  void submit(VkCommandBuffer commands, VkFence fence) const;
  void wait(VkFence fence) const;

  bool is_lost() const { return is_lost_; }
  // Throws kDeviceUnavailable if it is lost, or the parent's of a forked process.
  void check_usable() const;
  // False while the device may still run a submission that it did not finish in time. Otherwise
  // destroys what had to wait for that.
  bool settle() const;

  // Owns a child of the device, which `destroy` destroys: not before settle(), and never in a
  // child of fork(). The device must outlive it.
  template <typename T>
  Handle<T> own(T child,
                void(VKAPI_PTR* destroy)(VkDevice, T, const VkAllocationCallbacks*)) const {
    return {child, [this, destroy](T one) {
              when_settled([this, destroy, one] { destroy(handle(), one, nullptr); });
            }};
  }
  // Runs `destroy` under the same rule.
  void when_settled(std::function<void()> destroy) const;

 private:
  void check(VkResult result, const char* call) const;
  [[noreturn]] void give_up(VkFence fence, VkResult result) const;

  std::shared_ptr<Instance> instance_;
  VkPhysicalDevice physical_ = VK_NULL_HANDLE;
  DeviceCaps caps_;
  uint32_t queue_family_ = 0;
  uint64_t max_allocation_bytes_ = 0;
  VkPhysicalDeviceMemoryProperties memory_{};
  DeviceApi api_;
  Handle<VkDevice> device_;
  VkQueue queue_ = VK_NULL_HANDLE;
  const std::chrono::milliseconds timeout_;
  mutable std::mutex queue_mutex_;
  mutable std::atomic<bool> is_lost_{false};
  mutable std::atomic<uint64_t> finished_{0};  // submissions
  mutable std::mutex unfinished_mutex_;
  mutable std::vector<VkFence> unfinished_;  // of submissions that no one waits for any more
  mutable std::vector<std::function<void()>> unsettled_;
  mutable MemoryInUse memory_in_use_;
};

}  // namespace etvk
