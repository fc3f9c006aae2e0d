// Settings from environment variables. Unset and empty are the same everywhere.
#pragma once

#include <string>

namespace etvk {

std::string environment(const char* name);

// 1 or 0; unset is 0. Throws Error (kInvalidArgument) for anything else.
bool environment_flag(const char* name);

}  // namespace etvk
