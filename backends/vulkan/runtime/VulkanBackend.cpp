// ExecuTorch's BackendInterface for Vulkan, registered as "VulkanBackend" when this library is
// loaded. The only place that turns the runtime's exceptions into executorch Errors.
#include <dlfcn.h>
#include <executorch/runtime/backend/interface.h>
#include <executorch/runtime/core/exec_aten/util/tensor_util.h>
#include <executorch/runtime/platform/log.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <vector>

#include "Events.h"
#include "NarrowIntegers.h"
#include "ParallelCopy.h"
#include "graph/Blob.h"
#include "graph/ComputeGraph.h"
#include "vk/Context.h"
#include "vk/Error.h"
#include "vk/Process.h"

namespace {

namespace er = ::executorch::runtime;
using executorch::aten::ScalarType;
using executorch::aten::Tensor;

er::Error to_executorch(etvk::ErrorCode code) {
  switch (code) {
    case etvk::ErrorCode::kInvalidProgram:
      return er::Error::InvalidProgram;
    case etvk::ErrorCode::kInvalidArgument:
      return er::Error::InvalidArgument;
    case etvk::ErrorCode::kNotSupported:
      return er::Error::NotSupported;
    case etvk::ErrorCode::kOutOfMemory:
      return er::Error::MemoryAllocationFailed;
    case etvk::ErrorCode::kDeviceUnavailable:
      return er::Error::NotFound;
    case etvk::ErrorCode::kInternal:
      return er::Error::Internal;
  }
  return er::Error::Internal;
}

// A damaged program can put any bytes into a message; log sinks (Python's among them) may end the
// process on text that is not UTF-8.
void log_error(const char* what, const char* message) {
  constexpr size_t kMaxLength = 1000;
  std::string text(message, strnlen(message, kMaxLength));
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
  ET_LOG(Error, "VulkanBackend %s: %s", what, text.c_str());
}

// Runs `body`; an exception is logged and becomes an Error.
template <typename Body>
er::Error guarded(const char* what, Body&& body) {
  try {
    body();
    return er::Error::Ok;
  } catch (const etvk::Error& error) {
    log_error(what, error.what());
    return to_executorch(error.code());
  } catch (const std::bad_alloc&) {
    log_error(what, "out of host memory");
    return er::Error::MemoryAllocationFailed;
  } catch (const std::exception& error) {
    log_error(what, error.what());
    return er::Error::Internal;
  }
}

ScalarType scalar_type(etvk::DType dtype) {
  switch (dtype) {
    case etvk::DType::kBool:
      return ScalarType::Bool;
    case etvk::DType::kUint8:
      return ScalarType::Byte;
    case etvk::DType::kInt8:
      return ScalarType::Char;
    case etvk::DType::kInt32:
      return ScalarType::Int;
    case etvk::DType::kFloat16:
      return ScalarType::Half;
    case etvk::DType::kFloat32:
      return ScalarType::Float;
    case etvk::DType::kFloat64:
      return ScalarType::Double;
    case etvk::DType::kInt64:
      return ScalarType::Long;
  }
  return ScalarType::Undefined;
}

// int64 of the method, which a blob has as int32.
bool is_narrowed(const Tensor& tensor, etvk::DType dtype) {
  return dtype == etvk::DType::kInt32 && tensor.scalar_type() == ScalarType::Long;
}

// The dimensions from the outermost to the innermost in memory, which must be so in the program:
// `declared`, or where that is empty row-major.
std::vector<size_t> checked_dim_order(const char* what, size_t index, const Tensor& tensor,
                                      const std::vector<size_t>& declared) {
  std::vector<size_t> order(tensor.dim_order().begin(), tensor.dim_order().end());
  std::vector<size_t> wanted = declared;
  if (declared.empty()) {
    wanted.resize(order.size());
    std::iota(wanted.begin(), wanted.end(), size_t{0});
  }
  const auto text = [](const std::vector<size_t>& dims) {
    return etvk::shape_text({dims.begin(), dims.end()});
  };
  ETVK_CHECK(order == wanted, kInvalidArgument,
             what << " " << index << " must have the dim order " << text(wanted)
                  << (declared.empty() ? " (contiguous, row-major)" : "") << ", got "
                  << text(order));
  return order;
}

void check_tensor(const char* what, size_t index, const Tensor& tensor, etvk::DType dtype) {
  ETVK_CHECK(tensor.scalar_type() == scalar_type(dtype) || is_narrowed(tensor, dtype),
             kInvalidArgument,
             what << " " << index << " must be " << etvk::dtype_name(dtype) << ", got scalar type "
                  << static_cast<int>(tensor.scalar_type()));
}

void copy_in(etvk::ComputeGraph& graph, size_t index, const er::EValue& value) {
  if (!graph.input_is_tensor(index)) {
    ETVK_CHECK(value.isInt(), kInvalidArgument, "input " << index << " must be an integer");
    graph.set_input_symint(index, value.toInt());
    return;
  }
  ETVK_CHECK(value.isTensor(), kInvalidArgument, "input " << index << " must be a tensor");
  const Tensor& tensor = value.toTensor();
  check_tensor("input", index, tensor, graph.input_dtype(index));
  std::vector<int64_t> sizes;
  for (size_t dim : checked_dim_order("input", index, tensor, graph.input_dim_order(index))) {
    sizes.push_back(tensor.sizes()[dim]);
  }
  graph.set_input_sizes(index, sizes);
  if (tensor.nbytes() > 0) {
    ETVK_CHECK(tensor.const_data_ptr() != nullptr, kInvalidArgument,
               "input " << index << " has no data: set it before each execution");
    uint8_t* to = graph.input_data(index);
    if (is_narrowed(tensor, graph.input_dtype(index))) {
      etvk::narrow_integers(reinterpret_cast<int32_t*>(to), tensor.const_data_ptr<int64_t>(),
                            static_cast<size_t>(tensor.numel()), index);
    } else {
      etvk::parallel_copy(to, tensor.const_data_ptr(), tensor.nbytes());
    }
  }
}

// Gives the output its size; throws where it can't take what the program gives.
void prepare_out(etvk::ComputeGraph& graph, size_t index, er::EValue& value) {
  if (!graph.output_is_tensor(index)) {
    return;
  }
  ETVK_CHECK(value.isTensor(), kInvalidArgument, "output " << index << " must be a tensor");
  Tensor& tensor = value.toTensor();
  check_tensor("output", index, tensor, graph.output_dtype(index));
  const auto& sizes = graph.output_sizes(index);
  const std::vector<size_t> order =
      checked_dim_order("output", index, tensor, graph.output_dim_order(index));
  ETVK_CHECK(order.size() == sizes.size(), kInvalidArgument,
             "output " << index << " cannot take the program's shape of rank " << sizes.size());
  std::vector<executorch::aten::SizesType> new_sizes(sizes.size());
  for (size_t i = 0; i < order.size(); ++i) {
    new_sizes[order[i]] = static_cast<executorch::aten::SizesType>(sizes[i]);
  }
  const er::Error resized = er::resize_tensor(tensor, {new_sizes.data(), new_sizes.size()});
  ETVK_CHECK(resized == er::Error::Ok, kInvalidArgument,
             "output " << index << " cannot take the program's shape of rank " << sizes.size());
  ETVK_CHECK(tensor.nbytes() == 0 || tensor.const_data_ptr() != nullptr, kInvalidArgument,
             "output " << index
                       << " has no data: the program was lowered without memory for its outputs "
                          "(alloc_graph_output=False), so give it some with "
                          "set_output_data_ptr() before each execution");
}

void copy_out(etvk::ComputeGraph& graph, size_t index, er::EValue& value) {
  if (!graph.output_is_tensor(index)) {
    value = er::EValue(graph.output_symint(index));
    return;
  }
  Tensor& tensor = value.toTensor();
  if (tensor.nbytes() == 0) {
    return;
  }
  const uint8_t* from = graph.output_data(index);
  if (is_narrowed(tensor, graph.output_dtype(index))) {
    etvk::widen_integers(tensor.mutable_data_ptr<int64_t>(), reinterpret_cast<const int32_t*>(from),
                         static_cast<size_t>(tensor.numel()));
  } else {
    etvk::parallel_copy(tensor.mutable_data_ptr(), from, tensor.nbytes());
  }
}

void execute_graph(etvk::ComputeGraph& graph, er::Span<er::EValue*> args, er::EventTracer* tracer) {
  ETVK_CHECK(args.size() == graph.input_count() + graph.output_count(), kInvalidArgument,
             "expected " << graph.input_count() << " inputs and " << graph.output_count()
                         << " outputs, got " << args.size() << " values");
  etvk::Events events(tracer);
  events.start();
  for (size_t i = 0; i < graph.input_count(); ++i) {
    copy_in(graph, i, *args[i]);
  }
  events.step("copy in");
  // Before anything runs, for that may change state.
  const bool timed_ops = events.wanted() && !graph.is_timed() && graph.caps().has_timestamps();
  graph.prepare(timed_ops);
  for (size_t i = 0; i < graph.output_count(); ++i) {
    prepare_out(graph, i, *args[graph.input_count() + i]);
  }
  graph.run(timed_ops);
  events.run(graph);
  for (size_t i = 0; i < graph.output_count(); ++i) {
    copy_out(graph, i, *args[graph.input_count() + i]);
  }
  events.step("copy out");
}

struct Program {
  Program(std::shared_ptr<etvk::Context> device, etvk::GraphDef def, bool timed)
      : context(std::move(device)), graph(*context, std::move(def), timed) {}

