#include "graph/Program.h"

#include "vk/Error.h"

namespace etvk {

namespace {

// Which values have been written so far.
class Written {
 public:
  explicit Written(const Values& values) : values_(values), marked_(values.count()) {}

  // Constants, and numbers, strings and lists of the program itself, are always there.
  bool operator()(ValueId id) const {
    const bool is_made = values_.is_tensor(id) ? !values_.is_constant(id) : values_.is_symint(id);
    return !is_made || marked_[static_cast<size_t>(id)];
  }
  void mark(ValueId id) { marked_[static_cast<size_t>(id)] = true; }

 private:
  const Values& values_;
  std::vector<bool> marked_;
};

void check_id(const Values& values, ValueId id) {
  values.check_id(id, "an input or output");
  ETVK_CHECK(values.is_tensor(id) || values.is_symint(id), kInvalidProgram,
             "input or output " << id << " is neither a tensor nor a symbolic integer");
}

}  // namespace

Call read_call(const Values& values, const OpCall& call) {
  const Op* op = find_op(call.name);
  ETVK_CHECK(op != nullptr, kInvalidProgram,
             "op '" << call.name
                    << "' is not one that this runtime has; lower the model with "
                       "executorch_vulkan.VulkanPartitioner, which keeps it on the CPU");
  return {op, OpArgs(values, call, *op), call.node_id};
}

Program read_program(const Values& values, const GraphDef& def) {
  Program program{def.inputs, {}, def.outputs};
  Written is_written(values);
  for (ValueId id : program.inputs) {
    check_id(values, id);
    ETVK_CHECK(!values.is_constant(id), kInvalidProgram,
               "value " << id << " is input and constant");
    ETVK_CHECK(!is_written(id), kInvalidProgram, "value " << id << " is an input twice");
    is_written.mark(id);
  }
  program.calls.reserve(def.chain.size());
  for (const OpCall& call : def.chain) {
    program.calls.push_back(read_call(values, call));
    const OpArgs& args = program.calls.back().args;
    for (ValueId id : args.reads()) {
      ETVK_CHECK(is_written(id), kInvalidProgram,
                 call.name << ": reads value " << id << " before it is written");
    }
    for (ValueId id : args.outputs()) {
      ETVK_CHECK(!is_written(id), kInvalidProgram,
                 call.name << ": writes value " << id << ", which is already written");
      is_written.mark(id);
    }
  }
  for (ValueId id : program.outputs) {
    check_id(values, id);
    ETVK_CHECK(is_written(id), kInvalidProgram, "output value " << id << " is never written");
  }
  return program;
}

}  // namespace etvk
