// The random numbers of tests are those of the self-check.
#pragma once

#include "graph/selfcheck/Random.h"

namespace etvk::testing {

using etvk::Random;

}  // namespace etvk::testing
