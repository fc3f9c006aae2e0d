#include "vk/DeviceQuery.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "vk/Error.h"
#include "vk/Features.h"
#include "vk/Quirks.h"

namespace etvk {

namespace {

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

#ifdef VK_KHR_cooperative_matrix
// Types of operands and sums of a kind of products.
struct CoopmatTypes {
  VkComponentTypeKHR operands, sums;
};

constexpr CoopmatTypes kInt8Products = {VK_COMPONENT_TYPE_SINT8_KHR, VK_COMPONENT_TYPE_SINT32_KHR};
constexpr CoopmatTypes kHalfProducts = {VK_COMPONENT_TYPE_FLOAT16_KHR,
                                        VK_COMPONENT_TYPE_FLOAT32_KHR};

// For the subgroup. VkCooperativeMatrixPropertiesKHR or what extends its fields.
template <typename Properties>
bool multiplies(const Properties& one, const CoopmatTypes& types) {
  return one.AType == types.operands && one.BType == types.operands && one.CType == types.sums &&
         one.ResultType == types.sums && !one.saturatingAccumulation &&
         one.scope == VK_SCOPE_SUBGROUP_KHR;
}

void query_coopmat_shapes(const InstanceApi& api, VkPhysicalDevice device, DeviceCaps& caps) {
  uint32_t count = 0;
  check(api.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &count, nullptr),
        "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
  std::vector<VkCooperativeMatrixPropertiesKHR> all(
      count, {VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR});
  check(api.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &count, all.data()),
        "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
  for (const auto& one : all) {
    const CoopmatShape shape = {one.MSize, one.NSize, one.KSize};
    if (multiplies(one, kInt8Products)) {
      caps.coopmat.listed.push_back(shape);
    } else if (multiplies(one, kHalfProducts)) {
      caps.half_coopmat.listed.push_back(shape);
    }
  }
}
#endif

#ifdef VK_NV_cooperative_matrix2
void query_coopmat_steps(const InstanceApi& api, VkPhysicalDevice device, DeviceCaps& caps) {
  const auto query = api.vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV;
  const char* name = "vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV";
  if (query == nullptr) {  // a loader that does not pass the driver's own functions on
    return;
  }
  uint32_t count = 0;
  check(query(device, &count, nullptr), name);
  std::vector<VkCooperativeMatrixFlexibleDimensionsPropertiesNV> all(
      count, {VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_FLEXIBLE_DIMENSIONS_PROPERTIES_NV});
  check(query(device, &count, all.data()), name);
  for (const auto& one : all) {
    const CoopmatShape step = {one.MGranularity, one.NGranularity, one.KGranularity};
    if (multiplies(one, kInt8Products)) {
      caps.coopmat.step = step;
    } else if (multiplies(one, kHalfProducts)) {
      caps.half_coopmat.step = step;
    }
  }
}
#endif

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
  VkPhysicalDeviceSubgroupSizeControlProperties subgroup_sizes{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  api.vkGetPhysicalDeviceProperties2(device, &properties);
  const uint32_t version = properties.properties.apiVersion;
  const Features features = query_features(api, device, version);
  const auto has = [features](Feature one) { return (features & one) != 0; };
  // Only what the device defines may be in the chain.
  properties.pNext = &subgroup;
  void** tail = &subgroup.pNext;
  if (has(kSubgroupSize)) {
    *tail = &subgroup_sizes;
    tail = &subgroup_sizes.pNext;
  }
  if (version >= VK_API_VERSION_1_2) {
    *tail = &driver;
  }
  api.vkGetPhysicalDeviceProperties2(device, &properties);
  const VkPhysicalDeviceProperties& base = properties.properties;
  const VkPhysicalDeviceLimits& limits = base.limits;

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
  caps.min_subgroup_size = caps.subgroup_size;
  caps.max_subgroup_size = caps.subgroup_size;
  caps.subgroup_size_control = has(kSubgroupSize) && (subgroup_sizes.requiredSubgroupSizeStages &
                                                      VK_SHADER_STAGE_COMPUTE_BIT) != 0;
  if (caps.subgroup_size_control) {
    caps.min_subgroup_size = subgroup_sizes.minSubgroupSize;
    caps.max_subgroup_size = subgroup_sizes.maxSubgroupSize;
    caps.max_workgroup_subgroups = subgroup_sizes.maxComputeWorkgroupSubgroups;
  }
  caps.subgroup_shuffle = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 &&
                          (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) != 0;
  caps.max_workgroup_invocations = limits.maxComputeWorkGroupInvocations;
  caps.max_shared_bytes = limits.maxComputeSharedMemorySize;
  caps.max_workgroup_count =
      *std::min_element(limits.maxComputeWorkGroupCount, limits.maxComputeWorkGroupCount + 3);
  caps.max_storage_range_bytes = limits.maxStorageBufferRange;
  caps.min_storage_offset_alignment = static_cast<uint32_t>(limits.minStorageBufferOffsetAlignment);
  caps.timestamp_period_ns = limits.timestampPeriod;
  caps.dot4 = has(kIntegerDot);
  caps.int8_storage = has(kStorage8);
  // On a CPU the checks cost next to nothing, and memory out of bounds is the process's own.
  caps.unchecked_buffers = has(kRobustness) && caps.type != DeviceType::kCpu;
#ifdef VK_KHR_cooperative_matrix
  if (has(kCoopmat)) {
    query_coopmat_shapes(api, device, caps);
  }
#endif
#ifdef VK_NV_cooperative_matrix2
  // GPUs are fast with the shapes that they list. On a CPU other devices' kernels are tested.
  if (has(kCoopmat) && has(kCoopmatFlexible) && caps.type == DeviceType::kCpu) {
    query_coopmat_steps(api, device, caps);
  }
#endif
  if (!has(kFloat16)) {
    caps.half_coopmat = {};
  }
  query_memory(api, device, caps);
  caps.spin = caps.type != DeviceType::kCpu;  // there the polling thread would take a core away
  return caps;
}

// The words of ETVK_DISABLE.
struct Word {
  const char* word;
  void (*disable)(DeviceCaps& caps);
};

void disable_coopmat(DeviceCaps& caps) {
  caps.coopmat = {};
  caps.half_coopmat = {};
}

constexpr Word kWords[] = {
    {"coopmat", disable_coopmat},
    {"dot", [](DeviceCaps& caps) { caps.dot4 = false; }},
    {"int8_storage", [](DeviceCaps& caps) { caps.int8_storage = false; }},
    {"unchecked_buffers", [](DeviceCaps& caps) { caps.unchecked_buffers = false; }},
    {"mapped_memory", [](DeviceCaps& caps) { caps.mapped_memory = false; }},
    {"direct_input", [](DeviceCaps& caps) { caps.direct_input = false; }},
    {"direct_output", [](DeviceCaps& caps) { caps.direct_output = false; }},
    {"spin", [](DeviceCaps& caps) { caps.spin = false; }},
};

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
    devices.push_back(without_quirks(query_device(instance.api(), device)));
  }
  return devices;
}

DeviceCaps without_disabled(DeviceCaps caps, const std::string& disabled) {
  std::istringstream words(disabled);
  for (std::string word; std::getline(words, word, ',');) {
    const auto* known = std::find_if(std::begin(kWords), std::end(kWords),
                                     [&word](const Word& one) { return word == one.word; });
    if (known != std::end(kWords)) {
      known->disable(caps);
      continue;
    }
    std::string all;
    for (const Word& one : kWords) {
      all += (all.empty() ? "" : ", ") + std::string(one.word);
    }
    ETVK_CHECK(word.empty(), kInvalidArgument,
               "ETVK_DISABLE: unknown feature '" << word << "'; known are " << all);
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

}  // namespace etvk
