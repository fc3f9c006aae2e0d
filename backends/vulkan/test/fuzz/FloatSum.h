// A sum of products in double, and whether float32 can be held to it.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace etvk::fuzz {

// What float32 sums may be off by for each unit of the magnitudes that they add up.
constexpr double kSumError = 2e-6;

// What is left where 1e30 is added and taken away is not the fuzzer's business, nor in which order
// infinities and what overflows are added.
struct FloatSum {
  double value = 0.0;
  double magnitude = 0.0;  // of what is finite

  void add(double one, double factor) {
    value += factor * one;
    magnitude += std::isfinite(one) ? std::abs(one) * std::max(1.0, std::abs(factor)) : 0.0;
  }
  bool is_known() const {
    return magnitude < std::numeric_limits<float>::max() &&
           (!std::isfinite(value) ||
            kSumError * magnitude <= 1e-5 * std::max(1.0, std::abs(value)));
  }
};

}  // namespace etvk::fuzz
