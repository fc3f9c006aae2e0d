#include "Lies.h"

#include <algorithm>
#include <limits>

#include "graph/OpRegistry.h"

namespace etvk::fuzz {

namespace {

using testing::Random;

// Tensors of all that a program declares may be as large as a test can touch, or so large that no
// device has them; in between they would only take time.
constexpr uint64_t kMostBytes = 4u << 20;
constexpr uint64_t kRareBytes = 64u << 20;
constexpr uint64_t kImpossibleBytes = uint64_t{1} << 41;

constexpr int64_t kExtremes[] = {0,
                                 1,
                                 -1,
                                 2,
                                 -2,
                                 3,
                                 127,
                                 128,
                                 -129,
                                 255,
                                 65536,
                                 INT32_MAX,
                                 INT32_MIN,
                                 int64_t{INT32_MAX} + 1,
                                 int64_t{1} << 32,
                                 -(int64_t{1} << 32),
                                 int64_t{1} << 53,
                                 int64_t{1} << 62,
                                 INT64_MAX,
                                 INT64_MIN};

constexpr double kNumbers[] = {0.0,
                               -0.0,
                               1.0,
                               -1.0,
                               0.5,
                               1e-45,
                               1e-39,
                               1e30,
                               1e300,
                               -1e300,
                               2e-38,
                               4e38,
                               2147483648.0,
                               9007199254740993.0,
                               std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::quiet_NaN()};

constexpr DType kDTypes[] = {DType::kBool,    DType::kUint8,   DType::kInt8,    DType::kInt32,
                             DType::kFloat16, DType::kFloat32, DType::kFloat64, DType::kInt64};

// ---- What there is to lie about.

template <typename Kind>
std::vector<ValueId> values_of(const GraphDef& def) {
  std::vector<ValueId> found;
  for (size_t id = 0; id < def.values.size(); ++id) {
    if (std::holds_alternative<Kind>(def.values[id])) {
      found.push_back(static_cast<ValueId>(id));
    }
  }
  return found;
}

template <typename Kind>
Kind* pick_value(GraphDef& def, Random& random, ValueId& id) {
  const auto ids = values_of<Kind>(def);
  if (ids.empty()) {
    return nullptr;
  }
  id = random.pick(ids);
  return &std::get<Kind>(def.values[static_cast<size_t>(id)]);
}

ValueId any_id(const GraphDef& def, Random& random) {
  return static_cast<ValueId>(random.below(def.values.size()));
}

ValueId wrong_id(const GraphDef& def, Random& random) {
  const auto count = static_cast<ValueId>(def.values.size());
  const ValueId ids[] = {-1, count, count + 1, INT32_MIN, INT32_MAX, -count};
  return random.pick(ids);
}

OpCall* pick_call(GraphDef& def, Random& random) {
  return def.chain.empty() ? nullptr : &def.chain[random.below(def.chain.size())];
}

ValueDef any_value(Random& random) {
  switch (random.integer(0, 8)) {
    case 0:
      return Null{};
    case 1:
      return random.pick(kExtremes);
    case 2:
      return random.pick(kNumbers);
    case 3:
      return random.chance(50);
    case 4:
      return std::string(random.chance(50) ? "clamp" : "");
    case 5:
      return SymInt{random.pick(kExtremes)};
    case 6:
      return Sizes{random.pick(kExtremes), random.pick(kExtremes)};
    case 7:
      return std::vector<double>{random.pick(kNumbers)};
    default:
      return TensorDef{random.pick(kDTypes), {random.integer(0, 9), 4}, -1};
  }
}

// Whether the program only declares what a test can touch, or what no device has.
bool takes_reasonable_time(const GraphDef& def, Random& random) {
  uint64_t sum = 0;
  for (const ValueDef& value : def.values) {
    const auto* tensor = std::get_if<TensorDef>(&value);
    if (tensor == nullptr) {
      continue;
    }
    uint64_t bytes = dtype_bytes(tensor->dtype);
    bool is_impossible = false;
    for (int64_t size : tensor->dims) {
      is_impossible = is_impossible || size < 0 ||
                      __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes);
    }
    if (is_impossible || bytes > kImpossibleBytes) {
      return true;
    }
    sum += bytes;
  }
  return sum <= kMostBytes || (sum <= kRareBytes && random.chance(5));
}

// ---- Lies. Each returns what it did, or nothing where it does not apply.

std::string declare_other_sizes(Program& program, Random& random) {
  ValueId id = -1;
  auto* tensor = pick_value<TensorDef>(program.def, random, id);
  if (tensor == nullptr) {
    return "";
  }
  Sizes& dims = tensor->dims;
  const int what = random.integer(0, 6);
  if (what == 0 || dims.empty()) {
    dims.insert(dims.begin(), random.integer(1, 3));
  } else if (what == 1) {
    dims.pop_back();
  } else if (what == 2) {
    std::reverse(dims.begin(), dims.end());
  } else {
    int64_t& size = dims[random.below(dims.size())];
    // Two lies may fall on one size: unsigned, for it may be an extreme already.
    const auto n = static_cast<uint64_t>(size);
    const uint64_t sizes[] = {n + 1,
                              n - 1,
                              0,
                              n * 2,
                              n * 1000,
                              200000,
                              n / 2,
                              static_cast<uint64_t>(random.pick(kExtremes)),
                              n + (1 << 20),
                              uint64_t{1} << 32,
                              n * 16};
    size = static_cast<int64_t>(random.pick(sizes));
  }
  return "sizes of %" + std::to_string(id);
}

std::string declare_other_type(Program& program, Random& random) {
  ValueId id = -1;
  auto* tensor = pick_value<TensorDef>(program.def, random, id);
  if (tensor == nullptr) {
    return "";
  }
  tensor->dtype = random.pick(kDTypes);
  return "type of %" + std::to_string(id);
}

std::string declare_other_constant(Program& program, Random& random) {
  ValueId id = -1;
  auto* tensor = pick_value<TensorDef>(program.def, random, id);
  if (tensor == nullptr) {
    return "";
  }
  const auto count = static_cast<int32_t>(program.def.constants.size());
  const int32_t ids[] = {0, count - 1, count, -1, -2, INT32_MAX, INT32_MIN};
  tensor->constant_id = random.pick(ids);
  return "constant of %" + std::to_string(id);
}

std::string shorten_constant(Program& program, Random& random) {
  if (program.def.constants.empty()) {
    return "";
  }
  ConstantDef& constant = program.def.constants[random.below(program.def.constants.size())];
  constant.size_bytes = random.chance(50) ? random.below(constant.size_bytes + 1) : 0;
  return "bytes of a constant";
}

std::string change_number(Program& program, Random& random) {
  ValueDef& value = program.def.values[random.below(program.def.values.size())];
  if (auto* integer = std::get_if<int64_t>(&value)) {
    const auto near =
        static_cast<uint64_t>(*integer) + static_cast<uint64_t>(random.integer(-1, 1));
    *integer = random.chance(70) ? random.pick(kExtremes) : static_cast<int64_t>(near);
  } else if (auto* number = std::get_if<double>(&value)) {
    *number = random.pick(kNumbers);
  } else if (auto* symint = std::get_if<SymInt>(&value)) {
    symint->value = random.pick(kExtremes);
  } else {
    return "";
  }
  return "a number";
}

std::string change_list(Program& program, Random& random) {
  ValueDef& value = program.def.values[random.below(program.def.values.size())];
  const auto change = [&](auto& items, auto any) {
    const int what = random.integer(0, 3);
    if (what == 0 && !items.empty()) {
      items.pop_back();
    } else if (what == 1 || items.empty()) {
      items.insert(items.begin(), any());
    } else if (what == 2) {
      items.assign(static_cast<size_t>(random.integer(0, 40)), any());
    } else {
      items[random.below(items.size())] = any();
    }
  };
  const GraphDef& def = program.def;
  if (auto* integers = std::get_if<Sizes>(&value)) {
    change(*integers, [&] { return random.pick(kExtremes); });
  } else if (auto* list = std::get_if<ValueList>(&value)) {
    change(list->items,
           [&] { return random.chance(80) ? any_id(def, random) : wrong_id(def, random); });
  } else {
    return "";
  }
  return "a list";
}

std::string change_kind(Program& program, Random& random) {
  const ValueId id = any_id(program.def, random);
  program.def.values[static_cast<size_t>(id)] = any_value(random);
  return "kind of %" + std::to_string(id);
}

std::string change_argument(Program& program, Random& random) {
  OpCall* call = pick_call(program.def, random);
  if (call == nullptr || call->args.empty()) {
    return "";
  }
  ValueId& argument = call->args[random.below(call->args.size())];
  argument = random.chance(75) ? any_id(program.def, random) : wrong_id(program.def, random);
  return "an argument of " + call->name;
}

// A value of a kind that the row does not take there, or an extreme of the one that it does.
std::string give_by_kind(Program& program, Random& random) {
  OpCall* call = pick_call(program.def, random);
  const Op* op = call == nullptr ? nullptr : find_op(call->name);
  if (op == nullptr || op->args.size() < 2) {
    return "";
  }
  const size_t at = random.below(op->args.size() - 1);
  if (at >= call->args.size()) {
    return "";
  }
  const ArgKind kind = op->args[at].kind;
  ValueDef value = any_value(random);
  const bool is_number =
      kind == ArgKind::kNumber || kind == ArgKind::kScalar || kind == ArgKind::kOptionalScalar;
  if (is_number && random.chance(60)) {
    value = random.pick(kNumbers);
  } else if ((kind == ArgKind::kInteger || kind == ArgKind::kSymInt ||
              kind == ArgKind::kOptionalSymInt) &&
             random.chance(60)) {
    value = random.chance(50) ? ValueDef(random.pick(kExtremes))
                              : ValueDef(SymInt{random.pick(kExtremes)});
  }
  program.def.values.push_back(std::move(value));
  call->args[at] = static_cast<ValueId>(program.def.values.size() - 1);
  return "value of " + op->args[at].name + " of " + call->name;
}

std::string write_elsewhere(Program& program, Random& random) {
  OpCall* call = pick_call(program.def, random);
  if (call == nullptr || call->args.empty()) {
    return "";
  }
  const bool to_input = !program.def.inputs.empty() && random.chance(40);
  call->args.back() = to_input ? random.pick(program.def.inputs) : any_id(program.def, random);
  return "output of " + call->name;
}

// Another arithmetic op writes a symbolic integer that is there.
std::string write_symint(Program& program, Random& random) {
  GraphDef& def = program.def;
  const auto symints = values_of<SymInt>(def);
  if (symints.empty()) {
    return "";
  }
  constexpr const char* kOps[] = {"add", "sub", "mul", "floordiv"};
  const ValueId out = random.pick(symints);
  def.values.emplace_back(int64_t{random.integer(0, 9)});
  def.values.emplace_back(random.pick(kExtremes));
  const auto last = static_cast<ValueId>(def.values.size() - 1);
  const ValueId b = random.chance(40) ? out : random.chance(60) ? last - 1 : last;
  const auto at = static_cast<std::ptrdiff_t>(random.below(def.chain.size() + 1));
  def.chain.insert(def.chain.begin() + at, {random.pick(kOps), {last - 1, b, out}});
  return "%" + std::to_string(out) + " is written";
}

std::string change_order(Program& program, Random& random) {
  auto& chain = program.def.chain;
  if (chain.empty()) {
    return "";
  }
  const size_t at = random.below(chain.size());
  const auto place = chain.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random.integer(0, 3)) {
    case 0:
      std::iter_swap(place,
                     chain.begin() + static_cast<std::ptrdiff_t>(random.below(chain.size())));
      return "order of calls";
    case 1:
      chain.erase(place);
      return "a call left out";
    case 2: {
      const OpCall copy = *place;
      chain.insert(chain.begin() + static_cast<std::ptrdiff_t>(random.below(chain.size() + 1)),
                   copy);
      return "a call twice";
    }
    default:
      std::reverse(chain.begin(), chain.end());
      return "calls in reverse";
  }
}

