// A program on one device: its values, constants and activations in device memory, and one command
// buffer that runs all of its nodes. Built once from a GraphDef, executed many times.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "graph/Constants.h"
#include "graph/GraphDef.h"
#include "graph/HostBuffers.h"
#include "graph/Memory.h"
#include "graph/Node.h"
#include "graph/Offer.h"
#include "graph/OpArgs.h"
#include "graph/OpTime.h"
#include "graph/Program.h"
#include "graph/States.h"
#include "graph/Values.h"
#include "vk/Commands.h"
#include "vk/Context.h"

namespace etvk {

class ComputeGraph {
 public:
  // Builds nodes through the op registry, uploads constants, plans memory and records for the upper
  // bound of every shape. Throws Error when `def` is inconsistent or needs what the device lacks.
  // `def` and its constants may be freed afterwards. With `timed`, executions are timed on the GPU.
  ComputeGraph(Context& context, GraphDef def, bool timed = false);

  // ---- Execution. Calls on one graph are serialized by the caller or by lock().

  // Sets the sizes of input `index`, each at most the bound it was built with.
  void set_input_sizes(size_t index, const std::vector<int64_t>& sizes);
  void set_input_symint(size_t index, int64_t value);
  // Where to write the input's contiguous bytes before run(); null when it has none.
  uint8_t* input_data(size_t index) { return host_->input_data(index); }
  // Records again if a size or symbolic integer has changed: then the sizes of outputs are known.
  // What throws here has changed no state. With `timed_ops`, each op runs alone and is timed; the
  // first such run and the first one without record again, too. Throws kNotSupported on a device
  // without timestamps.
  void prepare(bool timed_ops = false);
  // Prepares, runs, waits.
  void run(bool timed_ops = false);
  // Where the output's contiguous bytes are after run(), for the sizes of output_sizes(), which are
  // those of this execution from prepare() on.
  const uint8_t* output_data(size_t index) { return host_->output_data(index); }

  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  bool input_is_tensor(size_t index) const { return is_tensor(inputs_.at(index)); }
  bool output_is_tensor(size_t index) const { return is_tensor(outputs_.at(index)); }
  const std::vector<int64_t>& output_sizes(size_t index) const { return sizes(outputs_.at(index)); }
  DType input_dtype(size_t index) const { return dtype(inputs_.at(index)); }
  DType output_dtype(size_t index) const { return dtype(outputs_.at(index)); }
  int64_t output_symint(size_t index) const { return integer(outputs_.at(index)); }
  // The dim order of the method's tensor, whose sizes in that order are those above; empty where it
  // is row-major.
  std::vector<size_t> input_dim_order(size_t index) const { return dim_order(inputs_.at(index)); }
  std::vector<size_t> output_dim_order(size_t index) const { return dim_order(outputs_.at(index)); }
  std::mutex& lock() { return mutex_; }
  const std::vector<std::string>& kernels() const { return commands_.kernels(); }
  // Between dispatches and copies; the rest of them run side by side.
  size_t barrier_count() const { return commands_.barrier_count(); }
  // Whether it was built with `timed`.
  bool is_timed() const { return commands_.is_timed(); }
  // Of the dispatches of the last run() but the first, without copies. Only for graphs built with
  // `timed`, and of at least two dispatches.
  double gpu_time_us() const { return commands_.gpu_time_us(); }
  // All of the last run(), copies included. Only for graphs built with `timed`.
  double submission_us() const { return commands_.submission_us(); }

  // What the constructor did, in order.
  const std::vector<LoadPhase>& load_phases() const { return load_phases_; }
  // Of the last run(true), in order; ops that dispatch nothing are not there.
  std::vector<OpTime> op_times() const {
    return etvk::op_times(commands_.step_times(), nodes_, values_);
  }

  // ---- For op implementations, while nodes are built and when they are recorded.

  Context& context() { return context_; }
  // With the kernels that computed wrongly when this graph was recorded last.
  const DeviceCaps& caps() const { return caps_; }
  bool is_tensor(ValueId id) const { return values_.is_tensor(id); }
  DType dtype(ValueId id) const { return values_.dtype(id); }
  // Upper bound, and the sizes of this execution.
  const std::vector<int64_t>& dims(ValueId id) const { return values_.dims(id); }
  const std::vector<int64_t>& sizes(ValueId id) const { return values_.sizes(id); }
  int64_t numel(ValueId id) const { return values_.numel(id); }
  // The tensor in memory: its dimensions from the outermost to the innermost, and how many elements
  // one step of each dimension is. Row-major unless the op's row in the registry says otherwise.
  std::vector<size_t> memory_dims(ValueId id) const { return values_.memory_dims(id); }
  std::vector<int64_t> strides(ValueId id) const { return values_.strides(id); }
  // Whether y, of which dimension i is dimension dims[i] of x, is the bytes that x is.
  bool is_in_place(ValueId x, ValueId y, const std::vector<size_t>& dims) const {
    return values_.is_in_place(x, y, dims);
  }
  // Throws kInvalidProgram when `sizes` needs more memory than the tensor has.
  void set_sizes(ValueId id, const std::vector<int64_t>& sizes);
  const Values& values() const { return values_; }
  int64_t integer(ValueId id) const { return values_.integer(id); }
  std::vector<int64_t> integers(ValueId list) const { return values_.integers(list); }
  void set_symint(ValueId id, int64_t value) { values_.set_symint(id, value); }

