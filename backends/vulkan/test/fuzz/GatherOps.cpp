// Ops whose elements are picked by an integer tensor: embedding, gather, index_select, and index
// with one tensor. A place that is not there reads the nearest one.
#include <algorithm>
#include <cstring>

#include "Entry.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

const std::vector<DType> kPicked = {DType::kFloat32, DType::kInt8, DType::kUint8, DType::kBool,
                                    DType::kInt32};

// ---- Results.

int64_t place_at(const Tensor& index, size_t i, int64_t size, bool counts_back) {
  int32_t place = 0;
  std::memcpy(&place, &index.bytes[i * sizeof(place)], sizeof(place));
  const int64_t counted = counts_back && place < 0 ? place + size : place;
  return std::clamp<int64_t>(counted, 0, size - 1);
}

void check_types(const Tensor& x, const Tensor& index) {
  const size_t bytes = dtype_bytes(x.dtype);
  if ((bytes != 1 && bytes != 4) || index.dtype != DType::kInt32) {
    throw Meaningless("a type that is not picked from or by");
  }
}

// y of these sizes; `source` gives an element of x for an element of y.
template <typename Source>
Tensor picked(const Tensor& x, const Tensor& index, const Sizes& sizes, int64_t x_size,
              Source&& source) {
  check_types(x, index);
  Tensor y = zeros(x.dtype, sizes);
  y.accuracy = index.accuracy == Accuracy::kExact ? x.accuracy : Accuracy::kUnknown;
  if (y.count() > 0 && x_size == 0) {
    throw Meaningless("nothing to pick from");
  }
  const size_t bytes = dtype_bytes(x.dtype);
  for (size_t i = 0; i < y.count(); ++i) {
    const size_t from = source(index_of(i, sizes));
    std::memcpy(&y.bytes[i * bytes], &x.bytes[from * bytes], bytes);
  }
  return y;
}

size_t element_at(const Sizes& sizes, const Sizes& at) {
  size_t element = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    element = element * static_cast<size_t>(sizes[i]) + static_cast<size_t>(at[i]);
  }
  return element;
}

// Dimension `dim` of x gives way to those of the index.
Tensor pick_along(const Tensor& x, size_t dim, const Tensor& index, bool counts_back) {
  const auto at_dim = [dim](const auto& list) {
    return list.begin() + static_cast<std::ptrdiff_t>(dim);
  };
  Sizes sizes(x.sizes.begin(), at_dim(x.sizes));
  sizes.insert(sizes.end(), index.sizes.begin(), index.sizes.end());
  sizes.insert(sizes.end(), at_dim(x.sizes) + 1, x.sizes.end());
  const int64_t size = x.sizes[dim];
  const size_t rank = index.sizes.size();
  return picked(x, index, sizes, size, [&](const Sizes& at) {
    const auto first = at_dim(at);
    const auto end = first + static_cast<std::ptrdiff_t>(rank);
    const size_t i = element_at(index.sizes, Sizes(first, end));
    Sizes from(at.begin(), first);
    from.push_back(place_at(index, i, size, counts_back));
    from.insert(from.end(), end, at.end());
    return element_at(x.sizes, from);
  });
}

Result embedding(const Arguments& arguments) {
  const Tensor& weight = arguments.tensor("weight");
  if (weight.sizes.size() != 2) {
    throw Meaningless("a table that is not two-dimensional");
  }
  return pick_along(weight, 0, arguments.tensor("indices"), false);
}

Result index_select(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const Tensor& index = arguments.tensor("index");
  if (index.sizes.size() != 1) {
    throw Meaningless("an index that is not one-dimensional");
  }
  return pick_along(x, arguments.dim("dim", x.sizes.size()), index, false);
}

Result index(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const std::vector<const Tensor*> indices = arguments.optional_tensors("indices");
  const auto is_tensor = [](const Tensor* one) { return one != nullptr; };
  const auto given = std::find_if(indices.begin(), indices.end(), is_tensor);
  const auto dim = static_cast<size_t>(given - indices.begin());
  if (std::count_if(indices.begin(), indices.end(), is_tensor) != 1 || dim >= x.sizes.size()) {
    throw Meaningless("not one index of a dimension that there is");
  }
  return pick_along(x, dim, **given, true);
}

Result gather(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const Tensor& index = arguments.tensor("index");
  const size_t rank = x.sizes.size();
  if (index.sizes.size() != rank || rank == 0) {
    throw Meaningless("self and index differ in rank");
  }
  const size_t dim = arguments.dim("dim", rank);
  for (size_t i = 0; i < rank; ++i) {
    if (i != dim && index.sizes[i] > x.sizes[i]) {
      throw Meaningless("an index larger than self");
    }
  }
  return picked(x, index, index.sizes, x.sizes[dim], [&](Sizes at) {
    at[dim] = place_at(index, element_at(index.sizes, at), x.sizes[dim], false);
    return element_at(x.sizes, at);
  });
}

// ---- Draws.

bool draw_embedding(Draft& draft) {
  draft.give("weight", draft.some_tensor(kPicked, 2));
  draft.give("indices", draft.some_tensor({DType::kInt32}));
  return true;
}

bool draw_index_select(Draft& draft) {
  const ValueId x = draft.some_tensor(kPicked, 1);
  if (x < 0) {
    return false;
  }
  const auto rank = static_cast<int32_t>(draft.rank(x));
  draft.give("self", x);
  draft.give_integer("dim", draft.random().integer(-rank, rank - 1));
  draft.give("index",
             draft.find_tensor({DType::kInt32}, [&](ValueId id) { return draft.rank(id) == 1; }));
  return true;
}

bool draw_index(Draft& draft) {
  const ValueId x = draft.some_tensor(kPicked, 1);
  const ValueId index = draft.some_tensor({DType::kInt32});
  if (x < 0 || index < 0) {
    return false;
  }
  std::vector<ValueId> items;
  for (size_t skipped = draft.random().below(draft.rank(x)); skipped > 0; --skipped) {
    items.push_back(draft.none());
  }
  items.push_back(index);
  draft.give("self", x);
  draft.give_list("indices", items);
  return true;
}

bool draw_gather(Draft& draft) {
  const ValueId x = draft.some_tensor(kPicked, 1);
  if (x < 0) {
    return false;
  }
  const auto rank = static_cast<int32_t>(draft.rank(x));
  const ByExecution<Sizes> sizes = draft.all_sizes(x);
  const ValueId index =
      draft.find_tensor({DType::kInt32}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
  draft.give("self", x);
  draft.give_integer("dim", draft.random().integer(-rank, rank - 1));
  draft.give("index", index >= 0 ? index : draft.new_input(DType::kInt32, sizes));
  return true;
}

}  // namespace

std::vector<Entry> gather_entries() {
  return {
      {"aten.embedding.default", draw_embedding, embedding},
      {"aten.index_select.default", draw_index_select, index_select},
      {"aten.index.Tensor", draw_index, index},
      {"aten.gather.default", draw_gather, gather},
  };
}

}  // namespace etvk::fuzz
