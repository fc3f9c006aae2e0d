// et_vk.q8ta_binary: add, sub or mul of two int8 tensors with NumPy's broadcasting.
//   g = (a - a_zero_point) * fl32(a_scale) OP (b - b_zero_point) * fl32(b_scale)
//   y = clamp(round_half_even(g * fl32(1 / output_scale)) + output_zero_point, quant_min,
//   quant_max)
#include "graph/ops/impl/elementwise/QuantizedBinary.h"

#include <algorithm>
#include <cmath>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/elementwise/Broadcast.h"
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

// Ops of the kernel table, by what a thread takes at once.
constexpr const char* kElements = "q8ta_binary";
constexpr const char* kWords = "q8ta_binary_words";
constexpr const char* kGroups = "q8ta_binary_groups";

struct BinaryArgs {
  std::string op;
  ValueId a = -1;
  ValueId b = -1;
  ValueId y = -1;
  uint32_t operation = 0;
  QuantizedBinaryPush push{};
};

// Of an operand.
void read_operand_grid(const OpArgs& args, const char* name, float& scale, int32_t& zero_point) {
  const Grid grid = read_grid(args, name);
  check_grid(args.op(), grid);
  scale = static_cast<float>(grid.scale);
  zero_point = static_cast<int32_t>(grid.zero_point);
}

BinaryArgs read_arguments(const ComputeGraph& graph, const OpArgs& args) {
  BinaryArgs binary;
  QuantizedBinaryPush& push = binary.push;
  binary.op = args.op();
  binary.a = args.tensor("a");
  read_operand_grid(args, "a", push.a_scale, push.a_zero_point);
  binary.b = args.tensor("b");
  read_operand_grid(args, "b", push.b_scale, push.b_zero_point);
  binary.operation = operation_of(args.op(), args.string("op"));
  push.output_grid = grid_push(args.op(), read_ranged_grid(args, "output"));
  binary.y = args.output();
  for (ValueId id : {binary.a, binary.b, binary.y}) {
    ETVK_CHECK(
        graph.dtype(id) == DType::kInt8, kInvalidProgram,
        binary.op << ": operands and output must be int8, got " << dtype_name(graph.dtype(id)));
  }
  return binary;
}

// Whether infinities can meet zeros or each other: a dequantized value is up to 255 steps from
// zero.
bool may_be_nan(const QuantizedBinaryPush& push) {
  return !std::isfinite(255.0f * push.a_scale) || !std::isfinite(255.0f * push.b_scale);
}

void q8ta_binary(ComputeGraph& graph, const OpArgs& call) {
  const BinaryArgs args = read_arguments(graph, call);
  const auto record = [&graph, args](Commands& commands) {
    graph.set_sizes(args.y, broadcast_sizes(args.op, graph.sizes(args.a), graph.sizes(args.b)));
    QuantizedBinaryPush push = args.push;
    push.count = element_count(graph, args.op, args.y);
    if (push.count == 0) {
      return;
    }
    const Loops elements = broadcast_loops(graph, args.op, args.y, {args.a, args.b});
    Loops words = elements;
    Loops groups = elements;
    const bool has_words = has_kernel(graph.caps(), kWords) && in_units(words, 4);
    std::vector<ElementwiseWork> works = {{has_words ? kWords : kElements, push.count}};
    if (in_units(groups, 16)) {
      works.push_back({kGroups, push.count});
    }
    const KernelRow& row = choose_elementwise_kernel(graph.caps(), works);
    const bool by_element = row.op == std::string(kElements);
    const Loops& loops = by_element ? elements : row.op == std::string(kWords) ? words : groups;
    std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
    std::copy(loops.strides[0].begin(), loops.strides[0].end(), push.a_strides);
    std::copy(loops.strides[1].begin(), loops.strides[1].end(), push.b_strides);
    const auto bind = row.op == std::string(kGroups) ? bind_groups : bind_elements;
    const auto rank = static_cast<uint32_t>(loops.sizes.size());
    commands.dispatch(
        graph.context().pipelines.get(row, {rank, args.operation, may_be_nan(push) ? 1u : 0u,
                                            !by_element && is_repeated(loops, 0) ? 1u : 0u,
                                            !by_element && is_repeated(loops, 1) ? 1u : 0u}),
        {bind_elements(graph, args.y, push.count), bind(graph, args.a, element_end(elements, 0)),
         bind(graph, args.b, element_end(elements, 1))},
        push, elementwise_grid(row, graph.caps(), push.count));
  };
  graph.add_node({args.op, {args.a, args.b}, {args.y}, record});
}

const RegisterOps registered({
    {"et_vk.q8ta_binary.default",
     "a:tensor@alike a_scale:number a_zero_point:integer b:tensor@alike b_scale:number "
     "b_zero_point:integer "
     "op:string output_scale:number output_zero_point:integer quant_min:integer quant_max:integer "
     "y:out@alike",
     q8ta_binary},
});

}  // namespace

}  // namespace etvk::ops
