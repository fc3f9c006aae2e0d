#include "graph/OpRegistry.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>

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
      {"tensor?", ArgKind::kOptionalTensor},
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
      {"numbers?", ArgKind::kOptionalNumbers},
      {"symint", ArgKind::kSymInt},
      {"symint?", ArgKind::kOptionalSymInt},
      {"symints", ArgKind::kSymInts},
      {"symints?", ArgKind::kOptionalSymInts},
      {"tensors", ArgKind::kTensors},
      {"tensors?", ArgKind::kOptionalTensors},
      {"any", ArgKind::kAny},
      {"rest", ArgKind::kRest},
      {"out", ArgKind::kOutput},
      {"first_out", ArgKind::kFirstOutput},
      {"outs", ArgKind::kOutputs},
      {"symout", ArgKind::kSymIntOutput},
  };
  return *all;
}

const std::map<std::string, OrderRule>& order_rules() {
  static const auto* all = new std::map<std::string, OrderRule>{
      {"channels_last", OrderRule::kChannelsLast},
      {"either", OrderRule::kEither},
      {"alike", OrderRule::kAlike},
  };
  return *all;
}

[[noreturn]] void refuse(const OpRow& row, const std::string& why) {
  std::fprintf(stderr, "executorch_vulkan: op %s: %s\n", row.name, why.c_str());
  std::abort();
}

// A word of a signature: "x:tensor" or "x:tensor@either".
ArgDef parse_argument(const OpRow& row, const std::string& word) {
  const size_t colon = std::min(word.find(':'), word.size());
  const size_t at = std::min(word.find('@'), word.size());
  const auto kind = kinds().find(word.substr(std::min(colon + 1, at), at - colon - 1));
  if (kind == kinds().end()) {
    refuse(row, "'" + word + "' is not an argument's name and kind");
  }
  ArgDef arg{word.substr(0, colon), kind->second};
  if (at < word.size()) {
    const auto order = order_rules().find(word.substr(at + 1));
    const bool has_order = arg.kind == ArgKind::kTensor || arg.kind == ArgKind::kOptionalTensor ||
                           arg.kind == ArgKind::kTensors || arg.kind == ArgKind::kOptionalTensors ||
                           arg.kind == ArgKind::kOutput || arg.kind == ArgKind::kFirstOutput;
    if (order == order_rules().end() || !has_order) {
      refuse(row, "'" + word + "' names an order that there is not");
    }
    arg.order = order->second;
  }
  return arg;
}

std::vector<ArgDef> parse_signature(const OpRow& row) {
  std::vector<ArgDef> args;
  std::istringstream words(row.signature);
  std::string word;
  while (words >> word) {
    args.push_back(parse_argument(row, word));
  }
  const bool has_output =
      !args.empty() &&
      (args.back().kind == ArgKind::kOutput || args.back().kind == ArgKind::kFirstOutput ||
       args.back().kind == ArgKind::kOutputs || args.back().kind == ArgKind::kSymIntOutput);
  if (!has_output) {
    refuse(row, "the signature must end with its output");
  }
  const bool reads_alike = std::any_of(args.begin(), args.end() - 1, [](const ArgDef& arg) {
    return arg.order == OrderRule::kAlike;
  });
  if (reads_alike != (args.back().order == OrderRule::kAlike)) {
    refuse(row, "operands are alike with the output, so both say so");
  }
  return args;
}

}  // namespace

RegisterOps::RegisterOps(const std::vector<OpRow>& rows) {
  for (const OpRow& row : rows) {
    Op op{row.name, parse_signature(row), row.build, row.permutation, row.keeps_channels};
    if (!registry().emplace(row.name, std::move(op)).second) {
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
