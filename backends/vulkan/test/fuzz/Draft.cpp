#include "Draft.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "Entry.h"

namespace etvk::fuzz {

namespace {

constexpr int64_t kMostElements = 2048;  // of a tensor that is drawn
constexpr int64_t kSizes[] = {1, 1, 2, 2, 3, 4, 5, 7, 8, 12, 16, 17, 33, 64};

bool same_in_all(const ByExecution<int64_t>& values) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == values[0]; });
}

bool first_is_bound(const ByExecution<Sizes>& sizes) {
  return std::all_of(sizes.begin(), sizes.end(), [&](const Sizes& others) {
    return others.size() == sizes[0].size() &&
           std::equal(others.begin(), others.end(), sizes[0].begin(), std::less_equal<>());
  });
}

int64_t count_of(const Sizes& sizes) {
  int64_t count = 1;
  for (int64_t size : sizes) {
    count *= size;
  }
  return count;
}

}  // namespace

Draft::Draft(uint64_t seed) : random_(seed), block_(seed) {
  program_.seed = seed;
  program_.staged = block_.is_staged();
  program_.executions.resize(kExecutions);
  for (size_t i = 0; i < kExecutions; ++i) {
    machines_.emplace_back(program_.def);
  }
  for (int i = random_.integer(0, 2); i > 0; --i) {
    const int32_t bound = random_.integer(1, 12);
    ByExecution<int64_t> values{bound};
    for (size_t execution = 1; execution < kExecutions; ++execution) {
      values[execution] = random_.integer(random_.chance(10) ? 0 : 1, bound);
    }
    dynamic_sizes_.push_back(values);
  }
}

// ---- Calls.

bool Draft::add(const Op& op) {
  given_.clear();
  output_dtype_.reset();
  op_ = &op;
  const Entry& entry = entry_of(op.name);
  if ((entry.many_pipelines && block_.is_staged()) || !entry.draw(*this)) {
    return false;
  }
  for (const auto& [name, id] : given_) {
    if (position_of(op, name) == op.args.size()) {
      throw std::logic_error("the fuzzer's entry of " + op.name + " gives '" + name +
                             "', which the op does not take");
    }
  }
  std::vector<ValueId> arguments;
  for (size_t i = 0; i + 1 < op.args.size(); ++i) {
    const ArgDef& argument = op.args[i];
    if (argument.kind == ArgKind::kRest) {
      for (int more = random_.integer(0, 2); more > 0; --more) {
        arguments.push_back(any_value());
      }
      continue;
    }
    const auto found = given_.find(argument.name);
    arguments.push_back(found != given_.end() ? found->second : by_kind(argument));
    if (arguments.back() < 0) {
      return false;
    }
  }
  return append(op.name, std::move(arguments));
}

namespace {

std::vector<Result> each_of(Result result) {
  auto* several = std::get_if<std::vector<Tensor>>(&result);
  if (several == nullptr) {
    return {std::move(result)};
  }
  return {std::make_move_iterator(several->begin()), std::make_move_iterator(several->end())};
}

}  // namespace

bool Draft::append(const std::string& op, std::vector<ValueId> arguments) {
  OpCall call{op, std::move(arguments)};
  const auto out = static_cast<ValueId>(program_.def.values.size());
  call.args.push_back(output_dtype_.has_value() ? out : -1);
  if (output_dtype_.has_value()) {
    program_.def.values.emplace_back(TensorDef{*output_dtype_, {}, -1});
  }
  std::vector<std::vector<Result>> results;  // by execution
  try {
    for (const Machine& machine : machines_) {
      results.push_back(each_of(machine.evaluate(call)));
    }
  } catch (const Meaningless&) {
  } catch (const Unchecked&) {
  }
  program_.def.values.resize(static_cast<size_t>(out));
  if (results.size() < kExecutions) {
    return false;
  }
  ValueList outputs;
  for (size_t i = 0; i < results[0].size(); ++i) {
    const ValueId id = append_result({&results[0][i], &results[1][i], &results[2][i]});
    if (id < 0) {
      return false;
    }
    outputs.items.push_back(id);
  }
  const ArgKind kind = find_op(op)->args.back().kind;
  call.args.back() = kind == ArgKind::kOutputs ? value(outputs) : outputs.items[0];
  if (kind == ArgKind::kFirstOutput && random_.chance(60)) {
    // Its other results, which are never written.
    const ValueId first = outputs.items[0];
    const ValueId other = value(TensorDef{DType::kInt32, sizes(first), -1});
    call.args.back() = value(ValueList{{first, other}});
  }
  program_.def.chain.push_back(std::move(call));
  return true;
}

