// A sum of two float32 tensors, which the node that reads it may make itself.
#pragma once

#include <functional>

#include "graph/GraphDef.h"
#include "graph/Offer.h"

namespace etvk::ops {

// What the node of y = a + b offers, all three of the same sizes in their bounds.
struct FloatSum : Offer {
  ValueId a = -1;
  ValueId b = -1;
  ValueId y = -1;
  // Set by the reader that takes the offer, the first one of y: whether it can make y, whose sizes
  // and those of a and b are known then. Null: nobody takes it.
  std::function<bool()> can_reader_make_it;
  // To that reader, in this recording; decided by the node that offers it.
  bool is_left = false;
};

}  // namespace etvk::ops
