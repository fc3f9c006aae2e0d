#include "graph/selfcheck/DrawnFloats.h"

#include <cmath>
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

}  // namespace

DrawnOperand::DrawnOperand(bool is_bool, size_t count, Random& random) : is_bool_(is_bool) {
  for (size_t i = 0; i < count; ++i) {
    if (is_bool) {
      bools_.push_back(random.chance(50) ? 1 : 0);
    } else {
      floats_.push_back(drawn_float(random));
    }
  }
}

void DrawnOperand::bind_to(Problem& problem) const {
  if (is_bool_) {
    problem.bind(bools_);
  } else {
    problem.bind(floats_);
  }
}

void DrawnResults::add(double value) {
  if (is_bool_) {
    bools_.push_back(value != 0.0 ? 1 : 0);
  } else {
    floats_.push_back(static_cast<float>(value));
  }
}

void DrawnResults::bind_to(Problem& problem) const {
  if (is_bool_) {
    problem.bind_output(bools_);
    return;
  }
  problem.bind_output(floats_);
  for (float value : floats_) {
    problem.limits.push_back(float_limit(value));
  }
}

}  // namespace etvk
