// What a device is to files that remember something of it.
#pragma once

#include <string>

#include "vk/DeviceCaps.h"

namespace etvk {

// One line that changes with the device, its driver, and what ETVK_DISABLE left of it.
std::string device_key(const DeviceCaps& caps);

}  // namespace etvk
