#include "graph/ComputeGraph.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "graph/OpRegistry.h"
#include "vk/Error.h"

namespace etvk {

namespace {

// Bindings are read in words and in vectors of four words.
constexpr uint64_t kWordGroupBytes = 16;

// Constant regions from this size on have a buffer each, which programs share; smaller ones are
// packed into one, since drivers limit the number of allocations (often to 4096).
constexpr uint64_t kOwnBufferBytes = 64 * 1024;

constexpr double kLargestInteger = 9007199254740992.0;  // 2^53, up to which doubles are exact

// Of all inputs or all outputs together: kernels may read and write them across the bus.
constexpr uint64_t kMaxDirectBytes = 256 * 1024;

uint64_t round_up(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Throws where the product would overflow; sizes that no device could hold are damage.
uint64_t bytes_of(DType dtype, const std::vector<int64_t>& shape) {
  uint64_t bytes = dtype_bytes(dtype);
  for (int64_t size : shape) {
    ETVK_CHECK(size >= 0, kInvalidProgram, "a tensor of shape " << shape_text(shape));
    ETVK_CHECK(!__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes) &&
                   bytes < (uint64_t{1} << 48),
               kNotSupported, "a tensor of shape " << shape_text(shape) << " is too large");
  }
  return bytes;
}

}  // namespace

size_t dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::kBool:
    case DType::kUint8:
    case DType::kInt8:
      return 1;
    case DType::kFloat16:
      return 2;
    case DType::kInt32:
    case DType::kFloat32:
      return 4;
    case DType::kFloat64:
    case DType::kInt64:
      return 8;
  }
  ETVK_FAIL(kInternal, "unknown dtype " << static_cast<int>(dtype));
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  text << "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text << (i == 0 ? "" : ", ") << shape[i];
  }
  text << "]";
  return text.str();
}

const char* dtype_name(DType dtype) {
  constexpr const char* kNames[] = {"bool",    "uint8",   "int8",    "int32",
                                    "float16", "float32", "float64", "int64"};
  return kNames[static_cast<size_t>(dtype)];
}

ComputeGraph::ComputeGraph(Context& context, GraphDef def, bool timed)
    : context_(context),
      values_(std::move(def.values)),
      tensors_(values_.size()),
      inputs_(std::move(def.inputs)),
      outputs_(std::move(def.outputs)),
      constant_defs_(std::move(def.constants)),
      staged_(!context.device.caps().mapped_memory),
      commands_(context.device, timed) {
  check_ids();
  validation_messages_ = context_.device.instance().validation_message_count();
  for (size_t id = 0; id < values_.size(); ++id) {
    if (const auto* def_tensor = std::get_if<TensorDef>(&values_[id])) {
      bytes_of(def_tensor->dtype, def_tensor->dims);
      tensors_[id].sizes = def_tensor->dims;
    }
  }
  for (ValueId id : inputs_) {
    if (is_tensor(id)) {
      ETVK_CHECK(!is_constant(id), kInvalidProgram, "value " << id << " is input and constant");
      storage_of(id);
    }
  }
  build_nodes(def.chain);
  for (ValueId id : outputs_) {
    ETVK_CHECK(!is_tensor(id) || tensors_[id].storage >= 0 || is_constant(id), kInvalidProgram,
               "output value " << id << " is never written");
    if (is_tensor(id)) {
      storage_of(id);
    }
  }
  plan_memory();
  upload_constants();
  constant_defs_.clear();

  // Symbolic integers that come in as inputs are not known yet; everything else is checked and
  // recorded now, so that the first execution does no more work than the later ones.
  const bool known =
      std::all_of(inputs_.begin(), inputs_.end(), [this](ValueId id) { return is_tensor(id); });
  if (known) {
    resize_nodes();
    record();
  }
  check_validation_layer();
}

