// The one exception type inside the runtime. It never crosses the library boundary: the delegate
// (VulkanBackend.cpp) and the C functions (CApi.cpp) catch it, log it and return an error code.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace etvk {

enum class ErrorCode {
  kInvalidProgram,     // the blob is damaged, or asks for what this runtime does not have
  kInvalidArgument,    // an input has a wrong shape, dtype or layout
  kNotSupported,       // valid, but beyond a limit of this device or runtime
  kOutOfMemory,        // host or device memory
  kDeviceUnavailable,  // no Vulkan loader, no device, or the device was lost
  kInternal,           // a bug here or in the driver
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace etvk

// Throws etvk::Error; `message` is a stream expression: ETVK_FAIL(kNotSupported, "K is " << k).
#define ETVK_FAIL(error_code, message)                                       \
  do {                                                                       \
    std::ostringstream etvk_message_;                                        \
    etvk_message_ << message;                                                \
    throw ::etvk::Error(::etvk::ErrorCode::error_code, etvk_message_.str()); \
  } while (false)

#define ETVK_CHECK(condition, error_code, message) \
  do {                                             \
    if (!(condition)) {                            \
      ETVK_FAIL(error_code, message);              \
    }                                              \
  } while (false)
