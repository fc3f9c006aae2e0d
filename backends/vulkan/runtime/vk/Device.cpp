#include "vk/Device.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstring>
#include <set>
#include <sstream>

#include "vk/Error.h"

namespace etvk {

namespace {

// Being woken takes the host some tens of microseconds, as long as a small program runs.
constexpr std::chrono::microseconds kSpinTime{100};

DeviceType device_type(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return DeviceType::kDiscrete;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return DeviceType::kIntegrated;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return DeviceType::kVirtual;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return DeviceType::kCpu;
    default:
      return DeviceType::kOther;
  }
}

std::set<std::string> device_extensions(const InstanceApi& api, VkPhysicalDevice device) {
  uint32_t count = 0;
  check(api.vkEnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr),
        "vkEnumerateDeviceExtensionProperties");
  std::vector<VkExtensionProperties> properties(count);
  check(api.vkEnumerateDeviceExtensionProperties(device, nullptr, &count, properties.data()),
        "vkEnumerateDeviceExtensionProperties");
  std::set<std::string> names;
  for (const auto& property : properties) {
    names.insert(property.extensionName);
  }
  return names;
}

// An extension that became core: by version it needs no name at device creation.
struct Feature {
  bool in_core;
  bool as_extension;
  bool available() const { return in_core || as_extension; }
};