void ComputeGraph::check_ids() const {
  const auto check_id = [this](ValueId id, const char* where) {
    ETVK_CHECK(id >= 0 && static_cast<size_t>(id) < values_.size(), kInvalidProgram,
               where << " names value " << id << ", the program has " << values_.size());
  };
  for (const auto& ids : {inputs_, outputs_}) {
    for (ValueId id : ids) {
      check_id(id, "an input or output");
      ETVK_CHECK(is_tensor(id) || std::holds_alternative<SymInt>(values_[id]), kInvalidProgram,
                 "input or output " << id << " is neither a tensor nor a symbolic integer");
    }
  }
  for (const ValueDef& value : values_) {
    if (const auto* list = std::get_if<ValueList>(&value)) {
      for (ValueId id : list->items) {
        check_id(id, "a list");
      }
    }
    if (const auto* constant = std::get_if<TensorDef>(&value)) {
      if (constant->constant_id >= 0) {
        const auto index = static_cast<size_t>(constant->constant_id);
        ETVK_CHECK(
            index < constant_defs_.size(), kInvalidProgram,
            "constant " << index << " does not exist, the program has " << constant_defs_.size());
        const uint64_t expected = bytes_of(constant->dtype, constant->dims);
        ETVK_CHECK(constant_defs_[index].size_bytes == expected, kInvalidProgram,
                   "constant " << index << " has " << constant_defs_[index].size_bytes
                               << " bytes, its shape " << shape_text(constant->dims) << " of "
                               << dtype_name(constant->dtype) << " needs " << expected);
      }
    }
  }
}

void ComputeGraph::build_nodes(const std::vector<OpCall>& chain) {
  for (const OpCall& call : chain) {
    for (ValueId id : call.args) {
      ETVK_CHECK(id >= 0 && static_cast<size_t>(id) < values_.size(), kInvalidProgram,
                 call.name << ": an argument names value " << id << ", the program has "
                           << values_.size());
    }
    const OpBuilder build = find_op(call.name);
    ETVK_CHECK(build != nullptr, kInvalidProgram,
               "op '" << call.name
                      << "' is not one that this runtime has; lower the model with "
                         "executorch_vulkan.VulkanPartitioner, which keeps it on the CPU");
    build(*this, call);
  }
}

void ComputeGraph::add_node(Node node) {
  for (ValueId id : node.reads) {
    ETVK_CHECK(!is_tensor(id) || tensors_[id].storage >= 0 || is_constant(id), kInvalidProgram,
               node.op << ": reads value " << id << " before it is written");
    if (is_tensor(id)) {
      storage_of(id);
    }
  }
  for (ValueId id : node.writes) {
    if (is_tensor(id)) {
      ETVK_CHECK(tensors_[id].storage < 0 && !is_constant(id), kInvalidProgram,
                 node.op << ": writes value " << id << ", which is already written");
      storage_of(id);
    }
  }
  nodes_.push_back(std::move(node));
}

const ValueDef& ComputeGraph::value(ValueId id) const {
  ETVK_CHECK(id >= 0 && static_cast<size_t>(id) < values_.size(), kInternal,
             "value " << id << " does not exist");
  return values_[static_cast<size_t>(id)];
}

const TensorDef& ComputeGraph::tensor(ValueId id) const {
  const auto* tensor = std::get_if<TensorDef>(&value(id));
  ETVK_CHECK(tensor != nullptr, kInternal, "value " << id << " is not a tensor");
  return *tensor;
}

bool ComputeGraph::is_tensor(ValueId id) const {
  return std::holds_alternative<TensorDef>(value(id));
}

bool ComputeGraph::is_constant(ValueId id) const {
  return is_tensor(id) && tensor(id).constant_id >= 0;
}

const std::vector<int64_t>& ComputeGraph::sizes(ValueId id) const {
  tensor(id);  // throws if it is not one
  return tensors_[id].sizes;
}

int64_t ComputeGraph::numel(ValueId id) const {
  int64_t count = 1;
  for (int64_t size : sizes(id)) {
    count *= size;
  }
  return count;
}

