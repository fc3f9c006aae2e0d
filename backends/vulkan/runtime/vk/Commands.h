// One command buffer that is recorded once and submitted many times, with the descriptor sets and
// the GPU timestamps that it needs. Not thread-safe: each graph owns one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vk/Buffer.h"
#include "vk/Hazards.h"
#include "vk/Pipeline.h"
#include "vk/Timestamps.h"

namespace etvk {

struct WorkgroupCount {
  uint32_t x = 1;
  uint32_t y = 1;
  uint32_t z = 1;
};

// What one binding of a dispatch is, and where what the kernel may touch of it ends, in bytes from
// the range's start. The caller works the end out of the very geometry that it dispatches, so that
// no access is out of bounds even where the driver does not check (docs/architecture.md).
struct Binding {
  BufferRange range;
  uint64_t end_bytes = 0;
};

struct Copy {
  BufferRange from;
  BufferRange to;
};

// The GPU's time of one dispatch, or of a group of copies, in a submission whose steps were timed.
struct StepTime {
  uint32_t owner = 0;              // that was set when it was added
  const KernelRow* row = nullptr;  // null: copies
  uint64_t bytes = 0;              // that it reads and writes, each binding counted once
  uint64_t operations = 0;         // multiplications and additions that it was said to make
  double start_us = 0.0;           // since the first command's start
  double end_us = 0.0;
};

class Commands {
 public:
  // With `timed`, submissions are timed on the GPU; throws kNotSupported if the device's queue has
  // no timestamps.
  Commands(const Device& device, bool timed);
  bool is_timed() const { return timestamps_.has_value(); }

  // Starts over: forgets all that was recorded.
  void begin();
  // Whose the steps are that follow, for StepTime.
  void set_owner(uint32_t owner) { owner_ = owner; }
  // A step waits for those before it whose results it reads, or whose ranges it writes; others run
  // side by side. Nothing goes to the driver until end(), so that all pipelines can be created at
  // once before. Throws kInternal where a kernel could
  // touch more than is bound.
  void dispatch(const Pipeline& pipeline, const std::vector<Binding>& bindings,
                const void* push_constants, uint32_t push_constant_bytes, WorkgroupCount groups);
  template <typename Push>
  void dispatch(const Pipeline& pipeline, const std::vector<Binding>& bindings, const Push& push,
                WorkgroupCount groups) {
    dispatch(pipeline, bindings, &push, sizeof(push), groups);
  }
  // Of the last dispatch, for StepTime.
  void count_operations(uint64_t operations) { steps_.back().operations += operations; }
  // In any order: none of them reads or writes what another one writes.
  void copy(std::vector<Copy> copies);
  // Records for the driver, when all of pipelines() have been created. Device writes become visible
  // to the host when a submission has finished. With `timed_steps` each step waits for the one
  // before it, so that each has a time of its own; throws kNotSupported as the constructor does.
  void end(bool timed_steps = false);

  void submit_and_wait();

  // Dispatches and groups of copies since begin().
  size_t step_count() const { return steps_.size(); }
  // Barriers between steps, after end().
  size_t barrier_count() const { return barrier_count_; }
  // Of the dispatches, in order.
  std::vector<const Pipeline*> pipelines() const;
  // Names of the kernels dispatched, in order.
  const std::vector<std::string>& kernels() const { return kernels_; }
  // GPU time from the end of the first dispatch of the last submission to the end of the last one,
  // barriers included. Only if timed, and of at least two dispatches.
  double gpu_time_us() const;
  // The same from the first command's start to the last one's end. Only if timed.
  double submission_us() const;
  // Of the last submission, in order. Only after end(true).
  std::vector<StepTime> step_times() const;

 private:
  // One dispatch, or with no pipeline some copies.
  struct Step {
    const Pipeline* pipeline = nullptr;
    std::vector<BufferRange> bindings;
    std::vector<uint8_t> push_constants;
    WorkgroupCount groups;
    std::vector<Copy> copies;
    uint32_t owner = 0;
    uint64_t bytes = 0;
    uint64_t operations = 0;
  };

  void check_binding(const KernelRow& row, const Binding& binding) const;
  void record_dispatch(const Step& step);
  void record_copies(const Step& step);
  VkDescriptorSet write_set(const Step& step);
  VkDescriptorSet allocate_set(const Pipeline& pipeline);
  void add_descriptor_pool();
  void wait_for_hazards(const Step& step);
  void barrier(VkPipelineStageFlags stage, VkAccessFlags access);
  void stamp(const std::optional<Timestamps>& timestamps, VkPipelineStageFlagBits stage,
             uint32_t index) const;

  const Device& device_;
  Handle<VkCommandPool> pool_;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;  // freed with its pool
  Handle<VkFence> fence_;
  std::optional<Timestamps> timestamps_;
  std::optional<Timestamps> step_timestamps_;  // around each step, of the last end(true)
  uint32_t owner_ = 0;
  std::vector<Handle<VkDescriptorPool>> descriptor_pools_;
  size_t current_pool_ = 0;
  uint32_t sets_in_pool_ = 0;
  std::vector<Step> steps_;
  VkPipelineStageFlags stages_ = 0;  // that steps run in
  Hazards hazards_;
  size_t barrier_count_ = 0;
  std::vector<std::string> kernels_;
};

}  // namespace etvk
