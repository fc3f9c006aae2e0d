#include "Machine.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>

#include "Entry.h"

namespace etvk::fuzz {

namespace {

constexpr const char* kState = "et_vk.state.default";
constexpr const char* kAssignState = "et_vk.assign_state.default";

constexpr uint64_t kMostElements = 1 << 20;  // of a tensor here

[[noreturn]] void meaningless(const std::string& why) { throw Meaningless(why); }

}  // namespace

int32_t Tensor::int32_at(size_t i) const {
  int32_t value = 0;
  std::memcpy(&value, &bytes[i * sizeof(value)], sizeof(value));
  return value;
}

float Tensor::float_at(size_t i) const {
  float value = 0.0f;
  std::memcpy(&value, &bytes[i * 4], sizeof(value));
  return value;
}

void set_float(Tensor& tensor, size_t i, float value) {
  std::memcpy(&tensor.bytes[i * 4], &value, sizeof(value));
}

Tensor zeros(DType dtype, Sizes sizes) {
  uint64_t count = 1;
  for (int64_t size : sizes) {
    if (size < 0) {
      meaningless("a tensor with a size of " + std::to_string(size));
    }
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(size), &count)) {
      throw Unchecked("a tensor whose size overflows");
    }
  }
  if (count > kMostElements) {
    throw Unchecked("a tensor of " + std::to_string(count) + " elements");
  }
  return {dtype, std::move(sizes), std::vector<uint8_t>(count * dtype_bytes(dtype)),
          Accuracy::kExact};
}

size_t wrap_dim(int64_t dim, size_t rank) {
  const auto signed_rank = static_cast<int64_t>(rank);
  if (dim < -signed_rank || dim >= signed_rank) {
    meaningless("dim " + std::to_string(dim) + " of a tensor of rank " + std::to_string(rank));
  }
  return static_cast<size_t>(dim < 0 ? dim + signed_rank : dim);
}

Sizes in_order(size_t rank) {
  Sizes dims(rank);
  std::iota(dims.begin(), dims.end(), 0);
  return dims;
}

Sizes permutation(const Arguments& arguments, const char* name, size_t rank) {
  Sizes dims = arguments.fixed_integers(name);
  for (int64_t& dim : dims) {
    dim = static_cast<int64_t>(wrap_dim(dim, rank));
  }
  Sizes sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != in_order(rank)) {
    throw Meaningless("no permutation");
  }
  return dims;
}

// ---- Values.

const ValueDef& Machine::value(ValueId id) const {
  if (id < 0 || static_cast<size_t>(id) >= def_.values.size()) {
    meaningless("value " + std::to_string(id) + " does not exist");
  }
  return def_.values[static_cast<size_t>(id)];
}

bool Machine::is_constant(ValueId id) const {
  const auto* tensor = std::get_if<TensorDef>(&value(id));
  return tensor != nullptr && tensor->constant_id >= 0;
}

bool Machine::is_state(ValueId id) const {
  return std::any_of(def_.chain.begin(), def_.chain.end(), [id](const OpCall& call) {
    return call.name == kState && call.args.back() == id;
  });
}

const Tensor* Machine::kept(ValueId id) const {
  const auto found = states_ == nullptr ? States::const_iterator() : states_->find(id);
  return states_ == nullptr || found == states_->end() ? nullptr : &found->second;
}

const Tensor& Machine::tensor(ValueId id) const {
  const auto* declared = std::get_if<TensorDef>(&value(id));
  const auto index = static_cast<size_t>(id);
  if (declared == nullptr) {
    meaningless("value " + std::to_string(id) + " is not a tensor");
  }
  if (declared->constant_id >= 0) {
    const auto known = constants_.find(id);
    if (known != constants_.end()) {
      return known->second;
    }
    const auto source = static_cast<size_t>(declared->constant_id);
    if (source >= def_.constants.size()) {
      meaningless("constant " + std::to_string(source) + " does not exist");
    }
    Tensor constant = zeros(declared->dtype, declared->dims);
    if (constant.bytes.size() != def_.constants[source].size_bytes) {
      meaningless("constant " + std::to_string(source) + " has another size than its tensor");
    }
    std::copy_n(def_.constants[source].data, constant.bytes.size(), constant.bytes.begin());
    return constants_.emplace(id, std::move(constant)).first->second;
  }
  if (index >= results_.size() || !results_[index]) {
    meaningless("value " + std::to_string(id) + " is read before it is written");
  }
  return std::get<Tensor>(*results_[index]);
}

