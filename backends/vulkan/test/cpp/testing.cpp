// C functions for the op tests in Python (linear_fixture.py), called through ctypes: one op on one
// input, on the device that the environment names. No exception leaves this library; a function
// that fails returns a code other than 0, and etvk_test_error says why.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "LinearCase.h"
#include "OrderOps.h"
#include "graph/Blob.h"
#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/KernelTable.h"
#include "vk/Context.h"
#include "vk/Error.h"

#define ETVK_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using etvk::ComputeGraph;
using etvk::Context;
using etvk::DType;
using etvk::GraphDef;
using etvk::TensorDef;
using etvk::ValueId;
using etvk::testing::LinearCase;

constexpr uint8_t kPattern = 0xa5;

std::string& last_error() {
  static thread_local std::string message;
  return message;
}

template <typename Body>
int guarded(Body&& body) {
  try {
    body();
    return 0;
  } catch (const std::exception& error) {
    last_error() = error.what();
    return 1;
  }
}

Context& context() { return *etvk::context_from_environment(); }  // which keeps it

// ---- Guard band: what lies behind y in its last 16-byte group, where the host can see it.

uint8_t* mapped(ComputeGraph& graph, ValueId id) {
  const etvk::BufferRange range = graph.range(id);
  uint8_t* memory = range.buffer->mapped();
  return memory == nullptr ? nullptr : memory + range.offset_bytes;
}

// All of y, so that elements that no one writes are noticed too.
void fill_output(ComputeGraph& graph, ValueId y) {
  if (uint8_t* memory = mapped(graph, y)) {
    std::memset(memory, kPattern, graph.range(y).size_bytes);
  }
}

// How many bytes behind `size_bytes` have changed; -1: the host cannot see them.
int32_t changed_guard_bytes(ComputeGraph& graph, ValueId y, size_t size_bytes) {
  const uint8_t* memory = mapped(graph, y);
  if (memory == nullptr) {
    return -1;
  }
  int32_t changed = 0;
  for (size_t i = size_bytes; i < graph.range(y).size_bytes; ++i) {
    changed += memory[i] == kPattern ? 0 : 1;
  }
  return changed;
}

// Runs a program with one input and one output.
int32_t run(ComputeGraph& graph, ValueId y, const void* x, size_t x_bytes, void* out,
            size_t out_bytes) {
  fill_output(graph, y);
  std::memcpy(graph.input_data(0), x, x_bytes);
  graph.run();
  std::memcpy(out, graph.output_data(0), out_bytes);
  return changed_guard_bytes(graph, y, out_bytes);
}

// ---- Elementwise ops.

// One op from `x_dtype` to `y_dtype` over `count` elements; `arguments` follow the input.
void run_elementwise(const std::string& op, std::vector<etvk::ValueDef> arguments, DType x_dtype,
                     DType y_dtype, const void* x, int64_t count, void* y, int32_t* guard) {
  GraphDef def;
  def.values = {TensorDef{x_dtype, {count}, -1}};
  etvk::OpCall call{op, {0}};
  const auto add = [&](etvk::ValueDef value) {
    def.values.push_back(std::move(value));
    call.args.push_back(static_cast<ValueId>(def.values.size() - 1));
  };
  for (etvk::ValueDef& argument : arguments) {
    add(std::move(argument));
  }
  add(TensorDef{y_dtype, {count}, -1});
  const ValueId output = call.args.back();
  def.chain = {call};
  def.inputs = {0};
  def.outputs = {output};
  ComputeGraph graph(context(), std::move(def));
  const auto elements = static_cast<size_t>(count);
  *guard = run(graph, output, x, elements * etvk::dtype_bytes(x_dtype), y,
               elements * etvk::dtype_bytes(y_dtype));
}

// ---- Any ops.

}  // namespace

