#include "vk/Timestamps.h"

#include <cmath>

#include "vk/Error.h"

namespace etvk {

double us_between_ticks(const DeviceCaps& caps, uint64_t from, uint64_t to) {
  const uint64_t mask =
      caps.timestamp_bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << caps.timestamp_bits) - 1;
  return static_cast<double>((to - from) & mask) * caps.timestamp_period_ns * 1e-3;
}

double timestamp_round_us(const DeviceCaps& caps) {
  return std::ldexp(caps.timestamp_period_ns * 1e-3, static_cast<int>(caps.timestamp_bits));
}

Timestamps::Timestamps(const Device& device, uint32_t count) : device_(device), count_(count) {
  ETVK_CHECK(device.caps().has_timestamps(), kNotSupported,
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

double Timestamps::us_between(uint32_t from, uint32_t to) const {
  return us_between_ticks(device_.caps(), ticks(from, 1)[0], ticks(to, 1)[0]);
}

std::vector<double> Timestamps::us_between_all() const {
  const std::vector<uint64_t> points = ticks(0, count_);
  std::vector<double> us;
  for (size_t i = 1; i < points.size(); ++i) {
    us.push_back(us_between_ticks(device_.caps(), points[i - 1], points[i]));
  }
  return us;
}

std::vector<uint64_t> Timestamps::ticks(uint32_t first, uint32_t count) const {
  std::vector<uint64_t> values(count);
  check(device_.api().vkGetQueryPoolResults(device_.handle(), queries_.get(), first, count,
                                            values.size() * sizeof(uint64_t), values.data(),
                                            sizeof(uint64_t), VK_QUERY_RESULT_64_BIT),
        "vkGetQueryPoolResults");
  return values;
}

}  // namespace etvk
