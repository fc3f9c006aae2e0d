#include "vk/Device.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "vk/Error.h"
#include "vk/Features.h"

namespace etvk {

namespace {

// Being woken takes the host some tens of microseconds, as long as a small program runs.
constexpr std::chrono::microseconds kSpinTime{100};

// What ETVK_DISABLE has left of the device's features.
Features features_of(const DeviceCaps& caps) {
  Features features = 0;
  const auto add = [&features](bool is_used, Feature one) {
    features |= is_used ? one : Features{0};
  };
  const bool has_coopmat = !caps.coopmat.listed.empty();
  add(caps.int8_storage, kStorage8);
  add(caps.dot4, kIntegerDot);
  add(caps.unchecked_buffers, kRobustness);
  add(caps.subgroup_size_control, kSubgroupSize);
  add(has_coopmat, kCoopmat);
  add(has_coopmat && caps.coopmat.step.m != 0, kCoopmatFlexible);
  add(!caps.half_coopmat.listed.empty(), kFloat16);
  return features;
}

}  // namespace

Device::Device(std::shared_ptr<Instance> instance, size_t index, DeviceCaps caps,
               std::chrono::milliseconds timeout)
    : instance_(std::move(instance)),
      physical_(instance_->physical_devices().at(index)),
      caps_(std::move(caps)),
      timeout_(timeout) {
  const InstanceApi& api = instance_->api();

  uint32_t family_count = 0;
  api.vkGetPhysicalDeviceQueueFamilyProperties(physical_, &family_count, nullptr);
  std::vector<VkQueueFamilyProperties> families(family_count);
  api.vkGetPhysicalDeviceQueueFamilyProperties(physical_, &family_count, families.data());
  const auto compute = std::find_if(families.begin(), families.end(), [](const auto& family) {
    return (family.queueFlags & VK_QUEUE_COMPUTE_BIT) != 0;
  });
  ETVK_CHECK(compute != families.end(), kDeviceUnavailable,
             caps_.name << " has no compute queue; choose another device with ETVK_DEVICE");
  queue_family_ = static_cast<uint32_t>(compute - families.begin());
  if (compute->timestampValidBits == 0) {
    caps_.timestamp_period_ns = 0.0f;
  }
  caps_.timestamp_bits = compute->timestampValidBits;

  const EnabledFeatures enabled(features_of(caps_), caps_.api_version);

  const float priority = 1.0f;
  VkDeviceQueueCreateInfo queue_info{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue_info.queueFamilyIndex = queue_family_;
  queue_info.queueCount = 1;
  queue_info.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  info.pNext = enabled.chain();
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue_info;
  info.enabledExtensionCount = static_cast<uint32_t>(enabled.extensions().size());
  info.ppEnabledExtensionNames = enabled.extensions().data();
  VkDevice device = VK_NULL_HANDLE;
  etvk::check(api.vkCreateDevice(physical_, &info, nullptr, &device), "vkCreateDevice");
  api_ = load_device_api(api, device);
  device_ = {device, [this](VkDevice d) { api_.vkDestroyDevice(d, nullptr); }};
  api_.vkGetDeviceQueue(device, queue_family_, 0, &queue_);

  VkPhysicalDeviceMaintenance3Properties maintenance3{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  properties.pNext = &maintenance3;
  api.vkGetPhysicalDeviceProperties2(physical_, &properties);
  max_allocation_bytes_ = maintenance3.maxMemoryAllocationSize;
  api.vkGetPhysicalDeviceMemoryProperties(physical_, &memory_);
}

Device::~Device() {
  if (!forked_from_vulkan() && settle()) {
    api_.vkDeviceWaitIdle(device_.get());
  } else {
    device_.release();  // with all that it still uses
  }
}

VkMemoryPropertyFlags Device::memory_flags(uint32_t type) const {
  return memory_.memoryTypes[type].propertyFlags;
}

uint32_t Device::memory_type(uint32_t type_bits, MemoryUse use) const {
  constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  constexpr VkMemoryPropertyFlags kVisible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
  constexpr VkMemoryPropertyFlags kCoherent = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  // Best first; the last entry of each list is what the use cannot do without.
  std::vector<VkMemoryPropertyFlags> wishes;
  switch (use) {
    case MemoryUse::kDevice:
      wishes = {kLocal, 0};
      break;
    case MemoryUse::kDeviceMapped:
      wishes = {kLocal | kVisible | kCached | kCoherent, kLocal | kVisible | kCached,
                kLocal | kVisible};
      break;
    case MemoryUse::kUpload:
      wishes = {kVisible | kCoherent, kVisible};
      break;
    case MemoryUse::kDirectInput:
      wishes = {kLocal | kVisible | kCoherent, kLocal | kVisible};
      break;
    case MemoryUse::kReadback:
      wishes = {kVisible | kCached | kCoherent, kVisible | kCached, kVisible};
      break;
  }
  for (VkMemoryPropertyFlags wish : wishes) {
    for (uint32_t type = 0; type < memory_.memoryTypeCount; ++type) {
      if ((type_bits & (1u << type)) != 0 && (memory_flags(type) & wish) == wish) {
        return type;
      }
    }
  }
  ETVK_FAIL(kNotSupported, caps_.name << " has no memory type for this use");
}

void Device::check(VkResult result, const char* call) const {
  is_lost_ = is_lost_ || result == VK_ERROR_DEVICE_LOST;
  etvk::check(result, call);
}

void Device::check_usable() const {
  check_not_forked();
  ETVK_CHECK(!is_lost_, kDeviceUnavailable,
             caps_.name << " was lost since the program was loaded; load the program again");
}

void Device::submit(VkCommandBuffer commands, VkFence fence) const {
  check_usable();
  VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  check(api_.vkResetFences(handle(), 1, &fence), "vkResetFences");
  std::lock_guard<std::mutex> lock(queue_mutex_);
  check(api_.vkQueueSubmit(queue_, 1, &info, fence), "vkQueueSubmit");
}

void Device::wait(VkFence fence) const {
  VkResult result = VK_NOT_READY;
  if (caps_.spin) {
    const auto end = std::chrono::steady_clock::now() + kSpinTime;
    do {
      result = api_.vkGetFenceStatus(handle(), fence);
    } while (result == VK_NOT_READY && std::chrono::steady_clock::now() < end);
  }
  const auto timeout_ns = static_cast<uint64_t>(std::chrono::nanoseconds(timeout_).count());
  uint64_t finished = 0;
  // Again where others, which may have been in front, have finished meanwhile.
  while (result == VK_NOT_READY || (result == VK_TIMEOUT && finished_ != finished)) {
    finished = finished_;
    result = api_.vkWaitForFences(handle(), 1, &fence, VK_TRUE,
                                  timeout_ns == 0 ? UINT64_MAX : timeout_ns);
  }
  if (result != VK_SUCCESS) {
    give_up(fence, result);
  }
  ++finished_;
}

// A lost device has stopped; one that does not answer may go on reading and writing.
void Device::give_up(VkFence fence, VkResult result) const {
  is_lost_ = true;
  if (result != VK_ERROR_DEVICE_LOST) {
    std::lock_guard<std::mutex> lock(unfinished_mutex_);
    unfinished_.push_back(fence);
  }
  ETVK_CHECK(result != VK_TIMEOUT, kDeviceUnavailable,
             caps_.name << " has not answered for " << timeout_.count()
                        << " ms and is given up; load the program again, or let ETVK_TIMEOUT_MS "
                           "allow more");
  etvk::check(result, "waiting for the device");
  ETVK_FAIL(kInternal, "waiting for the device returned " << static_cast<int>(result));
}

bool Device::settle() const {
  std::lock_guard<std::mutex> lock(unfinished_mutex_);
  const auto has_finished = [this](VkFence fence) {
    return api_.vkGetFenceStatus(handle(), fence) != VK_NOT_READY;
  };
  unfinished_.erase(std::remove_if(unfinished_.begin(), unfinished_.end(), has_finished),
                    unfinished_.end());
  if (!unfinished_.empty()) {
    return false;
  }
  for (const auto& destroy : std::exchange(unsettled_, {})) {
    destroy();
  }
  return true;
}

void Device::when_settled(std::function<void()> destroy) const {
  if (forked_from_vulkan()) {
    return;
  }
  if (is_lost_ && !settle()) {
    std::lock_guard<std::mutex> lock(unfinished_mutex_);
    unsettled_.push_back(std::move(destroy));
    return;
  }
  destroy();
}

}  // namespace etvk
