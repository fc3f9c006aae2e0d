#include "graph/States.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "vk/ConstantStore.h"
#include "vk/Error.h"

namespace etvk {

namespace {

// When the nodes of a program touch each memory. Nodes that write no tensor touch none: views.
class Touches {
 public:
  Touches(const Values& values, Memory& memory, const std::vector<Node>& nodes)
      : values_(values), memory_(memory) {
    for (size_t i = 0; i < nodes.size(); ++i) {
      const Node& node = nodes[i];
      if (std::none_of(node.writes.begin(), node.writes.end(),
                       [&values](ValueId id) { return values.is_tensor(id); })) {
        continue;
      }
      touch(node.reads, static_cast<int>(i));
      touch(node.writes, static_cast<int>(i));
      for (ValueId id : node.writes) {
        if (values.is_tensor(id)) {
          Touch& written = touches_[memory.storage(id)];
          written.writer = written.writer == kNone ? static_cast<int>(i) : kMany;
        }
      }
    }
  }

  void keep(ValueId id) {
    if (values_.is_tensor(id)) {
      touches_[memory_.storage(id)].last = INT_MAX;
    }
  }

  static constexpr int kNone = -1;
  static constexpr int kMany = -2;

  // The last node that touches it; INT_MAX where it must stay until all are done.
  int last(size_t storage) const { return at(storage).last; }
  // The one node that writes it.
  int writer(size_t storage) const { return at(storage).writer; }

 private:
  struct Touch {
    int last = kNone;
    int writer = kNone;
  };

  Touch at(size_t storage) const {
    const auto found = touches_.find(storage);
    return found == touches_.end() ? Touch{} : found->second;
  }

  void touch(const std::vector<ValueId>& ids, int step) {
    for (ValueId id : ids) {
      if (values_.is_tensor(id)) {
        int& last = touches_[memory_.storage(id)].last;
        last = std::max(last, step);
      }
    }
  }

