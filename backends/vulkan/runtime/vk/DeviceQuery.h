// Which devices there are, what they can do, and which one to use.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "vk/DeviceCaps.h"
#include "vk/Instance.h"

namespace etvk {

// Queries every physical device of `instance`, in driver order. Fills all of DeviceCaps, without
// what Quirks.h has of the device.
std::vector<DeviceCaps> query_devices(const Instance& instance);

// Without the features that `disabled` names (ETVK_DISABLE: words by comma, README.md has them).
// Throws kInvalidArgument for another word, with the list of those there are.
DeviceCaps without_disabled(DeviceCaps caps, const std::string& disabled);

// Which of `devices` to use: `choice` is an index or part of a name (ETVK_DEVICE); empty takes the
// first discrete, integrated, virtual, then CPU device. Throws kDeviceUnavailable with the list of
// what is there.
size_t choose_device(const std::vector<DeviceCaps>& devices, const std::string& choice);

}  // namespace etvk
