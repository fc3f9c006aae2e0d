// The program of a seed.
#pragma once

#include "Program.h"

namespace etvk::fuzz {

// Well formed, or with lies in it: the same for the same seed.
Program draw_program(uint64_t seed);

}  // namespace etvk::fuzz
