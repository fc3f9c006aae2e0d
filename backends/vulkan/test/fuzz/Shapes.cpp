#include "Shapes.h"

#include <algorithm>

namespace etvk::fuzz {

Sizes broadcast(const Sizes& a, const Sizes& b) {
  Sizes sizes(std::max(a.size(), b.size()), 1);
  for (const Sizes* own : {&a, &b}) {
    for (size_t i = 0; i < own->size(); ++i) {
      int64_t& size = sizes[sizes.size() - own->size() + i];
      const int64_t wanted = (*own)[i];
      if (size != 1 && wanted != 1 && wanted != size) {
        throw Meaningless("shapes that cannot be broadcast");
      }
      size = size == 1 ? wanted : size;
    }
  }
  return sizes;
}

Sizes index_of(size_t at, const Sizes& sizes) {
  Sizes index(sizes.size());
  auto rest = static_cast<int64_t>(at);
  for (size_t dim = sizes.size(); dim-- > 0;) {
    index[dim] = rest % sizes[dim];
    rest /= sizes[dim];
  }
  return index;
}

size_t broadcast_at(const Sizes& sizes, const Sizes& index) {
  int64_t at = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t own = sizes[i] == 1 ? 0 : index[index.size() - sizes.size() + i];
    at = at * sizes[i] + own;
  }
  return static_cast<size_t>(at);
}

RowsAlong::RowsAlong(const Sizes& sizes, size_t dim) {
  for (size_t i = dim; i < sizes.size(); ++i) {
    (i == dim ? steps : inner_) *= static_cast<size_t>(sizes[i]);
  }
}

ReducedShape::ReducedShape(const Sizes& from, const Sizes& dims, bool keepdim)
    : from_(from), reduced_(from.size(), dims.empty()) {
  for (int64_t dim : dims) {
    // PyTorch lets a single number have one dimension.
    const size_t own = wrap_dim(dim, std::max<size_t>(from.size(), 1));
    if (!from.empty()) {
      reduced_[own] = true;
    }
  }
  for (size_t i = 0; i < from.size(); ++i) {
    kept_.push_back(reduced_[i] ? 1 : from[i]);
    count *= reduced_[i] ? from[i] : 1;
    if (!reduced_[i] || keepdim) {
      sizes.push_back(kept_.back());
    }
  }
}

size_t ReducedShape::result_of(size_t element) const {
  const Sizes index = index_of(element, from_);
  int64_t at = 0;
  for (size_t dim = 0; dim < index.size(); ++dim) {
    at = at * kept_[dim] + (reduced_[dim] ? 0 : index[dim]);
  }
  return static_cast<size_t>(at);
}

ValueId broadcast_operand(Draft& draft, ValueId a) {
  testing::Random& random = draft.random();
  if (random.chance(40)) {
    return draft.some_tensor({draft.dtype(a)});
  }
  ByExecution<Sizes> sizes = draft.all_sizes(a);
  for (size_t dim = 0; dim < sizes[0].size(); ++dim) {
    const bool repeat = random.chance(30);
    for (Sizes& own : sizes) {
      own[dim] = repeat ? 1 : own[dim];
    }
  }
  const size_t fewer = random.chance(30) ? random.below(sizes[0].size() + 1) : 0;
  for (Sizes& own : sizes) {
    own.erase(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(fewer));
  }
  return draft.new_input(draft.dtype(a), sizes);
}

ReducedOperand reduced_operand(Draft& draft, DType dtype) {
  testing::Random& random = draft.random();
  const MeanShape& shape = draft.block().mean_shape(random);
  ByExecution<Sizes> sizes;
  sizes.fill(shape.sizes);
  for (size_t dim = 0; dim < shape.sizes.size(); ++dim) {
    const auto signed_dim = static_cast<int64_t>(dim);
    const bool is_reduced = std::count(shape.dims.begin(), shape.dims.end(), signed_dim) > 0;
    if (!draft.dynamic_sizes().empty() && random.chance(is_reduced ? 3 : 30)) {
      const auto& dynamic = random.pick(draft.dynamic_sizes());
      for (size_t execution = 0; execution < kExecutions; ++execution) {
        sizes[execution][dim] = dynamic[execution];
      }
    }
  }
  const ValueId same =
      draft.find_tensor({dtype}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
  ReducedOperand operand;
  operand.id = same >= 0 && random.chance(50) ? same : draft.new_input(dtype, sizes);
  for (int64_t dim : shape.dims) {
    const auto rank = static_cast<int64_t>(shape.sizes.size());
    operand.dims.push_back(random.chance(30) ? dim - rank : dim);
  }
  return operand;
}

}  // namespace etvk::fuzz
