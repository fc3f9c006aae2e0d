// etvk_run: runs one method of a .pte through ExecuTorch with the Vulkan delegate, and prints the
// outputs' checksums and the time. An example of a C++ program that uses the delegate: linking the
// delegate library is all that it does to get it.
#include <executorch/devtools/etdump/etdump_flatcc.h>
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "Fnv1a.h"

extern "C" size_t etvk_describe_devices(char* buffer, size_t size);  // CApi.cpp

namespace {

namespace er = ::executorch::runtime;
using executorch::aten::ScalarType;
using executorch::etdump::ETDumpGen;
using executorch::extension::Module;
using executorch::extension::TensorPtr;
using Clock = std::chrono::steady_clock;

constexpr const char* kUsage = R"(usage: etvk_run MODEL.pte [options]

Loads a program, runs one of its methods and prints each output's dtype, shape and checksum (FNV-1a,
64 bits, of its bytes), the time to load and the time of an execution.

  --data FILE.ptd   weights that are kept outside of the program; once for each such file
  --method NAME     the method to run (default: forward)
  --input FILE.bin  raw bytes of one tensor input, row-major; once for each tensor input, in order.
                    Default: random values; other inputs are 1
  --repeat N        executions that are timed (default 10)
  --warm-up-ms MS   run so long before, as clocks of GPUs start low (default 0). The events of
                    --etdump then are those of the timed executions alone
  --seed S          of the random inputs (default 1)
  --output PREFIX   write the outputs' bytes to PREFIX0.bin, PREFIX1.bin, ...
  --etdump FILE     write ExecuTorch's events, which its Inspector reads: the phases of loading and,
                    for each execution, the host's steps and every op. Then ops run one by one, and
                    the times that are printed are longer
  --help            print this

The exit code is 1 when loading or running fails, with ExecuTorch's name of the error, and 2 for
wrong arguments. What the delegate has to say about an error goes to stderr.
Environment: ETVK_DEVICE, ETVK_DISABLE and ETVK_VALIDATION, as for the package.
)";

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct RunError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Options {
  std::string model;
  std::vector<std::string> data_files;
  std::string method = "forward";
  std::vector<std::string> inputs;
  uint64_t repeat = 10;
  uint64_t warm_up_ms = 0;
  uint64_t seed = 1;
  std::string output_prefix;
  std::string etdump;
  bool help = false;
};

uint64_t parse_integer(const std::string& option, const std::string& text, uint64_t low) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 0 || static_cast<uint64_t>(value) < low) {
    throw UsageError(option + " '" + text + "': expected an integer, at least " +
                     std::to_string(low));
  }
  return static_cast<uint64_t>(value);
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == argc) {
        throw UsageError(argument + " needs a value");
      }
      return argv[++i];
    };
    if (argument == "--data") {
      options.data_files.push_back(value());
    } else if (argument == "--method") {
      options.method = value();
    } else if (argument == "--input") {
      options.inputs.push_back(value());
    } else if (argument == "--repeat") {
      options.repeat = parse_integer(argument, value(), 1);
    } else if (argument == "--warm-up-ms") {
      options.warm_up_ms = parse_integer(argument, value(), 0);
    } else if (argument == "--seed") {
      options.seed = parse_integer(argument, value(), 0);
    } else if (argument == "--output") {
      options.output_prefix = value();
    } else if (argument == "--etdump") {
      options.etdump = value();
    } else if (argument == "--help" || argument == "-h") {
      options.help = true;
    } else if (argument.rfind("-", 0) == 0 || !options.model.empty()) {
      throw UsageError("unknown argument '" + argument + "'");
    } else {
      options.model = argument;
    }
  }
  if (options.model.empty() && !options.help) {
    throw UsageError("no MODEL.pte given");
  }
  return options;
}

void check(er::Error error, const std::string& what) {
  if (error != er::Error::Ok) {
    throw RunError(what + ": " + er::to_string(error));
  }
}

template <typename T>
T checked(er::Result<T> result, const std::string& what) {
  check(result.error(), what);
  return std::move(*result);
}

double elapsed_us(Clock::time_point since) {
  return std::chrono::duration<double, std::micro>(Clock::now() - since).count();
}

// ---- What is printed.

