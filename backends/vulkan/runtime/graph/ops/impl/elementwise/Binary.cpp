// Functions of two tensors, or of a tensor and a number, and of three tensors, with NumPy's
// broadcasting: the rows of kBinaryOps and kTernaryOps.
#include <algorithm>
#include <cmath>
#include <memory>

#include "ElementwiseRows.h"
#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/elementwise/Broadcast.h"
#include "graph/ops/impl/elementwise/ElementwiseCall.h"
#include "graph/ops/impl/elementwise/FloatSum.h"
#include "graph/ops/impl/moves/StridedCopy.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

struct BroadcastCall {
  std::string op;
  std::string kernels;  // of the kernel table, where four elements are gathered
  uint32_t code = 0;
  std::vector<ValueId> operands;
  ValueId y = -1;
  std::shared_ptr<FloatSum> sum;  // null: what others can't make
};

Sizes result_sizes(const ComputeGraph& graph, const BroadcastCall& call) {
  Sizes sizes;
  for (ValueId id : call.operands) {
    if (id != kNoTensor) {
      sizes = broadcast_sizes(call.op, sizes, graph.sizes(id));
    }
  }
  return sizes;
}

// A number's binding is another operand, of which nothing is touched.
Binding bind_operand(const ComputeGraph& graph, const BroadcastCall& call, size_t i, uint64_t end) {
  const ValueId id = call.operands[i];
  if (id == kNoTensor) {
    return graph.bind(call.operands[i == 0 ? 1 : 0], 0);
  }
  return dtype_bytes(graph.dtype(id)) == 4 ? bind_groups(graph, id, end)
                                           : bind_elements(graph, id, end);
}

bool is_left_to_reader(const BroadcastCall& call) {
  if (call.sum == nullptr || !call.sum->can_reader_make_it) {
    return false;
  }
  call.sum->is_left = call.sum->can_reader_make_it();
  return call.sum->is_left;
}

// Push has `count`, `sizes` and the strides of each operand; `strides` says where.
template <typename Push>
void record_broadcast(ComputeGraph& graph, Commands& commands, const BroadcastCall& call, Push push,
                      const std::vector<uint32_t (Push::*)[kMaxLoops]>& strides) {
  graph.set_sizes(call.y, result_sizes(graph, call));
  push.count = element_count(graph, call.op, call.y);
  if (push.count == 0 || is_left_to_reader(call)) {
    return;
  }
  Loops loops = broadcast_loops(graph, call.op, call.y, call.operands);
  std::vector<Binding> bindings = {bind_elements(graph, call.y, push.count)};
  for (size_t i = 0; i < call.operands.size(); ++i) {
    bindings.push_back(bind_operand(graph, call, i, element_end(loops, i)));
  }
  const std::string words_kernels = call.kernels + "_words";
  const bool words = has_kernel(graph.caps(), words_kernels.c_str()) && in_units(loops, 4);
  std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
  std::vector<uint32_t> constants = {static_cast<uint32_t>(loops.sizes.size()), call.code};
  for (size_t i = 0; i < call.operands.size(); ++i) {
    std::copy(loops.strides[i].begin(), loops.strides[i].end(), push.*strides[i]);
    const bool is_number = call.operands[i] == kNoTensor;
    constants.push_back(is_number ? kNumber : words && is_repeated(loops, i) ? kRepeated : kEach);
  }
  const std::string& kernels = words ? words_kernels : call.kernels;
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{kernels.c_str(), push.count}});
  commands.dispatch(graph.context().pipelines.get(row, constants), bindings, push,
                    elementwise_grid(row, graph.caps(), push.count));
}

std::vector<ValueId> tensors_of(const BroadcastCall& call) {
  std::vector<ValueId> tensors = call.operands;
  tensors.erase(std::remove(tensors.begin(), tensors.end(), kNoTensor), tensors.end());
  return tensors;
}