  const Values& values_;
  Memory& memory_;
  std::unordered_map<size_t, Touch> touches_;
};

// The tensor whose memory the node may write its result to: it reads that as one of its operands,
// and nothing else does afterwards. One in `own` comes first; -1 where there is none.
ValueId overwritten(Memory& memory, const Touches& touches, const Node& node, int step,
                    size_t own) {
  ValueId found = -1;
  for (ValueId base : node.overwrites) {
    const size_t storage = memory.storage(base);
    const auto reads = std::count_if(node.reads.begin(), node.reads.end(),
                                     [&](ValueId id) { return memory.storage(id) == storage; });
    if (reads == 1 && touches.last(storage) == step && (found < 0 || storage == own)) {
      found = base;
    }
  }
  return found;
}

void fill(const ConstantDef& initial, uint64_t bytes, uint8_t* to, uint64_t begin, uint64_t size) {
  const uint64_t own = std::min(size, bytes - std::min(begin, bytes));
  std::memset(to + own, 0, size - own);
  if (own > 0 && std::all_of(initial.data, initial.data + initial.size_bytes,
                             [&initial](uint8_t byte) { return byte == initial.data[0]; })) {
    std::memset(to, initial.data[0], own);
    return;
  }
  for (uint64_t done = 0; done < own;) {
    const uint64_t from = (begin + done) % initial.size_bytes;
    const uint64_t run = std::min(initial.size_bytes - from, own - done);
    std::memcpy(to + done, initial.data + from, run);
    done += run;
  }
}

}  // namespace

void States::add(const std::string& op, ValueId state, const ConstantDef& initial) {
  const uint64_t bytes = values_.bound_bytes(state);
  ETVK_CHECK(initial.size_bytes == bytes || initial.size_bytes == dtype_bytes(values_.dtype(state)),
             kInvalidProgram,
             op << ": " << initial.size_bytes << " bytes for a state of shape "
                << shape_text(values_.dims(state)) << ", which has " << bytes);
  memory_.add(state);
  by_id_.emplace(state, states_.size());
  by_storage_.emplace(memory_.storage(state), state);
  states_.push_back({state, initial, nullptr, false});
}

void States::assign(const std::string& op, ValueId state, ValueId value) {
  const auto found = by_id_.find(state);
  ETVK_CHECK(found != by_id_.end(), kInvalidProgram,
             op << ": value " << state << " is no state of the program");
  ETVK_CHECK(!states_[found->second].assigned, kInvalidProgram,
             op << ": state " << state << " is assigned twice");
  ETVK_CHECK(
      values_.dtype(state) == values_.dtype(value) && values_.dims(state) == values_.dims(value),
      kInvalidProgram,
      op << ": a state of " << dtype_name(values_.dtype(state)) << " "
         << shape_text(values_.dims(state)) << " cannot become " << dtype_name(values_.dtype(value))
         << " " << shape_text(values_.dims(value)));
  states_[found->second].assigned = true;
  assignments_.push_back({state, value});
}

bool States::holds(ValueId id, ValueId own) const {
  const auto found = by_storage_.find(memory_.storage(id));
  return found != by_storage_.end() && found->second != own;
}

void States::place(const Device& device, const std::vector<Node>& nodes,
                   const std::vector<ValueId>& inputs, const std::vector<ValueId>& outputs) {
  if (states_.empty()) {
    return;
  }
  Uploader uploader(device);
  for (State& state : states_) {
    const uint64_t bytes = values_.bound_bytes(state.id);
    const ConstantDef initial = state.initial;
    state.buffer = uploader.upload(
        memory_.storage_bytes(state.id),
        [&](uint8_t* to, uint64_t begin, uint64_t size) { fill(initial, bytes, to, begin, size); });
    memory_.place(state.id, *state.buffer, 0);
  }
  Touches touches(values_, memory_, nodes);
  std::unordered_set<size_t> of_inputs;  // which the host writes before the first node
  for (ValueId id : inputs) {
    if (values_.is_tensor(id)) {
      of_inputs.insert(memory_.storage(id));
    }
  }
  for (ValueId id : outputs) {
    touches.keep(id);
  }
  for (const Assignment& assignment : assignments_) {
    touches.keep(assignment.value);
  }
  for (Assignment& assignment : assignments_) {
    const State& state = states_[by_id_.at(assignment.state)];
    const size_t own = memory_.storage(state.id);
    if (memory_.storage(assignment.value) == own) {
      assignment.in_place = true;
      continue;
    }
    // The new state, what it was made of in its place, and so on back to the old state; or as far
    // as its first part that is made when nothing reads that any more.
    std::vector<ValueId> chain;
    size_t fitting = 0;
    // What is made of the old state in its place has its sizes. Of others nothing is known.
    bool keeps_sizes = true;
    for (ValueId id = assignment.value; id >= 0;) {
      const size_t storage = memory_.storage(id);
      const int step = touches.writer(storage);
      if (storage == own) {
        fitting = chain.size();
        break;
      }
      if (step < 0 || of_inputs.count(storage) > 0 || !memory_.is_free(id) ||
          memory_.storage_bytes(id) != memory_.storage_bytes(state.id)) {
        break;
      }
      chain.push_back(id);
      fitting = keeps_sizes && touches.last(own) < step ? chain.size() : fitting;
      const Node& node = nodes[static_cast<size_t>(step)];
      keeps_sizes = keeps_sizes && !node.may_repeat;
      id = overwritten(memory_, touches, node, step, own);
    }
    chain.resize(fitting);
    for (ValueId id : chain) {
      memory_.place(id, *state.buffer, 0);
    }
    assignment.in_place = fitting > 0;
  }
}

std::vector<Copy> States::copies() const {
  std::vector<Copy> copies;
  for (const Assignment& assignment : assignments_) {
    if (!assignment.in_place) {
      copies.push_back({memory_.range(assignment.value), memory_.range(assignment.state)});
    }
  }
  return copies;
}

void States::invalidate() const {
  for (const State& state : states_) {
    state.buffer->invalidate();
  }
}

}  // namespace etvk
