// The calls of a program, checked, before any of them is built: so that passes see the whole chain.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/GraphDef.h"
#include "graph/OpArgs.h"
#include "graph/OpRegistry.h"
#include "graph/Values.h"

namespace etvk {

struct Call {
  const Op* op;
  OpArgs args;
  int32_t node_id;  // as in OpCall
};

struct Program {
  std::vector<ValueId> inputs;
  std::vector<Call> calls;
  std::vector<ValueId> outputs;
};

// A call of an op whose name and arguments are checked here; throws kInvalidProgram.
Call read_call(const Values& values, const OpCall& call);

// The same for all calls of `def`, of which the values are in `values` already. Every tensor and
// symbolic integer is written once, by an input, a constant or a call, and before it is read.
Program read_program(const Values& values, const GraphDef& def);

}  // namespace etvk
