#include "vk/ConstantStore.h"

#include <algorithm>

namespace etvk {

namespace {

constexpr uint64_t kStagingBytes = uint64_t{32} << 20;

}  // namespace

std::unique_ptr<Buffer> Uploader::upload(uint64_t size_bytes, const FillBytes& fill) {
  const bool staged = !device_.caps().mapped_memory;
  auto buffer = std::make_unique<Buffer>(device_, size_bytes,
                                         staged ? MemoryUse::kDevice : MemoryUse::kDeviceMapped);
  if (!staged) {
    fill(buffer->mapped(), 0, size_bytes);
    buffer->flush();
    return buffer;
  }
  const uint64_t piece = std::min(size_bytes, kStagingBytes);
  if (staging_.size_bytes() < piece) {
    staging_ = Buffer();  // freed before the larger one is made
    staging_ = Buffer(device_, piece, MemoryUse::kUpload);
  }
  for (uint64_t begin = 0; begin < size_bytes; begin += piece) {
    const uint64_t bytes = std::min(piece, size_bytes - begin);
    fill(staging_.mapped(), begin, bytes);
    staging_.flush();
    commands_.begin();
    commands_.copy({{{&staging_, 0, bytes}, {buffer.get(), begin, bytes}}});
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

std::shared_ptr<const Buffer> ConstantStore::get(Uploader& uploader, const ConstantKey& key,
                                                 uint64_t size_bytes, const FillBytes& fill) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = buffers_.find(key);
    if (found != buffers_.end()) {
      if (auto buffer = found->second.lock()) {
        return buffer;
      }
    }
  }
  // Without the lock, so that programs load side by side.
  std::shared_ptr<const Buffer> made = uploader.upload(size_bytes, fill);
  std::lock_guard<std::mutex> lock(mutex_);
  forget_expired();
  const auto [entry, is_new] = buffers_.emplace(key, made);
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
