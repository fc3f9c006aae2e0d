#include "graph/OrderRules.h"

#include <algorithm>

#include "vk/Error.h"

namespace etvk {

bool is_alike(const Values& values, const Call& call, const OpArgs::TensorRead& read) {
  if (read.order != OrderRule::kAlike || values.is_constant(read.id)) {
    return false;
  }
  const ValueId y = call.args.output();
  return call.op->keeps_channels == nullptr ? values.dims(read.id) == values.dims(y)
                                            : values.has_order(read.id) && values.has_order(y) &&
                                                  call.op->keeps_channels(values, call.args);
}

std::vector<ValueId> alike_operands(const Values& values, const Call& call) {
  std::vector<ValueId> ids;
  for (const OpArgs::TensorRead& read : call.args.tensor_reads()) {
    if (is_alike(values, call, read)) {
      ids.push_back(read.id);
    }
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::optional<Order> needed_order(const Values& values, const Call& call,
                                  const OpArgs::TensorRead& read) {
  switch (read.order) {
    case OrderRule::kRowMajor:
      return Order::kRowMajor;
    case OrderRule::kChannelsLast:
      return Order::kChannelsLast;
    case OrderRule::kEither:
      return std::nullopt;
    case OrderRule::kAlike:
      return is_alike(values, call, read) ? values.order(call.args.output()) : Order::kRowMajor;
  }
  ETVK_FAIL(kInternal, call.op->name << ": an unknown order");
}

void check_orders(const Values& values, const Call& call) {
  for (const OpArgs::TensorRead& read : call.args.tensor_reads()) {
    const std::optional<Order> order = needed_order(values, call, read);
    ETVK_CHECK(!order.has_value() || values.is_in(read.id, *order), kInternal,
               call.op->name << ": reads value " << read.id << " in an order that it cannot");
  }
  const ValueId y = call.args.output();
  const OrderRule rule = call.args.output_order();
  if (rule == OrderRule::kEither || !values.is_tensor(y) ||
      (rule == OrderRule::kAlike && !alike_operands(values, call).empty())) {
    return;
  }
  const Order order = rule == OrderRule::kChannelsLast ? Order::kChannelsLast : Order::kRowMajor;
  ETVK_CHECK(values.is_in(y, order), kInternal,
             call.op->name << ": writes value " << y << " in an order that it cannot");
}

}  // namespace etvk
