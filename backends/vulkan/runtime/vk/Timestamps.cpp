#include "vk/Timestamps.h"

#include "vk/Error.h"

namespace etvk {

Timestamps::Timestamps(const Device& device, uint32_t count) : device_(device), count_(count) {
  ETVK_CHECK(device.caps().timestamp_period_ns > 0.0f, kNotSupported,
             device.caps().name << " has no GPU timestamps on its compute queue");
  VkQueryPoolCreateInfo info{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
  info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  info.queryCount = count;
  VkQueryPool queries = VK_NULL_HANDLE;
  check(device.api().vkCreateQueryPool(device.handle(), &info, nullptr, &queries),
        "vkCreateQueryPool");
  queries_ = device.own(queries, device.api().vkDestroyQueryPool);
}

void Timestamps::reset(VkCommandBuffer commands) const {
  device_.api().vkCmdResetQueryPool(commands, queries_.get(), 0, count_);
}

void Timestamps::write(VkCommandBuffer commands, VkPipelineStageFlagBits stage,
                       uint32_t index) const {
  device_.api().vkCmdWriteTimestamp(commands, stage, queries_.get(), index);
}

// The counter may have started over in between.
double Timestamps::us_between(uint32_t from, uint32_t to) const {
  const uint32_t bits = device_.caps().timestamp_bits;
  const uint64_t mask = bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  const uint64_t passed = (ticks(to) - ticks(from)) & mask;
  return static_cast<double>(passed) * device_.caps().timestamp_period_ns * 1e-3;
}

uint64_t Timestamps::ticks(uint32_t index) const {
  uint64_t value = 0;
  check(
      device_.api().vkGetQueryPoolResults(device_.handle(), queries_.get(), index, 1, sizeof(value),
                                          &value, sizeof(value), VK_QUERY_RESULT_64_BIT),
      "vkGetQueryPoolResults");
  return value;
}

}  // namespace etvk
