// Elementwise ops and reductions: an entry for each row of the generated table.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ElementwiseRows.h"
#include "Entry.h"
#include "Int8Grid.h"
#include "Shapes.h"
#include "graph/selfcheck/FloatReferences.h"

namespace etvk::fuzz {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

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

template <typename Row>
bool is_taken(const Row& row, DType operand) {
  return operand == DType::kFloat32 ? row.takes_float
         : operand == DType::kBool  ? row.takes_bool
         : operand == DType::kInt32 ? row.takes_int
                                    : false;
}

// The row of the call's keyword and its operands' type.
template <typename Row, size_t kCount>
const Row& row_of(const Row (&rows)[kCount], const Arguments& arguments, DType operands) {
  for (const Row* row : rows_of(rows, arguments.op().name)) {
    if (!is_taken(*row, operands)) {
      continue;
    }
    if (row->keyword == nullptr) {
      return *row;
    }
    const std::optional<std::string> given = arguments.optional_string(row->keyword);
    if (given ? row->keyword_value != nullptr && *given == row->keyword_value
              : row->keyword_value == nullptr) {
      return *row;
    }
  }
  throw Meaningless("a keyword or type that no row has");
}

// ---- Results.

template <typename Row>
void check_types(const Row& row, const std::vector<const Tensor*>& operands) {
  for (const Tensor* x : operands) {
    if (!is_taken(row, x->dtype) || x->dtype != operands[0]->dtype) {
      throw Meaningless("an operand of another type");
    }
  }
}

double value_at(const Tensor& x, size_t i) {
  if (x.dtype == DType::kInt32) {
    return x.int32_at(i);
  }
  return x.dtype == DType::kBool ? (x.bytes[i] != 0 ? 1.0 : 0.0) : x.float_at(i);
}

// Exact bools and integers, close floats.
Accuracy accuracy_of(const Tensor& y, Accuracy operands) {
  return operands != Accuracy::kExact ? Accuracy::kUnknown
         : y.dtype != DType::kFloat32 ? Accuracy::kExact
                                      : Accuracy::kClose;
}

void set_value(Tensor& y, size_t i, double value) {
  if (y.dtype == DType::kInt32) {
    const auto integer = static_cast<int32_t>(value);
    std::memcpy(&y.bytes[i * sizeof(integer)], &integer, sizeof(integer));
  } else if (y.dtype == DType::kBool) {
    y.bytes[i] = value != 0.0 ? 1 : 0;
  } else {
    set_float(y, i, static_cast<float>(value));
  }
}

// A number as a kernel is given it.
double as_operand(double number, DType operands) {
  if (operands != DType::kInt32) {
    return static_cast<float>(number);
  }
  if (!(number >= INT32_MIN && number <= INT32_MAX) || number != std::floor(number)) {
    throw Meaningless("a number that is no int32, with integers");
  }
  return number;
}

template <typename Row>
DType result_type(const Row& row) {
  return row.gives_bool ? DType::kBool : row.takes_int ? DType::kInt32 : DType::kFloat32;
}

Result unary(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const UnaryOp& row = row_of(kUnaryOps, arguments, x.dtype);
  check_types(row, {&x});
  std::vector<double> parameters;
  for (uint32_t i = 0; i < row.parameter_count; ++i) {
    const std::optional<double> given = arguments.optional_scalar(row.parameters[i]);
    if (!given && !arguments.may_be_none(row.parameters[i])) {
      throw Meaningless("a parameter that is missing");
    }
    parameters.push_back(as_operand(given.value_or(row.defaults[i]), x.dtype));
  }
  const UnaryReference& reference = float_reference(row);
  Tensor y = zeros(result_type(row), x.sizes);
  y.accuracy = accuracy_of(y, x.accuracy);
  for (size_t i = 0; i < y.count(); ++i) {
    set_value(y, i, reference(value_at(x, i), parameters));
  }
  return y;
}

Result binary(const Arguments& arguments) {
  const char* first = arguments.takes_tensor("self") ? "self" : "other";
  const DType type = arguments.tensor(first).dtype;
  const BinaryOp& row = row_of(kBinaryOps, arguments, type);
  std::vector<const Tensor*> tensors;
  double numbers[2] = {0.0, 0.0};
  Sizes sizes;
  Accuracy accuracy = Accuracy::kExact;
  const char* names[] = {"self", "other"};
  for (size_t i = 0; i < 2; ++i) {
    if (i == 0 ? row.a_is_number : row.b_is_number) {
      numbers[i] = as_operand(arguments.scalar(names[i]), type);
      continue;
    }
    tensors.push_back(&arguments.tensor(names[i]));
    sizes = broadcast(sizes, tensors.back()->sizes);
    accuracy = std::max(accuracy, tensors.back()->accuracy);
  }
  check_types(row, tensors);
  const double alpha =
      as_operand(row.has_alpha ? arguments.optional_scalar("alpha").value_or(1.0) : 1.0, type);
  const BinaryReference& reference = float_reference(row);
  Tensor y = zeros(result_type(row), sizes);
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
  const size_t bytes = dtype_bytes(a.dtype);
  if (condition.dtype != DType::kBool || a.dtype != b.dtype || (bytes != 1 && bytes != 4)) {
    throw Meaningless("an operand of another type");
  }
  Tensor y = zeros(a.dtype, broadcast(condition.sizes, broadcast(a.sizes, b.sizes)));
  const bool is_known = condition.accuracy == Accuracy::kExact;
  y.accuracy = is_known ? std::max(a.accuracy, b.accuracy) : Accuracy::kUnknown;
  for (size_t i = 0; i < y.count(); ++i) {
    const Sizes index = index_of(i, y.sizes);
    const bool is_set = condition.bytes[broadcast_at(condition.sizes, index)] != 0;
    const Tensor& from = is_set ? a : b;
    std::memcpy(&y.bytes[i * bytes], &from.bytes[broadcast_at(from.sizes, index) * bytes], bytes);
  }
  return y;
}

// What elements combine to, and the sum of their magnitudes.
struct Sum {
  double value = 0.0;
  double magnitude = 0.0;
  // Of a product: that of what is larger than one, and of what is smaller.
  double largest = 1.0;
  double least = 1.0;

