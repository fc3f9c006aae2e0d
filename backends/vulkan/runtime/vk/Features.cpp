#include "vk/Features.h"

#include <algorithm>
#include <set>
#include <string>

#include "vk/Error.h"

namespace etvk {

// The structs in which Vulkan tells and takes features. Only those that a device defines may be in
// the chain that it is given.
struct FeatureChain {
  VkPhysicalDeviceFeatures2 base{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  VkPhysicalDevice8BitStorageFeatures storage8{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES};
  VkPhysicalDeviceShaderIntegerDotProductFeatures dot{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
  VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
  VkPhysicalDeviceShaderFloat16Int8Features float16_int8{
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
#ifdef VK_NV_cooperative_matrix2
  VkPhysicalDeviceCooperativeMatrix2FeaturesNV coopmat2{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV};
#endif
};

namespace {

// Where one feature is defined, in which structs, and which switches of theirs make it up.
struct Definition {
  Feature feature;
  uint32_t least_version;  // of Vulkan, with the extension
  uint32_t core_version;   // from which on the extension needs no name; 0: never
  const char* extension;
  std::vector<void*> structs;
  std::vector<VkBool32*> switches;

  bool is_core(uint32_t version) const { return core_version != 0 && version >= core_version; }
};

// What the headers of this build know.
std::vector<Definition> definitions(FeatureChain& c) {
  constexpr uint32_t k11 = VK_API_VERSION_1_1;
  constexpr uint32_t k12 = VK_API_VERSION_1_2;
  constexpr uint32_t k13 = VK_API_VERSION_1_3;
  return {
      {kStorage8,
       k11,
       k12,
       VK_KHR_8BIT_STORAGE_EXTENSION_NAME,
       {&c.storage8},
       {&c.storage8.storageBuffer8BitAccess}},
      {kIntegerDot,
       k11,
       k13,
       VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME,
       {&c.dot},
       {&c.dot.shaderIntegerDotProduct}},
      {kSubgroupSize,
       k11,
       k13,
       VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME,
       {&c.subgroup_size},
       {&c.subgroup_size.subgroupSizeControl, &c.subgroup_size.computeFullSubgroups}},
      {kFloat16,
       k11,
       k12,
       VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME,
       {&c.float16_int8},
       {&c.float16_int8.shaderFloat16}},
#ifdef VK_EXT_pipeline_robustness
      {kRobustness,
       k11,
       0,
       VK_EXT_PIPELINE_ROBUSTNESS_EXTENSION_NAME,
       {&c.robustness},
       {&c.robustness.pipelineRobustness}},
#endif
#ifdef VK_KHR_cooperative_matrix
      {kCoopmat,
       k12,  // has the other two structs
       0,
       VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME,
       {&c.coopmat, &c.float16_int8, &c.memory_model},
       {&c.coopmat.cooperativeMatrix, &c.float16_int8.shaderInt8, &c.memory_model.vulkanMemoryModel,
        &c.memory_model.vulkanMemoryModelDeviceScope}},
#endif
#ifdef VK_NV_cooperative_matrix2
      {kCoopmatFlexible,
       k12,
       0,
       VK_NV_COOPERATIVE_MATRIX_2_EXTENSION_NAME,
       {&c.coopmat2},
       {&c.coopmat2.cooperativeMatrixFlexibleDimensions}},
#endif
  };
}

// Several features may be in one struct.
void link(FeatureChain& chain, const std::vector<Definition>& features) {
  std::set<void*> linked;
  void** tail = &chain.base.pNext;
  for (const Definition& feature : features) {
    for (void* one : feature.structs) {
      if (linked.insert(one).second) {
        *tail = one;
        tail = reinterpret_cast<void**>(&static_cast<VkBaseOutStructure*>(one)->pNext);
      }
    }
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

}  // namespace

Features query_features(const InstanceApi& api, VkPhysicalDevice device, uint32_t version) {
  const std::set<std::string> extensions = device_extensions(api, device);
  FeatureChain chain;
  std::vector<Definition> defined;
  for (const Definition& one : definitions(chain)) {
    if (one.is_core(version) ||
        (version >= one.least_version && extensions.count(one.extension) > 0)) {
      defined.push_back(one);
    }
  }
  link(chain, defined);
  api.vkGetPhysicalDeviceFeatures2(device, &chain.base);
  Features features = 0;
  for (const Definition& one : defined) {
    const bool has_all = std::all_of(one.switches.begin(), one.switches.end(),
                                     [](const VkBool32* is_on) { return *is_on == VK_TRUE; });
    features |= has_all ? one.feature : Features{0};
  }
  return features;
}

EnabledFeatures::EnabledFeatures(Features features, uint32_t version)
    : chain_(std::make_unique<FeatureChain>()) {
  std::vector<Definition> enabled;
  for (const Definition& one : definitions(*chain_)) {
    if ((features & one.feature) == 0) {
      continue;
    }
    enabled.push_back(one);
    for (VkBool32* is_on : one.switches) {
      *is_on = VK_TRUE;
    }
    if (!one.is_core(version)) {
      extensions_.push_back(one.extension);
    }
  }
  link(*chain_, enabled);
}

EnabledFeatures::~EnabledFeatures() = default;

const void* EnabledFeatures::chain() const { return &chain_->base; }

}  // namespace etvk
