#include "vk/ConstantStore.h"

#include <algorithm>
#include <cstring>

namespace etvk {

std::unique_ptr<Buffer> Uploader::upload(const uint8_t* data, uint64_t size_bytes) {
  const bool staged = !device_.caps().mapped_memory;
  auto buffer = std::make_unique<Buffer>(device_, size_bytes,
                                         staged ? MemoryUse::kDevice : MemoryUse::kDeviceMapped);
  if (staged && staging_.size_bytes() < size_bytes) {
    staging_ = Buffer();  // freed before the larger one is made
    staging_ = Buffer(device_, size_bytes, MemoryUse::kUpload);
  }
  const Buffer& target = staged ? staging_ : *buffer;
  std::memcpy(target.mapped(), data, size_bytes);
  target.flush();
  if (staged) {
    commands_.begin();
    commands_.copy({{{&staging_, 0, size_bytes}, {buffer.get(), 0, size_bytes}}});
    commands_.end();
    commands_.submit_and_wait();
  }
  return buffer;
}

// Only when the map has doubled, so that many constants cost no more than linear time.
void ConstantStore::forget_expired() {
  if (buffers_.size() < forget_at_) {
    return;
  }
  for (auto entry = buffers_.begin(); entry != buffers_.end();) {
    entry = entry->second.expired() ? buffers_.erase(entry) : std::next(entry);
  }
  forget_at_ = std::max<size_t>(64, 2 * buffers_.size());
}

std::shared_ptr<const Buffer> ConstantStore::get(Uploader& uploader, const uint8_t* data,
                                                 uint64_t size_bytes) {
  const ContentHash hash = content_hash(data, size_bytes);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = buffers_.find(hash);
    if (found != buffers_.end()) {
      if (auto buffer = found->second.lock()) {
        return buffer;
      }
    }
  }
  // Without the lock, so that programs load side by side.
  std::shared_ptr<const Buffer> made = uploader.upload(data, size_bytes);
  std::lock_guard<std::mutex> lock(mutex_);
  forget_expired();
  const auto [entry, is_new] = buffers_.emplace(hash, made);
  if (!is_new) {
    // Another thread has uploaded the same meanwhile, or just freed it.
    if (auto buffer = entry->second.lock()) {
      return buffer;
    }
    entry->second = made;
  }
  return made;
}

}  // namespace etvk
