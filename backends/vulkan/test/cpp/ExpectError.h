// A check that something ends in an Error of the runtime.
#pragma once

#include <functional>
#include <string>

#include "Check.h"
#include "vk/Error.h"

namespace etvk::testing {

// `body` must throw an Error with `code` whose message contains `text`.
inline void expect_error(ErrorCode code, const std::string& text,
                         const std::function<void()>& body) {
  try {
    body();
    expect(false, "no error, expected one with '" + text + "'");
  } catch (const Error& error) {
    const bool matches =
        error.code() == code && std::string(error.what()).find(text) != std::string::npos;
    expect(matches, "expected '" + text + "', got '" + error.what() + "'");
  }
}

}  // namespace etvk::testing
