// mm, bmm, addmm, linear and et_vk.matmul in float32. Each says how its operands are matrices.
#include "graph/ops/impl/matmul/Matmul.h"

#include <algorithm>
#include <utility>

#include "vk/Error.h"

namespace etvk::ops {

namespace {

void check_float(const ComputeGraph& graph, const MatmulCall& call) {
  for (ValueId id : {call.a, call.b, call.c, call.y}) {
    ETVK_CHECK(
        id < 0 || graph.dtype(id) == DType::kFloat32, kInvalidProgram,
        call.op << ": operands and result must be float32, got " << dtype_name(graph.dtype(id)));
  }
}

void check_rank(const MatmulCall& call, const char* what, const Sizes& sizes, size_t rank) {
  ETVK_CHECK(
      sizes.size() == rank, kInvalidProgram,
      call.op << ": " << what << " must have " << rank << " dimensions, got " << shape_text(sizes));
}

std::vector<ValueId> reads_of(const MatmulCall& call) {
  std::vector<ValueId> reads = {call.a, call.b};
  if (call.c >= 0) {
    reads.push_back(call.c);
  }
  return reads;
}

Matrices matrices(const ComputeGraph& graph, ValueId id) {
  return {graph.sizes(id), graph.strides(id)};
}

// The addend as [M, N], where dimensions that it lacks are repeated.
Matrices addend(const ComputeGraph& graph, const MatmulCall& call, int64_t M, int64_t N) {
  if (call.c < 0) {
    return {};
  }
  Matrices c = matrices(graph, call.c);
  ETVK_CHECK(c.sizes.size() <= 2, kInvalidProgram,
             call.op << ": the addend must have at most 2 dimensions, got " << shape_text(c.sizes));
  while (c.sizes.size() < 2) {
    c.sizes.insert(c.sizes.begin(), 1);
    c.strides.insert(c.strides.begin(), 0);
  }
  const Sizes wanted = {M, N};
  for (size_t i = 0; i < 2; ++i) {
    ETVK_CHECK(c.sizes[i] == 1 || c.sizes[i] == wanted[i], kInvalidProgram,
               call.op << ": an addend of " << shape_text(c.sizes) << " to results of "
                       << shape_text(wanted));
  }
  return c;
}

// Of matrices of exactly `rank` dimensions, none of them repeated.
void add_product(ComputeGraph& graph, const MatmulCall& call, size_t rank) {
  check_float(graph, call);
  check_rank(call, "the first matrix", graph.dims(call.a), rank);
  check_rank(call, "the second matrix", graph.dims(call.b), rank);
  const auto record = [&graph, call](Commands& commands) {
    const Matrices a = matrices(graph, call.a);
    const Matrices b = matrices(graph, call.b);
    const bool same_batch = a.sizes.size() == 2 || a.sizes[0] == b.sizes[0];
    ETVK_CHECK(same_batch, kInvalidProgram,
               call.op << ": batches of " << a.sizes[0] << " and " << b.sizes[0] << " matrices");
    const Sizes sizes = matmul_sizes(call.op, a.sizes, b.sizes);
    graph.set_sizes(call.y, sizes);
    dispatch_matmul(graph, commands, call, a, b,
                    addend(graph, call, sizes[sizes.size() - 2], sizes.back()));
  };
  graph.add_node({call.op, reads_of(call), {call.y}, record});
}

void mm(ComputeGraph& graph, const OpArgs& args) {
  add_product(graph, {args.op(), args.tensor("self"), args.tensor("mat2"), -1, args.output()}, 2);
}

void bmm(ComputeGraph& graph, const OpArgs& args) {
  add_product(graph, {args.op(), args.tensor("self"), args.tensor("mat2"), -1, args.output()}, 3);
}

void addmm(ComputeGraph& graph, const OpArgs& args) {
  MatmulCall call{args.op(), args.tensor("mat1"), args.tensor("mat2"), args.tensor("self"),
                  args.output()};
  call.beta = static_cast<float>(args.scalar("beta"));
  call.alpha = static_cast<float>(args.scalar("alpha"));
  check_float(graph, call);
  if (call.beta != 0.0f) {
    add_product(graph, call, 2);
    return;
  }
  // As in PyTorch, the addend does not count then, whatever it holds.
  const ValueId ignored = std::exchange(call.c, -1);
  graph.add_node({call.op, {ignored}, {}, [](Commands&) {}});
  add_product(graph, call, 2);
}

// input[..., K] * weight[N, K]^T + bias
void linear(ComputeGraph& graph, const OpArgs& args) {
  const MatmulCall call{args.op(), args.tensor("input"), args.tensor("weight"),
                        args.optional_tensor("bias"), args.output()};
  check_float(graph, call);
  check_rank(call, "the weight", graph.dims(call.b), 2);
  ETVK_CHECK(!graph.dims(call.a).empty(), kInvalidProgram, call.op << ": the input is a number");
  const auto record = [&graph, call](Commands& commands) {
    Sizes sizes = graph.sizes(call.a);
    const int64_t K = sizes.back();
    sizes.pop_back();
    int64_t M = 1;
    for (int64_t size : sizes) {
      M *= size;
    }
    const Sizes& w = graph.sizes(call.b);
    const Matrices a{{M, K}, {K, 1}};
    const Matrices b{{w[1], w[0]}, {1, w[1]}};
    sizes.push_back(matmul_sizes(call.op, a.sizes, b.sizes).back());
    graph.set_sizes(call.y, sizes);
    dispatch_matmul(graph, commands, call, a, b, addend(graph, call, M, w[0]));
  };
  graph.add_node({call.op, reads_of(call), {call.y}, record});
}

// The tensor with its dimensions permuted: dimension i is dims[i] of it.
Matrices permuted(const ComputeGraph& graph, ValueId id, const std::vector<size_t>& dims) {
  const Matrices own = matrices(graph, id);
  Matrices moved;
  for (size_t dim : dims) {
    moved.sizes.push_back(own.sizes[dim]);
    moved.strides.push_back(own.strides[dim]);
  }
  return moved;
}

std::vector<size_t> permutation(const OpArgs& args, const char* name, size_t rank) {
  const Sizes given = args.integers(name);
  std::vector<size_t> dims;
  for (int64_t dim : given) {
    dims.push_back(wrap_dim(args.op(), dim, rank));
  }
  std::vector<size_t> sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  bool is_permutation = sorted.size() == rank && rank >= 2;
  for (size_t i = 0; i < sorted.size(); ++i) {
    is_permutation = is_permutation && sorted[i] == i;
  }
  ETVK_CHECK(
      is_permutation, kInvalidProgram,
      args.op() << ": " << name << " " << shape_text(given) << " of a tensor of rank " << rank);
  return dims;
}

void matmul(ComputeGraph& graph, const OpArgs& args) {
  const MatmulCall call{args.op(), args.tensor("a"), args.tensor("b"), -1, args.output()};
  check_float(graph, call);
  const std::vector<size_t> a_dims = permutation(args, "a_dims", graph.dims(call.a).size());
  const std::vector<size_t> b_dims = permutation(args, "b_dims", graph.dims(call.b).size());
  const auto record = [&graph, call, a_dims, b_dims](Commands& commands) {
    const Matrices a = permuted(graph, call.a, a_dims);
    const Matrices b = permuted(graph, call.b, b_dims);
    graph.set_sizes(call.y, matmul_sizes(call.op, a.sizes, b.sizes));
    dispatch_matmul(graph, commands, call, a, b, {});
  };
  graph.add_node({call.op, reads_of(call), {call.y}, record});
}

const RegisterOps registered({
    {"aten.mm.default", "self:tensor@either mat2:tensor@either y:out", mm},
    {"aten.bmm.default", "self:tensor@either mat2:tensor@either y:out", bmm},
    {"aten.addmm.default",
     "self:tensor mat1:tensor@either mat2:tensor@either beta:scalar alpha:scalar y:out", addmm},
    {"aten.linear.default", "input:tensor weight:tensor bias:tensor? y:out", linear},
    {"et_vk.matmul.default",
     "a:tensor@either b:tensor@either a_dims:integers b_dims:integers y:out", matmul},
});

}  // namespace

}  // namespace etvk::ops
