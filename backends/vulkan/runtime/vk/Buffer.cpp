#include "vk/Buffer.h"

#include "vk/Error.h"

namespace etvk {

Buffer::Buffer(const Device& device, uint64_t size_bytes, MemoryUse use)
    : device_(&device), size_bytes_(size_bytes) {
  const DeviceApi& api = device.api();
  ETVK_CHECK(size_bytes <= device.max_allocation_bytes(), kOutOfMemory,
             "a buffer of " << size_bytes << " bytes is over the " << device.max_allocation_bytes()
                            << " bytes that " << device.caps().name << " can allocate at once");
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = size_bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  VkBuffer buffer = VK_NULL_HANDLE;
  check(api.vkCreateBuffer(device.handle(), &info, nullptr, &buffer), "vkCreateBuffer");
  buffer_ = device.own(buffer, api.vkDestroyBuffer);

  VkMemoryRequirements needs{};
  api.vkGetBufferMemoryRequirements(device.handle(), buffer, &needs);
  VkMemoryAllocateInfo allocation{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  allocation.allocationSize = needs.size;
  allocation.memoryTypeIndex = device.memory_type(needs.memoryTypeBits, use);
  VkDeviceMemory memory = VK_NULL_HANDLE;
  const VkResult result = api.vkAllocateMemory(device.handle(), &allocation, nullptr, &memory);
  ETVK_CHECK(result == VK_SUCCESS, kOutOfMemory,
             device.caps().name << " could not allocate " << needs.size << " bytes (VkResult "
                                << static_cast<int>(result) << ")");
  device.memory_in_use().size_bytes += needs.size;
  ++device.memory_in_use().buffers;
  memory_ = {memory, [&device, size = needs.size](VkDeviceMemory m) {
               device.when_settled([&device, size, m] {
                 device.api().vkFreeMemory(device.handle(), m, nullptr);
                 device.memory_in_use().size_bytes -= size;
                 --device.memory_in_use().buffers;
               });
             }};
  check(api.vkBindBufferMemory(device.handle(), buffer, memory, 0), "vkBindBufferMemory");

  const VkMemoryPropertyFlags flags = device.memory_flags(allocation.memoryTypeIndex);
  coherent_ = (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
  if (use != MemoryUse::kDevice) {
    void* pointer = nullptr;  // unmapped when the memory is freed
    check(api.vkMapMemory(device.handle(), memory, 0, VK_WHOLE_SIZE, 0, &pointer), "vkMapMemory");
    mapped_ = static_cast<uint8_t*>(pointer);
  }
}

VkMappedMemoryRange Buffer::whole() const {
  VkMappedMemoryRange range{VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE};
  range.memory = memory_.get();
  range.size = VK_WHOLE_SIZE;
  return range;
}

void Buffer::flush() const {
  if (mapped_ != nullptr && !coherent_) {
    const VkMappedMemoryRange range = whole();
    check(device_->api().vkFlushMappedMemoryRanges(device_->handle(), 1, &range),
          "vkFlushMappedMemoryRanges");
  }
}

void Buffer::invalidate() const {
  if (mapped_ != nullptr && !coherent_) {
    const VkMappedMemoryRange range = whole();
    check(device_->api().vkInvalidateMappedMemoryRanges(device_->handle(), 1, &range),
          "vkInvalidateMappedMemoryRanges");
  }
}

}  // namespace etvk