std::string change_count(Program& program, Random& random) {
  OpCall* call = pick_call(program.def, random);
  if (call == nullptr) {
    return "";
  }
  auto& args = call->args;
  if (random.chance(50) && !args.empty()) {
    args.erase(args.begin() + static_cast<std::ptrdiff_t>(random.below(args.size())));
  } else {
    args.resize(random.chance(80) ? args.size() + 1 : 0, any_id(program.def, random));
  }
  return "number of arguments of " + call->name;
}

std::string change_op(Program& program, Random& random) {
  OpCall* call = pick_call(program.def, random);
  if (call == nullptr) {
    return "";
  }
  const std::string before = call->name;
  call->name = random.chance(90) ? random.pick(all_ops()).first : "aten.nothing.default";
  return before + " is " + call->name;
}

// The values that fit an argument of this kind.
std::vector<ValueId> fitting(const GraphDef& def, ArgKind kind) {
  switch (kind) {
    case ArgKind::kTensor:
    case ArgKind::kOptionalTensor:
    case ArgKind::kConstant:
    case ArgKind::kOptionalConstant:
      return values_of<TensorDef>(def);
    case ArgKind::kTensors:
    case ArgKind::kOptionalTensors:
      return values_of<ValueList>(def);
    case ArgKind::kNumber:
    case ArgKind::kScalar:
    case ArgKind::kOptionalScalar:
      return values_of<double>(def);
    case ArgKind::kInteger:
    case ArgKind::kBoolean:
      return values_of<int64_t>(def);
    case ArgKind::kSymInt:
    case ArgKind::kOptionalSymInt:
      return values_of<SymInt>(def);
    case ArgKind::kIntegers:
    case ArgKind::kOptionalIntegers:
    case ArgKind::kSymInts:
    case ArgKind::kOptionalSymInts:
      return values_of<Sizes>(def);
    case ArgKind::kOptionalNumbers:
      return values_of<std::vector<double>>(def);
    case ArgKind::kString:
    case ArgKind::kOptionalString:
      return values_of<std::string>(def);
    default:
      return {};
  }
}

