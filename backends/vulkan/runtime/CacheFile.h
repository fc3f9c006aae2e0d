// Cache files: the user's own, trusted because nobody else can have written them. Nothing here
// throws; failures are text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace etvk {

// Longer ones are neither read nor written.
constexpr uint64_t kMaxCacheFileBytes = uint64_t{64} << 20;

// The file's bytes. Empty if it is not there or empty, or with `why` set if it is not to be used:
// it is a link or no regular file, it is too long, or another user than this one and root owns it
// or may write to it.
std::string read_cache_file(const std::string& path, std::string* why);

// Replaces the file's bytes by change(the old ones), which begin with `magic`; other processes that
// come here meanwhile wait. Only where there is nothing, an empty file, or a file of ours: one that
// begins with `magic`, even if the rest is damaged (too long a one counts as empty). It must be a
// regular file that this user owns and nobody else may write to. False with `why` set if that is
// not so or writing fails.
bool update_cache_file(const std::string& path, const std::string& magic,
                       const std::function<std::string(const std::string&)>& change,
                       std::string* why);

}  // namespace etvk
