// Operands and results of the float32 and bool kernels, for their problems.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/Random.h"

namespace etvk {

// float32 values of some magnitudes, whole numbers, zeros, infinities and NaN; or bools.
class DrawnOperand {
 public:
  DrawnOperand(bool is_bool, size_t count, Random& random);

  double at(size_t i) const { return is_bool_ ? bools_[i] : floats_[i]; }
  void bind_to(Problem& problem) const;

 private:
  bool is_bool_;
  std::vector<float> floats_;
  std::vector<uint8_t> bools_;
};

// Results by element: bools exact, floats within the limit of all drivers.
class DrawnResults {
 public:
  explicit DrawnResults(bool is_bool) : is_bool_(is_bool) {}

  void add(double value);
  void bind_to(Problem& problem) const;

 private:
  bool is_bool_;
  std::vector<float> floats_;
  std::vector<uint8_t> bools_;
};

}  // namespace etvk
