// Float elementwise ops and reductions: an entry for each row of the generated table, with
// references in double by the name of the op.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <stdexcept>

#include "ElementwiseRows.h"
#include "Entry.h"
#include "Int8Grid.h"
#include "Shapes.h"

namespace etvk::fuzz {

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
const std::map<std::string, std::function<double(double, const Numbers&)>>& unary_references() {
  using N = const Numbers&;
  static const std::map<std::string, std::function<double(double, N)>> all = {
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

const std::map<std::string, std::function<double(double, double, float)>>& binary_references() {
  static const std::map<std::string, std::function<double(double, double, float)>> all = {
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
                         "', the fuzzer has no reference for it: add one to FloatOps.cpp");
}

template <typename Row, size_t kCount>
std::vector<const Row*> rows_of(const Row (&rows)[kCount], const std::string& name) {
  std::vector<const Row*> found;
  for (const Row& row : rows) {
    if (name == row.name) {
      found.push_back(&row);
    }
  }
  return found;
}

// The row of the call's keyword.
template <typename Row, size_t kCount>
const Row& row_of(const Row (&rows)[kCount], const Arguments& arguments) {
  for (const Row* row : rows_of(rows, arguments.op().name)) {
    if (row->keyword == nullptr) {
      return *row;
    }
    const std::optional<std::string> given = arguments.optional_string(row->keyword);
    if (given ? row->keyword_value != nullptr && *given == row->keyword_value
              : row->keyword_value == nullptr) {
      return *row;
    }
  }
  throw Meaningless("a keyword that no row has");
}

template <typename Row>
std::string keyword_of(const Row& row) {
  return row.keyword == nullptr ? "" : row.keyword_value == nullptr ? "None" : row.keyword_value;
}

// ---- Results.

template <typename Row>
void check_types(const Row& row, const std::vector<const Tensor*>& operands) {
  for (const Tensor* x : operands) {
    const bool is_taken = x->dtype == DType::kFloat32 ? row.takes_float
                          : x->dtype == DType::kBool  ? row.takes_bool
                                                      : false;
    if (!is_taken || x->dtype != operands[0]->dtype) {
      throw Meaningless("an operand of another type");
    }
  }
}

double value_at(const Tensor& x, size_t i) {
  return x.dtype == DType::kBool ? (x.bytes[i] != 0 ? 1.0 : 0.0) : x.float_at(i);
}

// Exact bools, close floats.
Accuracy accuracy_of(const Tensor& y, Accuracy operands) {
  return operands != Accuracy::kExact ? Accuracy::kUnknown
         : y.dtype == DType::kBool    ? Accuracy::kExact
                                      : Accuracy::kClose;
}

void set_value(Tensor& y, size_t i, double value) {
  if (y.dtype == DType::kBool) {
    y.bytes[i] = value != 0.0 ? 1 : 0;
  } else {
    set_float(y, i, static_cast<float>(value));
  }
}

double as_float32(double number) { return static_cast<float>(number); }

Result unary(const Arguments& arguments) {
  const UnaryOp& row = row_of(kUnaryOps, arguments);
  const Tensor& x = arguments.tensor("self");
  check_types(row, {&x});
  Numbers parameters;
  for (uint32_t i = 0; i < row.parameter_count; ++i) {
    const std::optional<double> given = arguments.optional_scalar(row.parameters[i]);
    if (!given && !arguments.may_be_none(row.parameters[i])) {
      throw Meaningless("a parameter that is missing");
    }
    parameters.push_back(as_float32(given.value_or(row.defaults[i])));
  }
  const auto& reference = reference_of(unary_references(), row.name, keyword_of(row));
  Tensor y = zeros(row.gives_bool ? DType::kBool : DType::kFloat32, x.sizes);
  y.accuracy = accuracy_of(y, x.accuracy);
  for (size_t i = 0; i < y.count(); ++i) {
    set_value(y, i, reference(value_at(x, i), parameters));
  }
  return y;
}

Result binary(const Arguments& arguments) {
  const BinaryOp& row = row_of(kBinaryOps, arguments);
  std::vector<const Tensor*> tensors;
  double numbers[2] = {0.0, 0.0};
  Sizes sizes;
  Accuracy accuracy = Accuracy::kExact;
  const char* names[] = {"self", "other"};
  for (size_t i = 0; i < 2; ++i) {
    if (i == 0 ? row.a_is_number : row.b_is_number) {
      numbers[i] = as_float32(arguments.scalar(names[i]));
      continue;
    }
    tensors.push_back(&arguments.tensor(names[i]));
    sizes = broadcast(sizes, tensors.back()->sizes);
    accuracy = std::max(accuracy, tensors.back()->accuracy);
  }
  check_types(row, tensors);
  const double alpha = row.has_alpha ? arguments.optional_scalar("alpha").value_or(1.0) : 1.0;
  const auto& reference = reference_of(binary_references(), row.name, keyword_of(row));
  Tensor y = zeros(row.gives_bool ? DType::kBool : DType::kFloat32, sizes);
  y.accuracy = accuracy_of(y, accuracy);
  for (size_t i = 0; i < y.count(); ++i) {
    const Sizes index = index_of(i, y.sizes);
    const auto at = [&](const Tensor& x) { return value_at(x, broadcast_at(x.sizes, index)); };
    const double a = row.a_is_number ? numbers[0] : at(*tensors[0]);
    const double b = row.b_is_number ? numbers[1] : at(*tensors.back());
    set_value(y, i, reference(a, b, static_cast<float>(alpha)));
  }
  return y;
}

// where.self, the one op of three tensors.
Result ternary(const Arguments& arguments) {
  const Tensor& condition = arguments.tensor("condition");
  const Tensor& a = arguments.tensor("self");
  const Tensor& b = arguments.tensor("other");
  if (condition.dtype != DType::kBool || a.dtype != DType::kFloat32 || b.dtype != DType::kFloat32) {
    throw Meaningless("an operand of another type");
  }
  Tensor y = zeros(DType::kFloat32, broadcast(condition.sizes, broadcast(a.sizes, b.sizes)));
  const Accuracy values = std::max(a.accuracy, b.accuracy);
  const bool is_known = condition.accuracy == Accuracy::kExact;
  y.accuracy = is_known ? std::max(values, Accuracy::kClose) : Accuracy::kUnknown;
  for (size_t i = 0; i < y.count(); ++i) {
    const Sizes index = index_of(i, y.sizes);
    const bool is_set = condition.bytes[broadcast_at(condition.sizes, index)] != 0;
    const Tensor& from = is_set ? a : b;
    set_float(y, i, from.float_at(broadcast_at(from.sizes, index)));
  }
  return y;
}

// What elements add up to, and their magnitudes.
struct Sum {
  double value = 0.0;
  double magnitude = 0.0;
};

Result reduction(const Arguments& arguments) {
  const ReductionOp& row = *rows_of(kReductionOps, arguments.op().name)[0];
  const Tensor& x = arguments.tensor("self");
  if (x.dtype != DType::kFloat32) {
    throw Meaningless("an operand of another type");
  }
  const std::string base = base_name(row.name);
  const bool is_largest = base == "amax" || base == "max";
  const bool is_smallest = base == "amin" || base == "min";
  if (!is_largest && !is_smallest && base != "sum" && base != "mean") {
    throw std::logic_error("the fuzzer has no reference for " + std::string(row.name) +
                           ": add one to FloatOps.cpp");
  }
  const ReducedShape shape(x.sizes, row.has_dim ? arguments.optional_integers("dim") : Sizes{},
                           row.has_dim && arguments.boolean("keepdim"));
  Tensor y = zeros(DType::kFloat32, shape.sizes);
  y.accuracy = accuracy_of(y, x.accuracy);
  if (y.count() == 0) {
    return y;
  }
  if (x.count() == 0) {
    throw Meaningless("a reduction of no elements");
  }
  std::vector<Sum> sums(y.count());
  for (Sum& sum : sums) {
    sum.value = is_largest ? -kInfinity : is_smallest ? kInfinity : 0.0;
  }
  for (size_t i = 0; i < x.count(); ++i) {
    Sum& sum = sums[shape.result_of(i)];
    const double element = x.float_at(i);
    sum.magnitude += std::abs(element);
    sum.value = std::isnan(element) ? element
                : is_largest        ? largest(sum.value, element)
                : is_smallest       ? smallest(sum.value, element)
                                    : sum.value + element;
  }
  for (size_t i = 0; i < y.count(); ++i) {
    const Sum& sum = sums[i];
    // What is left where 1e30 is added and taken away is not the fuzzer's business.
    if (row.is_compensated && std::isfinite(sum.magnitude) && sum.magnitude > 1e6) {
      y.accuracy = Accuracy::kUnknown;
    }
    set_float(y, i,
              static_cast<float>(base == "mean" ? sum.value / static_cast<double>(shape.count)
                                                : sum.value));
  }
  return y;
}

// ---- Draws.

void give_scalar(Draft& draft, const char* name) {
  constexpr double kNumbers[] = {0.0, 1.0, -1.0, 2.0, 0.5, -0.25, 3.0, 6.0, kInfinity, kNaN};
  testing::Random& random = draft.random();
  if (draft.may_be_none(name) && random.chance(30)) {
    draft.give_none(name);
  } else if (random.chance(10)) {
    draft.give_boolean(name, random.chance(50));
  } else {
    draft.give_number(name, random.pick(kNumbers));
  }
}

template <typename Row>
void give_keyword(Draft& draft, const Row& row) {
  if (row.keyword != nullptr && row.keyword_value == nullptr) {
    draft.give_none(row.keyword);
  } else if (row.keyword != nullptr) {
    draft.give_string(row.keyword, row.keyword_value);
  }
}

template <typename Row>
ValueId some_operand(Draft& draft, const Row& row) {
  const bool is_bool = row.takes_bool && (!row.takes_float || draft.random().chance(50));
  return draft.some_tensor({is_bool ? DType::kBool : DType::kFloat32});
}

bool draw_unary(Draft& draft) {
  const UnaryOp& row = *draft.random().pick(rows_of(kUnaryOps, draft.op().name));
  draft.give("self", some_operand(draft, row));
  for (uint32_t i = 0; i < row.parameter_count; ++i) {
    give_scalar(draft, row.parameters[i]);
  }
  give_keyword(draft, row);
  return true;
}

bool draw_binary(Draft& draft) {
  const BinaryOp& row = *draft.random().pick(rows_of(kBinaryOps, draft.op().name));
  ValueId a = some_operand(draft, row);
  if (a < 0) {
    return false;
  }
  ValueId b = row.a_is_number || row.b_is_number ? a : broadcast_operand(draft, a);
  if (draft.random().chance(30)) {
    std::swap(a, b);
  }
  if (row.a_is_number) {
    give_scalar(draft, "self");
  } else {
    draft.give("self", a);
  }
  if (row.b_is_number) {
    give_scalar(draft, "other");
  } else {
    draft.give("other", b);
  }
  if (row.has_alpha) {
    give_scalar(draft, "alpha");
  }
  give_keyword(draft, row);
  return true;
}

bool draw_ternary(Draft& draft) {
  const ValueId a = draft.some_tensor({DType::kFloat32});
  if (a < 0) {
    return false;
  }
  const ByExecution<Sizes> sizes = draft.all_sizes(a);
  const ValueId condition =
      draft.find_tensor({DType::kBool}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
  draft.give("condition", condition >= 0 ? condition : draft.some_tensor({DType::kBool}));
  draft.give("self", a);
  draft.give("other", broadcast_operand(draft, a));
  return true;
}

bool draw_reduction(Draft& draft) {
  const ReductionOp& row = *rows_of(kReductionOps, draft.op().name)[0];
  const ReducedOperand operand = reduced_operand(draft, DType::kFloat32);
  draft.give("self", operand.id);
  if (!row.has_dim) {
    return true;
  }
  draft.give_boolean("keepdim", draft.random().chance(50));
  if (operand.dims.empty() && draft.random().chance(50)) {
    draft.give_none("dim");
  } else {
    draft.give_fixed_integers("dim", operand.dims);
  }
  return true;
}

}  // namespace

std::vector<Entry> float_entries() {
  std::vector<Entry> entries;
  const auto add = [&entries](const auto& rows, bool (*draw)(Draft&),
                              Result (*evaluate)(const Arguments&), bool many_pipelines) {
    for (const auto& row : rows) {
      entries.push_back({row.name, draw, evaluate, many_pipelines, true});
    }
  };
  add(kUnaryOps, draw_unary, unary, false);
  add(kBinaryOps, draw_binary, binary, true);
  add(kTernaryOps, draw_ternary, ternary, true);
  add(kReductionOps, draw_reduction, reduction, true);
  return entries;
}

}  // namespace etvk::fuzz
