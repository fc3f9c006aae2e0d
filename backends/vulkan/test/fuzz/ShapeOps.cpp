// Ops that only change a tensor's shape, for any type: view, squeeze, unsqueeze, clone, and
// prepack, which makes a constant a tensor.
#include <algorithm>

#include "Entry.h"

namespace etvk::fuzz {

namespace {

const std::vector<DType> kAny = {DType::kInt8,    DType::kInt8,  DType::kFloat32, DType::kUint8,
                                 DType::kFloat16, DType::kInt64, DType::kFloat64, DType::kBool};

// ---- Results.

Tensor with_sizes(const Tensor& x, Sizes sizes) {
  Tensor y = zeros(x.dtype, std::move(sizes));
  if (y.count() != x.count()) {
    throw Meaningless("a view of another number of elements");
  }
  y.bytes = x.bytes;
  y.accuracy = x.accuracy;
  return y;
}

// One -1 stands for what the others leave.
Result view(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  Sizes sizes = arguments.integers("size");
  const auto unknown = std::find(sizes.begin(), sizes.end(), -1);
  if (unknown != sizes.end()) {
    *unknown = 1;
    const size_t known = zeros(DType::kInt8, sizes).count();
    if (known == 0 || x.count() % known != 0) {
      throw Meaningless("a size of -1 that nothing determines");
    }
    *unknown = static_cast<int64_t>(x.count() / known);
  }
  return with_sizes(x, sizes);
}

Result squeeze(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  std::vector<bool> listed(x.sizes.size(), false);
  for (int64_t dim : arguments.fixed_integers("dims")) {
    listed[wrap_dim(dim, listed.size())] = true;
  }
  Sizes sizes;
  for (size_t i = 0; i < listed.size(); ++i) {
    if (!listed[i] || x.sizes[i] != 1) {
      sizes.push_back(x.sizes[i]);
    }
  }
  return with_sizes(x, sizes);
}

Result unsqueeze(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  Sizes sizes = x.sizes;
  const size_t dim = arguments.dim("dim", sizes.size() + 1);
  sizes.insert(sizes.begin() + static_cast<std::ptrdiff_t>(dim), 1);
  return with_sizes(x, sizes);
}

Result clone(const Arguments& arguments) { return arguments.tensor("self"); }

Result prepack(const Arguments& arguments) { return arguments.constant("x"); }

// ---- Draws.

// Neighbours become one, a size becomes two, or ones come in.
void reshape(testing::Random& random, ByExecution<Sizes>& sizes) {
  const size_t rank = sizes[0].size();
  if (rank >= 2 && random.chance(50)) {
    const auto at = static_cast<std::ptrdiff_t>(random.below(rank - 1));
    for (Sizes& own : sizes) {
      own[static_cast<size_t>(at)] *= own[static_cast<size_t>(at) + 1];
      own.erase(own.begin() + at + 1);
    }
    return;
  }
  const auto at = static_cast<std::ptrdiff_t>(random.below(rank + 1));
  int64_t divisor = 1;
  if (static_cast<size_t>(at) < rank) {
    for (int64_t candidate : {2, 3, 4, 5}) {
      const bool divides = std::all_of(sizes.begin(), sizes.end(), [&](const Sizes& own) {
        return own[static_cast<size_t>(at)] % candidate == 0;
      });
      divisor = divides && random.chance(60) ? candidate : divisor;
    }
  }
  for (Sizes& own : sizes) {
    if (divisor > 1) {
      own[static_cast<size_t>(at)] /= divisor;
    }
    own.insert(own.begin() + at, divisor);
  }
}

bool draw_view(Draft& draft) {
  const ValueId x = draft.some_tensor(kAny);
  if (x < 0) {
    return false;
  }
  ByExecution<Sizes> sizes = draft.all_sizes(x);
  for (int steps = draft.random().integer(0, 3); steps > 0; --steps) {
    reshape(draft.random(), sizes);
  }
  draft.give("self", x);
  return draft.give_integers("size", sizes, true);
}

bool draw_squeeze(Draft& draft) {
  const ValueId x = draft.some_tensor(kAny);
  if (x < 0) {
    return false;
  }
  const Sizes& sizes = draft.sizes(x);
  Sizes dims;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (draft.random().chance(sizes[i] == 1 ? 70 : 10)) {
      const auto from_end = static_cast<int64_t>(draft.random().chance(30) ? sizes.size() : 0);
      dims.push_back(static_cast<int64_t>(i) - from_end);
    }
  }
  draft.give("self", x);
  draft.give_fixed_integers("dims", dims);
  return true;
}

bool draw_unsqueeze(Draft& draft) {
  const ValueId x = draft.some_tensor(kAny);
  if (x < 0) {
    return false;
  }
  const auto rank = static_cast<int32_t>(draft.rank(x));
  draft.give("self", x);
  draft.give_integer("dim", draft.random().integer(-rank - 1, rank));
  return true;
}

bool draw_clone(Draft& draft) {
  draft.give("self", draft.some_tensor(kAny));
  return true;
}

bool draw_prepack(Draft& draft) {
  testing::Random& random = draft.random();
  Sizes dims;
  for (int rank = random.integer(0, 3); rank > 0; --rank) {
    dims.push_back(random.integer(random.chance(5) ? 0 : 1, 9));
  }
  draft.give_constant("x", random.pick(kAny), dims);
  return true;
}

}  // namespace

std::vector<Entry> shape_entries() {
  return {
      {"aten.view_copy.default", draw_view, view},
      {"et_vk.fixed_view.default", draw_view, view},
      {"aten.squeeze_copy.dims", draw_squeeze, squeeze},
      {"aten.unsqueeze_copy.default", draw_unsqueeze, unsqueeze},
      {"aten.clone.default", draw_clone, clone},
      {"dim_order_ops._clone_dim_order.default", draw_clone, clone},
      {"aten.alias_copy.default", draw_clone, clone},
      {"et_vk.prepack.default", draw_prepack, prepack},
  };
}

}  // namespace etvk::fuzz
