#include "vk/Environment.h"

#include <charconv>
#include <cstdlib>
#include <system_error>

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

uint64_t environment_number(const char* name, uint64_t largest, uint64_t otherwise) {
  const std::string value = environment(name);
  if (value.empty()) {
    return otherwise;
  }
  uint64_t number = 0;
  const char* end = value.data() + value.size();
  const auto [read, error] = std::from_chars(value.data(), end, number);
  ETVK_CHECK(error == std::errc() && read == end && number <= largest, kInvalidArgument,
             name << "=" << value << ": expected a whole number from 0 to " << largest);
  return number;
}

}  // namespace etvk
