// Compute pipelines, built from rows of the kernel table and kept for the life of their device.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "graph/ops/KernelTable.h"
#include "vk/Device.h"

namespace etvk {

class Pipeline {
 public:
  // `constants` are the specialization constants with ids 0, 1, 2, ...
  Pipeline(const Device& device, const KernelRow& row, const std::vector<uint32_t>& constants);

  const KernelRow& row() const { return row_; }
  VkPipeline handle() const { return pipeline_.get(); }
  VkPipelineLayout layout() const { return layout_.get(); }
  VkDescriptorSetLayout set_layout() const { return set_layout_.get(); }

 private:
  const KernelRow& row_;
  Handle<VkDescriptorSetLayout> set_layout_;
  Handle<VkPipelineLayout> layout_;
  Handle<VkPipeline> pipeline_;
};

// Thread-safe. A pipeline is created on first use; references stay valid while the cache lives.
class PipelineCache {
 public:
  explicit PipelineCache(const Device& device) : device_(device) {}
  const Pipeline& get(const KernelRow& row, const std::vector<uint32_t>& constants);

 private:
  const Device& device_;
  std::mutex mutex_;
  std::map<std::pair<KernelId, std::vector<uint32_t>>, std::unique_ptr<Pipeline>> pipelines_;
};

}  // namespace etvk
