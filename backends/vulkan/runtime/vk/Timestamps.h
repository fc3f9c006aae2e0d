// Points in time that the GPU writes down while it runs a command buffer.
#pragma once

#include <cstdint>

#include "vk/Device.h"

namespace etvk {

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

 private:
  uint64_t ticks(uint32_t index) const;

  const Device& device_;
  Handle<VkQueryPool> queries_;
  uint32_t count_;
};

}  // namespace etvk
