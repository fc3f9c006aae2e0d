// How the inputs and outputs of one program travel between host and device. Where all device memory
// is mapped, the host writes and reads tensors in place. Elsewhere there are two buffers that the
// host can see: small inputs and outputs live in them, so that kernels read and write them there;
// large ones are copied.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "graph/Memory.h"
#include "graph/Values.h"
#include "vk/Buffer.h"
#include "vk/Commands.h"
#include "vk/Context.h"

namespace etvk {

class HostBuffers {
 public:
  // Before memory.allocate(): places what need not be copied. `read` are the tensors that nodes
  // read; a symbolic integer among the inputs and outputs has no bytes.
  HostBuffers(const Context& context, const Values& values, Memory& memory,
              std::vector<ValueId> inputs, std::vector<ValueId> outputs,
              const std::unordered_set<ValueId>& read);

  // What the arena must be for this.
  MemoryUse arena_use() const { return staged_ ? MemoryUse::kDevice : MemoryUse::kDeviceMapped; }

  // For the current sizes, before the first node and behind the last one.
  std::vector<Copy> input_copies() const;
  std::vector<Copy> output_copies() const;

  // Where to write the contiguous bytes of a tensor among the inputs, and to read those of an
  // output.
  uint8_t* input_data(size_t index) const;
  const uint8_t* output_data(size_t index) const;

  // Make host writes visible to the device before a submission, and its writes to the host after.
  void flush() const { (staged_ ? upload_ : memory_.arena()).flush(); }
  void invalidate() const { (staged_ ? readback_ : memory_.arena()).invalidate(); }

 private:
  // One direction: its buffer, and where each value lies in it.
  struct Side {
    std::vector<ValueId> ids;
    std::vector<uint64_t> offsets_bytes;
    uint64_t size_bytes = 0;
  };

  Side side_of(std::vector<ValueId> ids) const;
  void place_inputs(Memory& memory);
  void place_outputs(Memory& memory, const std::unordered_set<ValueId>& read);
  std::vector<Copy> copies(const Side& side, const Buffer& buffer, bool to_device) const;
  uint8_t* data(const Side& side, size_t index, const Buffer& buffer) const;

  const Context& context_;
  const Values& values_;
  const Memory& memory_;
  const bool staged_;
  Side inputs_;
  Side outputs_;
  Buffer upload_;
  Buffer readback_;
};

}  // namespace etvk
