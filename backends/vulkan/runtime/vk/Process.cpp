#include "vk/Process.h"

#include <pthread.h>

#include <atomic>

#include "vk/Error.h"

namespace etvk {

namespace {

std::atomic<bool> has_entered{false};
std::atomic<bool> is_forked{false};

[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, [] { is_forked = is_forked || has_entered; });

}  // namespace

bool forked_from_vulkan() { return is_forked; }

void check_not_forked() {
  ETVK_CHECK(!is_forked, kDeviceUnavailable,
             "this process was forked from one that had used Vulkan, which does not live on in a "
             "child; start processes anew (in Python, multiprocessing's 'spawn'), or fork before "
             "the first program is loaded");
}

void enter_vulkan() {
  check_not_forked();
  has_entered = true;
}

}  // namespace etvk
