// Runs a program on a device and compares what happens with the reference.
#pragma once

#include <string>

#include "Program.h"
#include "vk/Context.h"

namespace etvk::fuzz {

struct Verdict {
  enum class Kind { kRight, kRefused, kWrong };
  Kind kind = Kind::kRight;
  std::string text;   // of an Error, or what is wrong
  int right = 0;      // executions with the reference's result
  int refused = 0;    // executions, or loads, that ended in an Error
  int unchecked = 0;  // executions whose result the reference does not know
};

Verdict check(Context& context, const Program& program);

}  // namespace etvk::fuzz