// A call of any op on any values of the kinds that it takes, into a new value.
std::string add_blind_call(Program& program, Random& random) {
  GraphDef& def = program.def;
  const Op& op = random.pick(all_ops()).second;
  OpCall call{op.name, {}};
  for (size_t i = 0; i + 1 < op.args.size(); ++i) {
    const auto values = fitting(def, op.args[i].kind);
    call.args.push_back(values.empty() ? any_id(def, random) : random.pick(values));
  }
  ValueDef out = SymInt{0};
  if (op.args.back().kind != ArgKind::kSymIntOutput) {
    ValueId id = -1;
    const auto* like = pick_value<TensorDef>(def, random, id);
    out = like != nullptr ? TensorDef{like->dtype, like->dims, -1} : TensorDef{};
  }
  def.values.push_back(std::move(out));
  call.args.push_back(static_cast<ValueId>(def.values.size() - 1));
  def.outputs.push_back(call.args.back());
  def.chain.push_back(std::move(call));
  return "a blind call of " + op.name;
}

std::string change_ends(Program& program, Random& random) {
  GraphDef& def = program.def;
  const bool inputs = random.chance(40);
  auto& ids = inputs ? def.inputs : def.outputs;
  const char* name = inputs ? "inputs" : "outputs";
  const int what = random.integer(0, 4);
  if (what == 0 && !ids.empty()) {
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(random.below(ids.size())));
  } else if (what == 1 && !ids.empty()) {
    ids.push_back(random.pick(ids));
  } else if (what == 2) {
    ids.push_back(wrong_id(def, random));
  } else if (what == 3 && !ids.empty()) {
    ids[random.below(ids.size())] = any_id(def, random);
  } else {
    ids.push_back(any_id(def, random));
  }
  return name;
}

