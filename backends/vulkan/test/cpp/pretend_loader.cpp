// A libvulkan.so.1 that stands before the real one, at the path in PRETEND_VULKAN_LOADER, and
// pretends what PRETEND_DEVICE says: "silent", a device that finishes nothing, or "lost";
// "no_timestamps", a queue without them, "short_timestamps", which start over after 256 ticks, or
// "wrapping_timestamps", which start over 1000 ticks after a submission's first one. Empty: what
// the device really does. With a folder in PRETEND_SHADERS it takes each shader that is NAME.right
// there for NAME.wrong.
#define VK_NO_PROTOTYPES
#include <dlfcn.h>
#include <vulkan/vulkan.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

namespace {

bool is(const char* what) {
  const char* value = std::getenv("PRETEND_DEVICE");
  return (value == nullptr ? "" : value) == std::string(what);
}

PFN_vkGetInstanceProcAddr real_instance_function() {
  static const auto function = [] {
    void* library = dlopen(std::getenv("PRETEND_VULKAN_LOADER"), RTLD_NOW | RTLD_LOCAL);
    return reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  }();
  return function;
}

PFN_vkGetDeviceProcAddr real_device_function;
PFN_vkGetPhysicalDeviceQueueFamilyProperties real_queue_families;
PFN_vkGetQueryPoolResults real_query_results;
PFN_vkGetFenceStatus real_fence_status;
PFN_vkWaitForFences real_wait;
PFN_vkCreateShaderModule real_shader_module;

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// By what the right one is.
const std::map<std::string, std::string>& wrong_shaders() {
  static const auto* all = [] {
    auto* shaders = new std::map<std::string, std::string>;
    if (const char* folder = std::getenv("PRETEND_SHADERS")) {
      for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        std::filesystem::path path = entry.path();
        if (path.extension() == ".right") {
          std::string right = bytes_of(path);
          (*shaders)[std::move(right)] = bytes_of(path.replace_extension(".wrong"));
        }
      }
    }
    return shaders;
  }();
  return *all;
}

VKAPI_ATTR VkResult VKAPI_CALL shader_module(VkDevice device, const VkShaderModuleCreateInfo* given,
                                             const VkAllocationCallbacks* allocator,
                                             VkShaderModule* module) {
  VkShaderModuleCreateInfo info = *given;
  const auto wrong =
      wrong_shaders().find(std::string(reinterpret_cast<const char*>(info.pCode), info.codeSize));
  if (wrong != wrong_shaders().end()) {
    info.pCode = reinterpret_cast<const uint32_t*>(wrong->second.data());
    info.codeSize = wrong->second.size();
  }
  return real_shader_module(device, &info, allocator, module);
}

VKAPI_ATTR VkResult VKAPI_CALL fence_status(VkDevice device, VkFence fence) {
  return is("silent") ? VK_NOT_READY
         : is("lost") ? VK_ERROR_DEVICE_LOST
                      : real_fence_status(device, fence);
}

VKAPI_ATTR VkResult VKAPI_CALL wait(VkDevice device, uint32_t count, const VkFence* fences,
                                    VkBool32 all, uint64_t timeout_ns) {
  // The real device finishes in any case: memory is freed when it is lost.
  const VkResult real = real_wait(device, count, fences, all, is("") ? timeout_ns : UINT64_MAX);
  return is("silent") ? VK_TIMEOUT : is("lost") ? VK_ERROR_DEVICE_LOST : real;
}

// 64: as many as the device has.
uint32_t timestamp_bits() {
  return is("no_timestamps") ? 0 : is("short_timestamps") ? 8 : is("wrapping_timestamps") ? 36 : 64;
}

VKAPI_ATTR void VKAPI_CALL queue_families(VkPhysicalDevice device, uint32_t* count,
                                          VkQueueFamilyProperties* families) {
  real_queue_families(device, count, families);
  for (uint32_t i = 0; families != nullptr && i < *count; ++i) {
    families[i].timestampValidBits = std::min(families[i].timestampValidBits, timestamp_bits());
  }
}

// Of timestamps of 64 bits without gaps, as the delegate asks for them; a submission's first one
// comes first.
VKAPI_ATTR VkResult VKAPI_CALL query_results(VkDevice device, VkQueryPool pool, uint32_t first,
                                             uint32_t count, size_t size, void* data,
                                             VkDeviceSize stride, VkQueryResultFlags flags) {
  static uint64_t start = 0;
  const VkResult result = real_query_results(device, pool, first, count, size, data, stride, flags);
  auto* ticks = static_cast<uint64_t*>(data);
  start = first == 0 ? ticks[0] : start;
  for (uint32_t i = 0; i < count; ++i) {
    ticks[i] -= is("wrapping_timestamps") ? start + 1000 : 0;
    ticks[i] &= timestamp_bits() == 64 ? ~uint64_t{0} : (uint64_t{1} << timestamp_bits()) - 1;
  }
  return result;
}

template <typename Function>
PFN_vkVoidFunction instead(PFN_vkVoidFunction real, Function& kept, Function own) {
  kept = reinterpret_cast<Function>(real);
  return reinterpret_cast<PFN_vkVoidFunction>(own);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char* name) {
  const PFN_vkVoidFunction real = real_device_function(device, name);
  if (name == std::string("vkGetFenceStatus")) {
    return instead(real, real_fence_status, fence_status);
  }
  if (name == std::string("vkGetQueryPoolResults")) {
    return instead(real, real_query_results, query_results);
  }
  if (name == std::string("vkCreateShaderModule")) {
    return instead(real, real_shader_module, shader_module);
  }
  return name == std::string("vkWaitForFences") ? instead(real, real_wait, wait) : real;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) PFN_vkVoidFunction
vkGetInstanceProcAddr(VkInstance instance, const char* name) {
  const PFN_vkVoidFunction real = real_instance_function()(instance, name);
  if (name == std::string("vkGetPhysicalDeviceQueueFamilyProperties")) {
    return instead(real, real_queue_families, queue_families);
  }
  return name == std::string("vkGetDeviceProcAddr")
             ? instead(real, real_device_function, device_function)
             : real;
}
