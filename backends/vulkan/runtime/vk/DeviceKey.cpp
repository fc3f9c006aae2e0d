#include "vk/DeviceKey.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

namespace etvk {

std::string device_key(const DeviceCaps& caps) {
  std::ostringstream key;
  key << std::hex << caps.vendor_id << ":" << caps.device_id << " " << caps.name << ", driver "
      << caps.driver_version << " " << caps.driver << " " << std::setfill('0');
  for (uint8_t byte : caps.pipeline_cache_uuid) {
    key << std::setw(2) << int{byte};
  }
  key << std::dec << ", subgroup " << caps.subgroup_size << (caps.dot4 ? " dot" : "")
      << (caps.int8_storage ? " int8_storage" : "") << (caps.subgroup_shuffle ? " shuffle" : "")
      << (caps.unchecked_buffers ? " unchecked" : "");
  for (const CoopmatShape& shape : caps.coopmat.listed) {
    key << " " << shape.m << "x" << shape.n << "x" << shape.k;
  }
  for (const CoopmatShape& shape : caps.half_coopmat.listed) {
    key << " half " << shape.m << "x" << shape.n << "x" << shape.k;
  }
  std::string line = key.str();
  std::replace_if(line.begin(), line.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return line;
}

}  // namespace etvk
