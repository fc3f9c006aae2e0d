// The optional Vulkan features that this runtime uses: asked of a device, and enabled when a
// logical device is made.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "vk/Api.h"

namespace etvk {

struct FeatureChain;

enum Feature : uint32_t {
  kStorage8 = 1u << 0,         // 8-bit loads and stores in storage buffers
  kIntegerDot = 1u << 1,       // packed integer dot products
  kRobustness = 1u << 2,       // a pipeline says which bounds are checked
  kSubgroupSize = 1u << 3,     // a pipeline says how large its subgroups are, and all are full
  kCoopmat = 1u << 4,          // cooperative matrices, and what else their shaders need
  kCoopmatFlexible = 1u << 5,  // matrices of any multiple of a size
  kFloat16 = 1u << 6,          // float16 in shaders
};
using Features = uint32_t;  // a set of them

// Those that the device has; `version` is its Vulkan version.
Features query_features(const InstanceApi& api, VkPhysicalDevice device, uint32_t version);

// What vkCreateDevice needs to enable `features`, which the device must have.
class EnabledFeatures {
 public:
  EnabledFeatures(Features features, uint32_t version);
  ~EnabledFeatures();
  EnabledFeatures(const EnabledFeatures&) = delete;
  EnabledFeatures& operator=(const EnabledFeatures&) = delete;

  const void* chain() const;  // VkDeviceCreateInfo::pNext
  const std::vector<const char*>& extensions() const { return extensions_; }

 private:
  std::unique_ptr<FeatureChain> chain_;
  std::vector<const char*> extensions_;
};

}  // namespace etvk
