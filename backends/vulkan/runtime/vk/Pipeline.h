// Compute pipelines, built from rows of the kernel table and kept for the life of their device.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "graph/ops/KernelTable.h"
#include "vk/Device.h"

namespace etvk {

// A row with the values of its specialization constants (ids 0, 1, 2, ...), and the pipeline once
// PipelineCache::create() has made it.
class Pipeline {
 public:
  Pipeline(const Device& device, const KernelRow& row, std::vector<uint32_t> constants);

  const KernelRow& row() const { return row_; }
  const std::vector<uint32_t>& constants() const { return constants_; }
  VkPipeline handle() const { return pipeline_.get(); }  // null until created
  VkPipelineLayout layout() const { return layout_.get(); }
  VkDescriptorSetLayout set_layout() const { return set_layout_.get(); }

 private:
  friend class PipelineCache;

  const KernelRow& row_;
  std::vector<uint32_t> constants_;
  Handle<VkDescriptorSetLayout> set_layout_;
  Handle<VkPipelineLayout> layout_;
  Handle<VkPipeline> pipeline_;
};

// Thread-safe. References stay valid while the cache lives.
class PipelineCache {
 public:
  // With a `path`, what the driver has compiled is read from that file and written back to it; see
  // PipelineFile.h. Files that cannot be used or written are reported on stderr and do no harm.
  PipelineCache(const Device& device, std::string path);

  // Names a pipeline; compiles nothing.
  const Pipeline& get(const KernelRow& row, const std::vector<uint32_t>& constants);
  // Creates those of `wanted`, all from get(), that do not exist yet, by several threads.
  // Throws when some fail, naming them; the others are kept.
  void create(const std::vector<const Pipeline*>& wanted);

 private:
  void write_file();

  const Device& device_;
  const std::string path_;
  std::mutex mutex_;
  std::map<std::pair<KernelId, std::vector<uint32_t>>, std::unique_ptr<Pipeline>> pipelines_;
  Handle<VkPipelineCache> driver_cache_;  // only with a path
  std::string written_;                   // the driver's data in the file
};

}  // namespace etvk
