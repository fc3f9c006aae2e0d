#include "graph/selfcheck/Problem.h"

#include <cmath>
#include <map>
#include <sstream>

#include "vk/Error.h"

namespace etvk {

namespace {

constexpr size_t kGroupBytes = 16;

// Made on first use, for families register themselves before main.
std::map<std::string, ProblemFamily>& families() {
  static auto* all = new std::map<std::string, ProblemFamily>;
  return *all;
}

float float_at(const uint8_t* bytes, size_t i) {
  float value = 0.0f;
  std::memcpy(&value, bytes + i * sizeof(value), sizeof(value));
  return value;
}

double element_at(const Problem& problem, const uint8_t* bytes, size_t i) {
  return problem.is_float ? float_at(bytes, i) : static_cast<int8_t>(bytes[i]);
}

bool is_right(const Problem& problem, const uint8_t* output, size_t i) {
  const size_t element_bytes = problem.is_float ? sizeof(float) : 1;
  const uint8_t* expected = problem.expected.data();
  if (std::memcmp(output + i * element_bytes, expected + i * element_bytes, element_bytes) == 0) {
    return true;
  }
  const double wanted = element_at(problem, expected, i);
  const double got = element_at(problem, output, i);
  if (std::isnan(wanted)) {
    return std::isnan(got);
  }
  return i < problem.limits.size() && std::abs(got - wanted) <= problem.limits[i];
}

}  // namespace

std::vector<uint8_t> Problem::padded(const void* bytes, size_t size) {
  std::vector<uint8_t> binding((size + kGroupBytes - 1) / kGroupBytes * kGroupBytes, kUnwritten);
  std::memcpy(binding.data(), bytes, size);
  return binding;
}

void Problem::bind_output_bytes(const void* bytes, size_t size) {
  expected = padded(bytes, size);
  bindings.emplace_back(expected.size(), kUnwritten);
}

std::string difference(const Problem& problem, const uint8_t* output) {
  const size_t count = problem.expected.size() / (problem.is_float ? sizeof(float) : 1);
  size_t first = count;
  size_t wrong = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!is_right(problem, output, i)) {
      first = std::min(first, i);
      ++wrong;
    }
  }
  if (wrong == 0) {
    return "";
  }
  std::ostringstream text;
  text.precision(9);
  text << problem.text << ": element " << first << " is " << element_at(problem, output, first)
       << ", expected " << element_at(problem, problem.expected.data(), first) << "; " << wrong
       << " of " << count << " differ";
  return text.str();
}

std::vector<SpecializationConstants> no_constants(const KernelRow&) { return {{}}; }

RegisterProblems::RegisterProblems(const std::vector<ProblemFamily>& rows) {
  for (const ProblemFamily& family : rows) {
    families()[family.op] = family;
  }
}

const ProblemFamily& problem_family(const char* op) {
  const auto found = families().find(op);
  ETVK_CHECK(found != families().end(), kInternal,
             "kernels of " << op
                           << " have no problem for the self-check; their family has to "
                              "register one, see graph/selfcheck/Problem.h");
  return found->second;
}

}  // namespace etvk
