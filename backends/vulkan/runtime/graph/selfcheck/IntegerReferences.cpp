#include "graph/selfcheck/IntegerReferences.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace etvk {

namespace {

using Numbers = std::vector<double>;  // parameters

// What is left in int32 of a result.
double wrapped(int64_t value) { return static_cast<int32_t>(static_cast<uint32_t>(value)); }

int64_t whole(double value) { return static_cast<int64_t>(value); }

int64_t divide_trunc(double a, double b) { return b == 0.0 ? 0 : whole(a) / whole(b); }

int64_t divide_floor(double a, double b) {
  return b == 0.0 ? 0 : static_cast<int64_t>(std::floor(a / b));
}

// In steps of one square each, in which b halves; 1 / a^-b is no whole number but of 1 and -1.
int64_t power(int64_t a, int64_t b) {
  if (b < 0) {
    return a == 1 ? 1 : a == -1 ? (b % 2 != 0 ? -1 : 1) : 0;
  }
  uint32_t result = 1;
  auto square = static_cast<uint32_t>(a);
  for (; b > 0; b /= 2) {
    result *= b % 2 != 0 ? square : 1u;
    square *= square;
  }
  return static_cast<int32_t>(result);
}

template <typename Function>
BinaryReference on_integers(Function function) {
  return [function](double a, double b, float) { return wrapped(function(whole(a), whole(b))); };
}

}  // namespace

const std::map<std::string, UnaryReference>& integer_unary_references() {
  using N = const Numbers&;
  static const std::map<std::string, UnaryReference> all = {
      {"abs", [](double x, N) { return wrapped(std::abs(whole(x))); }},
      {"bitwise_not", [](double x, N) { return wrapped(-1 - whole(x)); }},
      {"clamp", [](double x, N p) { return std::min(std::max(x, p[0]), p[1]); }},
      {"ceil", [](double x, N) { return x; }},
      {"floor", [](double x, N) { return x; }},
      {"neg", [](double x, N) { return wrapped(-whole(x)); }},
      {"relu", [](double x, N) { return std::max(x, 0.0); }},
      {"round", [](double x, N) { return x; }},
      {"sign", [](double x, N) { return x > 0.0   ? 1.0
                                        : x < 0.0 ? -1.0
                                                  : 0.0; }},
      {"trunc", [](double x, N) { return x; }},
  };
  return all;
}

const std::map<std::string, BinaryReference>& integer_binary_references() {
  static const std::map<std::string, BinaryReference> all = {
      {"add",
       [](double a, double b, float alpha) { return wrapped(whole(a) + whole(alpha) * whole(b)); }},
      {"sub",
       [](double a, double b, float alpha) { return wrapped(whole(a) - whole(alpha) * whole(b)); }},
      {"mul", on_integers([](int64_t a, int64_t b) { return a * b; })},
      {"div floor", [](double a, double b, float) { return wrapped(divide_floor(a, b)); }},
      {"div trunc", [](double a, double b, float) { return wrapped(divide_trunc(a, b)); }},
      {"floor_divide", [](double a, double b, float) { return wrapped(divide_floor(a, b)); }},
      {"fmod",
       [](double a, double b, float) { return wrapped(whole(a) - divide_trunc(a, b) * whole(b)); }},
      {"remainder",
       [](double a, double b, float) { return wrapped(whole(a) - divide_floor(a, b) * whole(b)); }},
      {"maximum", [](double a, double b, float) { return std::max(a, b); }},
      {"minimum", [](double a, double b, float) { return std::min(a, b); }},
      {"pow", on_integers(power)},
      {"and", on_integers([](int64_t a, int64_t b) { return a & b; })},
      {"or", on_integers([](int64_t a, int64_t b) { return a | b; })},
      {"xor", on_integers([](int64_t a, int64_t b) { return a ^ b; })},
  };
  return all;
}

const std::map<std::string, ReductionReference>& integer_reduction_references() {
  const auto most = [](double so_far, double x) { return std::max(so_far, x); };
  const auto least = [](double so_far, double x) { return std::min(so_far, x); };
  const auto same = [](double all, double) { return all; };
  static const std::map<std::string, ReductionReference> all = {
      {"amax", {INT32_MIN, most, same}},
      {"max", {INT32_MIN, most, same}},
      {"amin", {INT32_MAX, least, same}},
      {"min", {INT32_MAX, least, same}},
      {"sum", {0.0, [](double sum, double x) { return wrapped(whole(sum) + whole(x)); }, same}},
      {"prod", {1.0, [](double all, double x) { return wrapped(whole(all) * whole(x)); }, same}},
  };
  return all;
}

}  // namespace etvk
