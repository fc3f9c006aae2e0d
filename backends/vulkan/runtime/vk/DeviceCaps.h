// What one Vulkan device can do, as plain data. Kernel selection reads only this, so it can be
// tested for devices that are not in the machine. Filled by DeviceQuery.cpp; holds no Vulkan
// handle.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace etvk {

enum class DeviceType : uint8_t { kDiscrete, kIntegrated, kVirtual, kCpu, kOther };

// One cooperative-matrix shape that the driver reports, at subgroup scope.
struct CoopmatShape {
  uint32_t m = 0;
  uint32_t n = 0;
  uint32_t k = 0;
};

// Those of one kind of products.
struct CoopmatShapes {
  std::vector<CoopmatShape> listed;
  CoopmatShape step;  // multiples of it are shapes as well; zeros: there are no others
};

struct DeviceCaps {
  std::string name;
  std::string driver;
  DeviceType type = DeviceType::kOther;
  uint32_t api_version = 0;
  // What cache files are keyed by.
  uint32_t vendor_id = 0;
  uint32_t device_id = 0;
  uint32_t driver_version = 0;
  std::array<uint8_t, 16> pipeline_cache_uuid{};

  uint32_t subgroup_size = 0;
  // With subgroup_size_control a pipeline asks for a size, a power of two from min to max; without,
  // both are subgroup_size.
  bool subgroup_size_control = false;
  uint32_t min_subgroup_size = 0;
  uint32_t max_subgroup_size = 0;
  uint32_t max_workgroup_subgroups = UINT32_MAX;  // where it asks
  uint32_t max_workgroup_invocations = 128;
  uint32_t max_shared_bytes = 16384;
  uint32_t max_workgroup_count = 65535;         // smallest of the three dimensions
  uint64_t max_storage_range_bytes = 1u << 27;  // one storage buffer binding
  uint32_t min_storage_offset_alignment = 256;
  float timestamp_period_ns = 0.0f;  // of an opened device 0: its queue has no timestamps
  uint32_t timestamp_bits = 64;      // that count; they start over from zero
  bool has_timestamps() const { return timestamp_period_ns > 0.0f; }

  bool dot4 = false;              // packed 4x8 signed integer dot product (SPIR-V OpSDot)
  bool int8_storage = false;      // 8-bit loads and stores in storage buffers
  bool subgroup_shuffle = false;  // subgroup shuffle in compute shaders
  // Pipelines are made without the bounds checks that a driver may add to every buffer access.
  // Kernels clamp their indices themselves; docs/benchmarks.md says what the checks cost.
  bool unchecked_buffers = false;
  // How inputs and outputs travel. mapped_memory: a large heap is both device-local and cached on
  // the host (integrated GPUs, CPUs), so that nothing needs a copy. Else, of small ones:
  bool mapped_memory = false;
  bool direct_input = false;   // the host writes inputs into device-local memory
  bool direct_output = false;  // kernels write outputs into memory that is cached on the host
  bool spin = false;           // the host polls for a while before it sleeps until work is done
  CoopmatShapes coopmat;       // s8 x s8 -> s32; empty: no cooperative matrices
  CoopmatShapes half_coopmat;  // float16 x float16 -> float32, with shaders' use of float16

  std::vector<std::string> quirks;  // what Quirks.h has switched off, and the report of it
  // Kernels that the self-check found to compute wrongly here, by name: selection leaves them out.
  std::vector<std::string> wrong_kernels;
};

}  // namespace etvk