// One value of a program; mirrored by ctypes in op_fixture.py, field by field.
struct EtvkTestValue {
  enum Kind : int32_t {
    kNull,
    kInt,
    kDouble,
    kBool,
    kString,
    kIntList,
    kValueList,
    kSymInt,
    kInput,
    kConstant,
    kResult,  // of a call
    kOutput,  // the same, which is an output of the program
    kDoubleList
  };
  int32_t kind;
  int32_t dtype;         // of a tensor: etvk::DType
  int64_t integer;       // kInt, kBool, kSymInt
  double number;         // kDouble
  const char* text;      // kString
  const int64_t* items;  // elements of a list (of a kValueList: value ids), or a tensor's bounds
  int64_t* sizes;        // of a kInput: its sizes in this run; of a kOutput: they are written here
  int64_t item_count;
  void*
      data;  // of a kInput or kConstant; of a kDoubleList; of a kOutput: its bytes are written here
};

// A call of an op; mirrored like EtvkTestValue.
struct EtvkTestCall {
  const char* op;
  const int32_t* args;  // indices of values, the output last
  int64_t arg_count;
};

namespace {

int64_t product(const int64_t* sizes, int64_t count) {
  int64_t result = 1;
  for (int64_t i = 0; i < count; ++i) {
    result *= sizes[i];
  }
  return result;
}

// Adds the value to the program; `def.values` has one entry for each test value.
void add_test_value(GraphDef& def, const EtvkTestValue& value) {
  const auto id = static_cast<ValueId>(def.values.size());
  const std::vector<int64_t> items(value.items, value.items + value.item_count);
  const auto dtype = static_cast<DType>(value.dtype);
  switch (value.kind) {
    case EtvkTestValue::kInt:
      def.values.emplace_back(value.integer);
      return;
    case EtvkTestValue::kDouble:
      def.values.emplace_back(value.number);
      return;
    case EtvkTestValue::kBool:
      def.values.emplace_back(value.integer != 0);
      return;
    case EtvkTestValue::kString:
      def.values.emplace_back(std::string(value.text));
      return;
    case EtvkTestValue::kIntList:
      def.values.emplace_back(items);
      return;
    case EtvkTestValue::kDoubleList: {
      const auto* numbers = static_cast<const double*>(value.data);
      def.values.emplace_back(std::vector<double>(numbers, numbers + value.item_count));
      return;
    }
    case EtvkTestValue::kValueList:
      def.values.emplace_back(etvk::ValueList{{items.begin(), items.end()}});
      return;
    case EtvkTestValue::kSymInt:
      def.values.emplace_back(etvk::SymInt{});
      def.inputs.push_back(id);
      return;
    case EtvkTestValue::kInput:
      def.values.emplace_back(TensorDef{dtype, items, -1});
      def.inputs.push_back(id);
      return;
    case EtvkTestValue::kConstant:
      def.constants.push_back(
          {static_cast<const uint8_t*>(value.data),
           static_cast<size_t>(product(value.items, value.item_count)) * etvk::dtype_bytes(dtype)});
      def.values.emplace_back(
          TensorDef{dtype, items, static_cast<int32_t>(def.constants.size() - 1)});
      return;
    case EtvkTestValue::kResult:
    case EtvkTestValue::kOutput:
      def.values.emplace_back(TensorDef{dtype, items, -1});
      if (value.kind == EtvkTestValue::kOutput) {
        def.outputs.push_back(id);
      }
      return;
    default:
      def.values.emplace_back(etvk::Null{});
  }
}

void set_test_inputs(ComputeGraph& graph, const std::vector<const EtvkTestValue*>& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]->kind == EtvkTestValue::kSymInt) {
      graph.set_input_symint(i, inputs[i]->integer);
    } else {
      graph.set_input_sizes(i, {inputs[i]->sizes, inputs[i]->sizes + inputs[i]->item_count});
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]->kind == EtvkTestValue::kInput) {
      std::memcpy(graph.input_data(i), inputs[i]->data,
                  static_cast<size_t>(product(inputs[i]->sizes, inputs[i]->item_count)) *
                      etvk::dtype_bytes(graph.input_dtype(i)));
    }
  }
}

size_t output_bytes(ComputeGraph& graph, size_t index) {
  const std::vector<int64_t>& sizes = graph.output_sizes(index);
  return static_cast<size_t>(product(sizes.data(), static_cast<int64_t>(sizes.size()))) *
         etvk::dtype_bytes(graph.output_dtype(index));
}

