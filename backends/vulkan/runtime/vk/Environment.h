// Settings from environment variables. Unset and empty are the same everywhere.
#pragma once

#include <cstdint>
#include <string>

namespace etvk {

std::string environment(const char* name);

// 1 or 0; unset is 0. Throws Error (kInvalidArgument) for anything else.
bool environment_flag(const char* name);

// A whole number from 0 to `largest`; unset is `otherwise`. Throws Error (kInvalidArgument) for
// anything else.
uint64_t environment_number(const char* name, uint64_t largest, uint64_t otherwise);

}  // namespace etvk