const char* dtype_name(ScalarType type) {
  switch (type) {
    case ScalarType::Byte:
      return "uint8";
    case ScalarType::Char:
      return "int8";
    case ScalarType::Short:
      return "int16";
    case ScalarType::Int:
      return "int32";
    case ScalarType::Long:
      return "int64";
    case ScalarType::Half:
      return "float16";
    case ScalarType::BFloat16:
      return "bfloat16";
    case ScalarType::Float:
      return "float32";
    case ScalarType::Double:
      return "float64";
    case ScalarType::Bool:
      return "bool";
    default:
      return "other";
  }
}

template <typename Sizes>
std::string shape_text(const Sizes& sizes) {
  std::string text = "[";
  for (size_t i = 0; i < sizes.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(sizes[i]);
  }
  return text + "]";
}

// Name of the device that programs run on, from the delegate's description of all devices.
std::string device_name() {
  std::string json(etvk_describe_devices(nullptr, 0), '\0');
  etvk_describe_devices(json.data(), json.size());
  const size_t selected = json.find("\"selected\":true");
  const std::string key = "\"name\":\"";
  const size_t name = selected == std::string::npos ? selected : json.rfind(key, selected);
  if (name == std::string::npos) {
    return "none";
  }
  const size_t begin = name + key.size();
  return json.substr(begin, json.find('"', begin) - begin);
}

// ---- Inputs.

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t bits() {  // SplitMix64
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  double signed_unit() { return static_cast<double>(bits() >> 11) * 0x1p-52 - 1.0; }

 private:
  uint64_t state_;
};

template <typename T, typename Next>
void fill(std::vector<uint8_t>& bytes, Next&& next) {
  for (size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    const T value = next();
    std::memcpy(&bytes[at], &value, sizeof(T));
  }
}

// Floats within -1 .. 1, small integers, bytes of the whole range.
void fill_random(Random& random, ScalarType type, std::vector<uint8_t>& bytes) {
  const auto small = [&] { return random.bits() % 10; };
  switch (type) {
    case ScalarType::Float:
      return fill<float>(bytes, [&] { return static_cast<float>(random.signed_unit()); });
    case ScalarType::Double:
      return fill<double>(bytes, [&] { return random.signed_unit(); });
    case ScalarType::Half:  // the mask leaves exponents below that of 1
      return fill<uint16_t>(bytes, [&] { return static_cast<uint16_t>(random.bits() & 0xbbffu); });
    case ScalarType::BFloat16:
      return fill<uint16_t>(bytes, [&] { return static_cast<uint16_t>(random.bits() & 0xbf7fu); });
    case ScalarType::Short:
      return fill<int16_t>(bytes, [&] { return static_cast<int16_t>(small()); });
    case ScalarType::Int:
      return fill<int32_t>(bytes, [&] { return static_cast<int32_t>(small()); });
    case ScalarType::Long:
      return fill<int64_t>(bytes, [&] { return static_cast<int64_t>(small()); });
    case ScalarType::Bool:
      return fill<uint8_t>(bytes, [&] { return static_cast<uint8_t>(random.bits() & 1u); });
    default:
      return fill<uint8_t>(bytes, [&] { return static_cast<uint8_t>(random.bits()); });
  }
}

std::vector<uint8_t> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw RunError("--input '" + path + "' cannot be read");
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct Inputs {
  std::vector<er::EValue> values;
  std::vector<TensorPtr> tensors;             // what `values` refer to
  std::vector<std::vector<uint8_t>> buffers;  // their data
};

void add_tensor(Inputs& inputs, const er::TensorInfo& info, const Options& options,
                Random& random) {
  const size_t index = inputs.tensors.size();
  std::vector<uint8_t> bytes(info.nbytes());
  if (options.inputs.empty()) {
    fill_random(random, info.scalar_type(), bytes);
  } else if (index < options.inputs.size()) {
    bytes = read_file(options.inputs[index]);
    if (bytes.size() != info.nbytes()) {
      throw RunError("--input '" + options.inputs[index] + "' has " + std::to_string(bytes.size()) +
                     " bytes, " + dtype_name(info.scalar_type()) + " " + shape_text(info.sizes()) +
                     " needs " + std::to_string(info.nbytes()));
    }
  }
  inputs.buffers.push_back(std::move(bytes));
  inputs.tensors.push_back(executorch::extension::make_tensor_ptr(
      {info.sizes().begin(), info.sizes().end()}, inputs.buffers.back().data(),
      {info.dim_order().begin(), info.dim_order().end()}, {}, info.scalar_type()));
  inputs.values.emplace_back(inputs.tensors.back());
}

