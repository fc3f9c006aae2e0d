// Push and specialization constants of progression.comp.
#pragma once

#include <cstdint>

namespace etvk::ops {

enum class Progression : uint32_t { kIntegers, kFloats, kSameWord, kSameByte };

struct ProgressionPush {
  uint32_t count;
  uint32_t start, step;  // bits of what y is
};

}  // namespace etvk::ops