ValueId Draft::append_result(const ByExecution<Result*>& results) {
  if (std::holds_alternative<int64_t>(*results[0])) {
    // What the program says its value is does not count.
    const ValueId id = value(SymInt{random_.integer(-2, 40)});
    symints_.push_back(id);
    write(id, results);
    return id;
  }
  ByExecution<Sizes> sizes;
  for (size_t i = 0; i < kExecutions; ++i) {
    sizes[i] = std::get<Tensor>(*results[i]).sizes;
  }
  if (!first_is_bound(sizes) || count_of(sizes[0]) > kMostElements) {
    return -1;
  }
  const ValueId id = value(TensorDef{std::get<Tensor>(*results[0]).dtype, sizes[0], -1});
  tensors_.push_back(id);
  write(id, results);
  return id;
}

void Draft::write(ValueId id, const ByExecution<Result*>& results) {
  for (size_t i = 0; i < kExecutions; ++i) {
    machines_[i].write(id, std::move(*results[i]));
  }
}

ValueId Draft::any_value() {
  const ValueDef anything[] = {Null{}, int64_t{random_.integer(-3, 9)}, 0.5, true, std::string()};
  return value(random_.pick(anything));
}

ValueId Draft::by_kind(const ArgDef& argument) {
  switch (argument.kind) {
    case ArgKind::kTensor:
      return some_tensor({DType::kInt8, DType::kFloat32});
    case ArgKind::kConstant:
      give_constant(argument.name.c_str(), DType::kFloat32, {random_.integer(1, 8)});
      return given_[argument.name];
    case ArgKind::kOptionalTensor:
    case ArgKind::kOptionalConstant:
    case ArgKind::kOptionalSymInt:
    case ArgKind::kOptionalScalar:
    case ArgKind::kOptionalString:
    case ArgKind::kOptionalIntegers:
    case ArgKind::kOptionalSymInts:
    case ArgKind::kOptionalNumbers:
      return value(Null{});
    case ArgKind::kNumber:
    case ArgKind::kScalar:
      return value(some_scale());
    case ArgKind::kInteger:
    case ArgKind::kSymInt:
      return integer_value(random_.integer(-1, 2));
    case ArgKind::kBoolean:
      return value(random_.chance(50));
    case ArgKind::kString:
      return value(std::string("none"));
    case ArgKind::kIntegers:
    case ArgKind::kSymInts:
      return value(Sizes());
    case ArgKind::kTensors:
    case ArgKind::kOptionalTensors:
      return value(ValueList{{some_tensor({DType::kInt8})}});
    default:
      return any_value();
  }
}

// ---- Values.

DType Draft::dtype(ValueId id) const {
  return std::get<TensorDef>(program_.def.values[static_cast<size_t>(id)]).dtype;
}

const Sizes& Draft::sizes(ValueId id, size_t execution) const {
  return machines_[execution].tensor(id).sizes;
}

ByExecution<Sizes> Draft::all_sizes(ValueId id) const {
  ByExecution<Sizes> all;
  for (size_t i = 0; i < kExecutions; ++i) {
    all[i] = sizes(id, i);
  }
  return all;
}

ValueId Draft::value(ValueDef def) {
  program_.def.values.push_back(std::move(def));
  return static_cast<ValueId>(program_.def.values.size() - 1);
}

// The serializer shares one value between equal Python numbers, so 1 may be 1.0.
ValueId Draft::integer_value(int64_t integer) {
  const auto& values = program_.def.values;
  for (size_t id = 0; id < values.size() && random_.chance(70); ++id) {
    const auto* same = std::get_if<int64_t>(&values[id]);
    if (same != nullptr && *same == integer) {
      return static_cast<ValueId>(id);
    }
  }
  return random_.chance(10) ? value(static_cast<double>(integer)) : value(integer);
}

ValueId Draft::find_tensor(const std::vector<DType>& dtypes, const Fits& fits) {
  std::vector<ValueId> found;
  for (ValueId id : tensors_) {
    if (std::count(dtypes.begin(), dtypes.end(), dtype(id)) > 0 && fits(id)) {
      found.push_back(id);
    }
  }
  const bool last = is_chain_ && random_.chance(90);
  return found.empty() ? -1 : last ? found.back() : random_.pick(found);
}

