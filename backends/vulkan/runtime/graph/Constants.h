// The constants of a program in device memory, each in the layout that kernels read. Regions of the
// same bytes share memory, also between programs.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "graph/GraphDef.h"
#include "vk/Buffer.h"
#include "vk/Context.h"

namespace etvk {

// A region of device memory that is filled once.
using ConstantRef = size_t;

// What a region holds: something made of bytes of the program.
struct ConstantSpec {
  const uint8_t* source = nullptr;  // valid until Constants::upload()
  uint64_t source_bytes = 0;
  // Names what is made of them: equal source bytes and layouts give equal regions, which share
  // memory, also between programs. So it has all else that the region's bytes depend on.
  std::string layout;
  uint64_t size_bytes = 0;
  FillBytes fill;
};

class Constants {
 public:
  // `program_bytes` is what the program's bytes and its named data add up to, which bounds what may
  // be made of them; 0: no bound.
  Constants(std::vector<ConstantDef> defs, uint64_t program_bytes)
      : defs_(std::move(defs)), program_bytes_(program_bytes) {}

  // The program's constant; only until upload().
  const ConstantDef& source(int32_t constant_id) const;

  // Reserves a region. Throws kNotSupported over the limits of ProgramLimits.h.
  ConstantRef add(ConstantSpec spec);

  // Fills all regions. The program's bytes are not needed any more when this returns.
  void upload(Context& context);

  // After upload().
  BufferRange range(ConstantRef constant) const;

 private:
  struct Region {
    ConstantSpec spec;
    uint64_t size_bytes = 0;               // in whole groups of words
    std::shared_ptr<const Buffer> buffer;  // shared with whoever has the same bytes
    uint64_t offset_bytes = 0;
  };

  void upload_large(Context& context, Uploader& uploader, Region& region);
  void upload_small(Context& context, Uploader& uploader, const std::vector<Region*>& regions);

  std::vector<ConstantDef> defs_;
  uint64_t program_bytes_;
  uint64_t made_bytes_ = 0;
  std::vector<Region> regions_;
  std::map<std::tuple<const uint8_t*, uint64_t, std::string>, ConstantRef> by_source_;
  std::map<std::pair<const uint8_t*, uint64_t>, ContentHash> hashes_;  // of sources
};

}  // namespace etvk
