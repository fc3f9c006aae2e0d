#include "vk/Commands.h"

#include <algorithm>
#include <chrono>

#include "vk/Error.h"

namespace etvk {

namespace {

constexpr uint32_t kSetsPerPool = 64;
constexpr uint32_t kMaxBindings = 8;

enum Query : uint32_t { kBegin, kFirstDispatch, kLastDispatch, kEnd, kQueryCount };

constexpr VkPipelineStageFlags kWorkStages =
    VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr VkAccessFlags kWorkWrites = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

}  // namespace

Commands::Commands(const Device& device, bool timed) : device_(device) {
  const DeviceApi& api = device.api();
  const VkDevice vk_device = device.handle();

  VkCommandPoolCreateInfo pool_info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool_info.queueFamilyIndex = device.queue_family();
  VkCommandPool pool = VK_NULL_HANDLE;
  check(api.vkCreateCommandPool(vk_device, &pool_info, nullptr, &pool), "vkCreateCommandPool");
  pool_ = {pool, [&device](VkCommandPool p) {
             device.api().vkDestroyCommandPool(device.handle(), p, nullptr);
           }};

  VkCommandBufferAllocateInfo buffer_info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  buffer_info.commandPool = pool;
  buffer_info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  buffer_info.commandBufferCount = 1;
  check(api.vkAllocateCommandBuffers(vk_device, &buffer_info, &commands_),
        "vkAllocateCommandBuffers");

  VkFenceCreateInfo fence_info{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  VkFence fence = VK_NULL_HANDLE;
  check(api.vkCreateFence(vk_device, &fence_info, nullptr, &fence), "vkCreateFence");
  fence_ = {fence,
            [&device](VkFence f) { device.api().vkDestroyFence(device.handle(), f, nullptr); }};

  if (timed) {
    ETVK_CHECK(device.caps().timestamp_period_ns > 0.0f, kNotSupported,
               device.caps().name << " has no GPU timestamps on its compute queue");
    VkQueryPoolCreateInfo query_info{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
    query_info.queryType = VK_QUERY_TYPE_TIMESTAMP;
    query_info.queryCount = kQueryCount;
    VkQueryPool queries = VK_NULL_HANDLE;
    check(api.vkCreateQueryPool(vk_device, &query_info, nullptr, &queries), "vkCreateQueryPool");
    queries_ = {queries, [&device](VkQueryPool q) {
                  device.api().vkDestroyQueryPool(device.handle(), q, nullptr);
                }};
  }
}

void Commands::begin() {
  const DeviceApi& api = device_.api();
  check(api.vkResetCommandPool(device_.handle(), pool_.get(), 0), "vkResetCommandPool");
  for (const auto& pool : descriptor_pools_) {
    check(api.vkResetDescriptorPool(device_.handle(), pool.get(), 0), "vkResetDescriptorPool");
  }
  current_pool_ = 0;
  sets_in_pool_ = 0;
  has_pending_writes_ = false;
  is_last_stamped_ = false;
  kernels_.clear();
  VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  check(api.vkBeginCommandBuffer(commands_, &info), "vkBeginCommandBuffer");
  if (queries_) {
    api.vkCmdResetQueryPool(commands_, queries_.get(), 0, kQueryCount);
    stamp(VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, kBegin);
  }
}

void Commands::add_descriptor_pool() {
  VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, kSetsPerPool * kMaxBindings};
  VkDescriptorPoolCreateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  info.maxSets = kSetsPerPool;
  info.poolSizeCount = 1;
  info.pPoolSizes = &size;
  VkDescriptorPool pool = VK_NULL_HANDLE;
  check(device_.api().vkCreateDescriptorPool(device_.handle(), &info, nullptr, &pool),
        "vkCreateDescriptorPool");
  const Device& device = device_;
  descriptor_pools_.emplace_back(pool, [&device](VkDescriptorPool p) {
    device.api().vkDestroyDescriptorPool(device.handle(), p, nullptr);
  });
}

VkDescriptorSet Commands::allocate_set(const Pipeline& pipeline) {
  if (sets_in_pool_ == kSetsPerPool) {
    ++current_pool_;
    sets_in_pool_ = 0;
  }
  if (current_pool_ == descriptor_pools_.size()) {
    add_descriptor_pool();
  }
  const VkDescriptorSetLayout layout = pipeline.set_layout();
  VkDescriptorSetAllocateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
  info.descriptorPool = descriptor_pools_[current_pool_].get();
  info.descriptorSetCount = 1;
  info.pSetLayouts = &layout;
  VkDescriptorSet set = VK_NULL_HANDLE;
  check(device_.api().vkAllocateDescriptorSets(device_.handle(), &info, &set),
        "vkAllocateDescriptorSets");
  ++sets_in_pool_;
  return set;
}

void Commands::barrier(VkPipelineStageFlags stage, VkAccessFlags access) {
  if (!has_pending_writes_) {
    return;
  }
  VkMemoryBarrier memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  memory.srcAccessMask = kWorkWrites;
  memory.dstAccessMask = access;
  device_.api().vkCmdPipelineBarrier(commands_, kWorkStages, stage, 0, 1, &memory, 0, nullptr, 0,
                                     nullptr);
  has_pending_writes_ = false;
}

void Commands::dispatch(const Pipeline& pipeline, const std::vector<BufferRange>& bindings,
                        const void* push_constants, uint32_t push_constant_bytes,
                        WorkgroupCount groups) {
  const DeviceApi& api = device_.api();
  const KernelRow& row = pipeline.row();
  ETVK_CHECK(
      bindings.size() == row.binding_count && bindings.size() <= kMaxBindings, kInternal,
      row.name << ": " << bindings.size() << " bindings, the kernel has " << row.binding_count);
  ETVK_CHECK(push_constant_bytes == row.push_constant_bytes, kInternal,
             row.name << ": " << push_constant_bytes << " bytes of push constants, the kernel has "
                      << row.push_constant_bytes);
  const uint32_t largest = std::max({groups.x, groups.y, groups.z});
  ETVK_CHECK(largest <= device_.caps().max_workgroup_count, kNotSupported,
             row.name << ": " << largest << " workgroups in one dimension, " << device_.caps().name
                      << " allows " << device_.caps().max_workgroup_count);

  const VkDescriptorSet set = allocate_set(pipeline);
  VkDescriptorBufferInfo buffers[kMaxBindings];
  VkWriteDescriptorSet writes[kMaxBindings];
  for (uint32_t i = 0; i < bindings.size(); ++i) {
    ETVK_CHECK(bindings[i].size_bytes <= device_.caps().max_storage_range_bytes, kNotSupported,
               row.name << ": a tensor of " << bindings[i].size_bytes << " bytes, "
                        << device_.caps().name << " binds at most "
                        << device_.caps().max_storage_range_bytes);
    buffers[i] = {bindings[i].buffer->handle(), bindings[i].offset_bytes, bindings[i].size_bytes};
    writes[i] = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    writes[i].dstSet = set;
    writes[i].dstBinding = i;
    writes[i].descriptorCount = 1;
    writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    writes[i].pBufferInfo = &buffers[i];
  }
  api.vkUpdateDescriptorSets(device_.handle(), static_cast<uint32_t>(bindings.size()), writes, 0,
                             nullptr);

  barrier(VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
          VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
  api.vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.handle());
  api.vkCmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.layout(), 0, 1,
                              &set, 0, nullptr);
  if (push_constant_bytes > 0) {
    api.vkCmdPushConstants(commands_, pipeline.layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           push_constant_bytes, push_constants);
  }
  api.vkCmdDispatch(commands_, groups.x, groups.y, groups.z);
  // Not before the first dispatch: NVIDIA driver 580 writes a timestamp there while a copy from
  // host memory in front of it still runs, so that the copy would count.
  if (queries_ && kernels_.empty()) {
    stamp(VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, kFirstDispatch);
  }
  has_pending_writes_ = true;
  kernels_.emplace_back(row.name);
}

// The copies of outputs behind the last dispatch do not count.
void Commands::stamp_last_dispatch() {
  if (queries_ && kernels_.size() > 1 && !is_last_stamped_) {
    stamp(VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, kLastDispatch);
    is_last_stamped_ = true;
  }
}

void Commands::stamp(VkPipelineStageFlagBits stage, uint32_t query) {
  device_.api().vkCmdWriteTimestamp(commands_, stage, queries_.get(), query);
}

void Commands::copy(const std::vector<Copy>& copies) {
  if (copies.empty()) {
    return;
  }
  stamp_last_dispatch();
  barrier(VK_PIPELINE_STAGE_TRANSFER_BIT,
          VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT);
  for (const Copy& copy : copies) {
    const VkBufferCopy region{copy.from.offset_bytes, copy.to.offset_bytes, copy.from.size_bytes};
    device_.api().vkCmdCopyBuffer(commands_, copy.from.buffer->handle(), copy.to.buffer->handle(),
                                  1, &region);
  }
  has_pending_writes_ = true;
}

void Commands::end() {
  stamp_last_dispatch();
  barrier(VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
  if (queries_) {
    stamp(VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, kEnd);
  }
  check(device_.api().vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
}

void Commands::submit_and_wait() {
  if (!queries_) {
    device_.submit(commands_, fence_.get());
    device_.wait(fence_.get());
    return;
  }
  using Clock = std::chrono::steady_clock;
  const auto us = [](Clock::duration time) {
    return std::chrono::duration<double, std::micro>(time).count();
  };
  const auto start = Clock::now();
  device_.submit(commands_, fence_.get());
  const auto submitted = Clock::now();
  device_.wait(fence_.get());
  times_.submit_us = us(submitted - start);
  times_.wait_us = us(Clock::now() - submitted);
}

double Commands::gpu_time_us() const {
  ETVK_CHECK(queries_ && kernels_.size() > 1, kInternal, "gpu_time_us: nothing was timed");
  return ticks_us(kFirstDispatch, kLastDispatch);
}

SubmissionTimes Commands::times() const {
  ETVK_CHECK(static_cast<bool>(queries_), kInternal, "times: nothing was timed");
  SubmissionTimes times = times_;
  times.gpu_us = ticks_us(kBegin, kEnd);
  return times;
}

double Commands::ticks_us(uint32_t from, uint32_t to) const {
  const auto ticks = [this](uint32_t query) {
    uint64_t value = 0;
    check(device_.api().vkGetQueryPoolResults(device_.handle(), queries_.get(), query, 1,
                                              sizeof(value), &value, sizeof(value),
                                              VK_QUERY_RESULT_64_BIT),
          "vkGetQueryPoolResults");
    return value;
  };
  return static_cast<double>(ticks(to) - ticks(from)) * device_.caps().timestamp_period_ns * 1e-3;
}

}  // namespace etvk
