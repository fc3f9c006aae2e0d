// Reads the arguments of one op call by position and name, with an error that names both. An op
// reads all of them once, in schema order, into a struct of its own.
#pragma once

#include <string>
#include <vector>

#include "graph/ComputeGraph.h"

namespace etvk {

// `dim` of a tensor of this rank, counted from the end where it is negative; throws kInvalidProgram
// naming `op` if there is none.
size_t wrap_dim(const std::string& op, int64_t dim, size_t rank);

class OpArgs {
 public:
  // `count` is the number of schema arguments, without the output.
  OpArgs(const ComputeGraph& graph, const OpCall& call, size_t count);

  ValueId tensor(const char* name);
  // A tensor that must be (or must not be) a constant of the program.
  ValueId constant_tensor(const char* name);
  ValueId optional_constant_tensor(const char* name);  // -1 for None
  double number(const char* name);                     // Double or Int
  int64_t integer(const char* name);                   // within int32
  bool boolean(const char* name);                      // Bool, or 0 or 1
  // A list of integers, some of them perhaps symbolic: read it with ComputeGraph::integers.
  ValueId integer_list(const char* name);
  // An integer that may be symbolic: read it with ComputeGraph::integer.
  ValueId symbolic_integer(const char* name);
  ValueId optional_symbolic_integer(const char* name);  // -1 for None
  std::vector<ValueId> tensor_list(const char* name);
  std::string string(const char* name);
  ValueId any(const char* name);  // not looked at
  void skip(const char* name) { any(name); }
  ValueId output_tensor();

  // "q8ta_linear: " for messages.
  const std::string& op() const { return op_; }

 private:
  [[noreturn]] void fail(const char* name, const char* expected) const;

  const ComputeGraph& graph_;
  const OpCall& call_;
  std::string op_;
  size_t next_ = 0;
};

}  // namespace etvk
