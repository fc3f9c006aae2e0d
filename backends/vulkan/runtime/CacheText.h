// Cache files (CacheFile.h) that are text: where the user's are, and the checksum that they end
// with.
#pragma once

#include <cstdint>
#include <string>

namespace etvk {

// What the environment variable says, or executorch_vulkan/NAME in the user's cache folder (XDG).
// Empty if there is neither.
std::string user_cache_path(const char* variable, const std::string& name);

// `body`, which ends with a line, and a line with its checksum.
std::string with_checksum(const std::string& body);

// The body of a text that with_checksum() made; empty, with `why` set, where `text` is not that or
// does not begin with `start`.
std::string checked_body(const std::string& text, const std::string& start, std::string* why);

// As the files write it.
std::string hex_text(uint64_t value);

}  // namespace etvk