void get_test_outputs(ComputeGraph& graph, const std::vector<const EtvkTestValue*>& outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::vector<int64_t>& sizes = graph.output_sizes(i);
    std::copy(sizes.begin(), sizes.end(), outputs[i]->sizes);
    std::memcpy(outputs[i]->data, graph.output_data(i), output_bytes(graph, i));
  }
}

// Bytes of y's own memory, for its largest sizes.
size_t bound_bytes(const ComputeGraph& graph, ValueId y) {
  const auto& dims = graph.dims(y);
  const int64_t count = product(dims.data(), static_cast<int64_t>(dims.size()));
  return (static_cast<size_t>(count) * etvk::dtype_bytes(graph.dtype(y)) + 15) / 16 * 16;
}

// Whether y is where one of these tensors was: an input that was copied to another order, or what
// the op has made on the way, is dead when y is written.
bool shares_memory(const ComputeGraph& graph, ValueId y, const std::vector<ValueId>& others) {
  const etvk::BufferRange own = graph.range(y);
  return std::any_of(others.begin(), others.end(), [&](ValueId id) {
    if (!graph.is_tensor(id)) {
      return false;
    }
    const etvk::BufferRange other = graph.range(id);
    return other.buffer == own.buffer &&
           other.offset_bytes < own.offset_bytes + bound_bytes(graph, y) &&
           own.offset_bytes < other.offset_bytes + bound_bytes(graph, id);
  });
}

// Of a program of one op and `value_count` values: runs it, y filled with a pattern before. Returns
// how many bytes behind y have changed; -1 where that cannot be seen.
int32_t run_guarded(ComputeGraph& graph, ValueId y, std::vector<ValueId> ids,
                    const std::vector<const EtvkTestValue*>& inputs, int64_t value_count) {
  for (auto id = static_cast<size_t>(value_count); id < graph.values().count(); ++id) {
    ids.push_back(static_cast<ValueId>(id));
  }
  const bool is_own = !shares_memory(graph, y, ids);
  uint8_t* memory = is_own ? mapped(graph, y) : nullptr;
  const size_t bound = bound_bytes(graph, y);
  if (memory != nullptr) {
    std::memset(memory, kPattern, bound);
  }
  set_test_inputs(graph, inputs);
  graph.run();
  if (memory == nullptr) {
    return -1;
  }
  return static_cast<int32_t>(std::count_if(memory + output_bytes(graph, 0), memory + bound,
                                            [](uint8_t b) { return b != kPattern; }));
}

// ---- Blobs.

template <typename T>
std::string list_text(const std::vector<T>& items) {
  std::ostringstream text;
  for (const T& item : items) {
    text << " " << item;
  }
  return text.str();
}

// One line: the type and what it holds.
struct DescribeValue {
  std::string operator()(const etvk::Null&) const { return "null"; }
  std::string operator()(int64_t value) const { return "int " + std::to_string(value); }
  std::string operator()(double value) const { return "double" + list_text<double>({value}); }
  std::string operator()(bool value) const { return value ? "bool true" : "bool false"; }
  std::string operator()(const std::string& value) const { return "string " + value; }
  std::string operator()(const etvk::SymInt&) const { return "symint"; }
  std::string operator()(const std::vector<int64_t>& items) const {
    return "ints" + list_text(items);
  }
  std::string operator()(const std::vector<double>& items) const {
    return "doubles" + list_text(items);
  }
  std::string operator()(const etvk::ValueList& list) const {
    return "values" + list_text(list.items);
  }
  std::string operator()(const TensorDef& tensor) const {
    return std::string("tensor ") + etvk::dtype_name(tensor.dtype) + list_text(tensor.dims);
  }
};

std::string describe_kernels(const etvk::DeviceCaps& caps) {
  std::ostringstream json;
  size_t count = 0;
  const etvk::KernelRow* rows = etvk::kernel_rows(&count);
  json << "[";
  for (size_t i = 0; i < count; ++i) {
    const etvk::KernelRow& row = rows[i];
    std::string refusal;
    etvk::kernel_fits(row, caps, &refusal);
    json << (i == 0 ? "" : ",") << "{\"name\":\"" << row.name << "\",\"op\":\"" << row.op
         << "\",\"refusal\":\"" << refusal << "\"}";
  }
  json << "]";
  return json.str();
}

