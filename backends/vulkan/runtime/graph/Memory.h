// Where the tensors of one program live: constants in their regions, the others in one arena that
// they share over time, or in a buffer that the host reads or writes. The one place that says what
// may be bound or copied: a range is always within the memory that is really there.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/ArenaPlanner.h"
#include "graph/Constants.h"
#include "graph/Values.h"
#include "vk/Buffer.h"
#include "vk/Context.h"

namespace etvk {

// Bindings are read in words and in groups of four words.
uint64_t whole_groups(uint64_t size_bytes);  // at least one
uint64_t range_alignment(const DeviceCaps& caps);

class Memory {
 public:
  Memory(const Values& values, Constants& constants) : values_(values), constants_(constants) {}

  // ---- Until allocate().

  // Whether the tensor can be read: it is a constant, or has memory.
  bool is_readable(ValueId id) const { return values_.is_constant(id) || storage_at(id) >= 0; }
  // Gives the tensor memory for its upper bound, unless it has some.
  void add(ValueId id) { storage_of(id); }
  // `alias` is in the memory of `source`. Throws kInvalidProgram where it needs more.
  void add_alias(ValueId source, ValueId alias);

  // A step of the execution, in order, that reads or writes the tensor.
  void use(ValueId id, int32_t step);
  // The same number for tensors in the same memory.
  size_t storage(ValueId id) { return storage_of(id); }
  // Whether place() would put it somewhere.
  bool is_free(ValueId id);
  // Puts the tensor, and all in the same memory, into `buffer` instead of the arena, unless it is a
  // constant or already in a buffer. False: nothing is done.
  bool place(ValueId id, const Buffer& buffer, uint64_t offset_bytes);
  void allocate(const Device& device, MemoryUse use);

  // Bytes of the memory that the tensor is in.
  uint64_t storage_bytes(ValueId id) const;

  // ---- From then on, and when the constants are uploaded.

  // The tensor's bytes for its current sizes, rounded up to whole groups of words. Throws
  // kInvalidProgram where its memory is smaller.
  BufferRange range(ValueId id) const;
  // Whether both start at the same byte.
  bool is_same_place(ValueId x, ValueId y) const;
  const Buffer& arena() const { return arena_; }

 private:
  struct Storage {
    uint64_t size_bytes = 0;
    int64_t constant = -1;  // >= 0: lives in this constant region
    size_t arena_item = 0;
    const Buffer* buffer = nullptr;  // lives there, not in the arena
    uint64_t offset_bytes = 0;
  };

  int64_t storage_at(ValueId id) const;
  size_t storage_of(ValueId id);
  size_t new_storage(ValueId id, Storage storage);

  const Values& values_;
  Constants& constants_;
  std::vector<int64_t> storage_;  // by ValueId: index into storages_; -1: none yet
  std::vector<Storage> storages_;
  std::vector<ArenaItem> arena_items_;
  Buffer arena_;
};

}  // namespace etvk
