// The ops that this runtime has, by their names in a blob. Each file of ops/impl registers its own
// rows; nothing else lists them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace etvk {

class ComputeGraph;
class OpArgs;
class Values;

// What one argument must be. The names in brackets are those of a row's signature.
enum class ArgKind {
  kTensor,            // tensor: a tensor, perhaps a constant of the program
  kOptionalTensor,    // tensor?: a tensor, or None
  kConstant,          // constant: a constant of the program
  kOptionalConstant,  // constant?: a constant, or None
  kNumber,            // number: Double or Int
  kScalar,            // scalar: Double, Int or Bool
  kOptionalScalar,    // scalar?: the same, or None
  kInteger,           // integer: a number without a fraction within 32 bits
  kBoolean,           // boolean: Bool, or 0 or 1
  kString,            // string
  kOptionalString,    // string?: a string, or None
  kIntegers,          // integers: a list of integers that are known ahead of time
  kOptionalIntegers,  // integers?: the same, or None
  kOptionalNumbers,   // numbers?: a list of numbers, or None
  kSymInt,            // symint: an integer, perhaps symbolic
  kOptionalSymInt,    // symint?: the same, or None
  kSymInts,           // symints: a list of integers, some perhaps symbolic
  kOptionalSymInts,   // symints?: the same, or None
  kTensors,           // tensors: a list of at least one tensor
  kOptionalTensors,   // tensors?: a list of tensors and None, at least one tensor
  kAny,               // any: not looked at
  kRest,              // rest: any number of arguments that are not looked at
  kOutput,            // out: a tensor that the op writes
  kFirstOutput,       // first_out: the same, or a list of tensors of which it writes the first
  kOutputs,           // outs: a list of tensors, all of which the op writes
  kSymIntOutput,      // symout: a symbolic integer that the op writes
};

// In which order (Values.h) a tensor that an op reads or writes must be. The names in brackets
// stand behind the kind in a row's signature; what only one kind of argument can be (constants) is
// always row-major.
enum class OrderRule : uint8_t {
  kRowMajor,
  kChannelsLast,  // @channels_last
  kEither,        // @either: read or written by its strides
  kAlike,         // @alike: in the output's order where it has the output's bounds and is no
                  // constant, else row-major. The output is free if there is such an operand.
                  // (Of a view: where it keeps the channels.)
};

struct ArgDef {
  std::string name;
  ArgKind kind;
  OrderRule order = OrderRule::kRowMajor;
};

// Checks what the kinds leave open and adds the op's nodes; throws Error naming the op and what is
// wrong.
using OpBuilder = void (*)(ComputeGraph& graph, const OpArgs& args);

// For an op whose output is its argument `self` with the dimensions permuted: dimension i of the
// output is dimension [i] of self. It dispatches nothing where that is the same bytes. Throws Error
// where the arguments give no permutation.
using OpPermutation = std::vector<size_t> (*)(const Values& values, const OpArgs& args);

// For an op that takes either order, if `self` and the output have the same one, and whose other
// tensors are constants: whether the first two dimensions of both are the same in every execution.
// Then they are alike. A view is such an op where they are the same, for then its output is the
// bytes of `self` in channels-last as well.
using OpKeepsChannels = bool (*)(const Values& values, const OpArgs& args);

struct Op {
  std::string name;
  std::vector<ArgDef> args;  // in schema order; the output comes last
  OpBuilder build;
  OpPermutation permutation;       // null: of no such op
  OpKeepsChannels keeps_channels;  // likewise
};

// A row as it is written:
// {"et_vk.q8ta_table.default", "x:tensor@alike table:constant y:out@alike", build}.
struct OpRow {
  const char* name;
  const char* signature;
  OpBuilder build;
  OpPermutation permutation = nullptr;
  OpKeepsChannels keeps_channels = nullptr;
};

// `const RegisterOps registered({{...}, {...}});` at the end of an implementation's file. Ends the
// process for a row that is written wrongly or a name that is taken: no program can cause that.
struct RegisterOps {
  explicit RegisterOps(const std::vector<OpRow>& rows);
};

// All ops, by name.
const std::map<std::string, Op>& all_ops();

// Null when there is no such op.
const Op* find_op(const std::string& name);

}  // namespace etvk
