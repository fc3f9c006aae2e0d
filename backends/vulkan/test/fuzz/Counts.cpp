#include "Counts.h"

#include <sys/mman.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <set>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "graph/OpRegistry.h"

namespace etvk::fuzz {

namespace {

constexpr size_t kRefusalsShown = 60;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// The message without what changes from program to program: numbers, shapes, names in quotes, and
// which inputs came.
std::string kind_of(const std::string& message) {
  const std::string inputs = "do not fit the program: ";
  const size_t behind = message.find(inputs);
  std::string kind = behind == std::string::npos ? "" : "inputs: ";
  for (size_t i = behind == std::string::npos ? 0 : behind + inputs.size(); i < message.size();
       ++i) {
    const char c = message[i];
    if (c == '[' || c == '\'') {
      const size_t end = message.find(c == '[' ? ']' : '\'', i + 1);
      kind += c == '[' ? "[]" : "''";
      i = end == std::string::npos ? message.size() : end;
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0 &&
               (i == 0 || !is_word(message[i - 1]) || kind.back() == '#')) {
      kind += kind.empty() || kind.back() != '#' ? "#" : "";
    } else {
      kind += c;
    }
  }
  return kind.substr(0, Counts::kTextBytes - 1);
}

}  // namespace

void Counts::add(const Program& program, const Verdict& verdict) {
  ++programs;
  honest += program.lie.empty() ? 1 : 0;
  blobs += program.as_blob ? 1 : 0;
  right_programs += verdict.right > 0 ? 1 : 0;
  right += static_cast<uint64_t>(verdict.right);
  refused += static_cast<uint64_t>(verdict.refused);
  unchecked += static_cast<uint64_t>(verdict.unchecked);
  wrong += verdict.kind == Verdict::Kind::kWrong ? 1 : 0;
  if (verdict.right > 0) {
    std::set<std::string> ran;
    for (const OpCall& call : program.def.chain) {
      ran.insert(call.name);
    }
    size_t i = 0;
    for (const auto& [name, op] : all_ops()) {
      right_by_op[i++ % kOps] += ran.count(name);
    }
  }
  if (verdict.kind == Verdict::Kind::kRefused) {
    const std::string kind = kind_of(verdict.text);
    for (Refusal& refusal : refusals) {
      if (refusal.count == 0) {
        std::memcpy(refusal.text, kind.c_str(), kind.size() + 1);
      }
      if (kind == refusal.text) {
        ++refusal.count;
        break;
      }
    }
  }
}

std::string Counts::progress() const {
  std::ostringstream out;
  out << programs << " programs (" << honest << " well formed): " << right_programs
      << " ran and are right, " << right << " executions; " << refused << " refusals, " << unchecked
      << " unchecked, " << wrong << " wrong";
  return out.str();
}

std::string Counts::report() const {
  std::ostringstream out;
  std::vector<const Refusal*> kinds;
  for (const Refusal& refusal : refusals) {
    if (refusal.count > 0) {
      kinds.push_back(&refusal);
    }
  }
  std::sort(kinds.begin(), kinds.end(),
            [](const Refusal* a, const Refusal* b) { return a->count > b->count; });
  out << "refused, by message:\n";
  for (size_t i = 0; i < std::min(kinds.size(), kRefusalsShown); ++i) {
    out << "  " << kinds[i]->count << "  " << kinds[i]->text << "\n";
  }
  out << "  of " << kinds.size() << " messages\n";
  out << "ran and right, by op:\n";
  size_t i = 0;
  for (const auto& [name, op] : all_ops()) {
    out << "  " << right_by_op[i++ % kOps] << "  " << name << "\n";
  }
  out << progress() << "; " << blobs << " in the serialized form\n";
  return out.str();
}

std::string Counts::ops_never_run() const {
  std::string names;
  size_t i = 0;
  for (const auto& [name, op] : all_ops()) {
    if (right_by_op[i++ % kOps] == 0) {
      names += (names.empty() ? "" : ", ") + name;
    }
  }
  return names;
}

Counts* shared_counts() {
  void* memory =
      mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::runtime_error("no shared memory for the counts");
  }
  return new (memory) Counts;
}

}  // namespace etvk::fuzz
