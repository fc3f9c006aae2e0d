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

size_t wrap_dim_or_number(const std::string& op, int64_t dim, size_t rank) {
  return wrap_dim(op, dim, std::max<size_t>(rank, 1));
}

OpArgs::OpArgs(const Values& values, const OpCall& call, const Op& op)
    : values_(values), op_(op), args_(call.args) {
  const size_t expected = op.args.size() - 1;
  const bool has_rest = expected > 0 && op.args[expected - 1].kind == ArgKind::kRest;
  ETVK_CHECK(has_rest ? args_.size() >= expected : args_.size() == expected + 1, kInvalidProgram,
             op.name << ": expected " << expected - (has_rest ? 1 : 0)
                     << " arguments and an output, got " << args_.size() << " values");
  for (ValueId id : args_) {
    values.check_id(id, op.name.c_str());
  }
  if (has_rest) {
    const ValueId output = args_.back();
    args_.resize(expected - 1);
    args_.insert(args_.end(), {-1, output});
  }
  if (op.args.back().kind == ArgKind::kFirstOutput) {
    const auto* results = std::get_if<ValueList>(&values.at(args_.back()));
    args_.back() = results == nullptr || results->items.empty() ? args_.back() : results->items[0];
  }
  for (size_t i = 0; i < args_.size(); ++i) {
    check(i);
  }
  const auto* all = std::get_if<ValueList>(&values.at(args_.back()));
  outputs_ = all == nullptr ? std::vector<ValueId>{args_.back()} : all->items;
}

const std::vector<ValueId>& OpArgs::outputs(size_t count) const {
  ETVK_CHECK(outputs_.size() == count, kInvalidProgram,
             op_.name << ": expected " << count << " results, got " << outputs_.size());
  return outputs_;
}

void OpArgs::check(size_t index) const {
  const ArgDef& arg = op_.args[index];
  const char* expected = problem(args_[index], arg.kind);
  ETVK_CHECK(expected == nullptr, kInvalidProgram,
             op_.name << ": argument " << index << " (" << arg.name << ") must be " << expected);
}

// What it must be, where it is something else.
const char* OpArgs::problem(ValueId id, ArgKind kind) const {
  switch (kind) {
    case ArgKind::kOptionalTensor:
      if (is_none(id)) {
        return nullptr;
      }
      [[fallthrough]];
    case ArgKind::kTensor:
      return values_.is_tensor(id) ? nullptr : "a tensor";
    case ArgKind::kOptionalConstant:
      if (is_none(id)) {
        return nullptr;
      }
      [[fallthrough]];
    case ArgKind::kConstant:
      return !values_.is_tensor(id)     ? "a tensor"
             : !values_.is_constant(id) ? "a constant of the program"
                                        : nullptr;
    case ArgKind::kNumber:
      return values_.is_number(id) ? nullptr : "a number";
    case ArgKind::kOptionalScalar:
      if (is_none(id)) {
        return nullptr;
      }
      [[fallthrough]];
    case ArgKind::kScalar:
      return values_.is_number(id) || std::holds_alternative<bool>(values_.at(id)) ? nullptr
                                                                                   : "a number";
    case ArgKind::kInteger: {
      if (!values_.is_number(id)) {
        return "a number";
      }
      // The serializer shares one value between equal Python scalars, so that 1 may arrive as 1.0.
      const double value = values_.number(id);
      const bool fits = value >= INT32_MIN && value <= INT32_MAX && value == std::floor(value);
      return fits ? nullptr : "an integer within 32 bits";
    }
    case ArgKind::kBoolean: {
      const auto* integer = std::get_if<int64_t>(&values_.at(id));
      const bool is_bit = integer != nullptr && (*integer == 0 || *integer == 1);
      return is_bit || std::holds_alternative<bool>(values_.at(id)) ? nullptr : "true or false";
    }
    case ArgKind::kOptionalString:
      if (is_none(id)) {
        return nullptr;
      }
      [[fallthrough]];
    case ArgKind::kString:
      return std::holds_alternative<std::string>(values_.at(id)) ? nullptr : "a string";
    case ArgKind::kOptionalSymInt:
      if (is_none(id)) {
        return nullptr;
      }
      [[fallthrough]];
    case ArgKind::kSymInt:
      return values_.is_integer(id) ? nullptr : "an integer";
    case ArgKind::kOptionalNumbers:
      return is_none(id) ? nullptr : numbers_problem(id);
    case ArgKind::kOptionalIntegers:
    case ArgKind::kOptionalSymInts:
      if (is_none(id)) {
        return nullptr;
      }
      [[fallthrough]];
    case ArgKind::kIntegers:
    case ArgKind::kSymInts:
    case ArgKind::kTensors:
    case ArgKind::kOptionalTensors:
      return list_problem(id, kind);
    case ArgKind::kAny:
    case ArgKind::kRest:
      return nullptr;
    case ArgKind::kOutput:
    case ArgKind::kFirstOutput:
      return !values_.is_tensor(id)    ? "a tensor"
             : values_.is_constant(id) ? "a tensor that is not a constant"
                                       : nullptr;
    case ArgKind::kOutputs:
      return outputs_problem(id);
    case ArgKind::kSymIntOutput:
      return values_.is_symint(id) ? nullptr : "a symbolic integer";
  }
  ETVK_FAIL(kInternal, op_.name << ": an argument of unknown kind");
}

