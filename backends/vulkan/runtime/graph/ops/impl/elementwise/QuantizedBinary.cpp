// et_vk.q8ta_binary: add, sub or mul of two int8 tensors with NumPy's broadcasting.
//   g = (a - a_zero_point) * fl32(a_scale) OP (b - b_zero_point) * fl32(b_scale)
//   y = clamp(round_half_even(g * fl32(1 / output_scale)) + output_zero_point, quant_min,
//   quant_max)
#include <algorithm>
#include <cmath>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/elementwise/QuantizeDequantize.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr const char* kOperations[] = {"add", "sub", "mul"};  // by OPERATION of the shader

uint32_t operation_of(const std::string& op, const std::string& name) {
  const auto* found = std::find(std::begin(kOperations), std::end(kOperations), name);
  ETVK_CHECK(found != std::end(kOperations), kInvalidProgram,
             op << ": op '" << name << "' is none of add, sub, mul");
  return static_cast<uint32_t>(found - std::begin(kOperations));
}

struct BinaryPush {
  uint32_t count;
  float a_scale, b_scale, inv_output_scale;
  int32_t a_zero_point, b_zero_point, output_zero_point, quant_min, quant_max;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t a_strides[kMaxLoops];
  uint32_t b_strides[kMaxLoops];
};

struct BinaryArgs {
  std::string op;
  ValueId a = -1;
  ValueId b = -1;
  ValueId y = -1;
  uint32_t operation = 0;
  BinaryPush push{};
};

// Scale and zero point of an operand.
void read_quantization(const OpArgs& args, const char* scale_name, const char* zero_point_name,
                       float& scale, int32_t& zero_point) {
  const double value = args.number(scale_name);
  const int64_t point = args.integer(zero_point_name);
  check_int8_range(args.op(), point, -128, 127);
  inverse_scale(args.op(), value);
  scale = static_cast<float>(value);
  zero_point = static_cast<int32_t>(point);
}

BinaryArgs read_arguments(const ComputeGraph& graph, const OpArgs& args) {
  BinaryArgs binary;
  BinaryPush& push = binary.push;
  binary.op = args.op();
  binary.a = args.tensor("a");
  read_quantization(args, "a_scale", "a_zero_point", push.a_scale, push.a_zero_point);
  binary.b = args.tensor("b");
  read_quantization(args, "b_scale", "b_zero_point", push.b_scale, push.b_zero_point);
  binary.operation = operation_of(args.op(), args.string("op"));
  push.inv_output_scale = inverse_scale(args.op(), args.number("output_scale"));
  push.output_zero_point = static_cast<int32_t>(args.integer("output_zero_point"));
  push.quant_min = static_cast<int32_t>(args.integer("quant_min"));
  push.quant_max = static_cast<int32_t>(args.integer("quant_max"));
  check_int8_range(args.op(), push.output_zero_point, push.quant_min, push.quant_max);
  binary.y = args.output();
  for (ValueId id : {binary.a, binary.b, binary.y}) {
    ETVK_CHECK(
        graph.dtype(id) == DType::kInt8, kInvalidProgram,
        binary.op << ": operands and output must be int8, got " << dtype_name(graph.dtype(id)));
  }
  return binary;
}

// The sizes of a and b broadcast against each other.
Sizes broadcast_sizes(const std::string& op, const Sizes& a, const Sizes& b) {
  const size_t rank = std::max(a.size(), b.size());
  Sizes sizes(rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t from_a = i + a.size() < rank ? 1 : a[i + a.size() - rank];
    const int64_t from_b = i + b.size() < rank ? 1 : b[i + b.size() - rank];
    ETVK_CHECK(
        from_a == from_b || from_a == 1 || from_b == 1, kInvalidProgram,
        op << ": shapes " << shape_text(a) << " and " << shape_text(b) << " cannot be broadcast");
    sizes[i] = from_a == 1 ? from_b : from_a;
  }
  return sizes;
}

