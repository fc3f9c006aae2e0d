// Largest element or mean of a window over the last two dimensions of a tensor of three or four,
// in float32 or from int8 to int8.
//   acc = largest x - input_zero_point, or the sum of x - input_zero_point      int32, exact
//   f   = float(acc) * fl32(input_scale), or * fl32(input_scale / divisor)  divided in float64
//   y   = clamp(round_half_even(f * fl32(1 / output_scale)) + output_zero_point,
//               quant_min, quant_max)
// A largest element of none is quant_min, or -infinity; of two zeros it is the positive one. The
// divisor is what PyTorch's avg_pool2d and adaptive_avg_pool2d divide by. Of ops with several
// results only the first is made.
#include "graph/ops/impl/pool/Pool.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <ios>
#include <optional>
#include <sstream>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Grid.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/pool/PoolWindow.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

struct PoolArgs {
  std::string op;
  ValueId x = -1;
  ValueId y = -1;
  PoolWindow window;
  bool is_mean = false;
  bool count_include_pad = true;
  std::optional<double> divisor_override;
  bool is_quantized = false;
  Grid input, output;
};

PoolArgs read_arguments(const OpArgs& args, bool is_mean) {
  PoolArgs pool;
  pool.op = args.op();
  pool.x = args.tensor("x");
  pool.y = args.output();
  pool.window = read_pool_window(args);
  pool.is_mean = is_mean;
  if (is_mean && !pool.window.is_adaptive) {
    pool.count_include_pad = args.boolean("count_include_pad");
    pool.divisor_override = args.optional_scalar("divisor_override");
  }
  pool.is_quantized = args.takes("input_scale", ArgKind::kNumber);
  if (pool.is_quantized) {
    pool.input = read_grid(args, "input");
    pool.output = read_ranged_grid(args, "output");
  }
  return pool;
}

void check(const ComputeGraph& graph, const PoolArgs& args) {
  const DType dtype = args.is_quantized ? DType::kInt8 : DType::kFloat32;
  check_types(graph, args.op, args.x, dtype, args.y, dtype);
  const size_t rank = graph.dims(args.x).size();
  ETVK_CHECK(rank == 3 || rank == 4, kInvalidProgram,
             args.op << ": x must have 3 or 4 dimensions, got " << rank);
  ETVK_CHECK(!args.divisor_override ||
                 (*args.divisor_override != 0.0 && std::abs(*args.divisor_override) <= INT32_MAX),
             kInvalidProgram,
             args.op << ": divisor_override is " << args.divisor_override.value_or(0.0)
                     << ", it must be a number within 32 bits other than 0");
  if (args.is_quantized) {
    check_grid(args.op, args.input);
    check_grid(args.op, args.output);
  }
}

Pair image_of(const std::vector<int64_t>& sizes) { return {sizes[sizes.size() - 2], sizes.back()}; }

// ---- Multipliers.

struct Multipliers {
  PoolDivisor divisor = PoolDivisor::kSameForAll;
  ConstantRef values{};
  uint64_t count = 1;
};

// count values: scale / (first + i).
ConstantRef add_quotients(ComputeGraph& graph, double scale, double first, uint64_t count) {
  std::ostringstream layout;
  layout << count << " quotients of " << std::hexfloat << scale << " from " << first;
  return graph.add_constant({nullptr, 0, layout.str(), count * sizeof(float),
                             [scale, first](uint8_t* to, uint64_t begin, uint64_t size) {
                               for (uint64_t at = begin; at < begin + size; at += sizeof(float)) {
                                 const double divisor =
                                     first + static_cast<double>(at / sizeof(float));
                                 const auto value = static_cast<float>(scale / divisor);
                                 std::memcpy(to + (at - begin), &value, sizeof(value));
                               }
                             }});
}