const char* OpArgs::list_problem(ValueId id, ArgKind kind) const {
  const auto* list = std::get_if<ValueList>(&values_.at(id));
  const auto all = [list](auto&& holds) {
    return list != nullptr && std::all_of(list->items.begin(), list->items.end(), holds);
  };
  if (kind == ArgKind::kTensors) {
    const bool tensors = all([this](ValueId item) { return values_.is_tensor(item); });
    return tensors && !list->items.empty() ? nullptr : "a list of tensors";
  }
  if (kind == ArgKind::kOptionalTensors) {
    const auto is_tensor = [this](ValueId item) { return values_.is_tensor(item); };
    const bool optional = all([&](ValueId item) { return is_tensor(item) || is_none(item); });
    return optional && std::any_of(list->items.begin(), list->items.end(), is_tensor)
               ? nullptr
               : "a list of tensors and None, at least one a tensor";
  }
  if (std::holds_alternative<std::vector<int64_t>>(values_.at(id))) {
    return nullptr;
  }
  const bool integers = all([this](ValueId item) { return values_.is_integer(item); });
  if (!integers) {
    return "a list of integers";
  }
  const bool known = all([this](ValueId item) { return !values_.is_symint(item); });
  const bool may_be_symbolic = kind == ArgKind::kSymInts || kind == ArgKind::kOptionalSymInts;
  return may_be_symbolic || known ? nullptr : "a list of integers, none symbolic";
}

const char* OpArgs::outputs_problem(ValueId id) const {
  const auto* list = std::get_if<ValueList>(&values_.at(id));
  const bool all = list != nullptr && !list->items.empty() &&
                   std::all_of(list->items.begin(), list->items.end(), [this](ValueId item) {
                     return values_.is_tensor(item) && !values_.is_constant(item);
                   });
  return all ? nullptr : "a list of tensors that are not constants";
}

const char* OpArgs::numbers_problem(ValueId id) const {
  const bool is_list = std::holds_alternative<std::vector<double>>(values_.at(id)) ||
                       std::holds_alternative<std::vector<int64_t>>(values_.at(id));
  return is_list ? nullptr : "a list of numbers";
}

bool OpArgs::is_none(ValueId id) const { return std::holds_alternative<Null>(values_.at(id)); }

size_t OpArgs::index_of(const char* name, ArgKind kind) const {
  for (size_t i = 0; i < op_.args.size(); ++i) {
    if (op_.args[i].name == name) {
      ETVK_CHECK(op_.args[i].kind == kind, kInternal,
                 op_.name << ": argument " << name << " is of another kind");
      return i;
    }
  }
  ETVK_FAIL(kInternal, op_.name << ": no argument " << name);
}

bool OpArgs::takes(const char* name, ArgKind kind) const {
  return std::any_of(op_.args.begin(), op_.args.end(),
                     [&](const ArgDef& arg) { return arg.name == name && arg.kind == kind; });
}

ValueId OpArgs::tensor(const char* name) const { return find(name, ArgKind::kTensor); }

ValueId OpArgs::optional_tensor(const char* name) const {
  const ValueId id = find(name, ArgKind::kOptionalTensor);
  return is_none(id) ? -1 : id;
}

ValueId OpArgs::constant(const char* name) const { return find(name, ArgKind::kConstant); }

ValueId OpArgs::optional_constant(const char* name) const {
  const ValueId id = find(name, ArgKind::kOptionalConstant);
  return is_none(id) ? -1 : id;
}

double OpArgs::number(const char* name) const {
  return values_.number(find(name, ArgKind::kNumber));
}

double OpArgs::scalar_at(ValueId id) const {
  const auto* boolean = std::get_if<bool>(&values_.at(id));
  return boolean != nullptr ? *boolean : values_.number(id);
}

double OpArgs::scalar(const char* name) const { return scalar_at(find(name, ArgKind::kScalar)); }

std::optional<double> OpArgs::optional_scalar(const char* name) const {
  const ValueId id = find(name, ArgKind::kOptionalScalar);
  return is_none(id) ? std::nullopt : std::optional<double>(scalar_at(id));
}

int64_t OpArgs::integer(const char* name) const {
  return static_cast<int64_t>(values_.number(find(name, ArgKind::kInteger)));
}

