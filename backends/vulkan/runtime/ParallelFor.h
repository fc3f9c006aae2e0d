// Work that is divided between threads of the host.
#pragma once

#include <cstddef>
#include <functional>

namespace etvk {

// Calls work(0) to work(count - 1) once each, in any order, by up to eight threads of which this is
// one, and returns when all have ended. `work` must not throw. Where no thread is to be had, this
// one does all.
void parallel_for(size_t count, const std::function<void(size_t)>& work);

}  // namespace etvk
