// The constants of a program in device memory, each in the layout that kernels read. Regions of the
// same bytes share memory, also between programs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/GraphDef.h"
#include "vk/Buffer.h"
#include "vk/Context.h"

namespace etvk {

// A region of device memory that is filled once.
using ConstantRef = size_t;

class Constants {
 public:
  // `source_bytes` is what the program's bytes and its named data add up to, which bounds what may
  // be made of them; 0: no bound.
  Constants(std::vector<ConstantDef> defs, uint64_t source_bytes)
      : defs_(std::move(defs)), source_bytes_(source_bytes) {}

  // Bytes of the program's constant; only until upload().
  const uint8_t* data(int32_t constant_id) const;

  // Reserves `size_bytes` that `fill` fills once at upload(); bytes that it leaves are zero. The
  // same non-empty `key`, which must determine bytes and size, gives the same region, so tied
  // weights are packed once. Throws kNotSupported over the limits of ProgramLimits.h.
  ConstantRef add(const std::string& key, uint64_t size_bytes, std::function<void(uint8_t*)> fill);

  // Fills all regions. The program's bytes are not needed any more when this returns.
  void upload(Context& context);

  uint64_t size_bytes(ConstantRef constant) const { return regions_.at(constant).size_bytes; }
  // After upload().
  BufferRange range(ConstantRef constant) const;

 private:
  struct Region {
    uint64_t size_bytes = 0;
    std::function<void(uint8_t*)> fill;
    std::shared_ptr<const Buffer> buffer;  // shared with whoever has the same bytes
    uint64_t offset_bytes = 0;
  };

  std::vector<ConstantDef> defs_;
  uint64_t source_bytes_;
  uint64_t made_bytes_ = 0;
  std::vector<Region> regions_;
  std::unordered_map<std::string, ConstantRef> by_key_;
};

}  // namespace etvk
