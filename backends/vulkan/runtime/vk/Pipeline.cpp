#include "vk/Pipeline.h"

#include "vk/Error.h"

namespace etvk {

Pipeline::Pipeline(const Device& device, const KernelRow& row,
                   const std::vector<uint32_t>& constants)
    : row_(row) {
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
  set_layout_ = {set_layout, [&device](VkDescriptorSetLayout l) {
                   device.api().vkDestroyDescriptorSetLayout(device.handle(), l, nullptr);
                 }};

  VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, row.push_constant_bytes};
  VkPipelineLayoutCreateInfo layout_info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout_info.setLayoutCount = 1;
  layout_info.pSetLayouts = &set_layout;
  layout_info.pushConstantRangeCount = row.push_constant_bytes > 0 ? 1 : 0;
  layout_info.pPushConstantRanges = &push;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  check(api.vkCreatePipelineLayout(vk_device, &layout_info, nullptr, &layout),
        "vkCreatePipelineLayout");
  layout_ = {layout, [&device](VkPipelineLayout l) {
               device.api().vkDestroyPipelineLayout(device.handle(), l, nullptr);
             }};

  VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  module_info.codeSize = row.spirv_words * sizeof(uint32_t);
  module_info.pCode = row.spirv;
  VkShaderModule raw_module = VK_NULL_HANDLE;
  check(api.vkCreateShaderModule(vk_device, &module_info, nullptr, &raw_module),
        "vkCreateShaderModule");
  const Handle<VkShaderModule> module(raw_module, [&device](VkShaderModule m) {
    device.api().vkDestroyShaderModule(device.handle(), m, nullptr);
  });

  std::vector<VkSpecializationMapEntry> entries(constants.size());
  for (uint32_t i = 0; i < entries.size(); ++i) {
    entries[i] = {i, static_cast<uint32_t>(i * sizeof(uint32_t)), sizeof(uint32_t)};
  }
  VkSpecializationInfo specialization{};
  specialization.mapEntryCount = static_cast<uint32_t>(entries.size());
  specialization.pMapEntries = entries.data();
  specialization.dataSize = constants.size() * sizeof(uint32_t);
  specialization.pData = constants.data();

  VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = raw_module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  info.layout = layout;
  VkPipeline pipeline = VK_NULL_HANDLE;
  const VkResult result =
      api.vkCreateComputePipelines(vk_device, VK_NULL_HANDLE, 1, &info, nullptr, &pipeline);
  ETVK_CHECK(result == VK_SUCCESS, kInternal,
             device.caps().name << " could not create the pipeline " << row.name << " (VkResult "
                                << static_cast<int>(result) << ")");
  pipeline_ = {pipeline, [&device](VkPipeline p) {
                 device.api().vkDestroyPipeline(device.handle(), p, nullptr);
               }};
}

const Pipeline& PipelineCache::get(const KernelRow& row, const std::vector<uint32_t>& constants) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto& slot = pipelines_[{row.id, constants}];
  if (slot == nullptr) {
    slot = std::make_unique<Pipeline>(device_, row, constants);
  }
  return *slot;
}

}  // namespace etvk
