// A library that registers a VulkanBackend of its own, as an ExecuTorch does that was built with
// Vulkan switched on. It runs nothing.
#include <executorch/runtime/backend/interface.h>
#include <executorch/runtime/platform/log.h>

namespace {

namespace er = ::executorch::runtime;

class OtherBackend final : public er::BackendInterface {
 public:
  bool is_available() const override { return true; }

  er::Result<er::DelegateHandle*> init(er::BackendInitContext&, er::FreeableBuffer*,
                                       er::ArrayRef<er::CompileSpec>) const override {
    ET_LOG(Error, "the other VulkanBackend was asked");
    return er::Error::NotImplemented;
  }

  er::Error execute(er::BackendExecutionContext&, er::DelegateHandle*,
                    er::Span<er::EValue*>) const override {
    return er::Error::NotImplemented;
  }
};

OtherBackend backend;
[[maybe_unused]] const er::Error registered = er::register_backend({"VulkanBackend", &backend});

}  // namespace