void ComputeGraph::set_sizes(ValueId id, const std::vector<int64_t>& sizes) {
  ETVK_CHECK(sizes.size() == dims(id).size(), kInvalidProgram,
             "value " << id << " would have shape " << shape_text(sizes) << ", it is declared as "
                      << shape_text(dims(id)));
  const uint64_t needed = bytes_of(dtype(id), sizes);
  const uint64_t bound = tensors_[id].storage >= 0 ? storages_[tensors_[id].storage].size_bytes
                                                   : bytes_of(dtype(id), dims(id));
  ETVK_CHECK(needed <= bound, kInvalidProgram,
             "value " << id << " would have shape " << shape_text(sizes) << ", over its bound "
                      << shape_text(dims(id)));
  tensors_[id].sizes = sizes;
}

bool ComputeGraph::is_integer(ValueId id) const {
  const ValueDef& def = value(id);
  const auto* number = std::get_if<double>(&def);
  return std::holds_alternative<int64_t>(def) || std::holds_alternative<SymInt>(def) ||
         (number != nullptr && std::abs(*number) <= kLargestInteger &&
          *number == std::floor(*number));
}

int64_t ComputeGraph::integer(ValueId id) const {
  ETVK_CHECK(is_integer(id), kInvalidProgram, "value " << id << " is not an integer");
  const ValueDef& def = value(id);
  if (const auto* symint = std::get_if<SymInt>(&def)) {
    return symint->value;
  }
  const auto* number = std::get_if<double>(&def);
  return number != nullptr ? static_cast<int64_t>(*number) : std::get<int64_t>(def);
}

std::vector<int64_t> ComputeGraph::integers(ValueId list) const {
  if (const auto* items = std::get_if<std::vector<int64_t>>(&value(list))) {
    return *items;
  }
  const auto* ids = std::get_if<ValueList>(&value(list));
  ETVK_CHECK(ids != nullptr, kInvalidProgram, "value " << list << " is not a list of integers");
  std::vector<int64_t> items;
  for (ValueId id : ids->items) {
    items.push_back(integer(id));
  }
  return items;
}

void ComputeGraph::set_symint(ValueId id, int64_t value) {
  auto* symint = std::get_if<SymInt>(&values_.at(static_cast<size_t>(id)));
  ETVK_CHECK(symint != nullptr, kInvalidProgram, "value " << id << " is not a symbolic integer");
  symint->value = value;
}

const uint8_t* ComputeGraph::constant_data(ValueId id) const {
  const int32_t constant = tensor(id).constant_id;
  ETVK_CHECK(constant >= 0 && !constant_defs_.empty(), kInternal,
             "value " << id << " has no constant data");
  return constant_defs_[static_cast<size_t>(constant)].data;
}

size_t ComputeGraph::storage_of(ValueId id) {
  TensorState& state = tensors_[id];
  if (state.storage >= 0) {
    return static_cast<size_t>(state.storage);
  }
  if (is_constant(id)) {
    const uint64_t bytes = bytes_of(dtype(id), dims(id));
    const uint8_t* data = constant_data(id);
    bind_constant(id, add_constant("raw " + std::to_string(tensor(id).constant_id), bytes,
                                   [data, bytes](uint8_t* to) { std::copy_n(data, bytes, to); }));
    return static_cast<size_t>(state.storage);
  }
  Storage storage;
  storage.size_bytes =
      round_up(std::max<uint64_t>(bytes_of(dtype(id), dims(id)), 1), kWordGroupBytes);
  storage.arena_item = arena_items_.size();
  arena_items_.push_back({storage.size_bytes, INT32_MAX, -1, 0});
  state.storage = static_cast<int64_t>(storages_.size());
  storages_.push_back(storage);
  return static_cast<size_t>(state.storage);
}

