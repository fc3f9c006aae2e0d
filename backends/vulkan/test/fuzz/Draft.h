// A well-formed program while it is drawn. Each op is tried on the reference first, in several
// executions at once whose inputs have other sizes, and kept only where it has a result in all of
// them: so no op has to say which shapes fit, only to propose some that mostly do.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "Block.h"
#include "Machine.h"
#include "Program.h"
#include "Random.h"

namespace etvk::fuzz {

constexpr size_t kExecutions = 3;  // the first has the bounds

template <typename T>
using ByExecution = std::array<T, kExecutions>;

class Draft {
 public:
  explicit Draft(uint64_t seed);

  testing::Random& random() { return random_; }
  // Whose call is drawn.
  const Op& op() const { return *op_; }

  // From now on, inputs have three dimensions or more and calls read what was written last: chains
  // of tensors that may be channels-last, which are rare otherwise.
  void set_chain() { is_chain_ = true; }
  bool is_chain() const { return is_chain_; }
  // Adds one call of this op; false where none that has a result was found.
  bool add(const Op& op);
  // The program so far.
  const GraphDef& def() const { return program_.def; }
  // Ends the drawing.
  Program take() { return std::move(program_); }
  const std::vector<ValueId>& tensors() const { return tensors_; }
  const std::vector<ValueId>& symints() const { return symints_; }

  // ---- For the entries' draw functions.

  DType dtype(ValueId id) const;
  const Sizes& sizes(ValueId id, size_t execution = 0) const;
  size_t rank(ValueId id) const { return sizes(id).size(); }
  ByExecution<Sizes> all_sizes(ValueId id) const;
  const Block& block() const { return block_; }
  const std::vector<ByExecution<int64_t>>& dynamic_sizes() const { return dynamic_sizes_; }

  using Fits = std::function<bool(ValueId)>;
  // A tensor of one of these types that fits; -1 where there is none.
  ValueId find_tensor(const std::vector<DType>& dtypes, const Fits& fits);
  // One that there is, or a new input of some shape of at least this rank.
  ValueId some_tensor(const std::vector<DType>& dtypes, size_t least_rank = 0);
  // -1 where these sizes cannot be an input's: the first execution has the bounds.
  ValueId new_input(DType dtype, const ByExecution<Sizes>& sizes);
  // Of some shape, which ends with `last` where that is not negative.
  ValueId new_input(DType dtype, size_t least_rank, int64_t last = -1);
  ValueId new_symint_input();
  // A symbolic integer with these values; -1 where there is none and none can be made.
  ValueId symbol(const ByExecution<int64_t>& values);
  // One of the dimensions of a tensor that has some, perhaps counted from the end.
  int32_t some_dim(ValueId id) {
    const auto own = static_cast<int32_t>(rank(id));
    return random_.integer(-own, own - 1);
  }
  // Some symbolic integer.
  ValueId some_symbol();
  double some_scale() { return random_.uniform(0.01f, 0.2f); }

  // Whether the op takes None for this argument.
  bool may_be_none(const char* name) const { return fuzz::may_be_none(op(), name); }
  void give(const char* name, ValueId id) { given_[name] = id; }
  ValueId none() { return value(Null{}); }
  void give_none(const char* name) { give(name, none()); }
  void give_number(const char* name, double number);
  void give_integer(const char* name, int64_t integer);
  void give_string(const char* name, const char* text) { give(name, value(std::string(text))); }
  void give_boolean(const char* name, bool boolean);
  // Of an op that is given its result's type by what the program declares.
  void give_output_dtype(DType dtype) { output_dtype_ = dtype; }
  void give_list(const char* name, const std::vector<ValueId>& items);
  // An integer that may be symbolic. False where it would have to be and cannot.
  bool give_symint(const char* name, const ByExecution<int64_t>& values);
  // A list of integers; symbolic ones where they differ between executions, or one -1.
  bool give_integers(const char* name, const ByExecution<Sizes>& lists, bool may_infer = false);
  void give_numbers(const char* name, const std::vector<double>& numbers) {
    give(name, value(numbers));
  }
  void give_fixed_integers(const char* name, const Sizes& integers);
  // A constant of random bytes, perhaps one that there is.
  void give_constant(const char* name, DType dtype, const Sizes& dims);
  // The same with these bytes.
  void give_constant(const char* name, DType dtype, const Sizes& dims, std::vector<uint8_t> bytes);
  // Scale and zero point named PREFIXscale and PREFIXzero_point.
  void give_grid(const std::string& prefix, double scale);
  // The range of an int8 result: PREFIXquant_min and PREFIXquant_max.
  void give_range(const std::string& prefix);

 private:
  ValueId value(ValueDef def);
  ValueId integer_value(int64_t integer);
  ValueId any_value();
  // The value of an argument that the entry did not give.
  ValueId by_kind(const ArgDef& argument);
  bool append(const std::string& op, std::vector<ValueId> arguments);
  // Declares a result; -1 where it cannot be one.
  ValueId append_result(const ByExecution<Result*>& results);
  void write(ValueId id, const ByExecution<Result*>& results);
  int64_t some_size(size_t* dynamic);

  testing::Random random_;
  Program program_;
  std::vector<Machine> machines_;  // by execution
  std::vector<ValueId> tensors_;   // inputs and results
  std::vector<ValueId> symints_;
  const Block block_;
  bool is_chain_ = false;
  std::vector<ByExecution<int64_t>> dynamic_sizes_;
  const Op* op_ = nullptr;
  std::map<std::string, ValueId> given_;  // to the call that is drawn
  std::optional<DType> output_dtype_;     // likewise
};

}  // namespace etvk::fuzz