Multipliers add_multipliers(ComputeGraph& graph, const PoolArgs& args) {
  Multipliers multipliers;
  const double scale = args.input.scale;
  const int64_t taps = most_taps(args.op, args.window, image_of(graph.dims(args.x)));
  if (!args.is_mean) {
    multipliers.values = add_quotients(graph, scale, 1.0, 1);
    return multipliers;
  }
  const double largest = args.divisor_override.value_or(static_cast<double>(taps));
  ETVK_CHECK(std::isnormal(static_cast<float>(scale / largest)), kNotSupported,
             args.op << ": input scale " << scale << " over a divisor of " << largest
                     << " is not a normal float32");
  const bool is_same = args.divisor_override || args.window.is_within(args.count_include_pad);
  if (is_same) {
    const Pair& kernel = args.window.kernel;
    const double divisor = args.divisor_override.value_or(static_cast<double>(kernel[0]) *
                                                          static_cast<double>(kernel[1]));
    multipliers.values = add_quotients(graph, scale, divisor, 1);
    return multipliers;
  }
  multipliers.divisor = args.count_include_pad && !args.window.is_adaptive
                            ? PoolDivisor::kPaddedTaps
                            : PoolDivisor::kTaps;
  multipliers.count = static_cast<uint64_t>(taps);
  multipliers.values = add_quotients(graph, scale, 1.0, multipliers.count);
  return multipliers;
}

// ---- Dispatch.

// The loops over y, nested as in its memory, and which of them are the image's.
struct PoolLoops {
  std::array<int64_t, kPoolLoops> y_sizes{};
  std::array<int64_t, kPoolLoops> x_strides{};
  uint32_t down = 0;
  uint32_t across = 0;

  // Whether four steps of the innermost one are a word, or a group, of both.
  bool has_words() const {
    int64_t strides = y_sizes.back();
    for (size_t loop = 0; loop + 1 < kPoolLoops; ++loop) {
      strides |= x_strides[loop];
    }
    const uint32_t innermost = kPoolLoops - 1;
    return down != innermost && across != innermost && x_strides.back() == 1 && strides % 4 == 0;
  }
};

PoolLoops pool_loops(const ComputeGraph& graph, const PoolArgs& args) {
  PoolLoops loops;
  loops.y_sizes.fill(1);
  const std::vector<size_t> dims = graph.memory_dims(args.y);
  const std::vector<int64_t> strides = graph.strides(args.x);
  size_t loop = kPoolLoops - dims.size();
  for (size_t dim : dims) {
    loops.y_sizes[loop] = graph.sizes(args.y)[dim];
    loops.x_strides[loop] = strides[dim];
    loops.down = dim + 2 == dims.size() ? static_cast<uint32_t>(loop) : loops.down;
    loops.across = dim + 1 == dims.size() ? static_cast<uint32_t>(loop) : loops.across;
    ++loop;
  }
  return loops;
}

void fill_pair(const Pair& from, int32_t (&to)[2]) {
  std::transform(from.begin(), from.end(), to,
                 [](int64_t one) { return static_cast<int32_t>(one); });
}

PoolPush pool_push(const ComputeGraph& graph, const PoolArgs& args, const PoolLoops& loops) {
  PoolPush push{};
  push.count = element_count(graph, args.op, args.y);
  element_count(graph, args.op, args.x);
  std::copy(loops.y_sizes.begin(), loops.y_sizes.end(), push.y_sizes);
  std::copy(loops.x_strides.begin(), loops.x_strides.end(), push.x_strides);
  fill_pair(image_of(graph.sizes(args.x)), push.x_size);
  fill_pair(args.window.kernel, push.kernel);
  fill_pair(args.window.stride, push.stride);
  fill_pair(args.window.padding, push.padding);
  fill_pair(args.window.dilation, push.dilation);
  return push;
}

