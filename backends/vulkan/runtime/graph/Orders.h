// Decides in which order each tensor of a program is in memory, so that as few bytes as possible
// are copied. Ops say in their rows what they take (OrderRules.h); this knows none of them by name
// but the one that copies.
#pragma once

#include "graph/Program.h"
#include "graph/Values.h"

namespace etvk {

// Sets the orders of `values`, and adds to `program` a copy of each tensor that something reads in
// another order than it is written in, one for all of these. Inputs, outputs and constants of a
// program are row-major. What is copied is never more than with every tensor row-major that may be.
// Takes time in proportion to the program. Throws kInvalidProgram where an op would have to write
// a tensor channels-last that has other than three or four dimensions, or read one.
void decide_orders(Values& values, Program& program);

}  // namespace etvk