template <typename Push>
void add_broadcast_node(ComputeGraph& graph, const BroadcastCall& call, const Push& push,
                        const std::vector<uint32_t (Push::*)[kMaxLoops]>& strides) {
  const auto record = [&graph, call, push, strides](Commands& commands) {
    record_broadcast(graph, commands, call, push, strides);
  };
  const std::vector<ValueId> tensors = tensors_of(call);
  graph.add_node({call.op,
                  tensors,
                  {call.y},
                  record,
                  -1,
                  overwritable(graph, tensors, call.y),
                  tensors.size() > 1});
  if (call.sum != nullptr) {
    graph.offer(call.y, call.sum);
  }
}

// The call as a sum of two float32 tensors of y's sizes, or null.
std::shared_ptr<FloatSum> sum_of(const ComputeGraph& graph, const BroadcastCall& call,
                                 double alpha) {
  const auto is_whole = [&](ValueId id) {
    return id != kNoTensor && graph.dims(id) == graph.dims(call.y);
  };
  const bool is_sum = call.op == "aten.add.Tensor" && alpha == 1.0 &&
                      graph.dtype(call.y) == DType::kFloat32 &&
                      std::all_of(call.operands.begin(), call.operands.end(), is_whole);
  if (!is_sum) {
    return nullptr;
  }
  auto sum = std::make_shared<FloatSum>();
  sum->a = call.operands[0];
  sum->b = call.operands[1];
  sum->y = call.y;
  return sum;
}

uint32_t number(const OpArgs& args, const char* name, DType operands) {
  const double value = args.scalar(name);
  // 0 divided by it would be no number then.
  ETVK_CHECK(std::fpclassify(static_cast<float>(value)) != FP_SUBNORMAL, kNotSupported,
             args.op() << ": " << name << " is " << value
                       << ", a subnormal float32, which devices may take for zero");
  return number_bits(args, name, value, operands);
}

void binary(ComputeGraph& graph, const OpArgs& args) {
  const DType type =
      graph.dtype(args.tensor(args.takes("self", ArgKind::kTensor) ? "self" : "other"));
  const BinaryOp& row = row_of(kBinaryOps, args, type);
  BinaryPush push{};
  BroadcastCall call{args.op(), "binary", row.code, {kNoTensor, kNoTensor}, args.output()};
  if (row.a_is_number) {
    push.a_number = number(args, "self", type);
  } else {
    call.operands[0] = args.tensor("self");
  }
  if (row.b_is_number) {
    push.b_number = number(args, "other", type);
  } else {
    call.operands[1] = args.tensor("other");
  }
  const double alpha = row.has_alpha ? args.optional_scalar("alpha").value_or(1.0) : 1.0;
  push.alpha = number_bits(args, "alpha", alpha, type);
  check_types(graph, call.op, row, tensors_of(call), call.y);
  call.kernels = kernels_of("binary", row, type);
  call.sum = sum_of(graph, call, alpha);
  add_broadcast_node(graph, call, push, {&BinaryPush::a_strides, &BinaryPush::b_strides});
}

void ternary(ComputeGraph& graph, const OpArgs& args) {
  const auto* row = std::find_if(std::begin(kTernaryOps), std::end(kTernaryOps),
                                 [&args](const TernaryOp& op) { return args.op() == op.name; });
  const ValueId y = args.output();
  check_movable(graph, args.op(), args.tensor("self"), y);
  check_movable(graph, args.op(), args.tensor("other"), y);
  const BroadcastCall call{args.op(),
                           dtype_bytes(graph.dtype(y)) == 4 ? "where" : "where_bytes",
                           row->code,
                           {args.tensor("condition"), args.tensor("self"), args.tensor("other")},
                           y};
  const DType condition = graph.dtype(call.operands[0]);
  ETVK_CHECK(condition == DType::kBool, kInvalidProgram,
             call.op << ": the condition must be bool, got " << dtype_name(condition));
  add_broadcast_node(graph, call, TernaryPush{},
                     {&TernaryPush::a_strides, &TernaryPush::b_strides, &TernaryPush::c_strides});
}

const RegisterOps registered_binary(op_rows(kBinaryOps, binary));
const RegisterOps registered_ternary(op_rows(kTernaryOps, ternary));

}  // namespace

}  // namespace etvk::ops
