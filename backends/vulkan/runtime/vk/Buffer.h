// One storage buffer with its own memory, and ranges of it. Graphs allocate a few large buffers
// (arenas) and bind ranges of them, so there is no sub-allocator here.
#pragma once

#include <cstdint>

#include "vk/Device.h"

namespace etvk {

class Buffer {
 public:
  Buffer() = default;
  // `size_bytes` > 0. Throws kOutOfMemory with the size when the device has not that much.
  Buffer(const Device& device, uint64_t size_bytes, MemoryUse use);

  VkBuffer handle() const { return buffer_.get(); }
  uint64_t size_bytes() const { return size_bytes_; }

  // Null unless the memory is host-visible.
  uint8_t* mapped() const { return mapped_; }
  // Make host writes visible to the device, and device writes visible to the host.
  void flush() const;
  void invalidate() const;

 private:
  VkMappedMemoryRange whole() const;

  const Device* device_ = nullptr;
  uint64_t size_bytes_ = 0;
  bool coherent_ = true;
  uint8_t* mapped_ = nullptr;
  Handle<VkDeviceMemory> memory_;
  Handle<VkBuffer> buffer_;
};

struct BufferRange {
  const Buffer* buffer = nullptr;
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

}  // namespace etvk