template <typename T>
std::vector<T> copy_of(const T* data, int64_t count) {
  return data == nullptr ? std::vector<T>() : std::vector<T>(data, data + count);
}

}  // namespace

// Mirrored by ctypes in linear_fixture.py, field by field.
struct EtvkTestLinear {
  int64_t M, N, K;
  const int64_t* leading;  // null: just M
  int64_t leading_count;
  double input_scale, output_scale;
  int32_t input_zero_point, output_zero_point, quant_min, quant_max;
  int32_t relu, quantized_output;
  const int8_t* x;       // [M, K], or null
  const float* float_x;  // [M, K], or null
  const int8_t* weights;
  const float* weight_scales;
  const float* bias;   // or null
  const char* kernel;  // name of a row, or null: as selection chooses
};

struct EtvkTestResult {
  int32_t changed_guard_bytes;  // behind y; -1: not visible to the host
  char kernel[128];             // that ran
};

namespace {

LinearCase linear_case(const EtvkTestLinear& args) {
  LinearCase linear;
  linear.M = args.M;
  linear.N = args.N;
  linear.K = args.K;
  linear.leading = copy_of(args.leading, args.leading_count);
  linear.quantized_output = args.quantized_output != 0;
  linear.input_scale = args.input_scale;
  linear.input_zero_point = args.input_zero_point;
  linear.output_scale = args.output_scale;
  linear.output_zero_point = args.output_zero_point;
  linear.quant_min = args.quant_min;
  linear.quant_max = args.quant_max;
  linear.activation =
      args.relu != 0 ? etvk::testing::Activation::kRelu : etvk::testing::Activation::kNone;
  linear.x = copy_of(args.x, args.M * args.K);
  linear.float_x = copy_of(args.float_x, args.M * args.K);
  linear.weights = copy_of(args.weights, args.N * args.K);
  linear.weight_scales = copy_of(args.weight_scales, args.N);
  linear.bias = copy_of(args.bias, args.N);
  return linear;
}

}  // namespace

// Runs the op; writes y, [M, N] of int8 or float32.
ETVK_EXPORT int etvk_test_linear(const EtvkTestLinear* args, void* y, EtvkTestResult* result) {
  return guarded([&] {
    const LinearCase linear = linear_case(*args);
    const etvk::testing::ForcedKernel forced(args->kernel == nullptr ? "" : args->kernel);
    etvk::testing::LinearProgram program = etvk::testing::linear_program(linear);
    ComputeGraph graph(context(), std::move(program.def));
    const bool from_float = !linear.float_x.empty();
    const void* x = from_float ? static_cast<const void*>(linear.float_x.data()) : linear.x.data();
    const size_t x_bytes = from_float ? linear.float_x.size() * 4 : linear.x.size();
    const int32_t changed = run(graph, program.y, x, x_bytes, y, linear.output_bytes());
    // A float x is dead when y is written, so the two may share memory.
    result->changed_guard_bytes = from_float ? -1 : changed;
    std::snprintf(result->kernel, sizeof(result->kernel), "%s", graph.kernels().back().c_str());
  });
}

// The same by the C++ reference that the benchmark checks with; needs no device.
ETVK_EXPORT int etvk_test_reference(const EtvkTestLinear* args, void* y) {
  return guarded([&] {
    const std::vector<uint8_t> expected = etvk::testing::reference_output(linear_case(*args));
    std::memcpy(y, expected.data(), expected.size());
  });
}

ETVK_EXPORT int etvk_test_quantize(const float* x, int64_t count, double scale, int32_t zero_point,
                                   int32_t quant_min, int32_t quant_max, int8_t* y,
                                   int32_t* changed_guard_bytes) {
  return guarded([&] {
    run_elementwise(
        "quantized_decomposed.quantize_per_tensor.default",
        {scale, int64_t{zero_point}, int64_t{quant_min}, int64_t{quant_max}, etvk::Null{}},
        DType::kFloat32, DType::kInt8, x, count, y, changed_guard_bytes);
  });
}

