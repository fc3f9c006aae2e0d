// C functions that the Python package calls through ctypes.
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>

#include "vk/Context.h"
#include "vk/Error.h"

namespace {

const char* type_name(etvk::DeviceType type) {
  switch (type) {
    case etvk::DeviceType::kDiscrete:
      return "discrete";
    case etvk::DeviceType::kIntegrated:
      return "integrated";
    case etvk::DeviceType::kVirtual:
      return "virtual";
    case etvk::DeviceType::kCpu:
      return "cpu";
    case etvk::DeviceType::kOther:
      return "other";
  }
  return "other";
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
    }
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result + "\"";
}

// Index of the device that programs would run on; their number if there is none.
size_t selected_device(const std::vector<etvk::DeviceCaps>& devices, const std::string& choice) {
  try {
    return etvk::choose_device(devices, choice);
  } catch (const etvk::Error&) {
    return devices.size();
  }
}

std::string describe(const std::vector<etvk::DeviceCaps>& devices, const std::string& choice) {
  const size_t chosen = selected_device(devices, choice);
  std::ostringstream json;
  json << "[";
  for (size_t i = 0; i < devices.size(); ++i) {
    const etvk::DeviceCaps& caps = devices[i];
    json << (i == 0 ? "" : ",") << "{\"index\":" << i << ",\"name\":" << quoted(caps.name)
         << ",\"type\":" << quoted(type_name(caps.type)) << ",\"driver\":" << quoted(caps.driver)
         << ",\"api_version\":\"" << (caps.api_version >> 22) << "."
         << ((caps.api_version >> 12) & 0x3ff) << "." << (caps.api_version & 0xfff)
         << "\",\"subgroup_size\":" << caps.subgroup_size << ",\"tiers\":["
         << (caps.coopmat_shapes.empty() ? "" : "\"coopmat\",") << (caps.dot4 ? "\"dot4\"," : "")
         << "\"scalar\"],\"selected\":" << (i == chosen ? "true" : "false") << "}";
  }
  json << "]";
  return json.str();
}

}  // namespace

// Writes what available_devices() finds as a JSON array, NUL-terminated and cut at `size` bytes;
// "selected" marks the device that programs loaded now would run on. Returns the bytes needed,
// the NUL included, or 0 after printing why to stderr. Never throws.
extern "C" __attribute__((visibility("default"))) size_t etvk_describe_devices(char* buffer,
                                                                               size_t size) {
  try {
    const auto options = etvk::ContextOptions::from_environment();
    const std::string json = describe(etvk::available_devices(options), options.device);
    if (size > 0) {
      std::snprintf(buffer, size, "%s", json.c_str());
    }
    return json.size() + 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "executorch_vulkan: %s\n", error.what());
    return 0;
  }
}