int64_t Machine::integer(ValueId id) const {
  const ValueDef& def = value(id);
  const auto index = static_cast<size_t>(id);
  if (const auto* integer = std::get_if<int64_t>(&def)) {
    return *integer;
  }
  if (std::holds_alternative<SymInt>(def)) {
    if (index >= results_.size() || !results_[index]) {
      meaningless("value " + std::to_string(id) + " is read before it is written");
    }
    return std::get<int64_t>(*results_[index]);
  }
  const auto* number = std::get_if<double>(&def);
  if (number == nullptr || !(std::abs(*number) <= 0x1p53) || *number != std::floor(*number)) {
    meaningless("value " + std::to_string(id) + " is not an integer");
  }
  return static_cast<int64_t>(*number);
}

void Machine::write(ValueId id, Result result) {
  const ValueDef& def = value(id);
  const auto index = static_cast<size_t>(id);
  results_.resize(std::max(results_.size(), index + 1));
  if (results_[index] || is_constant(id)) {
    meaningless("value " + std::to_string(id) + " is written again");
  }
  if (const auto* tensor = std::get_if<Tensor>(&result)) {
    const auto* declared = std::get_if<TensorDef>(&def);
    if (declared == nullptr || declared->dtype != tensor->dtype ||
        declared->dims.size() != tensor->sizes.size()) {
      meaningless("value " + std::to_string(id) + " is declared otherwise than what is written");
    }
  } else if (!std::holds_alternative<SymInt>(def)) {
    meaningless("value " + std::to_string(id) + " is not a symbolic integer");
  }
  results_[index] = std::move(result);
}

// ---- Arguments.

size_t position_of(const Op& op, const std::string& name) {
  const auto found = std::find_if(op.args.begin(), op.args.end(),
                                  [&](const ArgDef& arg) { return arg.name == name; });
  return static_cast<size_t>(found - op.args.begin());
}

bool may_be_none(const Op& op, const std::string& name) {
  const ArgKind kind = op.args.at(position_of(op, name)).kind;
  return kind == ArgKind::kOptionalScalar || kind == ArgKind::kOptionalString ||
         kind == ArgKind::kOptionalIntegers || kind == ArgKind::kOptionalSymInts ||
         kind == ArgKind::kOptionalNumbers;
}

ValueId Arguments::id(const char* name) const {
  const size_t at = position_of(op_, name);
  if (at == op_.args.size()) {
    throw std::logic_error("the reference reads '" + std::string(name) + "', which " + call_.name +
                           " does not take");
  }
  return call_.args[at];
}

const ValueDef& Arguments::value(const char* name) const { return machine_.value(id(name)); }

const Tensor& Arguments::tensor(const char* name) const { return machine_.tensor(id(name)); }

const Tensor* Arguments::optional_tensor(const char* name) const {
  return std::holds_alternative<Null>(value(name)) ? nullptr : &tensor(name);
}

Sizes Arguments::declared_sizes(const char* name) const {
  const auto* tensor = std::get_if<TensorDef>(&value(name));
  if (tensor == nullptr) {
    throw Meaningless(std::string(name) + " is no tensor");
  }
  return tensor->dims;
}

DType Arguments::declared_dtype() const {
  const auto* tensor = std::get_if<TensorDef>(&machine_.value(call_.args.back()));
  if (tensor == nullptr) {
    throw Meaningless("the output is no tensor");
  }
  return tensor->dtype;
}

const Tensor& Arguments::constant(const char* name) const {
  if (!machine_.is_constant(id(name))) {
    meaningless(std::string(name) + " is not a constant");
  }
  return machine_.tensor(id(name));
}

const Tensor* Arguments::optional_constant(const char* name) const {
  return std::holds_alternative<Null>(value(name)) ? nullptr : &constant(name);
}

std::vector<const Tensor*> Arguments::tensors(const char* name) const {
  const auto* list = std::get_if<ValueList>(&value(name));
  if (list == nullptr || list->items.empty()) {
    meaningless(std::string(name) + " is not a list of tensors");
  }
  std::vector<const Tensor*> tensors;
  for (ValueId item : list->items) {
    tensors.push_back(&machine_.tensor(item));
  }
  return tensors;
}

