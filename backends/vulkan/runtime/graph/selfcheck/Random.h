// Seeded random numbers: the same from the same seed with every standard library.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <vector>

namespace etvk {

class Random {  // SplitMix64
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t bits() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  float uniform(float low, float high) {
    return low + (high - low) * (static_cast<float>(bits() >> 40) * 0x1p-24f);
  }

  // Both ends included.
  int32_t integer(int32_t low, int32_t high) {
    return low + static_cast<int32_t>(bits() % static_cast<uint64_t>(int64_t{high} - low + 1));
  }

  // An index into something of `size` > 0 elements.
  size_t below(size_t size) { return static_cast<size_t>(bits() % size); }

  bool chance(int percent) { return integer(1, 100) <= percent; }

  template <typename List>
  const auto& pick(const List& list) {
    return *std::next(std::begin(list), static_cast<std::ptrdiff_t>(below(std::size(list))));
  }

  template <typename Byte>
  void fill(std::vector<Byte>& values) {
    static_assert(sizeof(Byte) == 1);
    for (size_t i = 0; i < values.size(); i += sizeof(uint64_t)) {
      const uint64_t next = bits();
      std::memcpy(&values[i], &next, std::min(sizeof(next), values.size() - i));
    }
  }

 private:
  uint64_t state_;
};

}  // namespace etvk
