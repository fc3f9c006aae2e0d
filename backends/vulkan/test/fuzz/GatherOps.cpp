// Ops whose elements are picked by an integer tensor: embedding, gather, index_select, and index
// with one tensor. A place that is not there reads the nearest one.
#include <algorithm>
#include <cstring>

#include "Entry.h"
#include "Places.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

// The nearest one where it is none.
int64_t read_place(const Tensor& index, size_t i, int64_t size, bool counts_back) {
  return std::clamp<int64_t>(place_at(index, i, size, counts_back), 0, size - 1);
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
    from.push_back(read_place(index, i, size, counts_back));
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
  const Placed placed = one_index(arguments);
  return pick_along(*placed.x, placed.dim, *placed.index, true);
}

Result gather(const Arguments& arguments) {
  const auto [x, index, dim] = index_along(arguments);
  return picked(*x, *index, index->sizes, x->sizes[dim],
                [x = x, index = index, dim = dim](Sizes at) {
                  const size_t i = element_at(index->sizes, at);
                  at[dim] = read_place(*index, i, x->sizes[dim], false);
                  return element_at(x->sizes, at);
                });
}

// ---- Draws.

bool draw_embedding(Draft& draft) {
  draft.give("weight", draft.some_tensor(kPlacedTypes, 2));
  draft.give("indices", draft.some_tensor({DType::kInt32}));
  return true;
}

bool draw_index_select(Draft& draft) {
  const ValueId x = draft.some_tensor(kPlacedTypes, 1);
  if (x < 0) {
    return false;
  }
  draft.give("self", x);
  draft.give_integer("dim", draft.some_dim(x));
  draft.give("index",
             draft.find_tensor({DType::kInt32}, [&](ValueId id) { return draft.rank(id) == 1; }));
  return true;
}

bool draw_index(Draft& draft) { return draw_one_index(draft).x >= 0; }

bool draw_gather(Draft& draft) { return draw_index_along(draft) >= 0; }

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
