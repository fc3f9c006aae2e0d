// Text as a JSON string, for the few places that print JSON.
#pragma once

#include <string>

namespace etvk {

// In quotes; control characters become spaces.
inline std::string json_quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
    }
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result + "\"";
}

}  // namespace etvk
