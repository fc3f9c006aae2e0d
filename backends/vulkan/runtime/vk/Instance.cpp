#include "vk/Instance.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "vk/Error.h"

namespace etvk {

namespace {

constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";

bool has_validation_layer() {
  uint32_t count = 0;
  check(global_api().vkEnumerateInstanceLayerProperties(&count, nullptr),
        "vkEnumerateInstanceLayerProperties");
  std::vector<VkLayerProperties> layers(count);
  check(global_api().vkEnumerateInstanceLayerProperties(&count, layers.data()),
        "vkEnumerateInstanceLayerProperties");
  return std::any_of(layers.begin(), layers.end(), [](const VkLayerProperties& layer) {
    return std::strcmp(layer.layerName, kValidationLayer) == 0;
  });
}

}  // namespace

VKAPI_ATTR VkBool32 VKAPI_CALL
Instance::on_message(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                     const VkDebugUtilsMessengerCallbackDataEXT* data, void* user_data) {
  auto* self = static_cast<Instance*>(user_data);
  ++self->message_count_;
  std::fprintf(stderr, "[etvk validation] %s\n", data->pMessage);
  return VK_FALSE;
}

Instance::Instance(bool validation) {
  ETVK_CHECK(!validation || has_validation_layer(), kDeviceUnavailable,
             "ETVK_VALIDATION=1, but " << kValidationLayer
                                       << " is not installed; apt-get install "
                                          "vulkan-validationlayers, or unset ETVK_VALIDATION");
  uint32_t loader_version = VK_API_VERSION_1_0;
  check(global_api().vkEnumerateInstanceVersion(&loader_version), "vkEnumerateInstanceVersion");
  ETVK_CHECK(loader_version >= VK_API_VERSION_1_1, kDeviceUnavailable,
             "the Vulkan loader is older than Vulkan 1.1; update libvulkan1");

  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "executorch_vulkan";
  // The highest version whose features this runtime may use; a device may offer less.
  application.apiVersion = std::min<uint32_t>(loader_version, VK_API_VERSION_1_3);

  VkDebugUtilsMessengerCreateInfoEXT messenger_info{
      VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
  messenger_info.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                                   VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  messenger_info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  messenger_info.pfnUserCallback = &Instance::on_message;
  messenger_info.pUserData = this;

  const VkValidationFeatureEnableEXT enabled[] = {
      VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
  VkValidationFeaturesEXT features{VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT};
  features.pNext = &messenger_info;
  features.enabledValidationFeatureCount = 1;
  features.pEnabledValidationFeatures = enabled;

  const char* extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;
  if (validation) {
    info.pNext = &features;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &kValidationLayer;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = extensions;
  }
  VkInstance instance = VK_NULL_HANDLE;
  const VkResult created = global_api().vkCreateInstance(&info, nullptr, &instance);
  ETVK_CHECK(
      created != VK_ERROR_INCOMPATIBLE_DRIVER, kDeviceUnavailable,
      "the Vulkan loader found no driver that it can use. Install one, on Debian and Ubuntu: "
      "apt-get install mesa-vulkan-drivers (includes lavapipe, which runs on the CPU); if "
      "VK_DRIVER_FILES is set, it must name the driver's .json file");
  check(created, "vkCreateInstance");
  api_ = load_instance_api(instance);
  instance_ = {instance, [this](VkInstance i) { api_.vkDestroyInstance(i, nullptr); }};

  if (validation) {
    VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
    check(api_.vkCreateDebugUtilsMessengerEXT(instance, &messenger_info, nullptr, &messenger),
          "vkCreateDebugUtilsMessengerEXT");
    messenger_ = {messenger, [this, instance](VkDebugUtilsMessengerEXT m) {
                    api_.vkDestroyDebugUtilsMessengerEXT(instance, m, nullptr);
                  }};
  }
  uint32_t count = 0;
  check(api_.vkEnumeratePhysicalDevices(instance, &count, nullptr), "vkEnumeratePhysicalDevices");
  physical_devices_.resize(count);
  check(api_.vkEnumeratePhysicalDevices(instance, &count, physical_devices_.data()),
        "vkEnumeratePhysicalDevices");
  physical_devices_.resize(count);
}

}  // namespace etvk