  std::shared_ptr<etvk::Context> context;  // outlives the graph
  etvk::ComputeGraph graph;
};

// Says which constant is missing, where it is kept and what to do. One of a data file is called
// FILE.ptd/KEY (external_constants.py).
std::string describe_missing(const std::string& name, er::ArrayRef<er::CompileSpec> specs) {
  const size_t slash = name.rfind('/');
  const bool in_shards = std::any_of(specs.begin(), specs.end(), [](const er::CompileSpec& spec) {
    return std::strcmp(spec.key, "external_constants_max_data_bytes") == 0;
  });
  if (slash == std::string::npos && !in_shards) {
    return "constant '" + name + "' is not in the program's named data";
  }
  // The stock preprocessing names shards when all of its constants have their names.
  const bool is_named = slash != std::string::npos;
  const std::string file = is_named ? name.substr(0, slash) : "a file vulkan_constants_*.ptd";
  const std::string key = is_named ? name.substr(slash + 1) : name;
  return "constant '" + key + "' is kept in " + file + ", and the program was loaded without " +
         "it; pass that file when loading (Python: load_program(..., data_path=), C++: " +
         "Module(program, data files), etvk_run: --data)";
}

class VulkanBackend final : public er::BackendInterface {
 public:
  // Always: without a device, init gives an error that says what to install.
  bool is_available() const override { return true; }

