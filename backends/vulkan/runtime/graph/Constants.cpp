#include "graph/Constants.h"

#include <algorithm>

#include "graph/Memory.h"
#include "graph/ProgramLimits.h"
#include "vk/Error.h"

namespace etvk {

namespace {

// Regions from this size on have a buffer each, which programs share; smaller ones are packed into
// one, since drivers limit the number of allocations (often to 4096).
constexpr uint64_t kOwnBufferBytes = 64 * 1024;

}  // namespace

const uint8_t* Constants::data(int32_t constant_id) const {
  ETVK_CHECK(constant_id >= 0 && static_cast<size_t>(constant_id) < defs_.size(), kInternal,
             "constant " << constant_id << " has no data");
  return defs_[static_cast<size_t>(constant_id)].data;
}

ConstantRef Constants::add(const std::string& key, uint64_t size_bytes,
                           std::function<void(uint8_t*)> fill) {
  const uint64_t region_bytes = whole_groups(size_bytes);
  if (!key.empty()) {
    const auto [entry, is_new] = by_key_.emplace(key, regions_.size());
    if (!is_new) {
      ETVK_CHECK(regions_[entry->second].size_bytes == region_bytes, kInternal,
                 "constant '" << key << "' has " << regions_[entry->second].size_bytes
                              << " bytes, not " << region_bytes);
      return entry->second;
    }
  }
  made_bytes_ += region_bytes;
  const uint64_t limit = kMaxConstantGrowth * source_bytes_ + kConstantAllowanceBytes;
  ETVK_CHECK(source_bytes_ == 0 || made_bytes_ <= limit, kNotSupported,
             "the program's layers make more than " << limit << " bytes of the " << source_bytes_
                                                    << " bytes that it and its constants have");
  regions_.push_back({region_bytes, std::move(fill), nullptr, 0});
  return regions_.size() - 1;
}

void Constants::upload(Context& context) {
  const uint64_t alignment = range_alignment(context.device.caps());
  Uploader uploader(context.device);
  std::vector<uint8_t> small;
  for (Region& region : regions_) {
    const bool own = region.size_bytes >= kOwnBufferBytes;
    region.offset_bytes = own ? 0 : (small.size() + alignment - 1) / alignment * alignment;
    std::vector<uint8_t> large(own ? region.size_bytes : 0);
    if (!own) {
      small.resize(region.offset_bytes + region.size_bytes);
    }
    region.fill(own ? large.data() : small.data() + region.offset_bytes);
    region.fill = nullptr;
    if (own) {
      region.buffer = context.constants.get(uploader, large.data(), large.size());
    }
  }
  defs_.clear();
  if (small.empty()) {
    return;
  }
  const auto buffer = context.constants.get(uploader, small.data(), small.size());
  for (Region& region : regions_) {
    if (region.buffer == nullptr) {
      region.buffer = buffer;
    }
  }
}

BufferRange Constants::range(ConstantRef constant) const {
  const Region& region = regions_.at(constant);
  return {region.buffer.get(), region.offset_bytes, region.size_bytes};
}

}  // namespace etvk
