#include "vk/Pipeline.h"

#include <cstdio>
#include <sstream>
#include <unordered_set>

#include "ParallelFor.h"
#include "vk/Error.h"
#include "vk/PipelineFile.h"

namespace etvk {

namespace {

// Extends a VkComputePipelineCreateInfo; null: the driver's default.
const void* bounds_checks([[maybe_unused]] const DeviceCaps& caps) {
#ifdef VK_EXT_pipeline_robustness
  static const VkPipelineRobustnessCreateInfoEXT unchecked{
      VK_STRUCTURE_TYPE_PIPELINE_ROBUSTNESS_CREATE_INFO_EXT,     nullptr,
      VK_PIPELINE_ROBUSTNESS_BUFFER_BEHAVIOR_DISABLED_EXT,        // storage buffers
      VK_PIPELINE_ROBUSTNESS_BUFFER_BEHAVIOR_DEVICE_DEFAULT_EXT,  // uniform buffers
      VK_PIPELINE_ROBUSTNESS_BUFFER_BEHAVIOR_DEVICE_DEFAULT_EXT,  // vertex inputs
      VK_PIPELINE_ROBUSTNESS_IMAGE_BEHAVIOR_DEVICE_DEFAULT_EXT,
  };
  return caps.unchecked_buffers ? &unchecked : nullptr;
#else
  return nullptr;
#endif
}

// What one VkComputePipelineCreateInfo points at.
class CreateInfo {
 public:
  CreateInfo(const Device& device, const KernelRow& row, const std::vector<uint32_t>& constants,
             VkPipelineLayout layout)
      : layout_(layout), bounds_checks_(bounds_checks(device.caps())), entries_(constants.size()) {
    if (device.caps().subgroup_size_control) {
      subgroup_size_.requiredSubgroupSize = subgroup_size_of(row, device.caps());
    }
    const DeviceApi& api = device.api();
    VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
    module_info.codeSize = row.spirv_words * sizeof(uint32_t);
    module_info.pCode = row.spirv;
    VkShaderModule module = VK_NULL_HANDLE;
    check(api.vkCreateShaderModule(device.handle(), &module_info, nullptr, &module),
          "vkCreateShaderModule");
    module_ = device.own(module, api.vkDestroyShaderModule);
    for (uint32_t i = 0; i < entries_.size(); ++i) {
      entries_[i] = {i, static_cast<uint32_t>(i * sizeof(uint32_t)), sizeof(uint32_t)};
    }
    specialization_.mapEntryCount = static_cast<uint32_t>(entries_.size());
    specialization_.pMapEntries = entries_.data();
    specialization_.dataSize = constants.size() * sizeof(uint32_t);
    specialization_.pData = constants.data();
  }
  CreateInfo(const CreateInfo&) = delete;
  CreateInfo& operator=(const CreateInfo&) = delete;

  VkComputePipelineCreateInfo info() const {
    VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
    info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = module_.get();
    info.stage.pName = "main";
    info.stage.pSpecializationInfo = &specialization_;
    if (subgroup_size_.requiredSubgroupSize != 0) {
      info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
      info.stage.pNext = &subgroup_size_;
    }
    info.layout = layout_;
    info.pNext = bounds_checks_;
    return info;
  }

