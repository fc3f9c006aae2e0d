// Float32 matrix products: mm, bmm, addmm, linear and et_vk.matmul.
#include <algorithm>

#include "Entry.h"
#include "FloatSum.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

void check_float(const Tensor& x) {
  if (x.dtype != DType::kFloat32) {
    throw Meaningless("an operand of another type");
  }
}

// As matrices: the sizes of `x` with dimension i being dims[i] of it.
struct Matrices {
  Matrices(const Tensor& x, Sizes dims) : x(x), dims(std::move(dims)) {
    for (int64_t dim : this->dims) {
      sizes.push_back(x.sizes[static_cast<size_t>(dim)]);
    }
  }
  explicit Matrices(const Tensor& x) : Matrices(x, in_order(x.sizes.size())) {}

  // An element by its index in the result's batch, a row and a column.
  double at(const Sizes& batch_index, int64_t row, int64_t column) const {
    Sizes index = batch_index;
    index.push_back(row);
    index.push_back(column);
    Sizes own(x.sizes.size());
    for (size_t i = 0; i < own.size(); ++i) {
      const int64_t wanted = index[index.size() - own.size() + i];
      own[static_cast<size_t>(dims[i])] = sizes[i] == 1 ? 0 : wanted;
    }
    return x.float_at(broadcast_at(x.sizes, own));
  }
  Sizes batch() const { return {sizes.begin(), sizes.end() - 2}; }
  int64_t rows() const { return sizes[sizes.size() - 2]; }
  int64_t columns() const { return sizes.back(); }

  const Tensor& x;
  Sizes dims;
  Sizes sizes;
};

struct Addend {
  const Tensor* c = nullptr;
  double alpha = 1.0;
  double beta = 1.0;
};

Tensor product(const Matrices& a, const Matrices& b, const Addend& addend) {
  check_float(a.x);
  check_float(b.x);
  if (a.sizes.size() < 2 || b.sizes.size() < 2 || a.columns() != b.rows()) {
    throw Meaningless("matrices that have no product");
  }
  const Sizes batch = broadcast(a.batch(), b.batch());
  Sizes sizes = batch;
  sizes.push_back(a.rows());
  sizes.push_back(b.columns());
  Tensor y = zeros(DType::kFloat32, sizes);
  const bool is_exact = a.x.accuracy == Accuracy::kExact && b.x.accuracy == Accuracy::kExact &&
                        (addend.c == nullptr || addend.c->accuracy == Accuracy::kExact);
  y.accuracy = is_exact ? Accuracy::kClose : Accuracy::kUnknown;
  for (size_t i = 0; i < y.count(); ++i) {
    Sizes index = index_of(i, sizes);
    const Sizes own_batch(index.begin(), index.end() - 2);
    const int64_t m = index[batch.size()];
    const int64_t n = index[batch.size() + 1];
    FloatSum sum;
    for (int64_t k = 0; k < a.columns() && addend.alpha != 0.0; ++k) {
      sum.add(a.at(own_batch, m, k) * b.at(own_batch, k, n), 1.0);
    }
    sum.value = addend.alpha == 0.0 ? 0.0 : addend.alpha * sum.value;
    if (addend.c != nullptr) {
      sum.add(addend.c->float_at(broadcast_at(addend.c->sizes, {m, n})), addend.beta);
    }
    if (!sum.is_known()) {
      y.accuracy = Accuracy::kUnknown;
    }
    set_float(y, i, static_cast<float>(sum.value));
  }
  return y;
}

Tensor plain(const Arguments& arguments, size_t rank) {
  const Tensor& a = arguments.tensor("self");
  const Tensor& b = arguments.tensor("mat2");
  if (a.sizes.size() != rank || b.sizes.size() != rank || (rank == 3 && a.sizes[0] != b.sizes[0])) {
    throw Meaningless("matrices of another rank or number");
  }
  return product(Matrices(a), Matrices(b), {});
}

Result mm(const Arguments& arguments) { return plain(arguments, 2); }
Result bmm(const Arguments& arguments) { return plain(arguments, 3); }

// Whether c broadcasts to [M, N].
void check_addend(const Tensor& c, const Sizes& sizes) {
  check_float(c);
  if (c.sizes.size() > 2 || broadcast(c.sizes, sizes) != sizes) {
    throw Meaningless("an addend that does not fit");
  }
}

Result addmm(const Arguments& arguments) {
  const Tensor& a = arguments.tensor("mat1");
  const Tensor& b = arguments.tensor("mat2");
  const Tensor& c = arguments.tensor("self");
  if (a.sizes.size() != 2 || b.sizes.size() != 2) {
    throw Meaningless("matrices of another rank");
  }
  Addend addend{nullptr, static_cast<float>(arguments.scalar("alpha")),
                static_cast<float>(arguments.scalar("beta"))};
  check_float(c);
  if (addend.beta != 0.0) {
    check_addend(c, {a.sizes[0], b.sizes[1]});
    addend.c = &c;
  }
  return product(Matrices(a), Matrices(b), addend);
}

Result linear(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("input");
  const Tensor& w = arguments.tensor("weight");
  const Tensor* bias = arguments.optional_tensor("bias");
  if (x.sizes.empty() || w.sizes.size() != 2 || x.sizes.back() != w.sizes[1]) {
    throw Meaningless("no linear layer");
  }
  Tensor rows = x;
  int64_t M = 1;
  for (size_t i = 0; i + 1 < x.sizes.size(); ++i) {
    M *= x.sizes[i];
  }
  rows.sizes = {M, x.sizes.back()};
  if (bias != nullptr) {
    check_addend(*bias, {M, w.sizes[0]});
  }
  Tensor y = product(Matrices(rows), Matrices(w, {1, 0}), {bias});
  y.sizes = x.sizes;
  y.sizes.back() = w.sizes[0];
  return y;
}