// Strides of an operand for the dimensions of y: 0 where it is repeated.
Sizes broadcast_strides(const Sizes& operand, size_t rank) {
  const Sizes own = contiguous_strides(operand);
  Sizes strides(rank, 0);
  for (size_t i = 0; i < operand.size(); ++i) {
    strides[rank - operand.size() + i] = operand[i] == 1 ? 0 : own[i];
  }
  return strides;
}

// Whether an operand has one element for all four of a word of y.
bool is_repeated(const Loops& loops, size_t operand) { return loops.strides[operand].back() == 0; }

// Makes the loops count words of y where each operand has whole words for them, too, or one
// element; false where it has not. Strides of whole words then count words.
bool in_words(Loops& loops) {
  for (size_t i = 0; i < loops.strides.size(); ++i) {
    const Sizes& strides = loops.strides[i];
    const bool whole =
        strides.back() == 1 && std::all_of(strides.begin(), strides.end() - 1,
                                           [](int64_t stride) { return stride % 4 == 0; });
    if (!whole && !is_repeated(loops, i)) {
      return false;
    }
  }
  // Of a single loop, the last word may be a part of one.
  if (loops.sizes.size() > 1 && loops.sizes.back() % 4 != 0) {
    return false;
  }
  loops.sizes.back() = (loops.sizes.back() + 3) / 4;
  for (size_t i = 0; i < loops.strides.size(); ++i) {
    for (size_t d = 0; d + 1 < loops.sizes.size() && !is_repeated(loops, i); ++d) {
      loops.strides[i][d] /= 4;
    }
  }
  return true;
}

// Whether infinities can meet zeros or each other: a dequantized value is up to 255 steps from
// zero.
bool may_be_nan(const BinaryPush& push) {
  return !std::isfinite(255.0f * push.a_scale) || !std::isfinite(255.0f * push.b_scale);
}

void q8ta_binary(ComputeGraph& graph, const OpArgs& call) {
  const BinaryArgs args = read_arguments(graph, call);
  const auto record = [&graph, args](Commands& commands) {
    const Sizes sizes = broadcast_sizes(args.op, graph.sizes(args.a), graph.sizes(args.b));
    graph.set_sizes(args.y, sizes);
    BinaryPush push = args.push;
    push.count = element_count(graph, args.op, args.y);
    if (push.count == 0) {
      return;
    }
    Loops loops = merge_loops(args.op, {sizes,
                                        {broadcast_strides(graph.sizes(args.a), sizes.size()),
                                         broadcast_strides(graph.sizes(args.b), sizes.size())}});
    const uint64_t a_end = element_end(loops, 0);
    const uint64_t b_end = element_end(loops, 1);
    const bool words = in_words(loops);
    std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
    std::copy(loops.strides[0].begin(), loops.strides[0].end(), push.a_strides);
    std::copy(loops.strides[1].begin(), loops.strides[1].end(), push.b_strides);
    const KernelRow& row = choose_elementwise_kernel(
        graph.caps(), {{words ? "q8ta_binary_words" : "q8ta_binary", push.count}});
    const auto rank = static_cast<uint32_t>(loops.sizes.size());
    commands.dispatch(
        graph.context().pipelines.get(row, {rank, args.operation, may_be_nan(push) ? 1u : 0u,
                                            words && is_repeated(loops, 0) ? 1u : 0u,
                                            words && is_repeated(loops, 1) ? 1u : 0u}),
        {bind_elements(graph, args.y, push.count), bind_elements(graph, args.a, a_end),
         bind_elements(graph, args.b, b_end)},
        push, elementwise_grid(row, graph.caps(), push.count));
  };
  graph.add_node({args.op, {args.a, args.b}, {args.y}, record});
}

const RegisterOps registered({
    {"et_vk.q8ta_binary.default",
     "a:tensor a_scale:number a_zero_point:integer b:tensor b_scale:number b_zero_point:integer "
     "op:string output_scale:number output_zero_point:integer quant_min:integer quant_max:integer "
     "y:out",
     q8ta_binary},
});

}  // namespace

}  // namespace etvk::ops
