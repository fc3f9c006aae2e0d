// The FNV-1a hash of bytes: finds damage and differences, not malice.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etvk {

// 64 bits.
inline uint64_t fnv1a(const void* bytes, size_t count) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < count; ++i) {
    hash = (hash ^ static_cast<const uint8_t*>(bytes)[i]) * 0x100000001b3u;
  }
  return hash;
}

}  // namespace etvk
