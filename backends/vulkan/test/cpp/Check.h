// Counted checks for test programs without a framework.
#pragma once

#include <cstdio>
#include <string>

namespace etvk::testing {

struct CheckCounts {
  int passed = 0;
  int failed = 0;
};

inline CheckCounts& check_counts() {
  static CheckCounts counts;
  return counts;
}

inline void expect(bool condition, const std::string& what) {
  ++(condition ? check_counts().passed : check_counts().failed);
  if (!condition) {
    std::printf("FAILED: %s\n", what.c_str());
  }
}

// Prints the counts as the last line; the program's exit code.
inline int report_checks() {
  std::printf("%d passed, %d failed\n", check_counts().passed, check_counts().failed);
  return check_counts().failed == 0 ? 0 : 1;
}

}  // namespace etvk::testing
