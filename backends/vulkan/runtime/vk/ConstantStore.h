// The constants that are on one device, shared by all programs of the process: delegates, methods
// and programs that make the same of the same bytes get the same buffer. Holds none of them alive
// itself.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "vk/Buffer.h"
#include "vk/Commands.h"
#include "vk/ContentHash.h"

namespace etvk {

// What is in a buffer: the bytes that it was made from and what was made of them.
using ConstantKey = std::pair<ContentHash, std::string>;

// Writes `size_bytes` bytes of the buffer, from byte `begin` on, to `to`. Both are multiples of 16,
// the size but for the last piece.
using FillBytes = std::function<void(uint8_t* to, uint64_t begin, uint64_t size_bytes)>;

// Fills device buffers, in place where the device's memory is mapped, else through one staging
// buffer of limited size, so that nothing is in host memory as a whole. Not thread-safe; made for
// one load.
class Uploader {
 public:
  explicit Uploader(const Device& device) : device_(device), commands_(device, false) {}
  // A filled buffer of `size_bytes` > 0, a multiple of 16.
  std::unique_ptr<Buffer> upload(uint64_t size_bytes, const FillBytes& fill);

 private:
  const Device& device_;
  Buffer staging_;
  Commands commands_;
};

// Thread-safe.
class ConstantStore {
 public:
  // The buffer of this key, made with `uploader` where no program has it. It is freed when the last
  // owner lets go of it.
  std::shared_ptr<const Buffer> get(Uploader& uploader, const ConstantKey& key, uint64_t size_bytes,
                                    const FillBytes& fill);

 private:
  void forget_expired();

  std::mutex mutex_;
  size_t forget_at_ = 64;
  std::map<ConstantKey, std::weak_ptr<const Buffer>> buffers_;
};

}  // namespace etvk