std::vector<const Tensor*> Arguments::optional_tensors(const char* name) const {
  const auto* list = std::get_if<ValueList>(&value(name));
  std::vector<const Tensor*> tensors;
  for (ValueId item : list == nullptr ? std::vector<ValueId>() : list->items) {
    const bool is_none = std::holds_alternative<Null>(machine_.value(item));
    tensors.push_back(is_none ? nullptr : &machine_.tensor(item));
  }
  if (std::all_of(tensors.begin(), tensors.end(),
                  [](const Tensor* one) { return one == nullptr; })) {
    meaningless(std::string(name) + " is not a list with a tensor");
  }
  return tensors;
}

double Arguments::number(const char* name) const {
  const ValueDef& def = value(name);
  if (const auto* integer = std::get_if<int64_t>(&def)) {
    return static_cast<double>(*integer);
  }
  const auto* number = std::get_if<double>(&def);
  return number != nullptr ? *number : (meaningless(std::string(name) + " is not a number"), 0.0);
}

double Arguments::scalar(const char* name) const {
  const auto* boolean = std::get_if<bool>(&value(name));
  return boolean != nullptr ? *boolean : number(name);
}

std::optional<double> Arguments::optional_scalar(const char* name) const {
  return std::holds_alternative<Null>(value(name)) ? std::nullopt
                                                   : std::optional<double>(scalar(name));
}

int64_t Arguments::integer(const char* name) const {
  const double value = number(name);
  if (!(value >= INT32_MIN && value <= INT32_MAX) || value != std::floor(value)) {
    meaningless(std::string(name) + " is not an integer of 32 bits");
  }
  return static_cast<int64_t>(value);
}

bool Arguments::boolean(const char* name) const {
  const ValueDef& def = value(name);
  if (const auto* boolean = std::get_if<bool>(&def)) {
    return *boolean;
  }
  const auto* integer = std::get_if<int64_t>(&def);
  if (integer == nullptr || (*integer != 0 && *integer != 1)) {
    meaningless(std::string(name) + " is not true or false");
  }
  return *integer == 1;
}

std::string Arguments::string(const char* name) const {
  const auto* string = std::get_if<std::string>(&value(name));
  return string != nullptr ? *string
                           : (meaningless(std::string(name) + " is not a string"), std::string());
}

std::optional<std::string> Arguments::optional_string(const char* name) const {
  return std::holds_alternative<Null>(value(name)) ? std::nullopt
                                                   : std::optional<std::string>(string(name));
}

Sizes Arguments::optional_integers(const char* name) const {
  return std::holds_alternative<Null>(value(name)) ? Sizes() : fixed_integers(name);
}

std::optional<Sizes> Arguments::optional_symints(const char* name) const {
  return std::holds_alternative<Null>(value(name)) ? std::nullopt
                                                   : std::optional<Sizes>(integers(name));
}

std::vector<double> Arguments::optional_numbers(const char* name) const {
  const ValueDef& def = value(name);
  if (const auto* integers = std::get_if<Sizes>(&def)) {
    return {integers->begin(), integers->end()};
  }
  const auto* numbers = std::get_if<std::vector<double>>(&def);
  if (numbers == nullptr && !std::holds_alternative<Null>(def)) {
    meaningless(std::string(name) + " is not a list of numbers");
  }
  return numbers != nullptr ? *numbers : std::vector<double>();
}

const Tensor* Arguments::kept() const { return machine_.kept(call_.args.back()); }

bool Arguments::is_state(const char* name) const { return machine_.is_state(id(name)); }

int64_t Arguments::symint(const char* name) const { return machine_.integer(id(name)); }

std::optional<int64_t> Arguments::optional_symint(const char* name) const {
  return std::holds_alternative<Null>(value(name)) ? std::nullopt
                                                   : std::optional<int64_t>(symint(name));
}

Sizes Arguments::integers(const char* name) const {
  if (const auto* items = std::get_if<Sizes>(&value(name))) {
    return *items;
  }
  const auto* ids = std::get_if<ValueList>(&value(name));
  if (ids == nullptr) {
    meaningless(std::string(name) + " is not a list of integers");
  }
  Sizes integers;
  for (ValueId item : ids->items) {
    integers.push_back(machine_.integer(item));
  }
  return integers;
}

Sizes Arguments::fixed_integers(const char* name) const {
  if (const auto* ids = std::get_if<ValueList>(&value(name))) {
    for (ValueId item : ids->items) {
      if (std::holds_alternative<SymInt>(machine_.value(item))) {
        meaningless(std::string(name) + " has a symbolic integer");
      }
    }
  }
  return integers(name);
}

size_t Arguments::dim(const char* name, size_t rank) const { return wrap_dim(integer(name), rank); }

