#include "graph/OpArgs.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "vk/Error.h"

namespace etvk {

size_t wrap_dim(const std::string& op, int64_t dim, size_t rank) {
  const int64_t wrapped = dim < 0 ? dim + static_cast<int64_t>(rank) : dim;
  ETVK_CHECK(wrapped >= 0 && wrapped < static_cast<int64_t>(rank), kInvalidProgram,
             op << ": dim " << dim << " is outside a tensor of rank " << rank);
  return static_cast<size_t>(wrapped);
}

OpArgs::OpArgs(const ComputeGraph& graph, const OpCall& call, size_t count)
    : graph_(graph), call_(call), op_(call.name) {
  ETVK_CHECK(call.args.size() == count + 1, kInvalidProgram,
             op_ << ": expected " << count << " arguments and an output, got " << call.args.size()
                 << " values");
}

void OpArgs::fail(const char* name, const char* expected) const {
  ETVK_FAIL(kInvalidProgram,
            op_ << ": argument " << next_ - 1 << " (" << name << ") must be " << expected);
}

ValueId OpArgs::any(const char*) { return call_.args[next_++]; }

ValueId OpArgs::tensor(const char* name) {
  const ValueId id = any(name);
  if (!graph_.is_tensor(id)) {
    fail(name, "a tensor");
  }
  return id;
}

ValueId OpArgs::constant_tensor(const char* name) {
  const ValueId id = tensor(name);
  if (!graph_.is_constant(id)) {
    fail(name, "a constant of the program");
  }
  return id;
}

ValueId OpArgs::optional_constant_tensor(const char* name) {
  if (std::holds_alternative<Null>(graph_.value(call_.args[next_]))) {
    any(name);
    return -1;
  }
  return constant_tensor(name);
}

double OpArgs::number(const char* name) {
  const ValueDef& value = graph_.value(any(name));
  if (const auto* number = std::get_if<double>(&value)) {
    return *number;
  }
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return static_cast<double>(*integer);
  }
  fail(name, "a number");
}

// The serializer shares one value between equal Python scalars, so that 1 may arrive as 1.0.
int64_t OpArgs::integer(const char* name) {
  const double value = number(name);
  if (!(value >= INT32_MIN && value <= INT32_MAX) || value != std::floor(value)) {
    fail(name, "an integer within 32 bits");
  }
  return static_cast<int64_t>(value);
}

ValueId OpArgs::integer_list(const char* name) {
  const ValueId id = any(name);
  const ValueDef& value = graph_.value(id);
  if (!std::holds_alternative<std::vector<int64_t>>(value) &&
      !std::holds_alternative<ValueList>(value)) {
    fail(name, "a list of integers");
  }
  return id;
}

bool OpArgs::boolean(const char* name) {
  const ValueDef& value = graph_.value(any(name));
  if (const auto* boolean = std::get_if<bool>(&value)) {
    return *boolean;
  }
  const auto* integer = std::get_if<int64_t>(&value);
  if (integer == nullptr || (*integer != 0 && *integer != 1)) {
    fail(name, "true or false");
  }
  return *integer == 1;
}

ValueId OpArgs::symbolic_integer(const char* name) {
  const ValueId id = any(name);
  if (!graph_.is_integer(id)) {
    fail(name, "an integer");
  }
  return id;
}

ValueId OpArgs::optional_symbolic_integer(const char* name) {
  if (std::holds_alternative<Null>(graph_.value(call_.args[next_]))) {
    any(name);
    return -1;
  }
  return symbolic_integer(name);
}

std::vector<ValueId> OpArgs::tensor_list(const char* name) {
  const auto* list = std::get_if<ValueList>(&graph_.value(any(name)));
  if (list == nullptr || list->items.empty() ||
      !std::all_of(list->items.begin(), list->items.end(),
                   [this](ValueId id) { return graph_.is_tensor(id); })) {
    fail(name, "a list of tensors");
  }
  return list->items;
}

std::string OpArgs::string(const char* name) {
  const auto* value = std::get_if<std::string>(&graph_.value(any(name)));
  if (value == nullptr) {
    fail(name, "a string");
  }
  return *value;
}

ValueId OpArgs::output_tensor() {
  const ValueId id = tensor("output");
  if (graph_.is_constant(id)) {
    fail("output", "a tensor that is not a constant");
  }
  return id;
}

}  // namespace etvk