bool OpArgs::boolean(const char* name) const {
  const ValueDef& value = values_.at(find(name, ArgKind::kBoolean));
  const auto* boolean = std::get_if<bool>(&value);
  return boolean != nullptr ? *boolean : std::get<int64_t>(value) == 1;
}

const std::string& OpArgs::string(const char* name) const {
  return std::get<std::string>(values_.at(find(name, ArgKind::kString)));
}

const std::string* OpArgs::optional_string(const char* name) const {
  return std::get_if<std::string>(&values_.at(find(name, ArgKind::kOptionalString)));
}

std::vector<int64_t> OpArgs::optional_integers(const char* name) const {
  const ValueId id = find(name, ArgKind::kOptionalIntegers);
  return is_none(id) ? std::vector<int64_t>() : values_.integers(id);
}

std::vector<int64_t> OpArgs::integers(const char* name) const {
  return values_.integers(find(name, ArgKind::kIntegers));
}

ValueId OpArgs::symint(const char* name) const { return find(name, ArgKind::kSymInt); }

ValueId OpArgs::optional_symint(const char* name) const {
  const ValueId id = find(name, ArgKind::kOptionalSymInt);
  return is_none(id) ? -1 : id;
}

ValueId OpArgs::symints(const char* name) const { return find(name, ArgKind::kSymInts); }

ValueId OpArgs::optional_symints(const char* name) const {
  const ValueId id = find(name, ArgKind::kOptionalSymInts);
  return is_none(id) ? -1 : id;
}

std::vector<double> OpArgs::optional_numbers(const char* name) const {
  const ValueDef& value = values_.at(find(name, ArgKind::kOptionalNumbers));
  if (const auto* integers = std::get_if<std::vector<int64_t>>(&value)) {
    return {integers->begin(), integers->end()};
  }
  const auto* numbers = std::get_if<std::vector<double>>(&value);
  return numbers == nullptr ? std::vector<double>() : *numbers;
}

const std::vector<ValueId>& OpArgs::tensors(const char* name) const {
  return std::get<ValueList>(values_.at(find(name, ArgKind::kTensors))).items;
}

std::vector<ValueId> OpArgs::optional_tensors(const char* name) const {
  std::vector<ValueId> ids =
      std::get<ValueList>(values_.at(find(name, ArgKind::kOptionalTensors))).items;
  std::replace_if(ids.begin(), ids.end(), [this](ValueId id) { return is_none(id); }, -1);
  return ids;
}

std::vector<ValueId> OpArgs::reads() const {
  std::vector<ValueId> reads;
  const auto add = [&](ValueId id) {
    if (values_.is_tensor(id) || values_.is_symint(id)) {
      reads.push_back(id);
    }
  };
  for (size_t i = 0; i + 1 < args_.size(); ++i) {
    const ArgKind kind = op_.args[i].kind;
    if (kind == ArgKind::kAny || kind == ArgKind::kRest) {
      continue;
    }
    add(args_[i]);
    if (const auto* list = std::get_if<ValueList>(&values_.at(args_[i]))) {
      std::for_each(list->items.begin(), list->items.end(), add);
    }
  }
  return reads;
}

bool OpArgs::is_one_tensor(size_t index) const {
  const ArgKind kind = op_.args[index].kind;
  return kind == ArgKind::kTensor || (kind == ArgKind::kOptionalTensor && !is_none(args_[index]));
}

std::vector<OpArgs::TensorRead> OpArgs::tensor_reads() const {
  std::vector<TensorRead> reads;
  for (size_t i = 0; i + 1 < args_.size(); ++i) {
    const ArgDef& arg = op_.args[i];
    if (is_one_tensor(i)) {
      reads.push_back({args_[i], arg.order});
    } else if (arg.kind == ArgKind::kTensors || arg.kind == ArgKind::kOptionalTensors) {
      for (ValueId item : std::get<ValueList>(values_.at(args_[i])).items) {
        if (values_.is_tensor(item)) {
          reads.push_back({item, arg.order});
        }
      }
    }
  }
  return reads;
}

void OpArgs::replace_tensor_reads(Values& values,
                                  const std::function<ValueId(const TensorRead&)>& instead) {
  for (size_t i = 0; i + 1 < args_.size(); ++i) {
    const ArgDef& arg = op_.args[i];
    if (is_one_tensor(i)) {
      args_[i] = instead({args_[i], arg.order});
    } else if (arg.kind == ArgKind::kTensors || arg.kind == ArgKind::kOptionalTensors) {
      const std::vector<ValueId> items = std::get<ValueList>(values.at(args_[i])).items;
      std::vector<ValueId> others;
      for (ValueId item : items) {
        others.push_back(values.is_tensor(item) ? instead({item, arg.order}) : item);
      }
      if (others != items) {
        args_[i] = values.add_list(std::move(others));
      }
    }
  }
}

}  // namespace etvk
