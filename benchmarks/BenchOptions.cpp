#include "BenchOptions.h"

#include <cerrno>
#include <cstdlib>

#include "vk/Error.h"

namespace etvk::bench {

namespace {

constexpr int64_t kMaxSize = 1 << 20;

double parse_ms(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  ETVK_CHECK(!text.empty() && *end == '\0' && value >= 0.0 && value <= 1e6, kInvalidArgument,
             option << " '" << text << "': expected milliseconds, 0 to 1000000");
  return value;
}

int64_t parse_integer(const std::string& option, const std::string& text, int64_t low,
                      int64_t high) {
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  ETVK_CHECK(!text.empty() && *end == '\0' && errno == 0 && value >= low && value <= high,
             kInvalidArgument,
             option << " '" << text << "': expected an integer, " << low << " to " << high);
  return value;
}

Shape parse_linear_shape(const std::string& text) {
  const size_t first = text.find('x');
  const size_t second = first == std::string::npos ? first : text.find('x', first + 1);
  ETVK_CHECK(second != std::string::npos, kInvalidArgument,
             "--shape '" << text << "': expected MxKxN, for example 128x2048x2048");
  const auto part = [&](size_t begin, size_t end) {
    return parse_integer("--shape", text.substr(begin, end - begin), 1, kMaxSize);
  };
  return {part(0, first), part(first + 1, second), part(second + 1, text.size())};
}

std::vector<int64_t> parse_op_shape(const std::string& text) {
  const size_t by = text.find('x');
  ETVK_CHECK(by != std::string::npos, kInvalidArgument,
             "--shape '" << text << "': with --op expected ROWSxCOLUMNS, for example 4096x4096");
  return {parse_integer("--shape", text.substr(0, by), 1, kMaxSize),
          parse_integer("--shape", text.substr(by + 1), 1, kMaxSize)};
}

testing::Operands parse_operands(const std::string& text) {
  ETVK_CHECK(text == "uniform" || text == "extreme", kInvalidArgument,
             "--operands '" << text << "': expected uniform or extreme");
  return text == "uniform" ? testing::Operands::kUniform : testing::Operands::kExtreme;
}

}  // namespace

std::string shape_text(const Shape& shape) {
  return std::to_string(shape.M) + "x" + std::to_string(shape.K) + "x" + std::to_string(shape.N);
}

const char* op_name(const BenchOptions& options) {
  return options.float_output ? "linear_q8ta_q8csw" : "q8ta_linear";
}

testing::LinearCase linear_case(const BenchOptions& options, const Shape& shape) {
  testing::LinearCase linear =
      testing::random_case(shape.M, shape.N, shape.K, options.operands, options.seed);
  linear.quantized_output = !options.float_output;
  if (options.residual) {
    // Bytes as good as any: those of a tensor as large, on the grid of the result.
    linear.residual =
        testing::random_case(shape.M, 1, shape.N, options.operands, options.seed + 1).x;
    linear.residual_scale = linear.output_scale;
    linear.residual_zero_point = 3;
  }
  for (int32_t i = 0; options.table && i < 256; ++i) {
    linear.table.push_back(static_cast<int8_t>(i * 91 + 17));  // a permutation
  }
  return linear;
}

BenchOptions parse_options(int argc, char** argv) {
  BenchOptions options;
  std::vector<std::string> shapes;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&]() -> std::string {
      ETVK_CHECK(i + 1 < argc, kInvalidArgument, argument << " needs a value; see --help");
      return argv[++i];
    };
    if (argument == "--shape") {
      shapes.push_back(value());
    } else if (argument == "--op") {
      options.ops.push_back(value());
    } else if (argument == "--all") {
      options.all = true;
    } else if (argument == "--kernel") {
      options.kernel = value();
    } else if (argument == "--float-output") {
      options.float_output = true;
    } else if (argument == "--table") {
      options.table = true;
    } else if (argument == "--residual") {
      options.residual = true;
    } else if (argument == "--distinct-weights") {
      options.distinct_weights = true;
    } else if (argument == "--operands") {
      options.operands = parse_operands(value());
    } else if (argument == "--seed") {
      options.seed = static_cast<uint64_t>(parse_integer(argument, value(), 0, INT64_MAX));
    } else if (argument == "--target-ms") {
      options.target_ms = parse_ms(argument, value());
    } else if (argument == "--warmup-ms") {
      options.warmup_ms = parse_ms(argument, value());
    } else if (argument == "--wall") {
      options.wall = true;
    } else if (argument == "--tune") {
      options.tune = true;
    } else if (argument == "--load") {
      options.load_mib = parse_integer(argument, value(), 1, 1 << 16);
    } else if (argument == "--json") {
      options.json_path = value();
    } else if (argument == "--list") {
      options.list = true;
    } else if (argument == "--help" || argument == "-h") {
      options.help = true;
    } else {
      ETVK_FAIL(kInvalidArgument, "unknown argument '" << argument << "'; see --help");
    }
  }
  for (const std::string& shape : shapes) {
    if (options.ops.empty()) {
      options.shapes.push_back(parse_linear_shape(shape));
    } else {
      options.op_shapes.push_back(parse_op_shape(shape));
    }
  }
  ETVK_CHECK(!(options.table || options.residual) || !options.float_output, kInvalidArgument,
             "--table and --residual are for int8 results; leave --float-output out");
  ETVK_CHECK(!options.tune || options.ops.empty(), kInvalidArgument,
             "--tune is for linear kernels; leave --op out");
  ETVK_CHECK(!options.tune || options.kernel.empty(), kInvalidArgument,
             "--tune measures every kernel; leave --kernel out");
  return options;
}

