#include "graph/ComputeGraph.h"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <unordered_set>
#include <utility>

#include "graph/OrderRules.h"
#include "graph/Orders.h"
#include "graph/ProgramLimits.h"
#include "vk/Error.h"

namespace etvk {

ComputeGraph::ComputeGraph(Context& context, GraphDef def, bool timed)
    : context_(context),
      caps_(context.device.caps()),
      values_(std::move(def.values), def.constants),
      constants_(std::move(def.constants), def.source_bytes),
      memory_(values_, constants_),
      states_(values_, memory_),
      commands_(context.device, timed) {
  validation_messages_ = context_.device.instance().validation_message_count();
  auto start = std::chrono::steady_clock::now();
  build_nodes(read_program(values_, def));
  plan_memory();
  end_phase("load: nodes and memory", start);
  constants_.upload(context_);
  end_phase("load: constants", start);

  // Symbolic integers that come in as inputs are not known yet; everything else is checked and
  // recorded now, so that the first execution does no more work than the later ones.
  if (std::all_of(inputs_.begin(), inputs_.end(), [this](ValueId id) { return is_tensor(id); })) {
    record();
    end_phase("load: pipelines and recording", start);
    load_phases_.back().us -= self_check_us_;
    load_phases_.push_back({"load: self-check", self_check_us_});
  }
  built_ = true;
  check_validation_layer();
}

void ComputeGraph::end_phase(const char* name, std::chrono::steady_clock::time_point& start) {
  const auto now = std::chrono::steady_clock::now();
  load_phases_.push_back({name, std::chrono::duration<double, std::micro>(now - start).count()});
  start = now;
}

// ---- Building.

void ComputeGraph::add_memory(const std::vector<ValueId>& ids) {
  for (ValueId id : ids) {
    if (is_tensor(id)) {
      memory_.add(id);
    }
  }
}

void ComputeGraph::build_nodes(Program program) {
  decide_orders(values_, program);
  inputs_ = program.inputs;
  add_memory(inputs_);
  for (const Call& call : program.calls) {
    build_op(call);
  }
  outputs_ = program.outputs;
  add_memory(outputs_);
  copy_states();
}

ValueId ComputeGraph::add_copy(ValueId id) {
  const ValueId copy = values_.add_tensor(dtype(id), dims(id));
  values_.set_order(copy, values_.order(id));
  add_node({"copy of a state", {id}, {copy}, [this, id, copy](Commands& commands) {
              set_sizes(copy, sizes(id));
              commands.copy({{range(id), range(copy)}});
            }});
  return copy;
}

// Outputs are read when states have changed, and states change all at once: what is an old state
// then is copied before.
void ComputeGraph::copy_states() {
  for (States::Assignment& assignment : states_.assignments()) {
    if (states_.holds(assignment.value, assignment.state)) {
      assignment.value = add_copy(assignment.value);
    }
  }
  for (ValueId& id : outputs_) {
    if (is_tensor(id) && states_.holds(id)) {
      const std::vector<size_t> order = dim_order(id);
      id = add_copy(id);
      if (!order.empty()) {
        set_dim_order(id, order);
      }
    }
  }
}

// All that an op must not forget stands here, and what it may rely on.
void ComputeGraph::build_op(const Call& call) {
  check_orders(values_, call);
  const size_t first = nodes_.size();
  call.op->build(*this, call.args);

  // Memory is planned by what nodes say that they read.
  std::unordered_set<ValueId> said;
  for (size_t i = first; i < nodes_.size(); ++i) {
    nodes_[i].node_id = call.node_id;
    said.insert(nodes_[i].reads.begin(), nodes_[i].reads.end());
  }
  for (ValueId id : call.args.reads()) {
    ETVK_CHECK(values_.is_symint(id) || values_.is_constant(id) || said.count(id) > 0, kInternal,
               call.op->name << ": no node of it reads value " << id);
  }
}

void ComputeGraph::add_node(Node node) {
  for (ValueId id : node.reads) {
    ETVK_CHECK(!is_tensor(id) || memory_.is_readable(id), kInternal,
               node.op << ": reads value " << id << " before it is written");
  }
  add_memory(node.reads);
  for (ValueId id : node.writes) {
    ETVK_CHECK(!is_tensor(id) || !memory_.is_readable(id), kInternal,
               node.op << ": writes value " << id << ", which is already written");
  }
  add_memory(node.writes);
  nodes_.push_back(std::move(node));
}

size_t ComputeGraph::reader_count(ValueId id) {
  const size_t storage = memory_.storage(id);
  const auto is_same = [&](ValueId other) {
    return is_tensor(other) && memory_.storage(other) == storage;
  };
  size_t count = std::count_if(outputs_.begin(), outputs_.end(), is_same);
  for (const Node& node : nodes_) {
    count += std::any_of(node.reads.begin(), node.reads.end(), is_same) ? 1 : 0;
  }
  for (const States::Assignment& assignment : states_.assignments()) {
    count += is_same(assignment.value) ? 1 : 0;
  }
  return count;
}

void ComputeGraph::plan_memory() {
  std::unordered_set<ValueId> read;
  for (const Node& node : nodes_) {
    std::copy_if(node.reads.begin(), node.reads.end(), std::inserter(read, read.end()),
                 [this](ValueId id) { return is_tensor(id); });
  }
  states_.place(context_.device, nodes_, inputs_, outputs_);
  host_ = std::make_unique<HostBuffers>(context_, values_, memory_, inputs_, outputs_, read);
  const auto use = [this](const std::vector<ValueId>& ids, size_t step) {
    for (ValueId id : ids) {
      if (is_tensor(id)) {
        memory_.use(id, static_cast<int32_t>(step));
      }
    }
  };
  use(inputs_, 0);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    use(nodes_[i].reads, i + 1);
    use(nodes_[i].writes, i + 1);
  }
  use(outputs_, nodes_.size() + 1);
  for (const States::Assignment& assignment : states_.assignments()) {
    use({assignment.value}, nodes_.size() + 1);
  }
  memory_.allocate(context_.device, host_->arena_use());
}

