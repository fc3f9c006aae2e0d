// Turns well-formed programs into ones that lie.
#pragma once

#include "Program.h"
#include "Random.h"

namespace etvk::fuzz {

// Changes the graph in one to three places, of any kinds, and says in program.lie what it did.
void tell_lies(Program& program, testing::Random& random);

}  // namespace etvk::fuzz
