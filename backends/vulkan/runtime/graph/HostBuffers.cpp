#include "graph/HostBuffers.h"

#include <utility>

#include "vk/Error.h"

namespace etvk {

namespace {

// Of all inputs or all outputs together: kernels may read and write them across the bus.
constexpr uint64_t kMaxDirectBytes = 256 * 1024;

}  // namespace

HostBuffers::HostBuffers(const Context& context, const Values& values, Memory& memory,
                         std::vector<ValueId> inputs, std::vector<ValueId> outputs,
                         const std::unordered_set<ValueId>& read)
    : context_(context),
      values_(values),
      memory_(memory),
      staged_(!context.device.caps().mapped_memory),
      inputs_(side_of(std::move(inputs))),
      outputs_(side_of(std::move(outputs))) {
  if (staged_) {
    place_inputs(memory);
    place_outputs(memory, read);
  }
}

HostBuffers::Side HostBuffers::side_of(std::vector<ValueId> ids) const {
  const uint64_t alignment = range_alignment(context_.device.caps());
  Side side;
  side.ids = std::move(ids);
  for (ValueId id : side.ids) {
    side.offsets_bytes.push_back(side.size_bytes);
    if (values_.is_tensor(id)) {
      // Of its memory, which a view may share with a larger tensor.
      const uint64_t bytes = memory_.storage_bytes(id);
      side.size_bytes += (bytes + alignment - 1) / alignment * alignment;
    }
  }
  return side;
}

void HostBuffers::place_inputs(Memory& memory) {
  const uint64_t bytes = inputs_.size_bytes;
  if (bytes == 0) {
    return;
  }
  bool direct = context_.device.caps().direct_input && bytes <= kMaxDirectBytes;
  if (direct) {
    try {
      upload_ = Buffer(context_.device, bytes, MemoryUse::kDirectInput);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kOutOfMemory) {
        throw;
      }
      direct = false;  // a mapped window of 256 MiB that other programs have filled
    }
  }
  if (!direct) {
    upload_ = Buffer(context_.device, bytes, MemoryUse::kUpload);
    return;
  }
  for (size_t i = 0; i < inputs_.ids.size(); ++i) {
    if (values_.is_tensor(inputs_.ids[i])) {
      memory.place(inputs_.ids[i], upload_, inputs_.offsets_bytes[i]);
    }
  }
}

void HostBuffers::place_outputs(Memory& memory, const std::unordered_set<ValueId>& read) {
  if (outputs_.size_bytes == 0) {
    return;
  }
  readback_ = Buffer(context_.device, outputs_.size_bytes, MemoryUse::kReadback);
  if (!context_.device.caps().direct_output || outputs_.size_bytes > kMaxDirectBytes) {
    return;
  }
  // What a node or another output reads stays in device memory, as does an input's memory.
  std::unordered_set<size_t> kept;
  for (const ValueId id : read) {
    kept.insert(memory.storage(id));
  }
  for (const ValueId id : inputs_.ids) {
    if (values_.is_tensor(id)) {
      kept.insert(memory.storage(id));
    }
  }
  for (size_t i = 0; i < outputs_.ids.size(); ++i) {
    const ValueId id = outputs_.ids[i];
    if (values_.is_tensor(id) && kept.insert(memory.storage(id)).second) {
      memory.place(id, readback_, outputs_.offsets_bytes[i]);
    }
  }
}

std::vector<Copy> HostBuffers::copies(const Side& side, const Buffer& buffer,
                                      bool to_device) const {
  std::vector<Copy> result;
  for (size_t i = 0; i < side.ids.size() && staged_; ++i) {
    const uint64_t bytes = values_.is_tensor(side.ids[i]) ? values_.size_bytes(side.ids[i]) : 0;
    if (bytes == 0) {
      continue;
    }
    const BufferRange lives = memory_.range(side.ids[i]);
    if (lives.buffer != &buffer) {
      const BufferRange tensor{lives.buffer, lives.offset_bytes, bytes};
      const BufferRange staged{&buffer, side.offsets_bytes[i], bytes};
      result.push_back(to_device ? Copy{staged, tensor} : Copy{tensor, staged});
    }
  }
  return result;
}

std::vector<Copy> HostBuffers::input_copies() const { return copies(inputs_, upload_, true); }

std::vector<Copy> HostBuffers::output_copies() const { return copies(outputs_, readback_, false); }

uint8_t* HostBuffers::data(const Side& side, size_t index, const Buffer& buffer) const {
  const BufferRange range = memory_.range(side.ids.at(index));
  if (staged_ && range.buffer != &buffer) {
    return buffer.mapped() + side.offsets_bytes.at(index);
  }
  return range.buffer->mapped() + range.offset_bytes;
}

uint8_t* HostBuffers::input_data(size_t index) const { return data(inputs_, index, upload_); }

const uint8_t* HostBuffers::output_data(size_t index) const {
  return data(outputs_, index, readback_);
}

}  // namespace etvk
