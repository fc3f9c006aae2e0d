#include "NarrowIntegers.h"

#include <algorithm>

#include "vk/Error.h"

namespace etvk {

namespace {

bool fits(int64_t value) { return value == static_cast<int32_t>(value); }

}  // namespace

void narrow_integers(int32_t* to, const int64_t* from, size_t count, size_t index) {
  bool all_fit = true;
  for (size_t i = 0; i < count; ++i) {
    to[i] = static_cast<int32_t>(from[i]);
    all_fit &= fits(from[i]);
  }
  if (!all_fit) {
    const int64_t* first = std::find_if_not(from, from + count, fits);
    ETVK_FAIL(kInvalidArgument, "input " << index << " has " << *first << " at element "
                                         << first - from
                                         << ": int64 tensors are computed in int32 here, so "
                                            "values must be within -2^31..2^31-1");
  }
}

void widen_integers(int64_t* to, const int32_t* from, size_t count) {
  std::copy(from, from + count, to);
}

}  // namespace etvk
