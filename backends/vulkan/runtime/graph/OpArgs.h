// The arguments of one op call, checked against the op's signature once and read by name from then
// on. Errors name the op, the argument's position and its name.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "graph/OpRegistry.h"
#include "graph/Values.h"

namespace etvk {

// `dim` of a tensor of this rank, counted from the end where it is negative; throws kInvalidProgram
// naming `op` if there is none.
size_t wrap_dim(const std::string& op, int64_t dim, size_t rank);
// The same of an op that takes a single number, of which 0 and -1 name its one element.
size_t wrap_dim_or_number(const std::string& op, int64_t dim, size_t rank);

class OpArgs {
 public:
  // Throws kInvalidProgram where the call's values are not what the signature asks for.
  OpArgs(const Values& values, const OpCall& call, const Op& op);

  // Each asks for an argument of its own kind; another kind, or a name that the signature lacks, is
  // a bug of the implementation (kInternal).
  ValueId tensor(const char* name) const;
  ValueId optional_tensor(const char* name) const;  // -1 for None
  ValueId constant(const char* name) const;
  ValueId optional_constant(const char* name) const;  // -1 for None
  double number(const char* name) const;
  double scalar(const char* name) const;
  std::optional<double> optional_scalar(const char* name) const;
  int64_t integer(const char* name) const;
  bool boolean(const char* name) const;
  const std::string& string(const char* name) const;
  const std::string* optional_string(const char* name) const;  // null for None
  std::vector<int64_t> integers(const char* name) const;
  std::vector<int64_t> optional_integers(const char* name) const;  // none for None
  ValueId symint(const char* name) const;                          // read it with Values::integer
  ValueId optional_symint(const char* name) const;                 // -1 for None
  ValueId symints(const char* name) const;                         // read it with Values::integers
  ValueId optional_symints(const char* name) const;                // -1 for None
  std::vector<double> optional_numbers(const char* name) const;    // none for None
  const std::vector<ValueId>& tensors(const char* name) const;
  std::vector<ValueId> optional_tensors(const char* name) const;  // -1 for None
  // What the op writes; of several results, the first one.
  ValueId output() const { return outputs_.front(); }
  // All that it writes.
  const std::vector<ValueId>& outputs() const { return outputs_; }
  // The same, of which there must be `count`; throws kInvalidProgram.
  const std::vector<ValueId>& outputs(size_t count) const;
  // Whether the signature has an argument of this name and kind.
  bool takes(const char* name, ArgKind kind) const;
  OrderRule output_order() const { return op_.args.back().order; }

  // The op's name, for messages.
  const std::string& op() const { return op_.name; }
  // Tensors and symbolic integers that the op reads, those in lists among them.
  std::vector<ValueId> reads() const;

  // A tensor that the op reads in an order that its row names: no constant of one argument's kind,
  // which an op lays out by itself.
  struct TensorRead {
    ValueId id;
    OrderRule order;
  };
  std::vector<TensorRead> tensor_reads() const;
  // Makes the op read `instead(read)` for each of them. A list of others is added to `values`.
  void replace_tensor_reads(Values& values,
                            const std::function<ValueId(const TensorRead&)>& instead);

 private:
  size_t index_of(const char* name, ArgKind kind) const;
  ValueId find(const char* name, ArgKind kind) const { return args_[index_of(name, kind)]; }
  bool is_one_tensor(size_t index) const;
  bool is_none(ValueId id) const;
  double scalar_at(ValueId id) const;
  void check(size_t index) const;
  const char* problem(ValueId id, ArgKind kind) const;
  const char* list_problem(ValueId id, ArgKind kind) const;
  const char* outputs_problem(ValueId id) const;
  const char* numbers_problem(ValueId id) const;

  const Values& values_;
  const Op& op_;
  std::vector<ValueId> args_;  // one for each of op_.args; -1 for the rest
  std::vector<ValueId> outputs_;
};

}  // namespace etvk