  er::Result<er::DelegateHandle*> init(er::BackendInitContext& context,
                                       er::FreeableBuffer* processed,
                                       er::ArrayRef<er::CompileSpec> specs) const override {
    std::unique_ptr<Program> program;
    const er::Error error = guarded("init", [&] {
      // Constants outside the blob stay loaded until they are on the device, each name once.
      std::map<std::string, er::FreeableBuffer> loaded;
      const auto named_data = [&](const std::string& name) -> etvk::ConstantDef {
        const er::NamedDataMap* map = context.get_named_data_map();
        ETVK_CHECK(map != nullptr, kInvalidProgram, describe_missing(name, specs));
        auto found = loaded.find(name);
        if (found == loaded.end()) {
          er::Result<er::FreeableBuffer> data = map->get_data(name);
          ETVK_CHECK(data.ok(), kInvalidProgram, describe_missing(name, specs));
          found = loaded.emplace(name, std::move(data.get())).first;
        }
        return {static_cast<const uint8_t*>(found->second.data()), found->second.size()};
      };
      etvk::Events events(context.event_tracer());
      events.start();
      const auto device = etvk::context_from_environment();
      events.step("load: device");
      etvk::GraphDef def = etvk::read_blob(static_cast<const uint8_t*>(processed->data()),
                                           processed->size(), named_data);
      events.step("load: read");
      const bool timed = events.wants_ops_together() && device->device.caps().has_timestamps();
      program = std::make_unique<Program>(device, std::move(def), timed);
      events.load(program->graph);
    });
    processed->Free();
    if (error != er::Error::Ok) {
      return error;
    }
    return program.release();
  }

  er::Error execute(er::BackendExecutionContext& context, er::DelegateHandle* handle,
                    er::Span<er::EValue*> args) const override {
    return guarded("execute", [&] {
      auto& program = *static_cast<Program*>(handle);
      // First: at fork() a thread of the parent may have held the lock.
      program.context->device.check_usable();
      std::lock_guard<std::mutex> lock(program.graph.lock());
      execute_graph(program.graph, args, context.event_tracer());
    });
  }

  void destroy(er::DelegateHandle* handle) const override {
    // A forked child leaves it alone: a thread of the parent may have been in the middle of it.
    if (!etvk::forked_from_vulkan()) {
      delete static_cast<Program*>(handle);
    }
  }
};

// Who came first stays registered: another copy of this library, or an ExecuTorch that was built
// with its own Vulkan runtime.
er::Error register_vulkan_backend() {
  if (er::get_backend_class("VulkanBackend") != nullptr) {
    return er::Error::Ok;
  }
  static VulkanBackend backend;
  return er::register_backend({"VulkanBackend", &backend});
}

[[maybe_unused]] const er::Error registered = register_vulkan_backend();

}  // namespace

// Writes the path of the library whose VulkanBackend this process uses; as the functions in
// CApi.cpp.
extern "C" __attribute__((visibility("default"))) size_t etvk_registered_by(char* buffer,
                                                                            size_t size) {
  const er::BackendInterface* backend = er::get_backend_class("VulkanBackend");
  Dl_info library{};
  // Its table of virtual functions is the one part of a foreign object that surely lies in the
  // library that made it.
  if (backend == nullptr || dladdr(*reinterpret_cast<void* const*>(backend), &library) == 0) {
    std::fprintf(stderr, "executorch_vulkan: no VulkanBackend is registered\n");
    return 0;
  }
  return static_cast<size_t>(std::snprintf(buffer, size, "%s", library.dli_fname)) + 1;
}
