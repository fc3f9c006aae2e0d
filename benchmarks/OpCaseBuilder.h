// What cases of ops are made with: the numbers that all have, and a case while it is made.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "OpCase.h"

namespace etvk::bench {

// The numbers of all cases. Scales are no powers of two, so that rounding happens.
constexpr double kScaleA = 0.021;
constexpr double kScaleB = 0.017;
constexpr double kOutputScale = 0.04;
constexpr int kZeroA = 3;
constexpr int kZeroB = -7;
constexpr int kZeroY = 11;

using Bytes = std::vector<uint8_t>;
using Shape = std::vector<int64_t>;

inline int64_t numel(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) {
    count *= size;
  }
  return count;
}

inline const int8_t* int8s(const Bytes& bytes) {
  return reinterpret_cast<const int8_t*>(bytes.data());
}

inline void set_float(Bytes& bytes, int64_t at, float value) {
  std::memcpy(&bytes[static_cast<size_t>(at) * 4], &value, 4);
}

inline float float_at(const Bytes& bytes, int64_t at) {
  float value = 0.0f;
  std::memcpy(&value, &bytes[static_cast<size_t>(at) * 4], 4);
  return value;
}

inline int8_t quantize(float f, double scale) {
  const float q = std::nearbyint(f * static_cast<float>(1.0 / scale)) + static_cast<float>(kZeroY);
  return static_cast<int8_t>(std::clamp(q, -128.0f, 127.0f));
}

// Builds an OpCase argument by argument.
class Builder {
 public:
  Builder(std::string name, Shape shape, uint64_t seed) : random_(seed) {
    made_.name = std::move(name);
    made_.shape = std::move(shape);
  }

  void op(const char* name) { made_.call.name = name; }

  ValueId add(const ValueDef& value) {
    made_.base.values.push_back(value);
    return static_cast<ValueId>(made_.base.values.size() - 1);
  }
  void argument(const ValueDef& value) { made_.call.args.push_back(add(value)); }
  void integers(const std::vector<int64_t>& values) { argument(values); }

  // A random input; its bytes, until the next input.
  const Bytes& input(DType dtype, const Shape& shape, bool is_argument = true) {
    const ValueId id = add(TensorDef{dtype, shape, -1});
    made_.base.inputs.push_back(id);
    if (is_argument) {
      made_.call.args.push_back(id);
    }
    Bytes& bytes = made_.inputs.emplace_back(random_bytes(dtype, numel(shape)));
    made_.moved_bytes += bytes.size();
    return bytes;
  }
  ValueId last_input() const { return made_.base.inputs.back(); }

  const Bytes& table(DType dtype) { return constant(dtype, {256}); }
  // A constant of random bytes; they stay where they are.
  const Bytes& constant(DType dtype, const Shape& shape) {
    return constant(dtype, shape, random_bytes(dtype, numel(shape)));
  }
  const Bytes& constant(DType dtype, const Shape& shape, Bytes bytes) {
    const Bytes& kept = made_.constants.emplace_back(std::move(bytes));
    made_.base.constants.push_back({kept.data(), kept.size()});
    argument(TensorDef{dtype, shape, static_cast<int32_t>(made_.constants.size() - 1)});
    return kept;
  }

  // The bytes of y, to be filled.
  Bytes& output(DType dtype, const Shape& shape) {
    made_.y = TensorDef{dtype, shape, -1};
    made_.expected.resize(static_cast<size_t>(numel(shape)) * dtype_bytes(dtype));
    made_.moved_bytes += made_.expected.size();
    return made_.expected;
  }

  OpCase done() { return std::move(made_); }
  OpCase& made() { return made_; }

 private:
  Bytes random_bytes(DType dtype, int64_t count) {
    Bytes bytes(static_cast<size_t>(count) * dtype_bytes(dtype));
    if (dtype == DType::kFloat32) {
      for (int64_t i = 0; i < count; ++i) {
        set_float(bytes, i,
                  static_cast<float>(static_cast<int32_t>(random_() & 0xffff) - 32768) / 7000);
      }
      return bytes;
    }
    for (size_t i = 0; i < bytes.size(); i += 8) {
      const uint64_t next = random_();
      std::memcpy(&bytes[i], &next, std::min<size_t>(8, bytes.size() - i));
    }
    if (dtype == DType::kBool) {
      std::for_each(bytes.begin(), bytes.end(), [](uint8_t& one) { one &= 1; });
    }
    return bytes;
  }

  OpCase made_;
  std::mt19937_64 random_;
};

// A case by its name.
struct Maker {
  std::string name;
  bool is_float;  // elements of 4 bytes are in the largest tensor
  std::function<void(Builder&, const Shape&)> make;
  const char* group = "all";
  std::vector<Shape> shapes = {};  // that are measured when none is asked for; none: by the device
};

}  // namespace etvk::bench
