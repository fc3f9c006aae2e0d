#include "graph/selfcheck/FloatReferences.h"

#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>

#include "graph/selfcheck/IntegerReferences.h"

namespace etvk {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// ---- References of one element. Where float32 rounds before something that is not smooth, or that
// cancels, so do they.

using Numbers = std::vector<double>;  // parameters

double largest(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double smallest(double a, double b) { return std::isnan(a) || a < b ? a : b; }
double clamped(double x, double low, double high) {
  const double y = std::isnan(low) ? low : largest(x, low);
  return std::isnan(high) ? high : smallest(y, high);
}
double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double hardsigmoid(double x) { return clamped(x + 3.0, 0.0, 6.0) / 6.0; }

double round_decimals(double x, double decimals) {
  float power = 1.0f;
  for (int i = 0; i < 60 && i < std::abs(decimals); ++i) {
    power *= 10.0f;
  }
  const auto f = static_cast<float>(x);
  return decimals < 0.0 ? std::nearbyint(f / power) * power : std::nearbyint(f * power) / power;
}

double elu(double x, const Numbers& p) {
  const auto negative = static_cast<float>(p[0]) * static_cast<float>(p[1]);
  const auto scaled = static_cast<float>(x) * static_cast<float>(p[2]);
  return x > 0.0 ? x * p[1] : std::expm1(scaled) * negative;
}

// By name, without "aten." and overload, or with the overload where the name alone is another op.
const std::map<std::string, UnaryReference>& unary_references() {
  using N = const Numbers&;
  static const std::map<std::string, UnaryReference> all = {
      {"abs", [](double x, N) { return std::abs(x); }},
      {"acos", [](double x, N) { return std::acos(x); }},
      {"acosh", [](double x, N) { return std::acosh(x); }},
      {"asin", [](double x, N) { return std::asin(x); }},
      {"asinh", [](double x, N) { return std::asinh(x); }},
      {"atan", [](double x, N) { return std::atan(x); }},
      {"atanh", [](double x, N) { return std::atanh(x); }},
      {"bitwise_not", [](double x, N) { return x == 0.0 ? 1.0 : 0.0; }},
      {"ceil", [](double x, N) { return std::ceil(x); }},
      {"clamp", [](double x, N p) { return clamped(x, p[0], p[1]); }},
      {"cos", [](double x, N) { return std::cos(x); }},
      {"cosh", [](double x, N) { return std::cosh(x); }},
      {"elu", elu},
      {"erf", [](double x, N) { return std::erf(x); }},
      {"erfc", [](double x, N) { return std::erfc(x); }},
      {"exp", [](double x, N) { return std::exp(x); }},
      {"exp2", [](double x, N) { return std::exp2(x); }},
      {"expm1", [](double x, N) { return std::expm1(x); }},
      {"floor", [](double x, N) { return std::floor(x); }},
      {"gelu none", [](double x, N) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); }},
      {"gelu tanh",
       [](double x, N) {
         const double inner = x + 0.044715 * x * x * x;
         return x * sigmoid(2.0 * std::sqrt(2.0 / 3.14159265358979323846) * inner);
       }},
      {"hardsigmoid", [](double x, N) { return hardsigmoid(x); }},
      {"hardswish", [](double x, N) { return x * hardsigmoid(x); }},
      {"hardtanh", [](double x, N p) { return clamped(x, p[0], p[1]); }},
      {"isinf", [](double x, N) { return std::isinf(x) ? 1.0 : 0.0; }},
      {"isnan", [](double x, N) { return std::isnan(x) ? 1.0 : 0.0; }},
      {"leaky_relu", [](double x, N p) { return x > 0.0 ? x : x * p[0]; }},
      {"log", [](double x, N) { return std::log(x); }},
      {"log10", [](double x, N) { return std::log10(x); }},
      {"log1p", [](double x, N) { return std::log1p(x); }},
      {"log2", [](double x, N) { return std::log2(x); }},
      {"logical_not", [](double x, N) { return x == 0.0 ? 1.0 : 0.0; }},
      {"neg", [](double x, N) { return -x; }},
      {"reciprocal", [](double x, N) { return 1.0 / x; }},
      {"relu", [](double x, N) { return clamped(x, 0.0, kInfinity); }},
      {"relu6", [](double x, N) { return clamped(x, 0.0, 6.0); }},
      {"round", [](double x, N) { return std::nearbyint(x); }},
      {"round.decimals", [](double x, N p) { return round_decimals(x, p[0]); }},
      {"rsqrt", [](double x, N) { return 1.0 / std::sqrt(x); }},
      {"sigmoid", [](double x, N) { return sigmoid(x); }},
      {"sign", [](double x, N) { return x > 0.0   ? 1.0
                                        : x < 0.0 ? -1.0
                                                  : 0.0; }},
      {"signbit", [](double x, N) { return std::signbit(x) ? 1.0 : 0.0; }},
      {"silu", [](double x, N) { return x * sigmoid(x); }},
      {"sin", [](double x, N) { return std::sin(x); }},
      {"sinh", [](double x, N) { return std::sinh(x); }},
      {"sqrt", [](double x, N) { return std::sqrt(x); }},
      {"tan", [](double x, N) { return std::tan(x); }},
      {"tanh", [](double x, N) { return std::tanh(x); }},
      {"threshold",
       [](double x, N p) { return std::isnan(x) || x > static_cast<float>(p[0]) ? x : p[1]; }},
      {"trunc", [](double x, N) { return std::trunc(x); }},
  };
  return all;
}

