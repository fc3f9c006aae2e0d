#include "graph/Orders.h"

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graph/OrderRules.h"
#include "vk/Error.h"

namespace etvk {

namespace {

// y = x in y's order.
constexpr const char* kCopy = "aten.clone.default";

Order other(Order order) {
  return order == Order::kRowMajor ? Order::kChannelsLast : Order::kRowMajor;
}

void check_has_order(const Values& values, const Call& call, ValueId id) {
  ETVK_CHECK(values.has_order(id), kInvalidProgram,
             call.op->name << ": value " << id << " of shape " << shape_text(values.dims(id))
                           << " must have 3 or 4 dimensions");
}

// Orders are tried out on `values` themselves. All costs are bytes.
class Decision {
 public:
  Decision(Values& values, const Program& program)
      : values_(values), program_(program), readers_(values.count()), needed_(values.count()) {
    for (const Call& call : program.calls) {
      index_output(call);
      index_reads(call);
    }
    for (ValueId id : program.outputs) {
      if (values_.is_tensor(id)) {
        needed(id, Order::kRowMajor) += 1;
      }
    }
  }

  // Forwards, each output has the order that costs least with what is decided before it. Backwards,
  // it is decided again with all that reads it, whose order it has where both cost the same: so a
  // copy moves up a chain to where it is smallest.
  void run() {
    const uint64_t row_major_cost = total_cost();
    for (const Call* call : free_) {
      count_alike(*call, -1);
    }
    for (const Call* call : free_) {
      count_alike(*call, 1);
      decide(*call, Order::kRowMajor);
    }
    for (auto call = free_.rbegin(); call != free_.rend(); ++call) {
      decide(**call, order_of_readers((*call)->args.output()));
    }
    if (total_cost() >= row_major_cost) {
      for (const Call* call : free_) {
        values_.set_order(call->args.output(), Order::kRowMajor);
      }
    }
  }

 private:
  void index_output(const Call& call) {
    const OrderRule rule = call.args.output_order();
    const ValueId y = call.args.output();
    if (rule == OrderRule::kChannelsLast) {
      check_has_order(values_, call, y);
      values_.set_order(y, Order::kChannelsLast);
    } else if (rule != OrderRule::kRowMajor && values_.has_two_orders(y) &&
               (rule == OrderRule::kEither || !alike_operands(values_, call).empty())) {
      free_.push_back(&call);
    }
  }

  void index_reads(const Call& call) {
    for (const OpArgs::TensorRead& read : call.args.tensor_reads()) {
      readers_[static_cast<size_t>(read.id)].push_back(&call);
      if (read.order == OrderRule::kChannelsLast) {
        check_has_order(values_, call, read.id);
      }
      const std::optional<Order> order = needed_order(values_, call, read);
      if (order.has_value() && !is_alike(values_, call, read)) {
        needed(read.id, *order) += 1;
      }
    }
    count_alike(call, 1);
  }

  size_t& needed(ValueId id, Order order) {
    return needed_[static_cast<size_t>(id)][static_cast<size_t>(order)];
  }

  void count_alike(const Call& call, int by) {
    for (ValueId id : alike_operands(values_, call)) {
      needed(id, values_.order(call.args.output())) += static_cast<size_t>(by);
    }
  }

  // Of a copy in the other order, if something needs it.
  uint64_t copy_cost(ValueId id) {
    const bool is_copied = needed(id, other(values_.order(id))) > 0 && values_.has_two_orders(id);
    return is_copied ? values_.bound_bytes(id) : 0;
  }

  // Of a call that moves what it reads, where that could lie still or is read across its order.
  uint64_t move_cost(const Call& call, ValueId read) const {
    const ValueId y = call.args.output();
    if (call.op->permutation != nullptr) {
      const bool stays = values_.is_in_place(read, y, call.op->permutation(values_, call.args));
      return stays ? 0 : values_.bound_bytes(y);
    }
    const bool is_across = call.args.output_order() == OrderRule::kEither &&
                           values_.dims(read).size() == values_.dims(y).size() &&
                           !values_.is_in(read, values_.order(y));
    return is_across ? values_.bound_bytes(read) : 0;
  }

  uint64_t move_cost(const Call& call) const {
    uint64_t cost = 0;
    for (const OpArgs::TensorRead& read : call.args.tensor_reads()) {
      cost += move_cost(call, read.id);
    }
    return cost;
  }

  // All that depends on the order of the call's output.
  uint64_t cost_around(const Call& call) {
    const ValueId y = call.args.output();
    uint64_t cost = move_cost(call) + copy_cost(y);
    for (ValueId id : alike_operands(values_, call)) {
      cost += copy_cost(id);
    }
    for (const Call* reader : readers_[static_cast<size_t>(y)]) {
      cost += move_cost(*reader, y);
    }
    return cost;
  }

  uint64_t total_cost() {
    uint64_t cost = 0;
    for (ValueId id = 0; id < static_cast<ValueId>(values_.count()); ++id) {
      cost += values_.is_tensor(id) ? copy_cost(id) : 0;
    }
    for (const Call& call : program_.calls) {
      cost += move_cost(call);
    }
    return cost;
  }

  void set(const Call& call, Order order) {
    count_alike(call, -1);
    values_.set_order(call.args.output(), order);
    count_alike(call, 1);
  }

  void decide(const Call& call, Order preferred) {
    set(call, preferred);
    const uint64_t cost = cost_around(call);
    set(call, other(preferred));
    if (cost_around(call) >= cost) {
      set(call, preferred);
    }
  }

  // The one that all of them need, else the one that it has.
  Order order_of_readers(ValueId id) {
    const bool row_major = needed(id, Order::kRowMajor) > 0;
    const bool channels_last = needed(id, Order::kChannelsLast) > 0;
    return row_major == channels_last ? values_.order(id)
           : row_major                ? Order::kRowMajor
                                      : Order::kChannelsLast;
  }

  Values& values_;
  const Program& program_;
  std::vector<const Call*> free_;                  // of which the output may have either order
  std::vector<std::vector<const Call*>> readers_;  // by ValueId, once for each read
  std::vector<std::array<size_t, 2>> needed_;      // by ValueId and Order: by how many readers
};

void add_copies(Values& values, Program& program) {
  std::vector<Call> calls;
  std::unordered_map<ValueId, ValueId> copies;
  // A copy counts as part of the op that is the first to need it.
  const auto in_order = [&](ValueId id, Order order, int32_t node_id) {
    if (values.is_in(id, order)) {
      return id;
    }
    const auto [copy, is_new] = copies.emplace(id, -1);
    if (is_new) {
      copy->second = values.add_tensor(values.dtype(id), values.dims(id));
      values.set_order(copy->second, order);
      calls.push_back(read_call(values, {kCopy, {id, copy->second}, node_id}));
    }
    return copy->second;
  };
  for (Call& call : program.calls) {
    call.args.replace_tensor_reads(values, [&](const OpArgs::TensorRead& read) {
      const std::optional<Order> order = needed_order(values, call, read);
      return order.has_value() ? in_order(read.id, *order, call.node_id) : read.id;
    });
    calls.push_back(std::move(call));
  }
  for (ValueId& id : program.outputs) {
    id = values.is_tensor(id) ? in_order(id, Order::kRowMajor, -1) : id;
  }
  program.calls = std::move(calls);
}

}  // namespace

void decide_orders(Values& values, Program& program) {
  Decision(values, program).run();
  add_copies(values, program);
}

}  // namespace etvk
