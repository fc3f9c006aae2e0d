// What a call needs of the orders of its tensors, by the OrderRules of its op's row.
#pragma once

#include <optional>
#include <vector>

#include "graph/OpArgs.h"
#include "graph/Program.h"
#include "graph/Values.h"

namespace etvk {

// Whether this operand is in the order of the output, whichever that is.
bool is_alike(const Values& values, const Call& call, const OpArgs::TensorRead& read);

// All of these, each once.
std::vector<ValueId> alike_operands(const Values& values, const Call& call);

// The order that a call needs of a tensor that it reads, where its output has the order that it has
// now; none where it takes either.
std::optional<Order> needed_order(const Values& values, const Call& call,
                                  const OpArgs::TensorRead& read);

// Throws kInternal where a call reads or writes a tensor in another order than its op takes.
void check_orders(const Values& values, const Call& call);

}  // namespace etvk
