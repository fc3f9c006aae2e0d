// Which specialization constants to check where there are too many to check all: a pipeline costs a
// CPU driver up to seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "graph/selfcheck/Problem.h"

namespace etvk {

// Some of `all`, in which each value of each constant is, as far as it is in `all`, and each pair
// of values of two constants that are `together`: lists of ids, each of constants that the same
// code reads. So a fault that needs three values at once may be missed. `seed`, say the number of
// the row, changes which ones are chosen, for what one row does not have others may.
std::vector<SpecializationConstants> covering(const std::vector<SpecializationConstants>& all,
                                              const std::vector<std::vector<size_t>>& together,
                                              uint64_t seed);

}  // namespace etvk
