// fork(): a child has none of the driver's threads, and its locks as they were. SwiftShader then
// waits for ever when a device is made; Mesa (22.3 and 26.2) runs programs, but does not end the
// process, because it joins threads by ids that the child's own threads have taken over. So a
// process that was forked from one that had entered Vulkan stays out of it.
#pragma once

namespace etvk {

// Called before anything that may enter Vulkan, or wait for who has. Throws kDeviceUnavailable
// where forked_from_vulkan().
void enter_vulkan();

// Whether this process was forked, directly or not, from one that had entered Vulkan.
bool forked_from_vulkan();

// Throws kDeviceUnavailable where forked_from_vulkan().
void check_not_forked();

}  // namespace etvk