std::string change_string(Program& program, Random& random) {
  ValueId id = -1;
  auto* text = pick_value<std::string>(program.def, random, id);
  if (text == nullptr) {
    return "";
  }
  constexpr const char* kTexts[] = {"",        "relu", "clamp", "add",  "mul",
                                    "nothing", "elu",  "tanh",  "floor"};
  *text = random.pick(kTexts);
  return "a string";
}

std::string set_extreme_symint(Program& program, Random& random) {
  const auto& inputs = program.def.inputs;
  std::vector<size_t> symbolic;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto id = static_cast<size_t>(inputs[i]);
    if (id < program.def.values.size() && std::holds_alternative<SymInt>(program.def.values[id])) {
      symbolic.push_back(i);
    }
  }
  if (symbolic.empty()) {
    return "";
  }
  const size_t input = random.pick(symbolic);
  for (Execution& execution : program.executions) {
    if (input < execution.size() && random.chance(60)) {
      execution[input].integer = random.pick(kExtremes);
    }
  }
  return "values of a symbolic input";
}

constexpr std::string (*kLies[])(Program&, Random&) = {
    declare_other_sizes, declare_other_sizes, declare_other_sizes,
    declare_other_sizes, declare_other_type,  declare_other_constant,
    shorten_constant,    change_number,       change_list,
    change_list,         change_kind,         change_argument,
    give_by_kind,        give_by_kind,        write_elsewhere,
    write_symint,        write_symint,        change_order,
    change_count,        change_op,           add_blind_call,
    change_ends,         change_string,       set_extreme_symint};

// Sets each input of each execution to what the graph now declares, where it is not within it.
void settle_executions(Program& program) {
  const GraphDef& def = program.def;
  for (size_t e = 0; e < program.executions.size(); ++e) {
    Execution& execution = program.executions[e];
    execution.resize(def.inputs.size());
    for (size_t i = 0; i < def.inputs.size(); ++i) {
      const auto id = static_cast<size_t>(def.inputs[i]);
      const auto* tensor =
          id < def.values.size() ? std::get_if<TensorDef>(&def.values[id]) : nullptr;
      Sizes& sizes = execution[i].sizes;
      bool is_within = tensor != nullptr && sizes.size() == tensor->dims.size() && e > 0;
      for (size_t dim = 0; is_within && dim < sizes.size(); ++dim) {
        is_within = sizes[dim] <= tensor->dims[dim];
      }
      if (!is_within) {
        sizes = tensor != nullptr ? tensor->dims : Sizes();
      }
    }
  }
}

}  // namespace

void tell_lies(Program& program, Random& random) {
  for (int lies = random.chance(70) ? 1 : random.integer(2, 3); lies > 0;) {
    const GraphDef before = program.def;
    const std::string lie = random.pick(kLies)(program, random);
    if (lie.empty() || !takes_reasonable_time(program.def, random)) {
      program.def = before;
      continue;
    }
    program.lie += (program.lie.empty() ? "" : "; ") + lie;
    --lies;
  }
  settle_executions(program);
}

}  // namespace etvk::fuzz
