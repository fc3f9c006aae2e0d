// The Vulkan functions that this runtime calls, resolved at run time. The loader library is opened
// with dlopen, so nothing here needs Vulkan to be installed until a device is asked for.
#pragma once

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

// One list per resolution level; a new function is one entry.
#define ETVK_GLOBAL_FUNCTIONS(X)        \
  X(vkCreateInstance)                   \
  X(vkEnumerateInstanceLayerProperties) \
  X(vkEnumerateInstanceVersion)

#define ETVK_INSTANCE_FUNCTIONS(X)        \
  X(vkCreateDevice)                       \
  X(vkDestroyInstance)                    \
  X(vkEnumerateDeviceExtensionProperties) \
  X(vkEnumeratePhysicalDevices)           \
  X(vkGetDeviceProcAddr)                  \
  X(vkGetPhysicalDeviceFeatures2)         \
  X(vkGetPhysicalDeviceMemoryProperties)  \
  X(vkGetPhysicalDeviceProperties2)       \
  X(vkGetPhysicalDeviceQueueFamilyProperties)

// Vulkan headers before 1.3.255 do not know cooperative matrices; a build with them goes without.
#ifdef VK_KHR_cooperative_matrix
#define ETVK_COOPMAT_FUNCTIONS(X) X(vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)
#else
#define ETVK_COOPMAT_FUNCTIONS(X)
#endif
#ifdef VK_NV_cooperative_matrix2
#define ETVK_COOPMAT2_FUNCTIONS(X) \
  X(vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV)
#else
#define ETVK_COOPMAT2_FUNCTIONS(X)
#endif

// Null where the extension is not enabled.
#define ETVK_INSTANCE_EXTENSION_FUNCTIONS(X) \
  ETVK_COOPMAT_FUNCTIONS(X)                  \
  ETVK_COOPMAT2_FUNCTIONS(X)                 \
  X(vkCreateDebugUtilsMessengerEXT)          \
  X(vkDestroyDebugUtilsMessengerEXT)

#define ETVK_DEVICE_FUNCTIONS(X)    \
  X(vkAllocateCommandBuffers)       \
  X(vkAllocateDescriptorSets)       \
  X(vkAllocateMemory)               \
  X(vkBeginCommandBuffer)           \
  X(vkBindBufferMemory)             \
  X(vkCmdBindDescriptorSets)        \
  X(vkCmdBindPipeline)              \
  X(vkCmdCopyBuffer)                \
  X(vkCmdDispatch)                  \
  X(vkCmdPipelineBarrier)           \
  X(vkCmdPushConstants)             \
  X(vkCmdResetQueryPool)            \
  X(vkCmdWriteTimestamp)            \
  X(vkCreateBuffer)                 \
  X(vkCreateCommandPool)            \
  X(vkCreateComputePipelines)       \
  X(vkCreateDescriptorPool)         \
  X(vkCreateDescriptorSetLayout)    \
  X(vkCreateFence)                  \
  X(vkCreatePipelineCache)          \
  X(vkCreatePipelineLayout)         \
  X(vkCreateQueryPool)              \
  X(vkCreateShaderModule)           \
  X(vkDestroyBuffer)                \
  X(vkDestroyCommandPool)           \
  X(vkDestroyDescriptorPool)        \
  X(vkDestroyDescriptorSetLayout)   \
  X(vkDestroyDevice)                \
  X(vkDestroyFence)                 \
  X(vkDestroyPipeline)              \
  X(vkDestroyPipelineCache)         \
  X(vkDestroyPipelineLayout)        \
  X(vkDestroyQueryPool)             \
  X(vkDestroyShaderModule)          \
  X(vkDeviceWaitIdle)               \
  X(vkEndCommandBuffer)             \
  X(vkFlushMappedMemoryRanges)      \
  X(vkFreeMemory)                   \
  X(vkGetBufferMemoryRequirements)  \
  X(vkGetDeviceQueue)               \
  X(vkGetFenceStatus)               \
  X(vkGetPipelineCacheData)         \
  X(vkGetQueryPoolResults)          \
  X(vkInvalidateMappedMemoryRanges) \
  X(vkMapMemory)                    \
  X(vkQueueSubmit)                  \
  X(vkResetCommandPool)             \
  X(vkResetDescriptorPool)          \
  X(vkResetFences)                  \
  X(vkUpdateDescriptorSets)         \
  X(vkWaitForFences)

namespace etvk {

#define ETVK_DECLARE(name) PFN_##name name = nullptr;

struct GlobalApi {
  PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr = nullptr;
  ETVK_GLOBAL_FUNCTIONS(ETVK_DECLARE)
};

struct InstanceApi {
  ETVK_INSTANCE_FUNCTIONS(ETVK_DECLARE)
  ETVK_INSTANCE_EXTENSION_FUNCTIONS(ETVK_DECLARE)
};

struct DeviceApi {
  ETVK_DEVICE_FUNCTIONS(ETVK_DECLARE)
};

#undef ETVK_DECLARE

// Opens the Vulkan loader (once a process; it stays open until exit). Throws kDeviceUnavailable
// with the packages to install when there is none.
const GlobalApi& global_api();

InstanceApi load_instance_api(VkInstance instance);
DeviceApi load_device_api(const InstanceApi& instance_api, VkDevice device);

// Throws with the call's name when `result` is an error; kOutOfMemory and kDeviceUnavailable
// (device lost) are told apart from the rest.
void check(VkResult result, const char* call);

}  // namespace etvk