ETVK_EXPORT int etvk_test_dequantize(const int8_t* x, int64_t count, double scale,
                                     int32_t zero_point, float* y, int32_t* changed_guard_bytes) {
  return guarded([&] {
    run_elementwise(
        "quantized_decomposed.dequantize_per_tensor.default",
        {scale, int64_t{zero_point}, int64_t{-128}, int64_t{127}, etvk::Null{}, etvk::Null{}},
        DType::kInt8, DType::kFloat32, x, count, y, changed_guard_bytes);
  });
}

// Runs a program of these calls with the input sizes that `values` name, and writes its outputs
// and their sizes. `kernels` gets the names of what was dispatched, by comma; it stays valid until
// the thread's next call. Bytes behind outputs are looked at for a single call only, for in longer
// programs others may have been there before.
ETVK_EXPORT int etvk_test_program(const EtvkTestCall* calls, int64_t call_count,
                                  const EtvkTestValue* values, int64_t value_count,
                                  const char** kernels, int32_t* changed_guard_bytes) {
  static thread_local std::string names;
  return guarded([&] {
    GraphDef def;
    std::vector<const EtvkTestValue*> inputs;
    std::vector<const EtvkTestValue*> outputs;
    for (int64_t i = 0; i < value_count; ++i) {
      add_test_value(def, values[i]);
      if (values[i].kind == EtvkTestValue::kInput || values[i].kind == EtvkTestValue::kSymInt) {
        inputs.push_back(&values[i]);
      } else if (values[i].kind == EtvkTestValue::kOutput) {
        outputs.push_back(&values[i]);
      }
    }
    for (int64_t i = 0; i < call_count; ++i) {
      def.chain.push_back({calls[i].op, {calls[i].args, calls[i].args + calls[i].arg_count}});
    }
    const ValueId result = def.chain.back().args.back();
    const auto* results = std::get_if<etvk::ValueList>(&def.values[static_cast<size_t>(result)]);
    const ValueId y = results != nullptr ? results->items.at(0) : result;
    etvk::testing::register_order_ops();
    const std::vector<ValueId> ids = def.inputs;
    ComputeGraph graph(context(), std::move(def));
    *changed_guard_bytes = -1;
    if (call_count == 1) {
      *changed_guard_bytes = run_guarded(graph, y, ids, inputs, value_count);
    } else {
      set_test_inputs(graph, inputs);
      graph.run();
    }
    get_test_outputs(graph, outputs);
    names.clear();
    for (const std::string& kernel : graph.kernels()) {
      names += (names.empty() ? "" : ",") + kernel;
    }
    *kernels = names.c_str();
  });
}

// The values of a blob without constants, a line each. Returns a string that stays valid until the
// thread's next call, or null.
ETVK_EXPORT const char* etvk_test_blob_values(const uint8_t* data, int64_t size_bytes) {
  static thread_local std::string text;
  const int failed = guarded([&] {
    const GraphDef def = etvk::read_blob(data, static_cast<size_t>(size_bytes),
                                         [](const std::string&) { return etvk::ConstantDef{}; });
    text.clear();
    for (const etvk::ValueDef& value : def.values) {
      text += std::visit(DescribeValue{}, value) + "\n";
    }
  });
  return failed != 0 ? nullptr : text.c_str();
}

// JSON array of all kernel rows with name, op and why the device cannot run it ("": it can).
// Returns a string that stays valid until the thread's next call, or null.
ETVK_EXPORT const char* etvk_test_kernels() {
  static thread_local std::string json;
  const int failed = guarded([&] { json = describe_kernels(context().device.caps()); });
  return failed != 0 ? nullptr : json.c_str();
}

// Name of the device, or null.
ETVK_EXPORT const char* etvk_test_device() {
  const char* name = nullptr;
  guarded([&] { name = context().device.caps().name.c_str(); });
  return name;
}

// Why this thread's last call failed.
ETVK_EXPORT const char* etvk_test_error() { return last_error().c_str(); }
