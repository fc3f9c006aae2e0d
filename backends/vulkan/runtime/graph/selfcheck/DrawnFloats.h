// Operands and results of the float32, int32 and bool kernels, for their problems.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/GraphDef.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/Random.h"

namespace etvk {

// float32 values of some magnitudes, whole numbers, zeros, infinities and NaN; int32 of all sizes;
// bools; or any uint8.
class DrawnOperand {
 public:
  DrawnOperand(DType dtype, size_t count, Random& random);

  double at(size_t i) const;
  void bind_to(Problem& problem) const;

 private:
  DType dtype_;
  std::vector<float> floats_;
  std::vector<int32_t> integers_;
  std::vector<uint8_t> bytes_;
};

// Results by element: floats within the limit of all drivers, others exact.
class DrawnResults {
 public:
  explicit DrawnResults(DType dtype) : dtype_(dtype) {}

  void add(double value);
  void bind_to(Problem& problem) const;

 private:
  DType dtype_;
  std::vector<float> floats_;
  std::vector<int32_t> integers_;
  std::vector<uint8_t> bytes_;
};

}  // namespace etvk
