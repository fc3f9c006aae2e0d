// Each sum is the string read as a polynomial over the field of p = 2^61 - 1 elements, taken at a
// secret random point. Two different polynomials of degree d agree at no more than d points of p.
#include "vk/ContentHash.h"

#include <cstring>
#include <random>

namespace etvk {

namespace {

__extension__ using Wide = unsigned __int128;

constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;
// Coefficients must be below the prime: seven bytes each.
constexpr size_t kWordBytes = 7;
constexpr uint64_t kWordMask = (uint64_t{1} << 56) - 1;

// (sum + word) * point, below 2^61 + 4 but perhaps not fully reduced; so may `sum` be.
uint64_t step(uint64_t sum, uint64_t word, uint64_t point) {
  const Wide product = static_cast<Wide>(sum + word) * point;
  const uint64_t folded =
      (static_cast<uint64_t>(product) & kPrime) + static_cast<uint64_t>(product >> 61);
  return (folded & kPrime) + (folded >> 61);
}

std::array<uint64_t, 3> random_points() {
  std::random_device device;
  std::uniform_int_distribution<uint64_t> any(1, kPrime - 1);
  return {any(device), any(device), any(device)};
}

}  // namespace

ContentHash content_hash(const uint8_t* data, size_t size_bytes) {
  static const std::array<uint64_t, 3> points = random_points();
  uint64_t a = 0;
  uint64_t b = 0;
  uint64_t c = 0;
  const auto add = [&](uint64_t word) {
    a = step(a, word, points[0]);
    b = step(b, word, points[1]);
    c = step(c, word, points[2]);
  };
  size_t at = 0;
  uint64_t word = 0;
  for (; at + sizeof(word) <= size_bytes; at += kWordBytes) {
    std::memcpy(&word, data + at, sizeof(word));
    add(word & kWordMask);
  }
  word = 0;
  if (at < size_bytes) {
    std::memcpy(&word, data + at, size_bytes - at);
  }
  add(word);
  return {size_bytes, {a % kPrime, b % kPrime, c % kPrime}};
}

}  // namespace etvk
