#include "graph/Memory.h"

#include <algorithm>

#include "vk/Error.h"

namespace etvk {

namespace {

constexpr uint64_t kGroupBytes = 16;

}  // namespace

uint64_t whole_groups(uint64_t size_bytes) {
  return (std::max<uint64_t>(size_bytes, 1) + kGroupBytes - 1) / kGroupBytes * kGroupBytes;
}

uint64_t range_alignment(const DeviceCaps& caps) {
  return std::max<uint64_t>(caps.min_storage_offset_alignment, kGroupBytes);
}

int64_t Memory::storage_at(ValueId id) const {
  const auto index = static_cast<size_t>(id);
  return index < storage_.size() ? storage_[index] : -1;
}

size_t Memory::new_storage(ValueId id, Storage storage) {
  storage_.resize(std::max(storage_.size(), values_.count()), -1);
  storage_[static_cast<size_t>(id)] = static_cast<int64_t>(storages_.size());
  storages_.push_back(storage);
  return storages_.size() - 1;
}

size_t Memory::storage_of(ValueId id) {
  if (storage_at(id) >= 0) {
    return static_cast<size_t>(storage_at(id));
  }
  Storage storage;
  const uint64_t bytes = values_.bound_bytes(id);
  storage.size_bytes = whole_groups(bytes);
  if (values_.is_constant(id)) {
    const uint8_t* data = constants_.source(values_.tensor(id).constant_id).data;
    storage.constant = static_cast<int64_t>(constants_.add(
        {data, bytes, "as it is", bytes, [data](uint8_t* to, uint64_t begin, uint64_t size) {
           std::copy_n(data + begin, size, to);
         }}));
  } else {
    storage.arena_item = arena_items_.size();
    arena_items_.push_back({storage.size_bytes, INT32_MAX, -1, 0});
  }
  return new_storage(id, storage);
}

void Memory::add_alias(ValueId source, ValueId alias) {
  ETVK_CHECK(values_.dtype(source) == values_.dtype(alias), kInvalidProgram,
             "a view of " << dtype_name(values_.dtype(source)) << " as "
                          << dtype_name(values_.dtype(alias)));
  const size_t storage = storage_of(source);
  storage_.resize(std::max(storage_.size(), values_.count()), -1);
  storage_[static_cast<size_t>(alias)] = static_cast<int64_t>(storage);
}

void Memory::use(ValueId id, int32_t step) {
  const Storage& storage = storages_[storage_of(id)];
  if (storage.constant < 0) {
    ArenaItem& item = arena_items_[storage.arena_item];
    item.first_use = std::min(item.first_use, step);
    item.last_use = std::max(item.last_use, step);
  }
}

bool Memory::is_free(ValueId id) {
  const Storage& storage = storages_[storage_of(id)];
  return storage.constant < 0 && storage.buffer == nullptr;
}

bool Memory::place(ValueId id, const Buffer& buffer, uint64_t offset_bytes) {
  Storage& storage = storages_[storage_of(id)];
  if (!is_free(id)) {
    return false;
  }
  storage.buffer = &buffer;
  storage.offset_bytes = offset_bytes;
  arena_items_[storage.arena_item].size_bytes = 0;
  return true;
}

void Memory::allocate(const Device& device, MemoryUse use) {
  const uint64_t arena_bytes = plan_arena(arena_items_, range_alignment(device.caps()));
  if (arena_bytes > 0) {
    arena_ = Buffer(device, arena_bytes, use);
  }
}

uint64_t Memory::storage_bytes(ValueId id) const {
  ETVK_CHECK(storage_at(id) >= 0, kInternal, "value " << id << " has no memory");
  return storages_[static_cast<size_t>(storage_at(id))].size_bytes;
}

BufferRange Memory::range(ValueId id) const {
  ETVK_CHECK(storage_at(id) >= 0, kInternal, "value " << id << " has no memory");
  const Storage& storage = storages_[static_cast<size_t>(storage_at(id))];
  const uint64_t bytes = whole_groups(values_.size_bytes(id));
  ETVK_CHECK(bytes <= storage.size_bytes, kInvalidProgram,
             "value " << id << " of shape " << shape_text(values_.sizes(id)) << " needs " << bytes
                      << " bytes, its memory has " << storage.size_bytes);
  if (storage.buffer != nullptr) {
    return {storage.buffer, storage.offset_bytes, bytes};
  }
  if (storage.constant >= 0) {
    const BufferRange region = constants_.range(static_cast<size_t>(storage.constant));
    return {region.buffer, region.offset_bytes, bytes};
  }
  return {&arena_, arena_items_[storage.arena_item].offset_bytes, bytes};
}

bool Memory::is_same_place(ValueId x, ValueId y) const {
  const BufferRange a = range(x);
  const BufferRange b = range(y);
  return a.buffer == b.buffer && a.offset_bytes == b.offset_bytes;
}

}  // namespace etvk
