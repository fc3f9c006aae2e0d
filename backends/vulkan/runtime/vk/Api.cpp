#include "vk/Api.h"

#include <dlfcn.h>

#include "vk/Error.h"

namespace etvk {

namespace {

const char* result_name(VkResult result) {
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
      return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_MEMORY_MAP_FAILED:
      return "VK_ERROR_MEMORY_MAP_FAILED";
    case VK_ERROR_LAYER_NOT_PRESENT:
      return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
      return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT:
      return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS:
      return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_OUT_OF_POOL_MEMORY:
      return "VK_ERROR_OUT_OF_POOL_MEMORY";
    case VK_TIMEOUT:
      return "VK_TIMEOUT";
    default:
      return "an error";
  }
}

GlobalApi load_global_api() {
  void* library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  ETVK_CHECK(library != nullptr, kDeviceUnavailable,
             "no Vulkan loader: libvulkan.so.1 cannot be opened ("
                 << dlerror()
                 << "). Install the loader and a driver, on Debian and Ubuntu: apt-get install "
                    "libvulkan1 mesa-vulkan-drivers");
  GlobalApi api;
  api.vkGetInstanceProcAddr =
      reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  ETVK_CHECK(api.vkGetInstanceProcAddr != nullptr, kDeviceUnavailable,
             "libvulkan.so.1 has no vkGetInstanceProcAddr; reinstall the Vulkan loader");
#define ETVK_LOAD(name) \
  api.name = reinterpret_cast<PFN_##name>(api.vkGetInstanceProcAddr(nullptr, #name));
  ETVK_GLOBAL_FUNCTIONS(ETVK_LOAD)
#undef ETVK_LOAD
  ETVK_CHECK(api.vkEnumerateInstanceVersion != nullptr, kDeviceUnavailable,
             "the Vulkan loader is older than Vulkan 1.1; update libvulkan1");
  return api;
}

}  // namespace

const GlobalApi& global_api() {
  static const GlobalApi api = load_global_api();
  return api;
}

InstanceApi load_instance_api(VkInstance instance) {
  InstanceApi api;
  const auto get = global_api().vkGetInstanceProcAddr;
#define ETVK_LOAD(name) api.name = reinterpret_cast<PFN_##name>(get(instance, #name));
  ETVK_INSTANCE_FUNCTIONS(ETVK_LOAD)
  ETVK_INSTANCE_EXTENSION_FUNCTIONS(ETVK_LOAD)
#undef ETVK_LOAD
  return api;
}

DeviceApi load_device_api(const InstanceApi& instance_api, VkDevice device) {
  DeviceApi api;
#define ETVK_LOAD(name)                                                                     \
  api.name = reinterpret_cast<PFN_##name>(instance_api.vkGetDeviceProcAddr(device, #name)); \
  ETVK_CHECK(api.name != nullptr, kDeviceUnavailable, "the Vulkan driver lacks " #name);
  ETVK_DEVICE_FUNCTIONS(ETVK_LOAD)
#undef ETVK_LOAD
  return api;
}

void check(VkResult result, const char* call) {
  if (result >= 0) {
    return;
  }
  const auto message = [&] {
    return std::string(call) + " returned " + result_name(result) + " (" +
           std::to_string(static_cast<int>(result)) + ")";
  };
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      throw Error(ErrorCode::kOutOfMemory, message());
    case VK_ERROR_DEVICE_LOST:
    case VK_ERROR_INCOMPATIBLE_DRIVER:
    case VK_ERROR_INITIALIZATION_FAILED:
      throw Error(ErrorCode::kDeviceUnavailable, message());
    default:
      throw Error(ErrorCode::kInternal, message());
  }
}

}  // namespace etvk