Result matmul(const Arguments& arguments) {
  const Tensor& a = arguments.tensor("a");
  const Tensor& b = arguments.tensor("b");
  if (a.sizes.size() < 2 || b.sizes.size() < 2) {
    throw Meaningless("operands that are no matrices");
  }
  if (a.sizes.size() > 6 || b.sizes.size() > 6) {
    throw Unchecked("more dimensions of a batch than kernels may have room for");
  }
  return product(Matrices(a, permutation(arguments, "a_dims", a.sizes.size())),
                 Matrices(b, permutation(arguments, "b_dims", b.sizes.size())), {});
}

// ---- Draws.

constexpr DType kF32 = DType::kFloat32;

// Some matrix for `a` of the last two dimensions given, with its other sizes in each execution.
ValueId second(Draft& draft, ValueId a, int64_t columns, bool is_transposed, bool repeats) {
  ByExecution<Sizes> sizes = draft.all_sizes(a);
  for (Sizes& own : sizes) {
    const int64_t K = own.back();
    const size_t rank = own.size();
    own[rank - 2] = is_transposed ? columns : K;
    own[rank - 1] = is_transposed ? K : columns;
    if (repeats && rank > 2) {
      own[0] = 1;
    }
  }
  return draft.new_input(kF32, sizes);
}

ValueId first(Draft& draft, size_t rank) {
  const ValueId there =
      draft.find_tensor({kF32}, [&](ValueId id) { return draft.rank(id) == rank; });
  return there >= 0 && draft.random().chance(60)
             ? there
             : draft.new_input(kF32, rank, draft.block().linear_shape(draft.random()).K);
}

bool draw_plain(Draft& draft, size_t rank) {
  const ValueId a = first(draft, rank);
  if (a < 0 || draft.rank(a) != rank) {
    return false;
  }
  draft.give("self", a);
  const ValueId b = second(draft, a, draft.block().linear_shape(draft.random()).N, false, false);
  draft.give("mat2", b);
  return b >= 0;
}

bool draw_mm(Draft& draft) { return draw_plain(draft, 2); }
bool draw_bmm(Draft& draft) { return draw_plain(draft, 3); }

bool draw_addmm(Draft& draft) {
  testing::Random& random = draft.random();
  const ValueId a = first(draft, 2);
  if (a < 0 || draft.rank(a) != 2) {
    return false;
  }
  const int64_t N = draft.block().linear_shape(random).N;
  const ValueId b = second(draft, a, N, false, false);
  ByExecution<Sizes> sizes = draft.all_sizes(a);
  const bool is_row = random.chance(50);
  for (Sizes& own : sizes) {
    own = is_row ? Sizes{N} : Sizes{own[0], N};
  }
  draft.give("mat1", a);
  draft.give("mat2", b);
  draft.give("self", draft.new_input(kF32, sizes));
  constexpr double kFactors[] = {1.0, 1.0, 0.0, -0.5};
  draft.give_number("alpha", random.pick(kFactors));
  draft.give_number("beta", random.pick(kFactors));
  return b >= 0;
}

bool draw_linear(Draft& draft) {
  testing::Random& random = draft.random();
  const LinearShape& shape = draft.block().linear_shape(random);
  ValueId x = draft.find_tensor({kF32}, [&](ValueId id) {
    const auto sizes = draft.all_sizes(id);
    return std::all_of(sizes.begin(), sizes.end(),
                       [&](const Sizes& own) { return !own.empty() && own.back() == shape.K; });
  });
  if (x < 0 || random.chance(30)) {
    x = draft.new_input(kF32, 1, shape.K);
  }
  draft.give("input", x);
  ByExecution<Sizes> weight;
  weight.fill({shape.N, shape.K});
  if (random.chance(70)) {
    draft.give_constant("weight", kF32, {shape.N, shape.K});
  } else {
    draft.give("weight", draft.new_input(kF32, weight));
  }
  if (random.chance(60)) {
    draft.give_constant("bias", kF32, {random.chance(80) ? shape.N : 1});
  } else {
    draft.give_none("bias");
  }
  return x >= 0;
}

bool draw_matmul(Draft& draft) {
  testing::Random& random = draft.random();
  const ValueId a = first(draft, 2 + random.below(3));
  if (a < 0 || draft.rank(a) < 2) {
    return false;
  }
  const bool is_transposed = random.chance(60);
  const ValueId b =
      second(draft, a, draft.block().linear_shape(random).N, is_transposed, random.chance(40));
  const size_t rank = draft.rank(a);
  Sizes dims = in_order(rank);
  draft.give("a", a);
  draft.give_fixed_integers("a_dims", dims);
  if (is_transposed) {
    std::swap(dims[rank - 2], dims[rank - 1]);
  }
  draft.give("b", b);
  draft.give_fixed_integers("b_dims", dims);
  return b >= 0;
}

}  // namespace

std::vector<Entry> matmul_entries() {
  return {
      {"aten.mm.default", draw_mm, mm, true},
      {"aten.bmm.default", draw_bmm, bmm, true},
      {"aten.addmm.default", draw_addmm, addmm, true},
      {"aten.linear.default", draw_linear, linear, true},
      {"et_vk.matmul.default", draw_matmul, matmul, true},
  };
}

}  // namespace etvk::fuzz