 private:
  VkPipelineLayout layout_;
  const void* bounds_checks_;
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup_size_{
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
  Handle<VkShaderModule> module_;
  std::vector<VkSpecializationMapEntry> entries_;
  VkSpecializationInfo specialization_{};
};

Handle<VkPipelineCache> create_driver_cache(const Device& device, const std::string& data) {
  VkPipelineCacheCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  info.initialDataSize = data.size();
  info.pInitialData = data.data();
  VkPipelineCache cache = VK_NULL_HANDLE;
  check(device.api().vkCreatePipelineCache(device.handle(), &info, nullptr, &cache),
        "vkCreatePipelineCache");
  return device.own(cache, device.api().vkDestroyPipelineCache);
}

}  // namespace

Pipeline::Pipeline(const Device& device, const KernelRow& row, std::vector<uint32_t> constants)
    : row_(row), constants_(std::move(constants)) {
  const DeviceApi& api = device.api();
  const VkDevice vk_device = device.handle();

  std::vector<VkDescriptorSetLayoutBinding> bindings(row.binding_count);
  for (uint32_t i = 0; i < row.binding_count; ++i) {
    bindings[i].binding = i;
    bindings[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    bindings[i].descriptorCount = 1;
    bindings[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
  }
  VkDescriptorSetLayoutCreateInfo set_info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
  set_info.bindingCount = row.binding_count;
  set_info.pBindings = bindings.data();
  VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
  check(api.vkCreateDescriptorSetLayout(vk_device, &set_info, nullptr, &set_layout),
        "vkCreateDescriptorSetLayout");
  set_layout_ = device.own(set_layout, api.vkDestroyDescriptorSetLayout);

  VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, row.push_constant_bytes};
  VkPipelineLayoutCreateInfo layout_info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout_info.setLayoutCount = 1;
  layout_info.pSetLayouts = &set_layout;
  layout_info.pushConstantRangeCount = row.push_constant_bytes > 0 ? 1 : 0;
  layout_info.pPushConstantRanges = &push;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  check(api.vkCreatePipelineLayout(vk_device, &layout_info, nullptr, &layout),
        "vkCreatePipelineLayout");
  layout_ = device.own(layout, api.vkDestroyPipelineLayout);
}

PipelineCache::PipelineCache(const Device& device, std::string path)
    : device_(device), path_(std::move(path)) {
  if (path_.empty()) {
    return;
  }
  std::string why;
  written_ = read_pipeline_file(path_, device.caps(), &why);
  if (!why.empty()) {
    std::fprintf(stderr, "executorch_vulkan: ETVK_PIPELINE_CACHE: ignoring %s: %s\n", path_.c_str(),
                 why.c_str());
  }
  driver_cache_ = create_driver_cache(device, written_);
}

const Pipeline& PipelineCache::get(const KernelRow& row, const std::vector<uint32_t>& constants) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto& slot = pipelines_[{row.id, constants}];
  if (slot == nullptr) {
    slot = std::make_unique<Pipeline>(device_, row, constants);
  }
  return *slot;
}

void PipelineCache::create(const std::vector<const Pipeline*>& wanted) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Pipeline*> missing;
  std::unordered_set<const Pipeline*> seen;
  for (const Pipeline* one : wanted) {
    Pipeline* own = pipelines_.at({one->row_.id, one->constants_}).get();
    if (!own->pipeline_ && seen.insert(own).second) {
      missing.push_back(own);
    }
  }
  if (missing.empty()) {
    return;
  }
  std::vector<std::unique_ptr<CreateInfo>> parts;
  std::vector<VkComputePipelineCreateInfo> infos;
  for (const Pipeline* one : missing) {
    parts.push_back(
        std::make_unique<CreateInfo>(device_, one->row_, one->constants_, one->layout()));
    infos.push_back(parts.back()->info());
  }
  // A driver compiles those of one call one after another.
  std::vector<VkPipeline> created(missing.size(), VK_NULL_HANDLE);
  std::vector<VkResult> results(missing.size(), VK_SUCCESS);
  parallel_for(missing.size(), [&](size_t i) {
    results[i] = device_.api().vkCreateComputePipelines(device_.handle(), driver_cache_.get(), 1,
                                                        &infos[i], nullptr, &created[i]);
  });
  VkResult result = VK_SUCCESS;
  std::ostringstream failed;
  for (size_t i = 0; i < missing.size(); ++i) {
    if (created[i] == VK_NULL_HANDLE) {
      result = results[i];
      failed << " " << missing[i]->row_.name;
      continue;
    }
    missing[i]->pipeline_ = device_.own(created[i], device_.api().vkDestroyPipeline);
  }
  if (failed.tellp() > 0) {
    const bool no_memory =
        result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
    std::ostringstream message;
    message << device_.caps().name << " could not create (VkResult " << static_cast<int>(result)
            << ") the pipelines" << failed.str();
    throw Error(no_memory ? ErrorCode::kOutOfMemory : ErrorCode::kInternal, message.str());
  }
  write_file();
}

// Best effort: a program that has its pipelines runs, whatever becomes of the file.
void PipelineCache::write_file() {
  if (!driver_cache_) {
    return;
  }
  const DeviceApi& api = device_.api();
  std::string why;
  size_t size = 0;
  VkResult result =
      api.vkGetPipelineCacheData(device_.handle(), driver_cache_.get(), &size, nullptr);
  std::string data(size, '\0');
  if (result == VK_SUCCESS) {
    result = api.vkGetPipelineCacheData(device_.handle(), driver_cache_.get(), &size, data.data());
  }
  data.resize(size);
  if (result != VK_SUCCESS) {
    why = "vkGetPipelineCacheData returned " + std::to_string(static_cast<int>(result));
  } else if (data.size() >= kDriverHeaderBytes && data != written_ &&
             write_pipeline_file(path_, data, &why)) {
    written_ = std::move(data);
  }
  if (!why.empty()) {
    std::fprintf(stderr, "executorch_vulkan: ETVK_PIPELINE_CACHE: %s was not written: %s\n",
                 path_.c_str(), why.c_str());
  }
}

}  // namespace etvk
