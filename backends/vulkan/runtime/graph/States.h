// State of a program: tensors that keep what they hold from one execution to the next, each in a
// buffer of its own, filled when the program is loaded. During an execution a state is what it was
// before; what is assigned to it takes its place when all nodes are done. Where nothing reads the
// old state any more, the new one is made in its memory, and nothing is copied.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/Memory.h"
#include "graph/Node.h"
#include "graph/Values.h"
#include "vk/Commands.h"
#include "vk/Context.h"

namespace etvk {

class States {
 public:
  States(const Values& values, Memory& memory) : values_(values), memory_(memory) {}

  // ---- While nodes are built.

  // `state` starts as `initial`: bytes of all of it, or of one element that all of it is. They must
  // last until place(). Throws kInvalidProgram for others.
  void add(const std::string& op, ValueId state, const ConstantDef& initial);
  // Throws kInvalidProgram where `state` is none, has another shape or type, or is assigned twice.
  void assign(const std::string& op, ValueId state, ValueId value);

  struct Assignment {
    ValueId state = -1;
    ValueId value = -1;
    bool in_place = false;  // decided by place(): made where the state is
  };
  // In the order of the program. A value may be replaced by a copy until place().
  std::vector<Assignment>& assignments() { return assignments_; }
  // Whether the tensor is in the memory of a state other than `own`.
  bool holds(ValueId id, ValueId own = -1) const;

  // ---- Before memory is planned.

  // Makes and fills the buffers, and decides which values are made in them. No output may be in the
  // memory of a state, and no assigned value in that of another state.
  void place(const Device& device, const std::vector<Node>& nodes,
             const std::vector<ValueId>& inputs, const std::vector<ValueId>& outputs);

  // ---- Of each recording and execution.

  // From new states to where they are kept, behind all nodes.
  std::vector<Copy> copies() const;
  // Makes what the device wrote visible to the host, for outputs that are read in place.
  void invalidate() const;

 private:
  struct State {
    ValueId id = -1;
    ConstantDef initial;
    std::unique_ptr<Buffer> buffer;
    bool assigned = false;
  };

  const Values& values_;
  Memory& memory_;
  std::vector<State> states_;
  std::unordered_map<ValueId, size_t> by_id_;       // indices into states_
  std::unordered_map<size_t, ValueId> by_storage_;  // states' ids
  std::vector<Assignment> assignments_;
};

}  // namespace etvk