ValueId Draft::some_tensor(const std::vector<DType>& dtypes, size_t least_rank) {
  const ValueId found = find_tensor(dtypes, [&](ValueId id) { return rank(id) >= least_rank; });
  return found >= 0 && random_.chance(is_chain_ ? 95 : 75)
             ? found
             : new_input(random_.pick(dtypes), least_rank);
}

ValueId Draft::new_input(DType dtype, const ByExecution<Sizes>& sizes) {
  if (!first_is_bound(sizes) || count_of(sizes[0]) > kMostElements) {
    return -1;
  }
  const ValueId id = value(TensorDef{dtype, sizes[0], -1});
  program_.def.inputs.push_back(id);
  tensors_.push_back(id);
  for (size_t i = 0; i < kExecutions; ++i) {
    program_.executions[i].push_back({sizes[i], 0});
    machines_[i].write(id, zeros(dtype, sizes[i]));
  }
  return id;
}

ValueId Draft::new_input(DType dtype, size_t least_rank, int64_t last) {
  constexpr size_t kRanks[] = {0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6};
  const size_t rank = std::max({random_.pick(kRanks), least_rank, size_t{is_chain_ ? 3u : 0u}});
  ByExecution<Sizes> sizes;
  for (size_t dim = 0; dim < rank; ++dim) {
    const bool is_last = last >= 0 && dim + 1 == rank;
    const auto own = static_cast<int64_t>(random_.chance(2) ? 0 : random_.pick(kSizes));
    ByExecution<int64_t> values;
    values.fill(is_last ? last : own);
    if (!is_last && !dynamic_sizes_.empty() && random_.chance(35)) {
      values = random_.pick(dynamic_sizes_);
    }
    // The more dimensions, the smaller they are.
    const int64_t most = kMostElements / std::max<int64_t>(1, last >= 0 && !is_last ? last : 1);
    if (count_of(sizes[0]) * values[0] > most) {
      values.fill(1);
    }
    for (size_t i = 0; i < kExecutions; ++i) {
      sizes[i].push_back(values[i]);
    }
  }
  return new_input(dtype, sizes);
}

ValueId Draft::new_symint_input() {
  const ValueId id = value(SymInt{random_.integer(-2, 40)});
  program_.def.inputs.push_back(id);
  symints_.push_back(id);
  ByExecution<int64_t> values;
  if (!dynamic_sizes_.empty() && random_.chance(50)) {
    values = random_.pick(dynamic_sizes_);
  } else {
    values.fill(random_.integer(0, 9));
  }
  for (size_t i = 0; i < kExecutions; ++i) {
    program_.executions[i].push_back({{}, values[i]});
    machines_[i].write(id, values[i]);
  }
  return id;
}

ValueId Draft::symbol(const ByExecution<int64_t>& values) {
  const auto has_values = [&](const std::function<int64_t(size_t)>& of) {
    for (size_t i = 0; i < kExecutions; ++i) {
      if (of(i) != values[i]) {
        return false;
      }
    }
    return true;
  };
  for (ValueId id : symints_) {
    if (has_values([&](size_t i) { return machines_[i].integer(id); })) {
      return id;
    }
  }
  for (ValueId id : tensors_) {
    for (size_t dim = 0; dim < rank(id); ++dim) {
      if (has_values([&](size_t i) { return sizes(id, i)[dim]; })) {
        const bool done = append("sym_size.int", {id, integer_value(static_cast<int64_t>(dim))});
        return done ? symints_.back() : -1;
      }
    }
  }
  return -1;
}

ValueId Draft::some_symbol() {
  if (!symints_.empty() && random_.chance(75)) {
    return random_.pick(symints_);
  }
  const ValueId x = find_tensor({DType::kInt8, DType::kFloat32, DType::kUint8},
                                [&](ValueId id) { return rank(id) > 0; });
  if (x < 0 || random_.chance(15)) {
    return new_symint_input();
  }
  const auto dim = random_.integer(0, static_cast<int32_t>(rank(x)) - 1);
  return append("sym_size.int", {x, integer_value(dim)}) ? symints_.back() : -1;
}

// ---- Arguments.

