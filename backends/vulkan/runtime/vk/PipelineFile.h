// The file of ETVK_PIPELINE_CACHE: what one device's driver has compiled, behind a header of ours
// with a checksum, since drivers trust what they are given.
#pragma once

#include <cstddef>
#include <string>

#include "vk/DeviceCaps.h"

namespace etvk {

// Every driver's data starts with as many bytes that say whose it is; less is nothing to keep
// (lavapipe of Mesa 26.2 gives 20 bytes).
constexpr size_t kDriverHeaderBytes = 32;

// The driver's data; empty if there is no file, or with `why` set if the file is damaged, belongs
// to another device or driver, or is not to be trusted (see CacheFile.h).
std::string read_pipeline_file(const std::string& path, const DeviceCaps& caps, std::string* why);

// False with `why` set if the file cannot be written or something else lies there.
bool write_pipeline_file(const std::string& path, const std::string& data, std::string* why);

}  // namespace etvk
