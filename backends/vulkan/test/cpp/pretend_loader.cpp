// A libvulkan.so.1 that stands before the real one, at the path in PRETEND_VULKAN_LOADER, and
// pretends what PRETEND_DEVICE says: "silent", a device that finishes nothing, or "lost". Empty:
// what the device really does.
#define VK_NO_PROTOTYPES
#include <dlfcn.h>
#include <vulkan/vulkan.h>

#include <cstdlib>
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
PFN_vkGetFenceStatus real_fence_status;
PFN_vkWaitForFences real_wait;

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
  return name == std::string("vkWaitForFences") ? instead(real, real_wait, wait) : real;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) PFN_vkVoidFunction
vkGetInstanceProcAddr(VkInstance instance, const char* name) {
  const PFN_vkVoidFunction real = real_instance_function()(instance, name);
  return name == std::string("vkGetDeviceProcAddr")
             ? instead(real, real_device_function, device_function)
             : real;
}
