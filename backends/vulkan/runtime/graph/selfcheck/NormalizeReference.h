// What normalize.comp makes of one row, in double: for the self-check and for the fuzzer.
#pragma once

#include <vector>

#include "graph/ops/impl/reduce/Normalize.h"

namespace etvk {

// By element, without weights; of a variance its one result. `number` is epsilon, or what the
// variance's sum of squares is divided by.
std::vector<double> normalized_row(ops::Normalization function, const std::vector<double>& row,
                                   double number);

}  // namespace etvk