// What the device's version and extensions define; whether it has the feature is asked afterwards.
struct Defined {
  Defined(uint32_t version, const std::set<std::string>& extensions) {
    const auto has = [&](const char* name) { return extensions.count(name) > 0; };
    storage8 = {version >= VK_API_VERSION_1_2, has(VK_KHR_8BIT_STORAGE_EXTENSION_NAME)};
    dot = {version >= VK_API_VERSION_1_3, has(VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME)};
#ifdef VK_EXT_pipeline_robustness
    robustness = has(VK_EXT_PIPELINE_ROBUSTNESS_EXTENSION_NAME);
#endif
#ifdef VK_KHR_cooperative_matrix
    // Its shaders need int8 arithmetic and the Vulkan memory model as well, core since 1.2.
    coopmat = version >= VK_API_VERSION_1_2 && has(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
#endif
  }

  Feature storage8{};
  Feature dot{};
  bool robustness = false;
  bool coopmat = false;
};

// The feature structs that this runtime asks about, chained for a query or for device creation.
// Only what the device defines may be in the chain.
struct FeatureChain {
  VkPhysicalDeviceFeatures2 base{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  VkPhysicalDevice8BitStorageFeatures storage8{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES};
  VkPhysicalDeviceShaderIntegerDotProductFeatures dot{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
  VkPhysicalDeviceShaderFloat16Int8Features int8{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES};
  VkPhysicalDeviceVulkanMemoryModelFeatures memory_model{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES};
#ifdef VK_EXT_pipeline_robustness
  VkPhysicalDevicePipelineRobustnessFeaturesEXT robustness{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_ROBUSTNESS_FEATURES_EXT};
#endif
#ifdef VK_KHR_cooperative_matrix
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR coopmat{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
#endif

  void link(bool with_storage8, bool with_dot, [[maybe_unused]] bool with_robustness,
            bool with_coopmat) {
    void** tail = &base.pNext;
    const auto add = [&tail](auto& features) {
      *tail = &features;
      tail = &features.pNext;
    };
    if (with_storage8) {
      add(storage8);
    }
    if (with_dot) {
      add(dot);
    }
#ifdef VK_EXT_pipeline_robustness
    if (with_robustness) {
      add(robustness);
    }
#endif
    if (with_coopmat) {
      add(int8);
      add(memory_model);
#ifdef VK_KHR_cooperative_matrix
      add(coopmat);
#endif
    }
  }

  bool has_robustness() const {
#ifdef VK_EXT_pipeline_robustness
    return robustness.pipelineRobustness == VK_TRUE;
#else
    return false;
#endif
  }

  bool has_coopmat() const {
#ifdef VK_KHR_cooperative_matrix
    return coopmat.cooperativeMatrix && int8.shaderInt8 && memory_model.vulkanMemoryModel &&
           memory_model.vulkanMemoryModelDeviceScope;
#else
    return false;
#endif
  }
};

// Shapes of s8 x s8 -> s32 at subgroup scope.
std::vector<CoopmatShape> query_coopmat_shapes([[maybe_unused]] const InstanceApi& api,
                                               [[maybe_unused]] VkPhysicalDevice device) {
  std::vector<CoopmatShape> shapes;
#ifdef VK_KHR_cooperative_matrix
  uint32_t count = 0;
  check(api.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &count, nullptr),
        "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
  std::vector<VkCooperativeMatrixPropertiesKHR> all(
      count, {VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR});
  check(api.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &count, all.data()),
        "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
  for (const auto& one : all) {
    if (one.AType == VK_COMPONENT_TYPE_SINT8_KHR && one.BType == VK_COMPONENT_TYPE_SINT8_KHR &&
        one.CType == VK_COMPONENT_TYPE_SINT32_KHR &&
        one.ResultType == VK_COMPONENT_TYPE_SINT32_KHR && !one.saturatingAccumulation &&
        one.scope == VK_SCOPE_SUBGROUP_KHR) {
      shapes.push_back({one.MSize, one.NSize, one.KSize});
    }
  }
#endif
  return shapes;
}

void query_memory(const InstanceApi& api, VkPhysicalDevice device, DeviceCaps& caps) {
  VkPhysicalDeviceMemoryProperties memory{};
  api.vkGetPhysicalDeviceMemoryProperties(device, &memory);
  constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  constexpr VkMemoryPropertyFlags kVisible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
  constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  // A discrete GPU may expose a small mapped window (256 MiB); only a mapped type on the largest
  // device-local heap counts.
  VkDeviceSize largest = 0;
  VkDeviceSize largest_mapped = 0;
  for (uint32_t type = 0; type < memory.memoryTypeCount; ++type) {
    const VkMemoryPropertyFlags flags = memory.memoryTypes[type].propertyFlags;
    const VkDeviceSize heap = memory.memoryHeaps[memory.memoryTypes[type].heapIndex].size;
    const auto has = [flags](VkMemoryPropertyFlags wanted) { return (flags & wanted) == wanted; };
    largest = has(kLocal) ? std::max(largest, heap) : largest;
    largest_mapped =
        has(kLocal | kVisible | kCached) ? std::max(largest_mapped, heap) : largest_mapped;
    caps.direct_input = caps.direct_input || has(kLocal | kVisible);
    caps.direct_output = caps.direct_output || has(kVisible | kCached);
  }
  caps.mapped_memory = largest_mapped > 0 && largest_mapped == largest;
}

DeviceCaps query_device(const InstanceApi& api, VkPhysicalDevice device) {
  VkPhysicalDeviceSubgroupProperties subgroup{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
  VkPhysicalDeviceDriverProperties driver{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  properties.pNext = &subgroup;
  api.vkGetPhysicalDeviceProperties2(device, &properties);
  if (properties.properties.apiVersion >= VK_API_VERSION_1_2) {
    subgroup.pNext = &driver;
    api.vkGetPhysicalDeviceProperties2(device, &properties);
  }
  const VkPhysicalDeviceProperties& base = properties.properties;
  const VkPhysicalDeviceLimits& limits = base.limits;

  const Defined defined(base.apiVersion, device_extensions(api, device));
  FeatureChain features;
  features.link(defined.storage8.available(), defined.dot.available(), defined.robustness,
                defined.coopmat);
  api.vkGetPhysicalDeviceFeatures2(device, &features.base);

  DeviceCaps caps;
  caps.name = base.deviceName;
  caps.type = device_type(base.deviceType);
  caps.api_version = base.apiVersion;
  caps.vendor_id = base.vendorID;
  caps.device_id = base.deviceID;
  caps.driver_version = base.driverVersion;
  std::copy_n(base.pipelineCacheUUID, caps.pipeline_cache_uuid.size(),
              caps.pipeline_cache_uuid.begin());
  std::ostringstream driver_text;
  if (driver.driverName[0] != '\0') {
    driver_text << driver.driverName << " " << driver.driverInfo;
  } else {
    driver_text << "vendor 0x" << std::hex << base.vendorID << " version 0x" << base.driverVersion;
  }
  caps.driver = driver_text.str();
  caps.subgroup_size = subgroup.subgroupSize;
  caps.subgroup_shuffle = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 &&
                          (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) != 0;
  caps.max_workgroup_invocations = limits.maxComputeWorkGroupInvocations;
  caps.max_shared_bytes = limits.maxComputeSharedMemorySize;
  caps.max_workgroup_count =
      *std::min_element(limits.maxComputeWorkGroupCount, limits.maxComputeWorkGroupCount + 3);
  caps.max_storage_range_bytes = limits.maxStorageBufferRange;
  caps.min_storage_offset_alignment = static_cast<uint32_t>(limits.minStorageBufferOffsetAlignment);
  caps.timestamp_period_ns = limits.timestampComputeAndGraphics ? limits.timestampPeriod : 0.0f;
  caps.dot4 = features.dot.shaderIntegerDotProduct == VK_TRUE;
  caps.int8_storage = features.storage8.storageBuffer8BitAccess == VK_TRUE;
  // On a CPU the checks cost next to nothing, and memory out of bounds is the process's own.
  caps.unchecked_buffers = features.has_robustness() && caps.type != DeviceType::kCpu;
  if (features.has_coopmat()) {
    caps.coopmat_shapes = query_coopmat_shapes(api, device);
  }
  query_memory(api, device, caps);
  caps.spin = caps.type != DeviceType::kCpu;  // there the polling thread would take a core away
  return caps;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string list_devices(const std::vector<DeviceCaps>& devices) {
  std::ostringstream list;
  for (size_t i = 0; i < devices.size(); ++i) {
    list << (i == 0 ? "" : ", ") << i << ": " << devices[i].name;
  }
  return devices.empty() ? "none" : list.str();
}

}  // namespace

std::vector<DeviceCaps> query_devices(const Instance& instance) {
  std::vector<DeviceCaps> devices;
  for (VkPhysicalDevice device : instance.physical_devices()) {
    devices.push_back(query_device(instance.api(), device));
  }
  return devices;
}

DeviceCaps without_disabled(DeviceCaps caps, const std::string& disabled) {
  std::istringstream words(disabled);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == "coopmat") {
      caps.coopmat_shapes.clear();
    } else if (word == "dot") {
      caps.dot4 = false;
    } else if (word == "int8_storage") {
      caps.int8_storage = false;
    } else if (word == "unchecked_buffers") {
      caps.unchecked_buffers = false;
    } else if (word == "mapped_memory") {
      caps.mapped_memory = false;
    } else if (word == "direct_input") {
      caps.direct_input = false;
    } else if (word == "direct_output") {
      caps.direct_output = false;
    } else if (word == "spin") {
      caps.spin = false;
    } else if (!word.empty()) {
      ETVK_FAIL(kInvalidArgument,
                "ETVK_DISABLE: unknown feature '"
                    << word
                    << "'; known are coopmat, dot, int8_storage, unchecked_buffers, "
                       "mapped_memory, direct_input, direct_output, spin");
    }
  }
  return caps;
}

size_t choose_device(const std::vector<DeviceCaps>& devices, const std::string& choice) {
  ETVK_CHECK(!devices.empty(), kDeviceUnavailable,
             "the Vulkan loader found no device. Install a driver, on Debian and Ubuntu: apt-get "
             "install mesa-vulkan-drivers (includes lavapipe, which runs on the CPU)");
  const auto is_usable = [&](size_t i) { return devices[i].api_version >= VK_API_VERSION_1_1; };
  if (!choice.empty()) {
    const bool is_index = std::all_of(choice.begin(), choice.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
    for (size_t i = 0; i < devices.size(); ++i) {
      const bool chosen = is_index
                              ? choice == std::to_string(i)
                              : lower(devices[i].name).find(lower(choice)) != std::string::npos;
      if (chosen) {
        ETVK_CHECK(
            is_usable(i), kDeviceUnavailable,
            "ETVK_DEVICE=" << choice << ": " << devices[i].name << " is older than Vulkan 1.1");
        return i;
      }
    }
    ETVK_FAIL(kDeviceUnavailable, "ETVK_DEVICE=" << choice << " names no device; the devices are "
                                                 << list_devices(devices));
  }
  for (DeviceType type : {DeviceType::kDiscrete, DeviceType::kIntegrated, DeviceType::kVirtual,
                          DeviceType::kCpu, DeviceType::kOther}) {
    for (size_t i = 0; i < devices.size(); ++i) {
      if (devices[i].type == type && is_usable(i)) {
        return i;
      }
    }
  }
  ETVK_FAIL(kDeviceUnavailable,
            "no device has Vulkan 1.1; the devices are " << list_devices(devices));
}

Device::Device(std::shared_ptr<Instance> instance, size_t index, DeviceCaps caps)
    : instance_(std::move(instance)),
      physical_(instance_->physical_devices().at(index)),
      caps_(std::move(caps)) {
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

  const Defined defined(caps_.api_version, device_extensions(api, physical_));
  const bool with_coopmat = !caps_.coopmat_shapes.empty();
  FeatureChain features;
  features.storage8.storageBuffer8BitAccess = caps_.int8_storage;
  features.dot.shaderIntegerDotProduct = caps_.dot4;
  features.int8.shaderInt8 = with_coopmat;
  features.memory_model.vulkanMemoryModel = with_coopmat;
  features.memory_model.vulkanMemoryModelDeviceScope = with_coopmat;
  std::vector<const char*> names;
  if (caps_.int8_storage && !defined.storage8.in_core) {
    names.push_back(VK_KHR_8BIT_STORAGE_EXTENSION_NAME);
  }
  if (caps_.dot4 && !defined.dot.in_core) {
    names.push_back(VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME);
  }
#ifdef VK_EXT_pipeline_robustness
  features.robustness.pipelineRobustness = caps_.unchecked_buffers;
  if (caps_.unchecked_buffers) {
    names.push_back(VK_EXT_PIPELINE_ROBUSTNESS_EXTENSION_NAME);
  }
#endif
#ifdef VK_KHR_cooperative_matrix
  features.coopmat.cooperativeMatrix = with_coopmat;
  if (with_coopmat) {
    names.push_back(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  }
#endif
  features.link(caps_.int8_storage, caps_.dot4, caps_.unchecked_buffers, with_coopmat);

  const float priority = 1.0f;
  VkDeviceQueueCreateInfo queue_info{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue_info.queueFamilyIndex = queue_family_;
  queue_info.queueCount = 1;
  queue_info.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  info.pNext = &features.base;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue_info;
  info.enabledExtensionCount = static_cast<uint32_t>(names.size());
  info.ppEnabledExtensionNames = names.data();
  VkDevice device = VK_NULL_HANDLE;
  check(api.vkCreateDevice(physical_, &info, nullptr, &device), "vkCreateDevice");
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
  if (device_) {
    api_.vkDeviceWaitIdle(device_.get());
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

void Device::submit(VkCommandBuffer commands, VkFence fence) const {
  VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  check(api_.vkResetFences(handle(), 1, &fence), "vkResetFences");
  std::lock_guard<std::mutex> lock(queue_mutex_);
  check(api_.vkQueueSubmit(queue_, 1, &info, fence), "vkQueueSubmit");
}

void Device::wait(VkFence fence) const {
  if (caps_.spin) {
    const auto end = std::chrono::steady_clock::now() + kSpinTime;
    do {
      const VkResult status = api_.vkGetFenceStatus(handle(), fence);
      check(status, "vkGetFenceStatus");
      if (status == VK_SUCCESS) {
        return;
      }
    } while (std::chrono::steady_clock::now() < end);
  }
  check(api_.vkWaitForFences(handle(), 1, &fence, VK_TRUE, UINT64_MAX), "vkWaitForFences");
}

}  // namespace etvk
