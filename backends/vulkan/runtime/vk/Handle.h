// Owns one Vulkan handle and the call that destroys it. As a class member it is released even when
// the rest of the constructor throws.
#pragma once

#include <functional>
#include <utility>

namespace etvk {

template <typename T>
class Handle {
 public:
  Handle() = default;
  Handle(T handle, std::function<void(T)> destroy)
      : handle_(handle), destroy_(std::move(destroy)) {}
  ~Handle() { reset(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  Handle(Handle&& other) noexcept { swap(other); }
  Handle& operator=(Handle&& other) noexcept {
    swap(other);
    return *this;
  }

  T get() const { return handle_; }
  explicit operator bool() const { return handle_ != T{}; }
  // Forgets it.
  T release() { return std::exchange(handle_, T{}); }
  void reset() {
    if (handle_ != T{}) {
      destroy_(std::exchange(handle_, T{}));
    }
  }

 private:
  void swap(Handle& other) {
    std::swap(handle_, other.handle_);
    std::swap(destroy_, other.destroy_);
  }

  T handle_{};
  std::function<void(T)> destroy_;
};

}  // namespace etvk