double remainder_of(double a, double b) {
  const auto rest = static_cast<float>(std::fmod(a, b));
  const bool differs = rest != 0.0f && std::signbit(rest) != std::signbit(b);
  return differs ? rest + static_cast<float>(b) : rest;
}

double divide_trunc(double a, double b) { return std::trunc(a / b); }

// Of an infinite b there is no quotient, but a rest.
double divide_floor(double a, double b) {
  if (b == 0.0 || std::isnan(a) || std::isnan(b)) {
    return a / b;
  }
  if (std::isinf(a)) {
    return kNaN;
  }
  const bool is_below = a != 0.0 && std::signbit(a) != std::signbit(b);
  return std::isinf(b) ? (is_below ? -1.0 : 0.0) : std::floor(a / b);
}

const std::map<std::string, BinaryReference>& binary_references() {
  static const std::map<std::string, BinaryReference> all = {
      {"add", [](double a, double b,
                 float alpha) { return static_cast<float>(a) + alpha * static_cast<float>(b); }},
      {"sub", [](double a, double b,
                 float alpha) { return static_cast<float>(a) - alpha * static_cast<float>(b); }},
      {"mul", [](double a, double b, float) { return a * b; }},
      {"div", [](double a, double b, float) { return a / b; }},
      {"div None", [](double a, double b, float) { return a / b; }},
      {"div floor", [](double a, double b, float) { return divide_floor(a, b); }},
      {"div trunc", [](double a, double b, float) { return divide_trunc(a, b); }},
      {"floor_divide", [](double a, double b, float) { return divide_floor(a, b); }},
      {"fmod", [](double a, double b, float) { return std::fmod(a, b); }},
      {"remainder", [](double a, double b, float) { return remainder_of(a, b); }},
      {"atan2", [](double a, double b, float) { return std::atan2(a, b); }},
      {"maximum", [](double a, double b, float) { return std::isnan(b) ? b : largest(a, b); }},
      {"minimum", [](double a, double b, float) { return std::isnan(b) ? b : smallest(a, b); }},
      {"pow", [](double a, double b, float) { return std::pow(a, b); }},
      {"eq", [](double a, double b, float) { return a == b ? 1.0 : 0.0; }},
      {"ne", [](double a, double b, float) { return a != b ? 1.0 : 0.0; }},
      {"lt", [](double a, double b, float) { return a < b ? 1.0 : 0.0; }},
      {"le", [](double a, double b, float) { return a <= b ? 1.0 : 0.0; }},
      {"gt", [](double a, double b, float) { return a > b ? 1.0 : 0.0; }},
      {"ge", [](double a, double b, float) { return a >= b ? 1.0 : 0.0; }},
      {"and", [](double a, double b, float) { return a != 0.0 && b != 0.0 ? 1.0 : 0.0; }},
      {"or", [](double a, double b, float) { return a != 0.0 || b != 0.0 ? 1.0 : 0.0; }},
      {"xor", [](double a, double b, float) { return (a != 0.0) != (b != 0.0) ? 1.0 : 0.0; }},
  };
  return all;
}

