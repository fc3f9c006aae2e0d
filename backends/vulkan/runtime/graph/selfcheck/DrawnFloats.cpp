#include "graph/selfcheck/DrawnFloats.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "graph/selfcheck/References.h"

namespace etvk {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kSpecial[] = {0.0f, -0.0f,     1.0f,       -1.0f,
                              2.5f, kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};

float drawn_float(Random& random) {
  const int kind = random.integer(0, 99);
  return kind < 5    ? random.pick(kSpecial)
         : kind < 30 ? static_cast<float>(random.integer(-10, 10))
         : kind < 60 ? random.uniform(-1.0f, 1.0f)
         : kind < 70 ? random.uniform(0.1f, 4.0f)
                     : random.uniform(-10.0f, 10.0f);
}

int32_t drawn_integer(Random& random) {
  constexpr int32_t kSpecial[] = {0, 1, -1, INT32_MIN, INT32_MAX};
  const int kind = random.integer(0, 99);
  return kind < 15   ? random.pick(kSpecial)
         : kind < 70 ? random.integer(-10, 10)
                     : static_cast<int32_t>(random.bits());
}

}  // namespace

DrawnOperand::DrawnOperand(DType dtype, size_t count, Random& random) : dtype_(dtype) {
  for (size_t i = 0; i < count; ++i) {
    if (dtype == DType::kFloat32) {
      floats_.push_back(drawn_float(random));
    } else if (dtype == DType::kInt32) {
      integers_.push_back(drawn_integer(random));
    } else {
      const int largest = dtype == DType::kBool ? 1 : 255;
      bytes_.push_back(static_cast<uint8_t>(random.integer(0, largest)));
    }
  }
}

double DrawnOperand::at(size_t i) const {
  if (dtype_ == DType::kFloat32) {
    return floats_[i];
  }
  return dtype_ == DType::kInt32 ? integers_[i] : bytes_[i];
}

void DrawnOperand::bind_to(Problem& problem) const {
  if (dtype_ == DType::kFloat32) {
    problem.bind(floats_);
  } else if (dtype_ == DType::kInt32) {
    problem.bind(integers_);
  } else {
    problem.bind(bytes_);
  }
}

void DrawnResults::add(double value) {
  if (dtype_ == DType::kFloat32) {
    floats_.push_back(static_cast<float>(value));
  } else if (dtype_ == DType::kInt32) {
    integers_.push_back(static_cast<int32_t>(value));
  } else {
    bytes_.push_back(static_cast<uint8_t>(value));
  }
}

void DrawnResults::bind_to(Problem& problem) const {
  if (dtype_ == DType::kInt32) {
    problem.bind_output(integers_);
    return;
  }
  if (dtype_ != DType::kFloat32) {
    problem.bind_output(bytes_);
    return;
  }
  problem.bind_output(floats_);
  for (float value : floats_) {
    problem.limits.push_back(float_limit(value));
  }
}

}  // namespace etvk
