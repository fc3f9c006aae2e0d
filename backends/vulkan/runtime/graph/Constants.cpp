#include "graph/Constants.h"

#include <algorithm>
#include <cstring>

#include "graph/Memory.h"
#include "graph/ProgramLimits.h"
#include "vk/Error.h"

namespace etvk {

namespace {

// Regions from this size on have a buffer each, which programs share; smaller ones are packed
// together, since drivers limit the number of allocations (often to 4096).
constexpr uint64_t kOwnBufferBytes = uint64_t{64} << 10;
constexpr uint64_t kPackedBufferBytes = uint64_t{8} << 20;

// The piece of a region from `begin` on; what lies behind its end in its last group is zero.
void fill_piece(const ConstantSpec& spec, uint8_t* to, uint64_t begin, uint64_t size_bytes) {
  const uint64_t own = std::min(size_bytes, spec.size_bytes - std::min(begin, spec.size_bytes));
  if (own > 0) {
    spec.fill(to, begin, own);
  }
  std::memset(to + own, 0, size_bytes - own);
}

}  // namespace

const ConstantDef& Constants::source(int32_t constant_id) const {
  ETVK_CHECK(constant_id >= 0 && static_cast<size_t>(constant_id) < defs_.size(), kInternal,
             "constant " << constant_id << " has no data");
  return defs_[static_cast<size_t>(constant_id)];
}

ConstantRef Constants::add(ConstantSpec spec) {
  const auto [entry, is_new] =
      by_source_.emplace(std::tuple(spec.source, spec.source_bytes, spec.layout), regions_.size());
  if (!is_new) {
    ETVK_CHECK(regions_[entry->second].spec.size_bytes == spec.size_bytes, kInternal,
               "constant '" << spec.layout << "' has " << regions_[entry->second].spec.size_bytes
                            << " bytes, not " << spec.size_bytes);
    return entry->second;
  }
  const uint64_t region_bytes = whole_groups(spec.size_bytes);
  made_bytes_ += region_bytes;
  const uint64_t limit = kMaxConstantGrowth * program_bytes_ + kConstantAllowanceBytes;
  ETVK_CHECK(program_bytes_ == 0 || made_bytes_ <= limit, kNotSupported,
             "the program's layers make more than " << limit << " bytes of the " << program_bytes_
                                                    << " bytes that it and its constants have");
  regions_.push_back({std::move(spec), region_bytes, nullptr, 0});
  return regions_.size() - 1;
}

void Constants::upload(Context& context) {
  Uploader uploader(context.device);
  const uint64_t alignment = range_alignment(context.device.caps());
  std::vector<Region*> small;
  uint64_t small_bytes = 0;
  for (Region& region : regions_) {
    if (region.size_bytes >= kOwnBufferBytes) {
      upload_large(context, uploader, region);
      continue;
    }
    region.offset_bytes = (small_bytes + alignment - 1) / alignment * alignment;
    if (region.offset_bytes + region.size_bytes > kPackedBufferBytes) {
      upload_small(context, uploader, small);
      small.clear();
      region.offset_bytes = 0;
    }
    small.push_back(&region);
    small_bytes = region.offset_bytes + region.size_bytes;
  }
  upload_small(context, uploader, small);
  defs_.clear();
  by_source_.clear();
  hashes_.clear();
}

void Constants::upload_large(Context& context, Uploader& uploader, Region& region) {
  const ConstantSpec& spec = region.spec;
  const auto [hash, is_new] =
      hashes_.emplace(std::pair(spec.source, spec.source_bytes), ContentHash{});
  if (is_new) {
    hash->second = content_hash(spec.source, spec.source_bytes);
  }
  region.buffer = context.constants.get(
      uploader, {hash->second, spec.layout}, region.size_bytes,
      [&spec](uint8_t* to, uint64_t begin, uint64_t size) { fill_piece(spec, to, begin, size); });
  region.spec.fill = nullptr;
}

void Constants::upload_small(Context& context, Uploader& uploader,
                             const std::vector<Region*>& regions) {
  if (regions.empty()) {
    return;
  }
  std::vector<uint8_t> packed(regions.back()->offset_bytes + regions.back()->size_bytes);
  for (Region* region : regions) {
    fill_piece(region->spec, packed.data() + region->offset_bytes, 0, region->size_bytes);
    region->spec.fill = nullptr;
  }
  const auto buffer =
      context.constants.get(uploader, {content_hash(packed.data(), packed.size()), "packed"},
                            packed.size(), [&packed](uint8_t* to, uint64_t begin, uint64_t size) {
                              std::memcpy(to, packed.data() + begin, size);
                            });
  for (Region* region : regions) {
    region->buffer = buffer;
  }
}

BufferRange Constants::range(ConstantRef constant) const {
  const Region& region = regions_.at(constant);
  return {region.buffer.get(), region.offset_bytes, region.size_bytes};
}

}  // namespace etvk
