// C functions that the Python package calls through ctypes.
#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>
#include <utility>

#include "CopySpeed.h"
#include "JsonText.h"
#include "graph/ops/KernelSelect.h"
#include "graph/selfcheck/Sweep.h"
#include "vk/Context.h"
#include "vk/DeviceQuery.h"
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

// Index of the device that programs would run on; their number if there is none.
size_t selected_device(const std::vector<etvk::DeviceCaps>& devices, const std::string& choice) {
  try {
    return etvk::choose_device(devices, choice);
  } catch (const etvk::Error&) {
    return devices.size();
  }
}

// Kernel tiers of the build that the device can run, fastest first.
std::string tiers_json(const etvk::DeviceCaps& caps) {
  size_t count = 0;
  const etvk::KernelRow* rows = etvk::kernel_rows(&count);
  const std::pair<etvk::KernelPath, const char*> tiers[] = {
      {etvk::KernelPath::kCoopmat, "coopmat"},
      {etvk::KernelPath::kDot4, "dot4"},
      {etvk::KernelPath::kScalar, "scalar"},
  };
  std::string json;
  for (const auto& [path, name] : tiers) {
    const bool runs = std::any_of(rows, rows + count, [&, path = path](const etvk::KernelRow& row) {
      return row.path == path && etvk::kernel_fits(row, caps);
    });
    if (runs) {
      json += (json.empty() ? "" : ",") + etvk::json_quoted(name);
    }
  }
  return "[" + json + "]";
}

std::string list_of(const std::vector<std::string>& items) {
  std::string json;
  for (const std::string& item : items) {
    json += (json.empty() ? "" : ",") + etvk::json_quoted(item);
  }
  return "[" + json + "]";
}

std::string describe(const std::vector<etvk::DeviceCaps>& devices, const std::string& choice) {
  const size_t chosen = selected_device(devices, choice);
  std::ostringstream json;
  json << "[";
  for (size_t i = 0; i < devices.size(); ++i) {
    const etvk::DeviceCaps& caps = devices[i];
    json << (i == 0 ? "" : ",") << "{\"index\":" << i
         << ",\"name\":" << etvk::json_quoted(caps.name)
         << ",\"type\":" << etvk::json_quoted(type_name(caps.type))
         << ",\"driver\":" << etvk::json_quoted(caps.driver) << ",\"api_version\":\""
         << (caps.api_version >> 22) << "." << ((caps.api_version >> 12) & 0x3ff) << "."
         << (caps.api_version & 0xfff) << "\",\"subgroup_size\":" << caps.subgroup_size
         << ",\"tiers\":" << tiers_json(caps) << ",\"quirks\":" << list_of(caps.quirks)
         << ",\"selected\":" << (i == chosen ? "true" : "false") << "}";
  }
  json << "]";
  return json.str();
}

// Each row of the kernel table, and why the device cannot run it ("": it can).
std::string kernels_json(const etvk::DeviceCaps& caps) {
  size_t count = 0;
  const etvk::KernelRow* rows = etvk::kernel_rows(&count);
  std::ostringstream json;
  for (const etvk::KernelRow* row = rows; row != rows + count; ++row) {
    std::string why;
    etvk::kernel_fits(*row, caps, &why);
    json << (row == rows ? "" : ",") << "{\"name\":" << etvk::json_quoted(row->name)
         << ",\"refusal\":" << etvk::json_quoted(why) << "}";
  }
  return "[" + json.str() + "]";
}

const etvk::KernelRow& kernel_named(const std::string& name) {
  size_t count = 0;
  const etvk::KernelRow* rows = etvk::kernel_rows(&count);
  const auto* row = std::find_if(rows, rows + count,
                                 [&name](const etvk::KernelRow& one) { return name == one.name; });
  ETVK_CHECK(row != rows + count, kInvalidArgument, "there is no kernel " << name);
  return *row;
}

// Copies what `text` returns, NUL-terminated and cut at `size` bytes. Returns the bytes that it
// needs, or 0 after printing the exception.
template <typename Text>
size_t write_text(char* buffer, size_t size, Text&& text) {
  try {
    const std::string all = text();
    if (size > 0) {
      std::snprintf(buffer, size, "%s", all.c_str());
    }
    return all.size() + 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "executorch_vulkan: %s\n", error.what());
    return 0;
  }
}

}  // namespace

#define ETVK_EXPORT extern "C" __attribute__((visibility("default")))

// Functions that write text: it goes to `buffer`, NUL-terminated and cut at `size` bytes. They
// return the bytes needed, the NUL included, or 0 after printing why to stderr. None of them
// throws.

// Writes what available_devices() finds as a JSON array; "selected" marks the device that programs
// loaded now would run on.
ETVK_EXPORT size_t etvk_describe_devices(char* buffer, size_t size) {
  return write_text(buffer, size, [] {
    const auto options = etvk::ContextOptions::from_environment();
    return describe(etvk::available_devices(options), options.device);
  });
}

// Writes what programs of this process hold on the selected device now, as a JSON object.
ETVK_EXPORT size_t etvk_memory_in_use(char* buffer, size_t size) {
  return write_text(buffer, size, [] {
    const auto context = etvk::context_from_environment();
    const etvk::MemoryInUse& memory = context->device.memory_in_use();
    std::ostringstream json;
    json << "{\"size_bytes\":" << memory.size_bytes << ",\"buffers\":" << memory.buffers << "}";
    return json.str();
  });
}

// Writes the name of the kernel that programs loaded now would run for y[M, N] = x[M, K] * w[N,
// K]^T; `op` is q8ta_linear or linear_q8ta_q8csw.
ETVK_EXPORT size_t etvk_linear_kernel(const char* op, uint32_t M, uint32_t N, uint32_t K,
                                      char* buffer, size_t size) {
  return write_text(buffer, size, [=] {
    ETVK_CHECK(M > 0 && N > 0 && K > 0, kInvalidArgument, "M, N and K must be positive");
    const auto context = etvk::context_from_environment();
    const auto& row = etvk::choose_linear_kernel(context->device.caps(), op, {M, N, K});
    return std::string(row.name);
  });
}

// Writes the kernels of the build for the selected device, as a JSON array.
ETVK_EXPORT size_t etvk_kernels(char* buffer, size_t size) {
  return write_text(buffer, size,
                    [] { return kernels_json(etvk::context_from_environment()->device.caps()); });
}

// Checks a kernel that the selected device can run, each problem `runs` times, and writes what was
// found as a JSON object.
ETVK_EXPORT size_t etvk_check_kernel(const char* name, uint32_t runs, char* buffer, size_t size) {
  return write_text(buffer, size, [=] {
    const etvk::KernelReport report =
        etvk::check_kernel(*etvk::context_from_environment(), kernel_named(name), runs);
    std::ostringstream json;
    json << "{\"pipelines\":" << report.pipelines << ",\"problems\":" << report.problems
         << ",\"wrong\":" << report.wrong << ",\"mistakes\":" << list_of(report.mistakes) << "}";
    return json.str();
  });
}

// Writes how many GB/s the selected device copies, as a JSON number.
ETVK_EXPORT size_t etvk_copy_gb_per_s(char* buffer, size_t size) {
  return write_text(buffer, size, [] {
    return std::to_string(etvk::copy_gb_per_s(*etvk::context_from_environment()));
  });
}