// Of bools that PyTorch adds and multiplies as truth values, where numbers have another result.
const std::map<std::string, BinaryReference>& bool_references() {
  static const std::map<std::string, BinaryReference> all = {
      {"add", [](double a, double b,
                 float alpha) { return a != 0.0 || (alpha != 0.0f && b != 0.0) ? 1.0 : 0.0; }},
      {"mul", [](double a, double b, float) { return a != 0.0 && b != 0.0 ? 1.0 : 0.0; }},
      {"maximum", [](double a, double b, float) { return a != 0.0 || b != 0.0 ? 1.0 : 0.0; }},
      {"minimum", [](double a, double b, float) { return a != 0.0 && b != 0.0 ? 1.0 : 0.0; }},
  };
  return all;
}

double not_nan(double so_far, double x, double chosen) {
  return std::isnan(x) ? x : std::isnan(so_far) ? so_far : chosen;
}

const std::map<std::string, ReductionReference>& reduction_references() {
  const auto most = [](double so_far, double x) { return not_nan(so_far, x, largest(so_far, x)); };
  const auto least = [](double so_far, double x) {
    return not_nan(so_far, x, smallest(so_far, x));
  };
  const auto plus = [](double so_far, double x) { return so_far + x; };
  const auto same = [](double all, double) { return all; };
  static const std::map<std::string, ReductionReference> all = {
      {"amax", {-kInfinity, most, same}},
      {"max", {-kInfinity, most, same}},
      {"amin", {kInfinity, least, same}},
      {"min", {kInfinity, least, same}},
      {"sum", {0.0, plus, same}},
      {"prod", {1.0, [](double so_far, double x) { return so_far * x; }, same}},
      {"mean", {0.0, plus, [](double sum, double count) { return sum / count; }}},
  };
  return all;
}

// ---- Rows and references by name.

std::string base_name(const std::string& name) {
  const std::string prefix = "aten.";
  const size_t end = name.rfind('.');
  std::string base = name.substr(prefix.size(), end - prefix.size());
  for (const char* logical : {"logical_", "bitwise_"}) {
    const bool is_unary = base == std::string(logical) + "not";
    if (base.rfind(logical, 0) == 0 && !is_unary) {
      base = base.substr(std::string(logical).size());
    }
  }
  return base;
}

template <typename References>
const typename References::mapped_type& reference_of(const References& references,
                                                     const std::string& name,
                                                     const std::string& keyword) {
  const std::string base = base_name(name);
  const std::string with_overload = base + name.substr(name.rfind('.'));
  for (const std::string& known : {with_overload, keyword.empty() ? base : base + " " + keyword}) {
    const auto found = references.find(known);
    if (found != references.end()) {
      return found->second;
    }
  }
  throw std::logic_error("the table of float ops has '" + name +
                         "', which has no reference: add one to FloatReferences.cpp");
}

std::string keyword_of(const TableFunction& row) {
  return row.keyword == nullptr ? "" : row.keyword_value == nullptr ? "None" : row.keyword_value;
}

}  // namespace

// Truth values of integers are those of the same real numbers.
const UnaryReference& float_reference(const UnaryOp& row) {
  if (row.takes_int && !row.gives_bool) {
    return reference_of(integer_unary_references(), row.name, keyword_of(row));
  }
  return reference_of(unary_references(), row.name, keyword_of(row));
}

const BinaryReference& float_reference(const BinaryOp& row) {
  if (row.takes_int && !row.gives_bool) {
    return reference_of(integer_binary_references(), row.name, keyword_of(row));
  }
  const bool of_bools = row.takes_bool && !row.takes_float;
  if (of_bools && bool_references().count(base_name(row.name)) != 0) {
    return bool_references().at(base_name(row.name));
  }
  return reference_of(binary_references(), row.name, keyword_of(row));
}

ReductionReference float_reference(const ReductionOp& row) {
  return reference_of(row.takes_int ? integer_reduction_references() : reduction_references(),
                      row.name, "");
}

}  // namespace etvk
