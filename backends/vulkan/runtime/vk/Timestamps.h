// Points in time that the GPU writes down while it runs a command buffer.
#pragma once

#include <cstdint>
#include <vector>

#include "vk/Device.h"

namespace etvk {

// From one reading of the device's counter to a later one, which may have started over in between:
// right for less than timestamp_round_us().
double us_between_ticks(const DeviceCaps& caps, uint64_t from, uint64_t to);
// How long the counter takes to start over.
double timestamp_round_us(const DeviceCaps& caps);

class Timestamps {
 public:
  // Throws kNotSupported if the device's queue has no timestamps.
  Timestamps(const Device& device, uint32_t count);

  // Recorded first: forgets what was written.
  void reset(VkCommandBuffer commands) const;
  // Point `index`, when all commands before it have got past `stage`.
  void write(VkCommandBuffer commands, VkPipelineStageFlagBits stage, uint32_t index) const;
  // From one point to another of a submission that has finished and wrote both.
  double us_between(uint32_t from, uint32_t to) const;
  // From each point of a submission that wrote all of them to the next one.
  std::vector<double> us_between_all() const;

 private:
  std::vector<uint64_t> ticks(uint32_t first, uint32_t count) const;

  const Device& device_;
  Handle<VkQueryPool> queries_;
  uint32_t count_;
};

}  // namespace etvk
