#include "vk/Commands.h"

#include <algorithm>

#include "vk/Error.h"

namespace etvk {

namespace {

constexpr uint32_t kSetsPerPool = 64;
constexpr uint32_t kMaxBindings = 8;

enum Point : uint32_t { kBegin, kFirstDispatch, kLastDispatch, kEnd, kPointCount };

void check_range(const char* what, const BufferRange& range) {
  ETVK_CHECK(range.buffer != nullptr && range.offset_bytes <= range.buffer->size_bytes() &&
                 range.size_bytes <= range.buffer->size_bytes() - range.offset_bytes,
             kInternal,
             what << ": " << range.size_bytes << " bytes at " << range.offset_bytes
                  << " are outside a buffer of "
                  << (range.buffer == nullptr ? 0 : range.buffer->size_bytes()));
}

}  // namespace

Commands::Commands(const Device& device, bool timed) : device_(device) {
  const DeviceApi& api = device.api();
  const VkDevice vk_device = device.handle();

  VkCommandPoolCreateInfo pool_info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool_info.queueFamilyIndex = device.queue_family();
  VkCommandPool pool = VK_NULL_HANDLE;
  check(api.vkCreateCommandPool(vk_device, &pool_info, nullptr, &pool), "vkCreateCommandPool");
  pool_ = device.own(pool, api.vkDestroyCommandPool);

  VkCommandBufferAllocateInfo buffer_info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  buffer_info.commandPool = pool;
  buffer_info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  buffer_info.commandBufferCount = 1;
  check(api.vkAllocateCommandBuffers(vk_device, &buffer_info, &commands_),
        "vkAllocateCommandBuffers");

  VkFenceCreateInfo fence_info{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  VkFence fence = VK_NULL_HANDLE;
  check(api.vkCreateFence(vk_device, &fence_info, nullptr, &fence), "vkCreateFence");
  fence_ = device.own(fence, api.vkDestroyFence);

  if (timed) {
    timestamps_.emplace(device, kPointCount);
  }
}

void Commands::begin() {
  steps_.clear();
  kernels_.clear();
  owner_ = 0;
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
  descriptor_pools_.push_back(device_.own(pool, device_.api().vkDestroyDescriptorPool));
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

void Commands::dispatch(const Pipeline& pipeline, const std::vector<Binding>& bindings,
                        const void* push_constants, uint32_t push_constant_bytes,
                        WorkgroupCount groups) {
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
  std::vector<BufferRange> ranges;
  uint64_t touched = 0;
  for (const Binding& binding : bindings) {
    check_binding(row, binding);
    ranges.push_back(binding.range);
    touched += binding.end_bytes;
  }
  const auto* bytes = static_cast<const uint8_t*>(push_constants);
  steps_.push_back({&pipeline,
                    std::move(ranges),
                    {bytes, bytes + push_constant_bytes},
                    groups,
                    {},
                    owner_,
                    touched,
                    0});
  kernels_.emplace_back(row.name);
}

void Commands::check_binding(const KernelRow& row, const Binding& binding) const {
  const BufferRange& range = binding.range;
  check_range(row.name, range);
  ETVK_CHECK(binding.end_bytes <= range.size_bytes, kInternal,
             row.name << ": touches " << binding.end_bytes << " bytes of a binding of "
                      << range.size_bytes);
  ETVK_CHECK(range.size_bytes <= device_.caps().max_storage_range_bytes, kNotSupported,
             row.name << ": a tensor of " << range.size_bytes << " bytes, " << device_.caps().name
                      << " binds at most " << device_.caps().max_storage_range_bytes);
}

void Commands::copy(std::vector<Copy> copies) {
  if (copies.empty()) {
    return;
  }
  uint64_t bytes = 0;
  for (const Copy& one : copies) {
    bytes += 2 * one.from.size_bytes;
    check_range("a copy's source", one.from);
    check_range("a copy's target", one.to);
    ETVK_CHECK(one.from.size_bytes == one.to.size_bytes, kInternal,
               "a copy of " << one.from.size_bytes << " bytes to " << one.to.size_bytes);
  }
  steps_.push_back({nullptr, {}, {}, {}, std::move(copies), owner_, bytes, 0});
}

std::vector<const Pipeline*> Commands::pipelines() const {
  std::vector<const Pipeline*> pipelines;
  for (const Step& step : steps_) {
    if (step.pipeline != nullptr) {
      pipelines.push_back(step.pipeline);
    }
  }
  return pipelines;
}

void Commands::end(bool timed_steps) {
  const DeviceApi& api = device_.api();
  step_timestamps_.reset();
  if (timed_steps) {
    step_timestamps_.emplace(device_, static_cast<uint32_t>(steps_.size()) + 1);
  }
  check(api.vkResetCommandPool(device_.handle(), pool_.get(), 0), "vkResetCommandPool");
  for (const auto& pool : descriptor_pools_) {
    check(api.vkResetDescriptorPool(device_.handle(), pool.get(), 0), "vkResetDescriptorPool");
  }
  current_pool_ = 0;
  sets_in_pool_ = 0;
  hazards_.clear();
  barrier_count_ = 0;
  const bool copies = std::any_of(steps_.begin(), steps_.end(),
                                  [](const Step& step) { return step.pipeline == nullptr; });
  stages_ = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
  stages_ |= copies ? VK_PIPELINE_STAGE_TRANSFER_BIT : 0;
  VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  check(api.vkBeginCommandBuffer(commands_, &info), "vkBeginCommandBuffer");
  for (const auto* timestamps : {&timestamps_, &step_timestamps_}) {
    if (timestamps->has_value()) {
      (*timestamps)->reset(commands_);
    }
  }
  stamp(timestamps_, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, kBegin);
  stamp(step_timestamps_, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, 0);
  size_t dispatches = 0;
  uint32_t stamps = 0;
  for (const Step& step : steps_) {
    wait_for_hazards(step);
    if (step.pipeline == nullptr) {
      record_copies(step);
      stamp(step_timestamps_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, ++stamps);
      continue;
    }
    record_dispatch(step);
    stamp(step_timestamps_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, ++stamps);
    ++dispatches;
    // Not before the first dispatch: NVIDIA driver 580 writes a timestamp there while a copy from
    // host memory in front of it still runs, so that the copy would count. Nor do copies behind the
    // last one.
    if (dispatches == 1) {
      stamp(timestamps_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, kFirstDispatch);
    } else if (dispatches == kernels_.size()) {
      stamp(timestamps_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, kLastDispatch);
    }
  }
  if (!steps_.empty()) {
    barrier(VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
  }
  stamp(timestamps_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, kEnd);
  check(api.vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
}

// A step starts beside the ones before it unless it reads what they write, or writes what they use;
// then it waits for all of them.
void Commands::wait_for_hazards(const Step& step) {
  std::vector<BufferRange> reads;
  std::vector<BufferRange> writes;
  for (size_t i = 0; i < step.bindings.size(); ++i) {
    const bool written = (step.pipeline->row().written_bindings >> i & 1) != 0;
    (written ? writes : reads).push_back(step.bindings[i]);
  }
  for (const Copy& copy : step.copies) {
    reads.push_back(copy.from);
    writes.push_back(copy.to);
  }
  if (hazards_.conflict(reads, writes) || (step_timestamps_ && &step != steps_.data())) {
    barrier(stages_, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                         VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT);
    hazards_.clear();
    ++barrier_count_;
  }
  hazards_.add(reads, writes);
}

// What follows in `stage` waits for all that is before.
void Commands::barrier(VkPipelineStageFlags stage, VkAccessFlags access) {
  VkMemoryBarrier memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  memory.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
  memory.dstAccessMask = access;
  if ((stages_ & VK_PIPELINE_STAGE_TRANSFER_BIT) != 0) {
    memory.srcAccessMask |= VK_ACCESS_TRANSFER_WRITE_BIT;
  } else {
    memory.dstAccessMask &= ~(VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT);
  }
  device_.api().vkCmdPipelineBarrier(commands_, stages_, stage, 0, 1, &memory, 0, nullptr, 0,
                                     nullptr);
}

VkDescriptorSet Commands::write_set(const Step& step) {
  const VkDescriptorSet set = allocate_set(*step.pipeline);
  VkDescriptorBufferInfo buffers[kMaxBindings];
  VkWriteDescriptorSet writes[kMaxBindings];
  const auto count = static_cast<uint32_t>(step.bindings.size());
  for (uint32_t i = 0; i < count; ++i) {
    const BufferRange& binding = step.bindings[i];
    buffers[i] = {binding.buffer->handle(), binding.offset_bytes, binding.size_bytes};
    writes[i] = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    writes[i].dstSet = set;
    writes[i].dstBinding = i;
    writes[i].descriptorCount = 1;
    writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    writes[i].pBufferInfo = &buffers[i];
  }
  device_.api().vkUpdateDescriptorSets(device_.handle(), count, writes, 0, nullptr);
  return set;
}

void Commands::record_dispatch(const Step& step) {
  const DeviceApi& api = device_.api();
  const Pipeline& pipeline = *step.pipeline;
  ETVK_CHECK(pipeline.handle() != VK_NULL_HANDLE, kInternal,
             pipeline.row().name << ": the pipeline has not been created");
  const VkDescriptorSet set = write_set(step);
  api.vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.handle());
  api.vkCmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.layout(), 0, 1,
                              &set, 0, nullptr);
  if (!step.push_constants.empty()) {
    api.vkCmdPushConstants(commands_, pipeline.layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           static_cast<uint32_t>(step.push_constants.size()),
                           step.push_constants.data());
  }
  api.vkCmdDispatch(commands_, step.groups.x, step.groups.y, step.groups.z);
}

void Commands::record_copies(const Step& step) {
  for (const Copy& copy : step.copies) {
    const VkBufferCopy region{copy.from.offset_bytes, copy.to.offset_bytes, copy.from.size_bytes};
    device_.api().vkCmdCopyBuffer(commands_, copy.from.buffer->handle(), copy.to.buffer->handle(),
                                  1, &region);
  }
}

void Commands::stamp(const std::optional<Timestamps>& timestamps, VkPipelineStageFlagBits stage,
                     uint32_t index) const {
  if (timestamps) {
    timestamps->write(commands_, stage, index);
  }
}

void Commands::submit_and_wait() {
  device_.submit(commands_, fence_.get());
  device_.wait(fence_.get());
}

double Commands::gpu_time_us() const {
  ETVK_CHECK(timestamps_ && kernels_.size() > 1, kInternal, "gpu_time_us: nothing was timed");
  return timestamps_->us_between(kFirstDispatch, kLastDispatch);
}

double Commands::submission_us() const {
  ETVK_CHECK(timestamps_.has_value(), kInternal, "submission_us: nothing was timed");
  return timestamps_->us_between(kBegin, kEnd);
}

std::vector<StepTime> Commands::step_times() const {
  ETVK_CHECK(step_timestamps_.has_value(), kInternal, "step_times: no steps were timed");
  const std::vector<double> us = step_timestamps_->us_between_all();
  std::vector<StepTime> times;
  double start_us = 0.0;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const double end_us = start_us + us[i];
    times.push_back({step.owner, step.pipeline == nullptr ? nullptr : &step.pipeline->row(),
                     step.bytes, step.operations, start_us, end_us});
    start_us = end_us;
  }
  return times;
}

}  // namespace etvk