ValueId ComputeGraph::add_scratch(DType dtype, std::vector<int64_t> dims) {
  bytes_of(dtype, dims);
  values_.emplace_back(TensorDef{dtype, dims, -1});
  tensors_.push_back({std::move(dims), -1});
  return static_cast<ValueId>(values_.size() - 1);
}

void ComputeGraph::add_alias(ValueId source, ValueId alias) {
  ETVK_CHECK(tensors_[source].storage >= 0 || is_constant(source), kInvalidProgram,
             "a view reads value " << source << " before it is written");
  ETVK_CHECK(tensors_[alias].storage < 0 && !is_constant(alias), kInvalidProgram,
             "a view writes value " << alias << ", which is already written");
  ETVK_CHECK(dtype(source) == dtype(alias), kInvalidProgram,
             "a view of " << dtype_name(dtype(source)) << " as " << dtype_name(dtype(alias)));
  tensors_[alias].storage = static_cast<int64_t>(storage_of(source));
}

ConstantRef ComputeGraph::add_constant(const std::string& key, uint64_t size_bytes,
                                       std::function<void(uint8_t*)> fill) {
  const uint64_t region_bytes = round_up(std::max<uint64_t>(size_bytes, 1), kWordGroupBytes);
  if (!key.empty()) {
    for (size_t i = 0; i < constants_.size(); ++i) {
      if (constants_[i].key == key) {
        ETVK_CHECK(constants_[i].size_bytes == region_bytes, kInternal,
                   "constant '" << key << "' has " << constants_[i].size_bytes << " bytes, not "
                                << region_bytes);
        return i;
      }
    }
  }
  constants_.push_back({region_bytes, key, std::move(fill), nullptr, 0});
  return constants_.size() - 1;
}

void ComputeGraph::bind_constant(ValueId id, ConstantRef constant) {
  ETVK_CHECK(tensors_[id].storage < 0, kInvalidProgram, "value " << id << " is already written");
  Storage storage;
  storage.size_bytes = constants_.at(constant).size_bytes;
  storage.constant = static_cast<int64_t>(constant);
  ETVK_CHECK(
      storage.size_bytes >= bytes_of(dtype(id), dims(id)), kInvalidProgram,
      "value " << id << " of shape " << shape_text(dims(id)) << " is larger than its constant");
  tensors_[id].storage = static_cast<int64_t>(storages_.size());
  storages_.push_back(storage);
}

BufferRange ComputeGraph::constant_range(ConstantRef constant) const {
  const ConstantRegion& region = constants_.at(constant);
  return {region.buffer.get(), region.offset_bytes, region.size_bytes};
}

BufferRange ComputeGraph::range(ValueId id) const {
  const int64_t index = tensors_.at(static_cast<size_t>(id)).storage;
  ETVK_CHECK(index >= 0, kInternal, "value " << id << " has no memory");
  const Storage& storage = storages_[static_cast<size_t>(index)];
  const uint64_t bytes =
      round_up(std::max<uint64_t>(bytes_of(dtype(id), sizes(id)), 1), kWordGroupBytes);
  if (storage.host != nullptr) {
    return {storage.host, storage.host_offset_bytes, bytes};
  }
  if (storage.constant >= 0) {
    BufferRange range = constant_range(static_cast<size_t>(storage.constant));
    range.size_bytes = bytes;
    return range;
  }
  return {&arena_, arena_items_[storage.arena_item].offset_bytes, bytes};
}

