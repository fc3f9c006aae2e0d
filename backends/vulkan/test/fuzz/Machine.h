// Runs programs naively and exactly, from the ops' definitions alone: it shares no code with the
// runtime. Sizes are those of one execution; what a program declares beyond them is not looked at,
// except by ops of which it decides a meaning.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "Program.h"
#include "graph/GraphDef.h"
#include "graph/OpRegistry.h"

namespace etvk::fuzz {

// The program has no result: a runtime must refuse it. What it lacks.
class Meaningless : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// It may have a result, which this machine does not work out.
class Unchecked : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// How well the bytes of a tensor are known.
enum class Accuracy {
  kExact,
  kClose,    // an exp() is inside: one step of an integer, or its error in float32
  kUnknown,  // what was made of something close
};

struct Tensor {
  DType dtype = DType::kFloat32;
  Sizes sizes;
  std::vector<uint8_t> bytes;
  Accuracy accuracy = Accuracy::kExact;

  size_t count() const { return bytes.size() / dtype_bytes(dtype); }
  int8_t int8_at(size_t i) const { return static_cast<int8_t>(bytes[i]); }
  int32_t int32_at(size_t i) const;
  float float_at(size_t i) const;
};

// A tensor of these sizes, all bytes zero. Throws Unchecked where it is more than a test needs.
Tensor zeros(DType dtype, Sizes sizes);
void set_float(Tensor& tensor, size_t i, float value);

// Of one op; several tensors of one that writes a list.
using Result = std::variant<Tensor, int64_t, std::vector<Tensor>>;

// What a program keeps between executions, by the values that stand for it.
using States = std::map<ValueId, Tensor>;

class Machine;

// Where an op takes this argument, counted from the first; op.args.size() where it takes none.
size_t position_of(const Op& op, const std::string& name);
// Whether None is a scalar, string or list that this argument may be.
bool may_be_none(const Op& op, const std::string& name);

// The arguments of one call, by the names of its row. Each throws Meaningless where the value is of
// another kind, or read before it is written.
class Arguments {
 public:
  Arguments(const Machine& machine, const OpCall& call, const Op& op)
      : machine_(machine), call_(call), op_(op) {}

  const Tensor& tensor(const char* name) const;
  const Tensor* optional_tensor(const char* name) const;  // null for None
  // As the program declares them: upper bounds.
  Sizes declared_sizes(const char* name) const;
  // Of the output, as the program declares it.
  DType declared_dtype() const;
  const Tensor& constant(const char* name) const;
  const Tensor* optional_constant(const char* name) const;  // null for None
  std::vector<const Tensor*> tensors(const char* name) const;
  // Null for None; at least one tensor.
  std::vector<const Tensor*> optional_tensors(const char* name) const;
  double number(const char* name) const;
  double scalar(const char* name) const;  // a number or a boolean
  std::optional<double> optional_scalar(const char* name) const;
  int64_t integer(const char* name) const;  // within int32
  bool boolean(const char* name) const;
  std::string string(const char* name) const;
  std::optional<std::string> optional_string(const char* name) const;
  int64_t symint(const char* name) const;
  std::optional<int64_t> optional_symint(const char* name) const;
  Sizes integers(const char* name) const;           // some of them perhaps symbolic
  Sizes fixed_integers(const char* name) const;     // none of them symbolic
  Sizes optional_integers(const char* name) const;  // the same; none for None
  std::optional<Sizes> optional_symints(const char* name) const;
  std::vector<double> optional_numbers(const char* name) const;  // none for None
  // A dimension of a tensor of this rank, counted from the end where it is negative.
  size_t dim(const char* name, size_t rank) const;

  // What the output, a state, holds from the execution before; null in the first one.
  const Tensor* kept() const;
  bool is_state(const char* name) const;

  const Op& op() const { return op_; }
  bool may_be_none(const char* name) const { return fuzz::may_be_none(op_, name); }
  bool takes_tensor(const char* name) const {
    const size_t position = position_of(op_, name);
    return position < op_.args.size() && op_.args[position].kind == ArgKind::kTensor;
  }
  bool has(const char* name) const { return position_of(op_, name) < op_.args.size(); }

 private:
  ValueId id(const char* name) const;
  const ValueDef& value(const char* name) const;

  const Machine& machine_;
  const OpCall& call_;
  const Op& op_;
};

size_t wrap_dim(int64_t dim, size_t rank);
Sizes in_order(size_t rank);  // 0, 1, 2 ...
// The list `name`, which must be a permutation of `rank` dimensions, none negative in the result.
Sizes permutation(const Arguments& arguments, const char* name, size_t rank);

class Machine {
 public:
  // `def` and what its constants point at must outlive the machine, and may grow. So must `states`,
  // which are those of a program that is loaded anew where there are none.
  explicit Machine(const GraphDef& def, const States* states = nullptr)
      : def_(def), states_(states) {}

  // Throw Meaningless where the value cannot be written.
  void write(ValueId id, Result result);

  // The result of a call, which is not written yet.
  Result evaluate(const OpCall& call) const;
  void run(const OpCall& call);
  // What the call writes, of a list of results the first.
  std::vector<ValueId> outputs_of(const OpCall& call) const;

  const ValueDef& value(ValueId id) const;
  bool is_constant(ValueId id) const;
  const Tensor& tensor(ValueId id) const;
  bool is_state(ValueId id) const;
  // Null where nothing is kept.
  const Tensor* kept(ValueId id) const;
  // Int, SymInt, or a Double without a fraction.
  int64_t integer(ValueId id) const;

 private:
  const GraphDef& def_;
  const States* states_;
  std::vector<std::optional<Result>> results_;   // by value
  mutable std::map<ValueId, Tensor> constants_;  // made when they are read
};

// What a program gives in one execution.
struct Outcome {
  enum class Kind { kResult, kMeaningless, kUnchecked };
  Kind kind = Kind::kResult;
  std::string reason;           // of the last two
  std::vector<Result> outputs;  // of the first
  bool over_declared = false;   // a tensor is larger than it was declared
  States states;                // of the first: what the next execution finds
};

bool has_states(const Program& program);
// `states`: what the execution before has left; none for the first one.
Outcome expected(const Program& program, size_t execution, const States& states);

}  // namespace etvk::fuzz