// ---- Execution.

void ComputeGraph::set_sizes(ValueId id, const std::vector<int64_t>& sizes) {
  values_.set_sizes(id, sizes);
  ETVK_CHECK(values_.size_bytes(id) <= memory_.storage_bytes(id), kInvalidProgram,
             "value " << id << " would have shape " << shape_text(sizes) << ", over its bound "
                      << shape_text(dims(id)));
}

// The owner of a node's steps is its place behind 0, that of copies of inputs.
void ComputeGraph::record_nodes() {
  uint32_t owner = 0;
  for (const Node& node : nodes_) {
    commands_.set_owner(++owner);
    node.record(commands_);
    ETVK_CHECK(commands_.step_count() <= kMaxDispatches, kNotSupported,
               "the program has more than " << kMaxDispatches << " dispatches");
  }
}

// Again while kernels are found that compute wrongly, without them, until there are none.
void ComputeGraph::record() {
  bool is_right = false;
  while (!is_right) {
    caps_.wrong_kernels = context_.self_check.wrong_kernels();
    list_steps();
    context_.pipelines.create(commands_.pipelines());
    const auto start = std::chrono::steady_clock::now();
    is_right = context_.self_check.passes(commands_.pipelines());
    const auto time = std::chrono::steady_clock::now() - start;
    self_check_us_ += std::chrono::duration<double, std::micro>(time).count();
  }
  commands_.end(timed_ops_);
  dirty_ = false;
}

void ComputeGraph::list_steps() {
  commands_.begin();
  commands_.copy(host_->input_copies());
  try {
    record_nodes();
  } catch (const Error& error) {
    // A program that was sound for its bounds is not to blame later: the inputs are.
    if (!built_ || error.code() != ErrorCode::kInvalidProgram) {
      throw;
    }
    std::ostringstream shapes;
    for (ValueId id : inputs_) {
      shapes << (shapes.tellp() == 0 ? "" : ", ")
             << (is_tensor(id) ? shape_text(sizes(id)) : std::to_string(integer(id)));
    }
    ETVK_FAIL(kInvalidArgument,
              "inputs " << shapes.str() << " do not fit the program: " << error.what());
  }
  commands_.set_owner(static_cast<uint32_t>(nodes_.size()) + 1);
  std::vector<Copy> copies = host_->output_copies();
  for (const Copy& copy : states_.copies()) {
    copies.push_back(copy);
  }
  commands_.copy(std::move(copies));
}

void ComputeGraph::set_input_sizes(size_t index, const std::vector<int64_t>& sizes) {
  const ValueId id = inputs_.at(index);
  const std::vector<int64_t>& bound = dims(id);
  bool fits = sizes.size() == bound.size();
  for (size_t i = 0; fits && i < sizes.size(); ++i) {
    fits = sizes[i] >= 0 && sizes[i] <= bound[i];
  }
  ETVK_CHECK(fits, kInvalidArgument,
             "input " << index << " has shape " << shape_text(sizes)
                      << ", the program was lowered for at most " << shape_text(bound));
  if (this->sizes(id) != sizes) {
    dirty_ = true;
    values_.set_sizes(id, sizes);
  }
}

void ComputeGraph::set_input_symint(size_t index, int64_t value) {
  const ValueId id = inputs_.at(index);
  if (integer(id) != value) {
    dirty_ = true;
    set_symint(id, value);
  }
}

void ComputeGraph::prepare(bool timed_ops) {
  context_.device.check_usable();
  if (timed_ops_ != timed_ops) {
    timed_ops_ = timed_ops;
    dirty_ = true;
  }
  if (dirty_) {
    record();
  }
}

void ComputeGraph::run(bool timed_ops) {
  prepare(timed_ops);
  host_->flush();
  commands_.submit_and_wait();
  host_->invalidate();
  states_.invalidate();
  check_validation_layer();
}

void ComputeGraph::check_validation_layer() {
  const uint64_t messages = context_.device.instance().validation_message_count();
  const uint64_t raised = messages - std::exchange(validation_messages_, messages);
  ETVK_CHECK(
      raised == 0, kInternal,
      "ETVK_VALIDATION: the Vulkan validation layer raised " << raised << " messages, see stderr");
}

}  // namespace etvk