// Staging memory, where the arena is not mapped. Small inputs and outputs live in it, so that
// kernels read and write them there and nothing is copied.
void ComputeGraph::place_inputs_and_outputs() {
  const uint64_t alignment =
      std::max<uint64_t>(caps().min_storage_offset_alignment, kWordGroupBytes);
  const auto stage = [&](const std::vector<ValueId>& ids, std::vector<uint64_t>& offsets) {
    uint64_t bytes = 0;
    for (ValueId id : ids) {
      offsets.push_back(bytes);
      bytes += is_tensor(id) ? round_up(storages_[storage_of(id)].size_bytes, alignment) : 0;
    }
    return bytes;
  };
  const uint64_t upload_bytes = stage(inputs_, upload_offsets_);
  const uint64_t readback_bytes = stage(outputs_, readback_offsets_);
  if (!staged_) {
    return;
  }
  const auto live_in = [this](const Buffer& buffer, uint64_t offset_bytes, Storage& storage) {
    storage.host = &buffer;
    storage.host_offset_bytes = offset_bytes;
    arena_items_[storage.arena_item].size_bytes = 0;
  };
  bool direct_input = caps().direct_input && upload_bytes > 0 && upload_bytes <= kMaxDirectBytes;
  if (direct_input) {
    try {
      upload_ = Buffer(context_.device, upload_bytes, MemoryUse::kDirectInput);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kOutOfMemory) {
        throw;
      }
      direct_input = false;  // a mapped window of 256 MiB that other programs have filled
    }
  }
  if (upload_bytes > 0 && !direct_input) {
    upload_ = Buffer(context_.device, upload_bytes, MemoryUse::kUpload);
  }
  std::vector<bool> is_read(storages_.size());  // by a node, or already placed
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (is_tensor(inputs_[i])) {
      const size_t index = storage_of(inputs_[i]);
      if (direct_input && !is_read[index]) {
        live_in(upload_, upload_offsets_[i], storages_[index]);
      }
      is_read[index] = true;
    }
  }
  for (const Node& node : nodes_) {
    for (ValueId id : node.reads) {
      if (is_tensor(id)) {
        is_read[storage_of(id)] = true;
      }
    }
  }
  const bool direct_output = caps().direct_output && readback_bytes <= kMaxDirectBytes;
  if (readback_bytes > 0) {
    readback_ = Buffer(context_.device, readback_bytes, MemoryUse::kReadback);
  }
  for (size_t i = 0; i < outputs_.size() && direct_output; ++i) {
    if (is_tensor(outputs_[i])) {
      const size_t index = storage_of(outputs_[i]);
      if (storages_[index].constant < 0 && !is_read[index]) {
        live_in(readback_, readback_offsets_[i], storages_[index]);
        is_read[index] = true;
      }
    }
  }
}

void ComputeGraph::plan_memory() {
  place_inputs_and_outputs();
  const auto use = [this](ValueId id, int32_t when) {
    if (!is_tensor(id)) {
      return;
    }
    const Storage& storage = storages_[storage_of(id)];
    if (storage.constant < 0 && storage.host == nullptr) {
      ArenaItem& item = arena_items_[storage.arena_item];
      item.first_use = std::min(item.first_use, when);
      item.last_use = std::max(item.last_use, when);
    }
  };
  const auto last = static_cast<int32_t>(nodes_.size());
  for (ValueId id : inputs_) {
    use(id, -1);
  }
  for (int32_t i = 0; i < last; ++i) {
    for (const auto* ids : {&nodes_[i].reads, &nodes_[i].writes}) {
      for (ValueId id : *ids) {
        use(id, i);
      }
    }
  }
  for (ValueId id : outputs_) {
    use(id, last);
  }
  const MemoryUse memory = staged_ ? MemoryUse::kDevice : MemoryUse::kDeviceMapped;
  const uint64_t arena_bytes = plan_arena(arena_items_, range_alignment());
  if (arena_bytes > 0) {
    arena_ = Buffer(context_.device, arena_bytes, memory);
  }
}

uint64_t ComputeGraph::range_alignment() const {
  return std::max<uint64_t>(context_.device.caps().min_storage_offset_alignment, kWordGroupBytes);
}

