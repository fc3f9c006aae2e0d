// Identity of a byte string, for telling whether a constant is on the device already.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>

namespace etvk {

struct ContentHash {
  uint64_t size_bytes = 0;
  std::array<uint64_t, 3> sums{};

  bool operator<(const ContentHash& other) const {
    return std::tie(size_bytes, sums) < std::tie(other.size_bytes, other.sums);
  }
  bool operator==(const ContentHash& other) const {
    return std::tie(size_bytes, sums) == std::tie(other.size_bytes, other.sums);
  }
};

// Comparable within one process only: the hash has a random key that never leaves it. So whatever
// two different strings a program brings, up to 1 GiB each, they get the same hash with a
// probability below 2^-100.
ContentHash content_hash(const uint8_t* data, size_t size_bytes);

}  // namespace etvk
