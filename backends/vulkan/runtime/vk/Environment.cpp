#include "vk/Environment.h"

#include <cstdlib>

#include "vk/Error.h"

namespace etvk {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool environment_flag(const char* name) {
  const std::string value = environment(name);
  ETVK_CHECK(value.empty() || value == "0" || value == "1", kInvalidArgument,
             name << "=" << value << ": expected 0 or 1");
  return value == "1";
}

}  // namespace etvk
