// int64 tensors of a method as the int32 that a program computes with, which is how a blob has
// them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etvk {

// Throws kInvalidArgument, naming input `index` and the value, for one that int32 does not have.
void narrow_integers(int32_t* to, const int64_t* from, size_t count, size_t index);

void widen_integers(int64_t* to, const int32_t* from, size_t count);

}  // namespace etvk