void ComputeGraph::upload_constants() {
  Uploader uploader(context_.device);
  std::vector<uint8_t> small;
  for (ConstantRegion& region : constants_) {
    const bool own = region.size_bytes >= kOwnBufferBytes;
    region.offset_bytes = own ? 0 : round_up(small.size(), range_alignment());
    std::vector<uint8_t> large(own ? region.size_bytes : 0);
    if (!own) {
      small.resize(region.offset_bytes + region.size_bytes);
    }
    region.fill(own ? large.data() : small.data() + region.offset_bytes);
    region.fill = nullptr;
    if (own) {
      region.buffer = context_.constants.get(uploader, large.data(), large.size());
    }
  }
  if (small.empty()) {
    return;
  }
  const auto buffer = context_.constants.get(uploader, small.data(), small.size());
  for (ConstantRegion& region : constants_) {
    if (region.buffer == nullptr) {
      region.buffer = buffer;
    }
  }
}

void ComputeGraph::resize_nodes() {
  for (const Node& node : nodes_) {
    if (node.resize) {
      node.resize();
    }
  }
}

void ComputeGraph::resize_for_inputs() {
  try {
    resize_nodes();
  } catch (const Error& error) {
    // The program was sound for its bounds when it was built, so the inputs are to blame.
    std::ostringstream shapes;
    for (ValueId id : inputs_) {
      shapes << (shapes.tellp() == 0 ? "" : ", ")
             << (is_tensor(id) ? shape_text(sizes(id)) : std::to_string(integer(id)));
    }
    ETVK_CHECK(error.code() != ErrorCode::kInvalidProgram, kInvalidArgument,
               "inputs " << shapes.str() << " do not fit the program: " << error.what());
    throw;
  }
}

void ComputeGraph::record() {
  commands_.begin();
  // Between a tensor and its staging memory, unless it lives there or the arena is mapped.
  const auto copies = [this](const std::vector<ValueId>& ids, const std::vector<uint64_t>& offsets,
                             const Buffer& staging, bool is_upload) {
    std::vector<Copy> result;
    for (size_t i = 0; i < ids.size() && staged_; ++i) {
      const uint64_t bytes = is_tensor(ids[i]) ? bytes_of(dtype(ids[i]), sizes(ids[i])) : 0;
      if (bytes > 0 && range(ids[i]).buffer != &staging) {
        const BufferRange tensor{range(ids[i]).buffer, range(ids[i]).offset_bytes, bytes};
        const BufferRange staged{&staging, offsets[i], bytes};
        result.push_back(is_upload ? Copy{staged, tensor} : Copy{tensor, staged});
      }
    }
    return result;
  };
  commands_.copy(copies(inputs_, upload_offsets_, upload_, true));
  for (const Node& node : nodes_) {
    if (node.record) {
      node.record(commands_);
    }
  }
  commands_.copy(copies(outputs_, readback_offsets_, readback_, false));
  context_.pipelines.create(commands_.pipelines());
  commands_.end();
  dirty_ = false;
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
  if (tensors_[id].sizes != sizes) {
    dirty_ = true;
    tensors_[id].sizes = sizes;
  }
}

void ComputeGraph::set_input_symint(size_t index, int64_t value) {
  const ValueId id = inputs_.at(index);
  if (integer(id) != value) {
    dirty_ = true;
    set_symint(id, value);
  }
}

uint8_t* ComputeGraph::input_data(size_t index) {
  const BufferRange to = range(inputs_.at(index));
  if (staged_ && to.buffer != &upload_) {
    return upload_.mapped() + upload_offsets_.at(index);
  }
  return to.buffer->mapped() + to.offset_bytes;
}

const uint8_t* ComputeGraph::output_data(size_t index) {
  const BufferRange from = range(outputs_.at(index));
  if (staged_ && from.buffer != &readback_) {
    return readback_.mapped() + readback_offsets_.at(index);
  }
  return from.buffer->mapped() + from.offset_bytes;
}

void ComputeGraph::run() {
  if (dirty_) {
    resize_for_inputs();
    record();
  }
  (staged_ ? upload_ : arena_).flush();
  commands_.submit_and_wait();
  (staged_ ? readback_ : arena_).invalidate();
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