  // An input's or output's dimensions are those of the method's tensor in this order.
  void set_dim_order(ValueId id, std::vector<size_t> dims) { dim_orders_[id] = std::move(dims); }

  // The constant's bytes; only while the graph is built.
  const ConstantDef& constant_source(ValueId id) const {
    return constants_.source(values_.tensor(id).constant_id);
  }
  ConstantRef add_constant(ConstantSpec spec) { return constants_.add(std::move(spec)); }

  // Every tensor of a node is written exactly once, and before it is read.
  void add_node(Node node);
  // What the node that writes y, which was added last, offers those that read y or a view of it.
  void offer(ValueId y, std::shared_ptr<Offer> offer) {
    offers_[memory_.storage(y)] = {nodes_.size() - 1, std::move(offer)};
  }
  // The offer of this kind; null: there is none.
  template <typename Kind>
  std::shared_ptr<Kind> offered(ValueId x) {
    const auto found = offers_.find(memory_.storage(x));
    return found == offers_.end() ? nullptr : std::dynamic_pointer_cast<Kind>(found->second.offer);
  }
  // The node that offers something of x writes `id`, too.
  void also_write(ValueId x, ValueId id) {
    nodes_.at(offers_.at(memory_.storage(x)).node).writes.push_back(id);
  }
  // How many read the tensor, or what is in the same memory: nodes so far, and in recordings the
  // caller's outputs and states as well.
  size_t reader_count(ValueId id);
  // A tensor that only this op's nodes use. `dims` is a copy: values move when one is added.
  ValueId add_scratch(DType dtype, std::vector<int64_t> dims) {
    return values_.add_tensor(dtype, std::move(dims));
  }
  // What ops that name the same `key` share; -1 until the first of them puts its scratch there.
  ValueId& shared_scratch(const std::string& key) {
    return shared_scratch_.emplace(key, -1).first->second;
  }
  // The op's output `alias` is in the memory of `source`, which it reads; both hold the same bytes.
  void add_alias(ValueId source, ValueId alias) { memory_.add_alias(source, alias); }
  // Tensors that outlive an execution, as States has it.
  States& states() { return states_; }
  // Whether y, which a node says may lie in the memory of x, does so. For recording.
  bool is_overwritten(ValueId x, ValueId y) const { return memory_.is_same_place(x, y); }

  // The tensor's current bytes rounded up to whole groups of four words.
  BufferRange range(ValueId id) const { return memory_.range(id); }
  // What a dispatch binds, with the end of what it touches.
  Binding bind(ValueId id, uint64_t end_bytes) const { return {range(id), end_bytes}; }
  Binding bind_constant(ConstantRef constant, uint64_t end_bytes) const {
    return {constants_.range(constant), end_bytes};
  }

 private:
  std::vector<size_t> dim_order(ValueId id) const {
    const auto found = dim_orders_.find(id);
    return found == dim_orders_.end() ? std::vector<size_t>() : found->second;
  }
  void add_memory(const std::vector<ValueId>& ids);
  void build_nodes(Program program);
  void build_op(const Call& call);
  ValueId add_copy(ValueId id);
  void copy_states();
  void plan_memory();
  void record();
  void list_steps();
  void record_nodes();
  // The phase from `start` on has ended.
  void end_phase(const char* name, std::chrono::steady_clock::time_point& start);
  void check_validation_layer();

  Context& context_;
  DeviceCaps caps_;
  std::mutex mutex_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  Values values_;
  Constants constants_;
  Memory memory_;
  States states_;
  std::vector<Node> nodes_;
  struct Offered {
    size_t node;
    std::shared_ptr<Offer> offer;
  };
  std::map<size_t, Offered> offers_;  // by memory
  std::unique_ptr<HostBuffers> host_;
  std::map<ValueId, std::vector<size_t>> dim_orders_;
  std::map<std::string, ValueId> shared_scratch_;
  bool built_ = false;      // what goes wrong from now on is an input
  bool dirty_ = true;       // sizes changed since the last recording
  bool timed_ops_ = false;  // in the last recording
  uint64_t validation_messages_ = 0;
  std::vector<LoadPhase> load_phases_;
  double self_check_us_ = 0.0;  // of all recordings
  Commands commands_;
};

}  // namespace etvk