void dispatch_pool(ComputeGraph& graph, Commands& commands, const PoolArgs& args,
                   const Multipliers& multipliers) {
  const PoolLoops loops = pool_loops(graph, args);
  const PoolPush push = pool_push(graph, args, loops);
  if (push.count == 0) {
    return;
  }
  const char* words = args.is_quantized ? "q8ta_pool_words" : "pool_words";
  const char* elements = args.is_quantized ? "q8ta_pool" : "pool";
  const bool in_words = loops.has_words() && has_kernel(graph.caps(), words);
  const KernelRow& row =
      choose_elementwise_kernel(graph.caps(), {{in_words ? words : elements, push.count}});
  const auto& pipeline = graph.context().pipelines.get(
      row, {args.is_mean ? 1u : 0u, args.window.is_adaptive ? 1u : 0u,
            static_cast<uint32_t>(multipliers.divisor), loops.down, loops.across});
  // Taps lie in the image (pool.comp), so an element of x is at most its last one; a window has no
  // more taps than there are multipliers.
  const std::vector<Binding> bindings = {
      bind_elements(graph, args.y, push.count),
      bind_elements(graph, args.x, static_cast<uint64_t>(graph.numel(args.x))),
      graph.bind_constant(multipliers.values, multipliers.count * sizeof(float))};
  const WorkgroupCount grid = elementwise_grid(row, graph.caps(), push.count);
  if (!args.is_quantized) {
    commands.dispatch(pipeline, bindings, push, grid);
    return;
  }
  const QuantizedPoolPush quantized{push, static_cast<int32_t>(args.input.zero_point),
                                    grid_push(args.op, args.output)};
  commands.dispatch(pipeline, bindings, quantized, grid);
}

void add_pool(ComputeGraph& graph, const PoolArgs& args) {
  check(graph, args);
  const Multipliers multipliers = add_multipliers(graph, args);
  const auto record = [&graph, args, multipliers](Commands& commands) {
    std::vector<int64_t> sizes = graph.sizes(args.x);
    const Pair image = pooled_size(args.op, args.window, image_of(sizes));
    std::copy(image.begin(), image.end(), sizes.end() - 2);
    graph.set_sizes(args.y, sizes);
    dispatch_pool(graph, commands, args, multipliers);
  };
  graph.add_node({args.op, {args.x}, {args.y}, record});
}

void max_pool(ComputeGraph& graph, const OpArgs& args) {
  add_pool(graph, read_arguments(args, false));
}

void mean_pool(ComputeGraph& graph, const OpArgs& args) {
  add_pool(graph, read_arguments(args, true));
}

const RegisterOps registered({
    {"aten.max_pool2d_with_indices.default",
     "x:tensor@either kernel_size:integers stride:integers padding:integers dilation:integers "
     "ceil_mode:boolean y:first_out@either",
     max_pool},
    {"aten.adaptive_max_pool2d.default", "x:tensor@either output_size:integers y:first_out@either",
     max_pool},
    {"aten.avg_pool2d.default",
     "x:tensor@either kernel_size:integers stride:integers padding:integers ceil_mode:boolean "
     "count_include_pad:boolean divisor_override:scalar? y:out@either",
     mean_pool},
    {"aten._adaptive_avg_pool2d.default", "x:tensor@either output_size:integers y:out@either",
     mean_pool},
    {"et_vk.q8ta_max_pool2d.default",
     "x:tensor@either input_scale:number input_zero_point:integer kernel_size:integers "
     "stride:integers padding:integers dilation:integers ceil_mode:boolean output_scale:number "
     "output_zero_point:integer quant_min:integer quant_max:integer y:out@either",
     max_pool},
    {"et_vk.q8ta_adaptive_max_pool2d.default",
     "x:tensor@either input_scale:number input_zero_point:integer output_size:integers "
     "output_scale:number output_zero_point:integer quant_min:integer quant_max:integer "
     "y:out@either",
     max_pool},
    {"et_vk.q8ta_avg_pool2d.default",
     "x:tensor@either input_scale:number input_zero_point:integer kernel_size:integers "
     "stride:integers padding:integers ceil_mode:boolean count_include_pad:boolean "
     "divisor_override:scalar? output_scale:number output_zero_point:integer quant_min:integer "
     "quant_max:integer y:out@either",
     mean_pool},
    {"et_vk.q8ta_adaptive_avg_pool2d.default",
     "x:tensor@either input_scale:number input_zero_point:integer output_size:integers "
     "output_scale:number output_zero_point:integer quant_min:integer quant_max:integer "
     "y:out@either",
     mean_pool},
});

}  // namespace

}  // namespace etvk::ops