// ---- Programs.

std::vector<ValueId> Machine::outputs_of(const OpCall& call) const {
  const ValueId id = call.args.back();
  const Op* op = find_op(call.name);
  const auto* list = std::get_if<ValueList>(&value(id));
  if (op == nullptr || list == nullptr || list->items.empty()) {
    return {id};
  }
  const ArgKind kind = op->args.back().kind;
  return kind == ArgKind::kOutputs       ? list->items
         : kind == ArgKind::kFirstOutput ? std::vector<ValueId>{list->items[0]}
                                         : std::vector<ValueId>{id};
}

void Machine::run(const OpCall& call) {
  const std::vector<ValueId> ids = outputs_of(call);
  Result result = evaluate(call);
  auto* several = std::get_if<std::vector<Tensor>>(&result);
  if (several == nullptr) {
    write(ids[0], std::move(result));
    return;
  }
  if (several->size() != ids.size()) {
    meaningless(call.name + " with " + std::to_string(ids.size()) + " results");
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    write(ids[i], std::move((*several)[i]));
  }
}

Result Machine::evaluate(const OpCall& call) const {
  const Op* op = find_op(call.name);
  if (op == nullptr) {
    meaningless("op '" + call.name + "' does not exist");
  }
  const size_t fixed = op->args.size() - 1;  // without the output
  const bool has_rest = fixed > 0 && op->args[fixed - 1].kind == ArgKind::kRest;
  const size_t given = call.args.size();
  if (has_rest ? given < fixed : given != fixed + 1) {
    meaningless(call.name + " with " + std::to_string(given) + " values");
  }
  return entry_of(call.name).evaluate(Arguments(*this, call, *op));
}

namespace {

void set_inputs(Machine& machine, const Program& program, size_t execution) {
  const auto& inputs = program.def.inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (std::count(inputs.begin(), inputs.end(), inputs[i]) > 1) {
      throw Unchecked("an input that is there twice");
    }
    const InputSetting& setting = program.executions[execution][i];
    const ValueDef& def = machine.value(inputs[i]);
    if (const auto* tensor = std::get_if<TensorDef>(&def)) {
      Tensor value = zeros(tensor->dtype, setting.sizes);
      value.bytes = input_bytes(program, execution, i, tensor->dtype, value.count());
      machine.write(inputs[i], std::move(value));
    } else {
      machine.write(inputs[i], setting.integer);
    }
  }
}

// All assignments at once, of which a state has one.
States new_states(const GraphDef& def, const Machine& machine, States states) {
  std::set<ValueId> assigned;
  for (const OpCall& call : def.chain) {
    if (call.name != kAssignState) {
      continue;
    }
    if (!assigned.insert(call.args[0]).second) {
      meaningless("state " + std::to_string(call.args[0]) + " is assigned twice");
    }
    states[call.args[0]] = machine.tensor(call.args[1]);
  }
  return states;
}

bool is_over_declared(const GraphDef& def, const Machine& machine, ValueId id) {
  const auto* declared = std::get_if<TensorDef>(&def.values[static_cast<size_t>(id)]);
  if (declared == nullptr) {
    return false;
  }
  const Sizes& sizes = machine.tensor(id).sizes;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] > declared->dims[i]) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool has_states(const Program& program) {
  const auto& chain = program.def.chain;
  return std::any_of(chain.begin(), chain.end(),
                     [](const OpCall& call) { return call.name == kState; });
}

Outcome expected(const Program& program, size_t execution, const States& states) {
  Outcome outcome;
  try {
    Machine machine(program.def, &states);
    set_inputs(machine, program, execution);
    for (const OpCall& call : program.def.chain) {
      machine.run(call);
      for (ValueId id : machine.outputs_of(call)) {
        outcome.over_declared = outcome.over_declared || is_over_declared(program.def, machine, id);
      }
    }
    outcome.states = new_states(program.def, machine, states);
    for (ValueId id : program.def.outputs) {
      if (std::holds_alternative<TensorDef>(machine.value(id))) {
        outcome.outputs.emplace_back(machine.tensor(id));
      } else {
        outcome.outputs.emplace_back(machine.integer(id));
      }
    }
  } catch (const Meaningless& error) {
    outcome = {Outcome::Kind::kMeaningless, error.what(), {}, false, {}};
  } catch (const Unchecked& error) {
    outcome = {Outcome::Kind::kUnchecked, error.what(), {}, false, {}};
  }
  return outcome;
}

}  // namespace etvk::fuzz
