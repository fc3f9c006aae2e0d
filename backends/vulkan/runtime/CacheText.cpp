#include "CacheText.h"

#include <sstream>

#include "Fnv1a.h"
#include "vk/Environment.h"

namespace etvk {

namespace {

constexpr const char* kLastWord = "checksum ";

bool starts_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

}  // namespace

std::string user_cache_path(const char* variable, const std::string& name) {
  const std::string path = environment(variable);
  if (!path.empty()) {
    return path;
  }
  const std::string cache = environment("XDG_CACHE_HOME");
  const std::string home = environment("HOME");
  const std::string file = "/executorch_vulkan/" + name;
  if (starts_with(cache, "/")) {  // a relative one is to be ignored
    return cache + file;
  }
  return home.empty() ? "" : home + "/.cache" + file;
}

std::string with_checksum(const std::string& body) {
  return body + kLastWord + hex_text(fnv1a(body.data(), body.size())) + "\n";
}

std::string checked_body(const std::string& text, const std::string& start, std::string* why) {
  const size_t last = text.rfind(kLastWord);
  const std::string body = text.substr(0, last == std::string::npos ? 0 : last);
  if (last == std::string::npos || text != with_checksum(body) || !starts_with(body, start)) {
    *why = "it is damaged or another file";
    return "";
  }
  return body;
}

std::string hex_text(uint64_t value) {
  std::ostringstream text;
  text << std::hex << value;
  return text.str();
}

}  // namespace etvk
