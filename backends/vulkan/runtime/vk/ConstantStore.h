// The constants that are on one device, shared by all programs of the process: delegates, methods
// and programs that hold the same bytes get the same buffer. Holds none of them alive itself.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "vk/Buffer.h"
#include "vk/Commands.h"
#include "vk/ContentHash.h"

namespace etvk {

// Fills device buffers from host bytes, through one staging buffer where the device's memory is
// not mapped. Not thread-safe; made for one load.
class Uploader {
 public:
  explicit Uploader(const Device& device) : device_(device), commands_(device, false) {}
  // A buffer with these bytes; `size_bytes` > 0. They are there when this returns.
  std::unique_ptr<Buffer> upload(const uint8_t* data, uint64_t size_bytes);

 private:
  const Device& device_;
  Buffer staging_;
  Commands commands_;
};

// Thread-safe.
class ConstantStore {
 public:
  // The buffer that holds these bytes, made with `uploader` where no program has it. It is freed
  // when the last owner lets go of it.
  std::shared_ptr<const Buffer> get(Uploader& uploader, const uint8_t* data, uint64_t size_bytes);

 private:
  void forget_expired();

  std::mutex mutex_;
  size_t forget_at_ = 64;
  std::map<ContentHash, std::weak_ptr<const Buffer>> buffers_;
};

}  // namespace etvk
