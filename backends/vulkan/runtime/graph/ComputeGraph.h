// A program on one device: its values, constants and activations in device memory, and one command
// buffer that runs all of its nodes. Built once from a GraphDef, executed many times.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "graph/ArenaPlanner.h"
#include "graph/GraphDef.h"
#include "vk/Buffer.h"
#include "vk/Commands.h"
#include "vk/Context.h"

namespace etvk {

// One step of the program. `resize` sets the sizes of `writes` from the current sizes of `reads`
// (and evaluates symbolic integers); `record` adds the dispatches for the current sizes. Either may
// be empty.
struct Node {
  std::string op;
  std::vector<ValueId> reads;
  std::vector<ValueId> writes;
  std::function<void()> resize;
  std::function<void(Commands&)> record;
};

// "[2, 3]", for messages.
std::string shape_text(const std::vector<int64_t>& shape);

// A region of device memory that is filled once.
using ConstantRef = size_t;

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
  uint8_t* input_data(size_t index);
  // Resizes and records again if a size or symbolic integer has changed; runs; waits.
  void run();
  // Where the output's contiguous bytes are after run(), for the sizes of output_sizes().
  const uint8_t* output_data(size_t index);

  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  bool input_is_tensor(size_t index) const { return is_tensor(inputs_.at(index)); }
  bool output_is_tensor(size_t index) const { return is_tensor(outputs_.at(index)); }
  const std::vector<int64_t>& output_sizes(size_t index) const { return sizes(outputs_.at(index)); }
  DType input_dtype(size_t index) const { return dtype(inputs_.at(index)); }
  DType output_dtype(size_t index) const { return dtype(outputs_.at(index)); }
  int64_t output_symint(size_t index) const { return integer(outputs_.at(index)); }
  std::mutex& lock() { return mutex_; }
  const std::vector<std::string>& kernels() const { return commands_.kernels(); }
  // Of the dispatches of the last run() but the first, without copies. Only for graphs built with
  // `timed`, and of at least two dispatches.
  double gpu_time_us() const { return commands_.gpu_time_us(); }
  bool is_timed() const { return commands_.is_timed(); }
  // All of the last run(), copies included. Only for graphs built with `timed`.
  SubmissionTimes times() const { return commands_.times(); }

  // ---- For op implementations, while nodes are built and in their callbacks.

  Context& context() { return context_; }
  const DeviceCaps& caps() const { return context_.device.caps(); }
  const ValueDef& value(ValueId id) const;
  bool is_tensor(ValueId id) const;
  bool is_constant(ValueId id) const;
  DType dtype(ValueId id) const { return tensor(id).dtype; }
  // Upper bound, and the sizes of this execution.
  const std::vector<int64_t>& dims(ValueId id) const { return tensor(id).dims; }
  const std::vector<int64_t>& sizes(ValueId id) const;
  int64_t numel(ValueId id) const;
  // Throws kInvalidProgram when `sizes` needs more memory than the bound `dims` has.
  void set_sizes(ValueId id, const std::vector<int64_t>& sizes);
  // Int, SymInt, or a Double without a fraction: the serializer shares one value between equal
  // Python numbers, so that 1 may arrive as 1.0.
  bool is_integer(ValueId id) const;
  int64_t integer(ValueId id) const;
  // The elements of an IntList or of a ValueList of integers, as they are now.
  std::vector<int64_t> integers(ValueId list) const;
  void set_symint(ValueId id, int64_t value);

  // The constant's bytes; only while the graph is built.
  const uint8_t* constant_data(ValueId id) const;

  // Every tensor in `writes` is written exactly once in a program, and before it is read.
  void add_node(Node node);
  // A tensor that only this op's nodes use. `dims` is a copy: values move when one is added.
  ValueId add_scratch(DType dtype, std::vector<int64_t> dims);
  // `alias` uses the memory of `source`; both hold the same bytes in the same order.
  void add_alias(ValueId source, ValueId alias);
  // Reserves `size_bytes` of device memory that `fill` fills once before the first execution; bytes
  // that it leaves are zero. The same non-empty `key`, which must determine bytes and size, gives
  // the same region, so tied weights are packed once; large regions of equal bytes share memory,
  // also between programs.
  ConstantRef add_constant(const std::string& key, uint64_t size_bytes,
                           std::function<void(uint8_t*)> fill);
  // Makes the tensor `id` stand for a constant region of its own bytes.
  void bind_constant(ValueId id, ConstantRef constant);

  // What a dispatch binds: the tensor's current bytes rounded up to whole words, a constant region.
  BufferRange range(ValueId id) const;
  BufferRange constant_range(ConstantRef constant) const;

 private:
  struct Storage {
    uint64_t size_bytes = 0;
    int64_t constant = -1;  // >= 0: lives in this constant region
    size_t arena_item = 0;
    const Buffer* host = nullptr;  // upload_ or readback_: lives there, not in the arena
    uint64_t host_offset_bytes = 0;
  };
  struct TensorState {
    std::vector<int64_t> sizes;
    int64_t storage = -1;  // index into storages_; -1: none yet
  };
  struct ConstantRegion {
    uint64_t size_bytes = 0;
    std::string key;
    std::function<void(uint8_t*)> fill;
    std::shared_ptr<const Buffer> buffer;  // shared with whoever has the same bytes
    uint64_t offset_bytes = 0;
  };

  const TensorDef& tensor(ValueId id) const;
  size_t storage_of(ValueId id);
  void check_ids() const;
  void build_nodes(const std::vector<OpCall>& chain);
  void place_inputs_and_outputs();
  void plan_memory();
  void upload_constants();
  uint64_t range_alignment() const;
  void resize_nodes();
  void resize_for_inputs();
  void record();
  void check_validation_layer();

  Context& context_;
  std::mutex mutex_;
  std::vector<ValueDef> values_;
  std::vector<TensorState> tensors_;  // by ValueId
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::vector<ConstantDef> constant_defs_;  // cleared when built
  std::vector<Node> nodes_;
  std::vector<Storage> storages_;
  std::vector<ArenaItem> arena_items_;
  std::vector<ConstantRegion> constants_;
  std::vector<uint64_t> upload_offsets_;    // by input
  std::vector<uint64_t> readback_offsets_;  // by output

  bool staged_ = false;  // the arena is not mapped: inputs and outputs go through the two below
  bool dirty_ = true;    // sizes changed since the last recording
  uint64_t validation_messages_ = 0;
  Buffer arena_;
  Buffer upload_;
  Buffer readback_;
  Commands commands_;
};

}  // namespace etvk
