// What an op's implementation adds to a graph.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/GraphDef.h"
#include "vk/Commands.h"

namespace etvk {

// One step of the program. `record` works out the sizes of `writes` from the current sizes of
// `reads` (or a symbolic integer), sets them, and adds the dispatches for exactly these.
struct Node {
  std::string op;
  std::vector<ValueId> reads;
  std::vector<ValueId> writes;
  std::function<void(Commands&)> record;
  int32_t node_id = -1;  // of the op that it is for; the graph sets it
  // Those of `reads` in whose memory writes[0] may lie: of their size, and each element is read, if
  // at all, only by the thread that writes it.
  std::vector<ValueId> overwrites = {};
  // Whether these are smaller in some executions than their bounds, and repeated then: they must
  // not be overwritten unless their sizes are known.
  bool may_repeat = false;
};

}  // namespace etvk