  // In any order of the factors, none overflows or underflows on the way.
  bool is_known_product() const { return largest < 1e30 && (value == 0.0 || least > 1e-30); }
};

bool takes_one_dim(const Op& op) {
  const size_t position = position_of(op, "dim");
  return position < op.args.size() && op.args[position].kind == ArgKind::kInteger;
}

Sizes dims_of(const Arguments& arguments) {
  return takes_one_dim(arguments.op()) ? Sizes{arguments.integer("dim")}
                                       : arguments.optional_integers("dim");
}

Result reduction(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const ReductionOp* found = nullptr;
  for (const ReductionOp* row : rows_of(kReductionOps, arguments.op().name)) {
    found = x.dtype == (row->takes_int ? DType::kInt32 : DType::kFloat32) ? row : found;
  }
  if (found == nullptr) {
    throw Meaningless("an operand of another type");
  }
  const ReductionOp& row = *found;
  const ReductionReference reference = float_reference(row);
  const ReducedShape shape(x.sizes, row.has_dim ? dims_of(arguments) : Sizes{},
                           row.has_dim && arguments.boolean("keepdim"));
  Tensor y = zeros(x.dtype, shape.sizes);
  y.accuracy = accuracy_of(y, x.accuracy);
  if (y.count() == 0) {
    return y;
  }
  if (x.count() == 0) {
    throw Meaningless("a reduction of no elements");
  }
  const bool is_product = !row.takes_int && std::string(row.name).find("prod") != std::string::npos;
  std::vector<Sum> sums(y.count(), Sum{reference.start, 0.0});
  for (size_t i = 0; i < x.count(); ++i) {
    Sum& sum = sums[shape.result_of(i)];
    const double element = value_at(x, i);
    sum.magnitude += std::abs(element);
    sum.largest *= std::max(1.0, std::abs(element));
    sum.least *= std::min(1.0, std::abs(element));
    sum.value = reference.combine(sum.value, element);
  }
  for (size_t i = 0; i < y.count(); ++i) {
    const Sum& sum = sums[i];
    // What is left where 1e30 is added and taken away is not the fuzzer's business.
    if (row.is_compensated && std::isfinite(sum.magnitude) && sum.magnitude > 1e6) {
      y.accuracy = Accuracy::kUnknown;
    }
    if (is_product && !sum.is_known_product()) {
      y.accuracy = Accuracy::kUnknown;
    }
    const double count = static_cast<double>(shape.count);
    set_value(y, i, reference.finish(sum.value, count));
  }
  return y;
}

// ---- Draws.

void give_scalar(Draft& draft, const char* name, bool of_integers) {
  constexpr double kNumbers[] = {0.0, 1.0, -1.0, 2.0, 0.5, -0.25, 3.0, 6.0, kInfinity, kNaN};
  testing::Random& random = draft.random();
  if (of_integers && random.chance(80)) {
    draft.give_number(name, random.integer(-9, 9));
    return;
  }
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
  if (row.takes_int) {
    return draft.some_tensor({DType::kInt32});
  }
  const bool is_bool = row.takes_bool && (!row.takes_float || draft.random().chance(50));
  return draft.some_tensor({is_bool ? DType::kBool : DType::kFloat32});
}

bool draw_unary(Draft& draft) {
  const UnaryOp& row = *draft.random().pick(rows_of(kUnaryOps, draft.op().name));
  draft.give("self", some_operand(draft, row));
  for (uint32_t i = 0; i < row.parameter_count; ++i) {
    give_scalar(draft, row.parameters[i], row.takes_int);
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
    give_scalar(draft, "self", row.takes_int);
  } else {
    draft.give("self", a);
  }
  if (row.b_is_number) {
    give_scalar(draft, "other", row.takes_int);
  } else {
    draft.give("other", b);
  }
  if (row.has_alpha) {
    give_scalar(draft, "alpha", row.takes_int);
  }
  give_keyword(draft, row);
  return true;
}

bool draw_ternary(Draft& draft) {
  const ValueId a = draft.some_tensor(
      {DType::kFloat32, DType::kInt32, DType::kBool, DType::kUint8, DType::kInt8});
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
  const ReductionOp& row = *draft.random().pick(rows_of(kReductionOps, draft.op().name));
  const ReducedOperand operand =
      reduced_operand(draft, row.takes_int ? DType::kInt32 : DType::kFloat32);
  draft.give("self", operand.id);
  if (!row.has_dim) {
    return true;
  }
  draft.give_boolean("keepdim", draft.random().chance(50));
  if (takes_one_dim(draft.op())) {
    draft.give_integer("dim", operand.dims.empty() ? 0 : operand.dims[0]);
  } else if (operand.dims.empty() && draft.random().chance(50)) {
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
