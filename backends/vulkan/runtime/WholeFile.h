// Cache files: read at once and replaced at once. Nothing here throws; failures are text.
#pragma once

#include <cstdint>
#include <string>

namespace etvk {

// The file's bytes; empty if there is no file, or with `why` set if it cannot be read.
std::string read_file(const std::string& path, std::string* why);

// Puts `bytes` in place of what was at `path` in one step: whoever reads gets the old file or the
// new one, whatever happens meanwhile. False with `why` set if it did not work.
bool replace_file(const std::string& path, const std::string& bytes, std::string* why);

}  // namespace etvk