const char* usage() {
  return R"(usage: etvk_bench [options]

Times the int8 linear kernels, or with --op those of other ops. Every result is compared with an
exact reference on the CPU before it is timed; if one differs, it is not timed and the exit code
is 1.

  --shape MxKxN        x [M, K] times weights [N, K]; may be given again. Default: a fixed list, on
                       a CPU device only as far as it takes seconds
  --op NAME|all        this op instead of linear layers, on tensors [ROWS, COLUMNS]; --shape is then
                       ROWSxCOLUMNS. May be given again; a wrong name lists them all
  --op convolution     layers of ResNet-50 and MobileNetV2, or one by its name; --shape is then
                       IMAGESxCHANNELS, those of y
  --op norm            layer norms of encoders in int8; --shape is then ROWSxCOLUMNS
  --op product         float32 linear layers and attention, or one by its name; --shape is then
                       ROWSxCOLUMNS of x, or POSITIONSxCOLUMNS of heads of 64
  --all                the whole default list, on a CPU device too
  --kernel NAME|all    run this kernel, or every one that fits, instead of the one that is chosen
  --float-output       linear_q8ta_q8csw (float32 output) instead of q8ta_linear
  --residual           added to the result, which is rounded before, as q8ta_linear.residual has it
  --table              with an activation that is a table, as q8ta_linear.bounded has it
  --distinct-weights   each dispatch reads its own copy of the weights, so that they come from
                       memory and not from a cache; as in a model, where each layer has its own
  --operands KIND      uniform (default) or extreme: only -128 and 127
  --seed S             of the operands (default 1)
  --target-ms MS       measure each for about this long (default 200), at least 3 submissions
  --warmup-ms MS       run each for this long before measuring (default: 500 on a GPU and 2000 for
                       the first one, since clocks start low; none on a CPU)
  --wall               also the host's time around each submission, copies and waiting included
  --tune               measure every kernel on each shape and keep the name of the fastest in a file,
                       $ETVK_TUNE_CACHE or executorch_vulkan/tuned_kernels.txt in the user's cache
                       folder; programs that run with ETVK_TUNE=1 use what it says
  --load MIB           instead, load a program with so many MiB of weights: time and host memory.
                       ETVK_PIPELINE_CACHE tells a first load from a later one
  --json FILE          write everything measured to FILE
  --list               print the kernels and which of them this device can run
  --help               print this

A submission holds several dispatches of the same layer, about 2 ms of them, each of which waits for
the one before it, as the layers of a model do. GPU time is one dispatch's share of the time between
timestamps behind the first dispatch and behind the last.
TOPS counts 2 * M * N * K operations. GB/s is weight bytes over time, shown up to M = 32; weights
that fit in the device's cache are read from there unless --distinct-weights is given.

With --op, GB/s counts every operand and the result once, and "of copy" compares it with what a copy
reads and writes on this device in the same run. The default size is 64 MiB in the largest tensor, on
a CPU 1 MiB.

Environment: ETVK_DEVICE, ETVK_DISABLE and ETVK_VALIDATION, as for the package.
)";
}

double warmup_ms(const DeviceCaps& caps, const BenchOptions& options, bool is_first) {
  if (options.warmup_ms >= 0.0) {
    return options.warmup_ms;
  }
  if (caps.type == DeviceType::kCpu) {
    return 0.0;
  }
  return is_first ? 2000.0 : 500.0;
}

const std::vector<Shape>& default_shapes() {
  static const std::vector<Shape> shapes = {
      {1, 2048, 2048},    {4, 2048, 2048},    {16, 2048, 2048},   {32, 2048, 2048},
      {1, 512, 9059},     {1, 8192, 8192},    {4, 8192, 8192},    {16, 8192, 8192},
      {32, 8192, 8192},   {128, 2048, 2048},  {256, 2048, 2048},  {512, 2048, 2048},
      {1024, 2048, 2048}, {1024, 4096, 4096}, {4096, 4096, 4096}, {8192, 8192, 8192},
  };
  return shapes;
}

}  // namespace etvk::bench
