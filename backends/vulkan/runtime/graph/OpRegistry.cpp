#include "graph/OpRegistry.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace etvk {

namespace {

// Made on first use, for rows register themselves before main.
std::map<std::string, Op>& registry() {
  static auto* ops = new std::map<std::string, Op>;
  return *ops;
}

const std::map<std::string, ArgKind>& kinds() {
  static const auto* all = new std::map<std::string, ArgKind>{
      {"tensor", ArgKind::kTensor},
      {"constant", ArgKind::kConstant},
      {"constant?", ArgKind::kOptionalConstant},
      {"number", ArgKind::kNumber},
      {"scalar", ArgKind::kScalar},
      {"scalar?", ArgKind::kOptionalScalar},
      {"integer", ArgKind::kInteger},
      {"boolean", ArgKind::kBoolean},
      {"string", ArgKind::kString},
      {"string?", ArgKind::kOptionalString},
      {"integers", ArgKind::kIntegers},
      {"integers?", ArgKind::kOptionalIntegers},
      {"symint", ArgKind::kSymInt},
      {"symint?", ArgKind::kOptionalSymInt},
      {"symints", ArgKind::kSymInts},
      {"tensors", ArgKind::kTensors},
      {"any", ArgKind::kAny},
      {"rest", ArgKind::kRest},
      {"out", ArgKind::kOutput},
      {"symout", ArgKind::kSymIntOutput},
  };
  return *all;
}

[[noreturn]] void refuse(const OpRow& row, const std::string& why) {
  std::fprintf(stderr, "executorch_vulkan: op %s: %s\n", row.name, why.c_str());
  std::abort();
}

std::vector<ArgDef> parse_signature(const OpRow& row) {
  std::vector<ArgDef> args;
  std::istringstream words(row.signature);
  std::string word;
  while (words >> word) {
    const size_t colon = word.find(':');
    const auto kind = kinds().find(colon == std::string::npos ? "" : word.substr(colon + 1));
    if (kind == kinds().end()) {
      refuse(row, "'" + word + "' is not an argument's name and kind");
    }
    args.push_back({word.substr(0, colon), kind->second});
  }
  const bool has_output = !args.empty() && (args.back().kind == ArgKind::kOutput ||
                                            args.back().kind == ArgKind::kSymIntOutput);
  if (!has_output) {
    refuse(row, "the signature must end with its output");
  }
  return args;
}

}  // namespace

RegisterOps::RegisterOps(const std::vector<OpRow>& rows) {
  for (const OpRow& row : rows) {
    if (!registry().emplace(row.name, Op{row.name, parse_signature(row), row.build}).second) {
      refuse(row, "is registered twice");
    }
  }
}

const std::map<std::string, Op>& all_ops() { return registry(); }

const Op* find_op(const std::string& name) {
  const auto found = registry().find(name);
  return found == registry().end() ? nullptr : &found->second;
}

}  // namespace etvk
