// Problems of convert.comp: each pair of types, on values around what the narrower one has.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "graph/GraphDef.h"
#include "graph/ops/impl/elementwise/Convert.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr DType kTypes[] = {DType::kFloat32, DType::kInt32, DType::kInt8, DType::kUint8,
                            DType::kBool};

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  std::vector<SpecializationConstants> all;
  for (DType from : kTypes) {
    for (DType to : kTypes) {
      if (from != to) {
        all.push_back({static_cast<uint32_t>(from), static_cast<uint32_t>(to)});
      }
    }
  }
  return all;
}

float drawn_float(Random& random) {
  constexpr float kSpecial[] = {0.0f,          -0.0f,          0.5f,          -0.999f,
                                2147483520.0f, -2147483648.0f, 2147483648.0f, 1e20f,
                                -1e20f,        255.0f,         256.0f,        -1.0f};
  switch (random.below(12)) {
    case 0:
      return random.pick(kSpecial);
    case 1:
      return std::numeric_limits<float>::quiet_NaN();
    case 2:
      return std::numeric_limits<float>::infinity();
    case 3:
      return random.uniform(-1e9f, 1e9f);
    default:
      return random.uniform(-300.0f, 300.0f);
  }
}

int32_t drawn_integer(Random& random) {
  return random.chance(30) ? static_cast<int32_t>(random.bits()) : random.integer(-300, 300);
}

// Elements of one type as bytes.
std::vector<uint8_t> drawn(DType dtype, uint32_t count, Random& random) {
  std::vector<uint8_t> bytes(count * dtype_bytes(dtype));
  random.fill(bytes);
  for (uint32_t i = 0; i < count; ++i) {
    if (dtype == DType::kFloat32) {
      const float value = drawn_float(random);
      std::memcpy(&bytes[i * sizeof(value)], &value, sizeof(value));
    } else if (dtype == DType::kInt32) {
      const int32_t value = drawn_integer(random);
      std::memcpy(&bytes[i * sizeof(value)], &value, sizeof(value));
    } else if (dtype == DType::kBool) {
      bytes[i] &= 1;
    }
  }
  return bytes;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const auto from = static_cast<DType>(constants.at(0));
  const auto to = static_cast<DType>(constants.at(1));
  const ConvertPush push{flat_count(row, random)};
  const std::vector<uint8_t> x = drawn(from, push.count, random);
  std::vector<uint8_t> y;
  for (uint32_t i = 0; i < push.count; ++i) {
    append_converted(y, to, &x[i * dtype_bytes(from)], from);
  }
  Problem problem;
  problem.text = std::string(dtype_name(from)) + " to " + dtype_name(to) + ", " +
                 std::to_string(push.count) + " elements";
  problem.bind_output(y);
  problem.bind(x);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({{"convert", all_constants, make}});

}  // namespace

}  // namespace etvk::ops
