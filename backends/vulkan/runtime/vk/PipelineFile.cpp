#include "vk/PipelineFile.h"

#include <cstdint>
#include <cstring>

#include "CacheFile.h"
#include "Fnv1a.h"

namespace etvk {

namespace {

constexpr const char* kMagic = "ETVKPC";  // of every version

struct FileHeader {
  char magic[8] = {'E', 'T', 'V', 'K', 'P', 'C', '0', '1'};
  uint64_t size_bytes = 0;
  uint64_t checksum = 0;  // FNV-1a of the driver's data
};

// VkPipelineCacheHeaderVersionOne, which all driver data starts with (host byte order).
struct DriverHeader {
  uint32_t header_bytes;
  uint32_t version;
  uint32_t vendor_id;
  uint32_t device_id;
  uint8_t uuid[16];
};
static_assert(sizeof(DriverHeader) == kDriverHeaderBytes, "as the specification lays it out");

FileHeader header_of(const std::string& data) {
  FileHeader header;
  header.size_bytes = data.size();
  header.checksum = fnv1a(data.data(), data.size());
  return header;
}

bool is_from(const DriverHeader& header, const DeviceCaps& caps) {
  return header.vendor_id == caps.vendor_id && header.device_id == caps.device_id &&
         std::memcmp(header.uuid, caps.pipeline_cache_uuid.data(), sizeof(header.uuid)) == 0;
}

}  // namespace

std::string read_pipeline_file(const std::string& path, const DeviceCaps& caps, std::string* why) {
  const std::string file = read_cache_file(path, why);
  if (file.empty()) {
    return "";
  }
  const std::string data = file.size() < sizeof(FileHeader) ? "" : file.substr(sizeof(FileHeader));
  const FileHeader expected = header_of(data);
  DriverHeader driver{};
  if (data.size() < sizeof(driver) || std::memcmp(file.data(), &expected, sizeof(expected)) != 0) {
    *why = "it is damaged or no pipeline cache";
    return "";
  }
  std::memcpy(&driver, data.data(), sizeof(driver));
  if (driver.header_bytes < sizeof(driver) || driver.version != 1 || !is_from(driver, caps)) {
    *why = "it is of another device or driver";
    return "";
  }
  return data;
}

bool write_pipeline_file(const std::string& path, const std::string& data, std::string* why) {
  const FileHeader header = header_of(data);
  std::string file(sizeof(header), '\0');
  std::memcpy(file.data(), &header, sizeof(header));
  file += data;
  return update_cache_file(path, kMagic, [&file](const std::string&) { return file; }, why);
}

}  // namespace etvk
