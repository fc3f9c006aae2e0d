// The row type of the kernel table. The rows themselves are written in glsl/kernels.py; the build
// compiles each one and generates Kernels.h (enumerators) and Kernels.cpp (rows with SPIR-V), so a
// tile size is typed once and a misspelt kernel does not compile.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vk/DeviceCaps.h"

namespace etvk {

enum class KernelId : uint16_t;  // enumerators: generated Kernels.h

enum class KernelPath : uint8_t {
  kCoopmat,
  kSkinnyCoopmat,
  kDot4,
  kScalar,
  kGemvDot4,
  kGemvScalar,
  kCpu,
  kElementwise,
  kTranspose,
  kSubgroups,
};

// Device features a row needs; a bit set.
enum KernelFeature : uint32_t {
  kFeatureNone = 0,
  kFeatureDot4 = 1u << 0,
  kFeatureCoopmat = 1u << 1,
  kFeatureInt8Storage = 1u << 2,
  kFeatureSubgroupShuffle = 1u << 3,
  kFeatureHalfCoopmat = 1u << 4,
};

struct KernelRow {
  KernelId id;
  const char* name;  // q8ta_linear__dot4__m64n64k32__wg64
  const char* op;    // q8ta_linear
  KernelPath path;
  uint32_t tile_m;  // outputs of one workgroup; elementwise rows use tile_n only
  uint32_t tile_n;
  uint32_t tile_k;
  uint32_t workgroup_size;  // invocations
  uint32_t subgroup_size;   // 0: any, or with subgroup shuffle the device's usual one
  uint32_t shared_bytes;
  uint32_t features;   // KernelFeature bits
  uint32_t coopmat_m;  // shape of one cooperative matrix, 0 on other paths
  uint32_t coopmat_n;
  uint32_t coopmat_k;
  uint32_t half_m;  // of one of float16, where the row has such
  uint32_t half_n;
  uint32_t half_k;
  uint32_t max_m;             // largest M that it is meant for, 0: any (right for every M)
  uint32_t binding_count;     // storage buffers, bindings 0 .. count-1 of set 0
  uint32_t written_bindings;  // bit i: the kernel writes binding i, which it may read as well
  uint32_t push_constant_bytes;
  const uint32_t* spirv;
  size_t spirv_words;
};

inline bool uses_coopmat(const KernelRow& row) { return (row.features & kFeatureCoopmat) != 0; }

// Of the subgroups that a pipeline of the row asks for; 0: it takes any.
inline uint32_t subgroup_size_of(const KernelRow& row, const DeviceCaps& caps) {
  const bool takes_usual = row.subgroup_size == 0 && (row.features & kFeatureSubgroupShuffle) != 0;
  return takes_usual ? caps.subgroup_size : row.subgroup_size;
}

// All rows, indexed by KernelId. `count` gets their number.
const KernelRow* kernel_rows(size_t* count);
const KernelRow& kernel_row(KernelId id);

}  // namespace etvk