Inputs make_inputs(const er::MethodMeta& meta, const Options& options) {
  Inputs inputs;
  Random random(options.seed);
  for (size_t i = 0; i < meta.num_inputs(); ++i) {
    const std::string what = "input " + std::to_string(i);
    switch (checked(meta.input_tag(i), what)) {
      case er::Tag::Tensor:
        add_tensor(inputs, checked(meta.input_tensor_meta(i), what), options, random);
        break;
      case er::Tag::Int:
        inputs.values.emplace_back(int64_t{1});
        break;
      case er::Tag::Double:
        inputs.values.emplace_back(1.0);
        break;
      case er::Tag::Bool:
        inputs.values.emplace_back(true);
        break;
      case er::Tag::None:
        inputs.values.emplace_back();
        break;
      default:
        throw RunError(what + " is neither a tensor nor a number");
    }
  }
  if (!options.inputs.empty() && options.inputs.size() != inputs.tensors.size()) {
    throw RunError("--input was given " + std::to_string(options.inputs.size()) +
                   " times, the method has " + std::to_string(inputs.tensors.size()) +
                   " tensor inputs");
  }
  return inputs;
}

// ---- Outputs.

void write_file(const std::string& option, const std::string& path, const void* bytes,
                size_t size) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
  file.close();
  if (!file) {
    throw RunError(option + " '" + path + "' cannot be written");
  }
}

void report_output(size_t index, const er::EValue& value, const Options& options) {
  if (!value.isTensor()) {
    if (value.isInt()) {
      std::printf("output %zu  int %lld\n", index, static_cast<long long>(value.toInt()));
    } else {
      std::printf("output %zu  not a tensor\n", index);
    }
    return;
  }
  const auto& tensor = value.toTensor();
  const auto* bytes = static_cast<const uint8_t*>(tensor.const_data_ptr());
  std::printf("output %zu  %s %s  %016llx\n", index, dtype_name(tensor.scalar_type()),
              shape_text(tensor.sizes()).c_str(),
              static_cast<unsigned long long>(etvk::fnv1a(bytes, tensor.nbytes())));
  if (!options.output_prefix.empty()) {
    write_file("--output", options.output_prefix + std::to_string(index) + ".bin", bytes,
               tensor.nbytes());
  }
}

void write_etdump(ETDumpGen& events, const std::string& path) {
  const executorch::etdump::ETDumpResult dump = events.get_etdump_data();
  const std::unique_ptr<void, decltype(&std::free)> owned(dump.buf, &std::free);
  if (dump.buf == nullptr) {
    throw RunError("--etdump '" + path + "': there are no events");
  }
  write_file("--etdump", path, dump.buf, dump.size);
}

void run(const Options& options) {
  std::printf("model     %s\ndevice    %s\n", options.model.c_str(), device_name().c_str());
  auto events = options.etdump.empty() ? nullptr : std::make_unique<ETDumpGen>();
  ETDumpGen* const tracer = events.get();
  Module module(options.model, options.data_files, Module::LoadMode::File, std::move(events));
  auto start = Clock::now();
  check(module.load(), "loading " + options.model);
  check(module.load_method(options.method), "loading method " + options.method);
  std::printf("loaded    %.1f ms\n", elapsed_us(start) * 1e-3);

  const Inputs inputs =
      make_inputs(checked(module.method_meta(options.method), options.method), options);
  start = Clock::now();
  while (elapsed_us(start) < 1e3 * static_cast<double>(options.warm_up_ms)) {
    check(module.execute(options.method, inputs.values).error(), "running " + options.method);
  }
  if (tracer != nullptr && options.warm_up_ms > 0) {
    tracer->reset();
  }
  std::vector<double> times_us;
  std::vector<er::EValue> outputs;
  for (uint64_t i = 0; i < options.repeat; ++i) {
    start = Clock::now();
    auto result = module.execute(options.method, inputs.values);
    times_us.push_back(elapsed_us(start));
    outputs = checked(std::move(result), "running " + options.method);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    report_output(i, outputs[i], options);
  }
  std::sort(times_us.begin(), times_us.end());
  std::printf("executed  median %.1f us, min %.1f us, of %zu\n",
              (times_us[(times_us.size() - 1) / 2] + times_us[times_us.size() / 2]) / 2,
              times_us.front(), times_us.size());
  if (tracer != nullptr) {
    write_etdump(*tracer, options.etdump);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse_options(argc, argv);
    if (options.help) {
      std::fputs(kUsage, stdout);
      return 0;
    }
    run(options);
    return 0;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "etvk_run: %s\n\n%s", error.what(), kUsage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "etvk_run: %s\n", error.what());
    return 1;
  }
}