void Draft::give_number(const char* name, double number) {
  const bool whole = number == std::floor(number) && std::abs(number) < 1e9;
  give(name, whole && random_.chance(30) ? value(static_cast<int64_t>(number)) : value(number));
}

void Draft::give_integer(const char* name, int64_t integer) { give(name, integer_value(integer)); }

void Draft::give_boolean(const char* name, bool boolean) {
  give(name, random_.chance(30) ? value(int64_t{boolean}) : value(boolean));
}

void Draft::give_list(const char* name, const std::vector<ValueId>& items) {
  give(name, value(ValueList{items}));
}

bool Draft::give_symint(const char* name, const ByExecution<int64_t>& values) {
  const bool is_fixed = same_in_all(values);
  const ValueId id = is_fixed && random_.chance(75) ? -1 : symbol(values);
  if (id < 0 && !is_fixed) {
    return false;
  }
  give(name, id < 0 ? integer_value(values[0]) : id);
  return true;
}

bool Draft::give_integers(const char* name, const ByExecution<Sizes>& lists, bool may_infer) {
  const size_t length = lists[0].size();
  if (std::any_of(lists.begin(), lists.end(),
                  [&](const Sizes& list) { return list.size() != length; })) {
    return false;
  }
  // -1 for one that differs, or for any one.
  size_t inferred = length;
  if (may_infer && length > 0 && random_.chance(60)) {
    inferred = random_.below(length);
    for (size_t i = 0; i < length; ++i) {
      const bool differs = lists[0][i] != lists[1][i] || lists[0][i] != lists[2][i];
      inferred = differs ? i : inferred;
    }
  }
  Sizes plain;
  std::vector<ValueId> items;
  bool is_fixed = true;
  for (size_t i = 0; i < length; ++i) {
    ByExecution<int64_t> values;
    for (size_t execution = 0; execution < kExecutions; ++execution) {
      values[execution] = i == inferred ? -1 : lists[execution][i];
    }
    const bool fixed = same_in_all(values);
    const ValueId id = fixed && random_.chance(90) ? integer_value(values[0]) : symbol(values);
    if (id < 0 && !fixed) {
      return false;
    }
    is_fixed = is_fixed && fixed;
    plain.push_back(values[0]);
    items.push_back(id < 0 ? integer_value(values[0]) : id);
  }
  if (is_fixed && random_.chance(60)) {
    give(name, value(plain));
  } else {
    give_list(name, items);
  }
  return true;
}

void Draft::give_fixed_integers(const char* name, const Sizes& integers) {
  if (random_.chance(70)) {
    give(name, value(integers));
    return;
  }
  std::vector<ValueId> items;
  for (int64_t integer : integers) {
    items.push_back(integer_value(integer));
  }
  give_list(name, items);
}

void Draft::give_constant(const char* name, DType dtype, const Sizes& dims) {
  const auto& values = program_.def.values;
  for (size_t id = 0; id < values.size() && random_.chance(80); ++id) {
    const auto* same = std::get_if<TensorDef>(&values[id]);
    if (same != nullptr && same->constant_id >= 0 && same->dtype == dtype && same->dims == dims) {
      const TensorDef tied = *same;
      // The same value, or another one of the same bytes.
      give(name, random_.chance(50) ? static_cast<ValueId>(id) : value(tied));
      return;
    }
  }
  give_constant(name, dtype, dims,
                random_bytes(random_.bits(), dtype, static_cast<size_t>(count_of(dims))));
}

void Draft::give_constant(const char* name, DType dtype, const Sizes& dims,
                          std::vector<uint8_t> bytes) {
  give(name, add_constant(program_, dtype, dims, std::move(bytes)));
}

void Draft::give_grid(const std::string& prefix, double scale) {
  constexpr int32_t kZeroPoints[] = {0, 0, -128, 127, 3, -17};
  give_number((prefix + "scale").c_str(), scale);
  give_integer((prefix + "zero_point").c_str(), random_.pick(kZeroPoints));
}

void Draft::give_range(const std::string& prefix) {
  const bool narrow = random_.chance(30);
  give_integer((prefix + "quant_min").c_str(), narrow ? random_.integer(-128, 20) : -128);
  give_integer((prefix + "quant_max").c_str(), narrow ? random_.integer(21, 127) : 127);
}

}  // namespace etvk::fuzz
