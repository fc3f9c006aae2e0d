// Ops that write elements to places that an integer tensor gives: index_put with one tensor, and
// scatter. The last of several writes stays; what is no place is not written.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "Entry.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

const std::vector<DType> kMoved = {DType::kFloat32, DType::kInt8, DType::kUint8, DType::kBool,
                                   DType::kInt32};

// ---- Results.

void check_types(const Tensor& x, const Tensor& index) {
  const size_t bytes = dtype_bytes(x.dtype);
  if ((bytes != 1 && bytes != 4) || index.dtype != DType::kInt32) {
    throw Meaningless("a type that is not written or by");
  }
}

size_t element_at(const Sizes& sizes, const Sizes& at) {
  size_t element = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    element = element * static_cast<size_t>(sizes[i]) + static_cast<size_t>(at[i]);
  }
  return element;
}

// Negative where it is none.
int64_t place_at(const Tensor& index, size_t i, int64_t size, bool counts_back) {
  int32_t place = 0;
  std::memcpy(&place, &index.bytes[i * sizeof(place)], sizeof(place));
  const int64_t counted = counts_back && place < 0 ? int64_t{place} + size : place;
  return counted < size ? counted : -1;
}

Tensor copy_of(const Tensor& x, const Tensor& index, Accuracy values) {
  check_types(x, index);
  Tensor y = x;
  y.accuracy =
      index.accuracy == Accuracy::kExact ? std::max(x.accuracy, values) : Accuracy::kUnknown;
  return y;
}

// Whether a dimension that the values lack comes in front of one that they have, among those of the
// index.
bool repeats_in_front(const Sizes& values, const Sizes& to, size_t dim, size_t index_rank) {
  bool found = false;
  for (size_t i = dim; i < dim + index_rank; ++i) {
    const size_t added = to.size() - values.size();
    const bool has = i >= added && values[i - added] > 1;
    if (has && found) {
      return true;
    }
    found = found || (!has && to[i] > 1);
  }
  return false;
}

Result index_put(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const Tensor& values = arguments.tensor("values");
  const std::vector<const Tensor*> indices = arguments.optional_tensors("indices");
  const auto is_tensor = [](const Tensor* one) { return one != nullptr; };
  const auto given = std::find_if(indices.begin(), indices.end(), is_tensor);
  const auto dim = static_cast<size_t>(given - indices.begin());
  if (std::count_if(indices.begin(), indices.end(), is_tensor) != 1 || dim >= x.sizes.size() ||
      arguments.boolean("accumulate") || values.dtype != x.dtype) {
    throw Meaningless("not one index of a dimension that there is, or sums");
  }
  const Tensor& index = **given;
  const auto at_dim = x.sizes.begin() + static_cast<std::ptrdiff_t>(dim);
  Sizes to(x.sizes.begin(), at_dim);
  to.insert(to.end(), index.sizes.begin(), index.sizes.end());
  to.insert(to.end(), at_dim + 1, x.sizes.end());
  if (values.sizes.size() > to.size() || broadcast(values.sizes, to) != to ||
      repeats_in_front(values.sizes, to, dim, index.sizes.size())) {
    throw Meaningless("values of another shape");
  }
  Tensor y = copy_of(x, index, values.accuracy);
  Tensor all = zeros(x.dtype, to);
  const size_t bytes = dtype_bytes(x.dtype);
  for (size_t i = 0; i < all.count(); ++i) {
    const Sizes from = index_of(i, to);
    const auto first = from.begin() + static_cast<std::ptrdiff_t>(dim);
    const auto end = first + static_cast<std::ptrdiff_t>(index.sizes.size());
    const int64_t place =
        place_at(index, element_at(index.sizes, Sizes(first, end)), x.sizes[dim], true);
    if (place < 0) {
      continue;
    }
    Sizes at(from.begin(), first);
    at.push_back(place);
    at.insert(at.end(), end, from.end());
    std::memcpy(&y.bytes[element_at(x.sizes, at) * bytes],
                &values.bytes[broadcast_at(values.sizes, from) * bytes], bytes);
  }
  return y;
}

// `element`: the bytes to write for a position of the index.
template <typename ElementOf>
Tensor scattered(const Arguments& arguments, Accuracy accuracy, ElementOf&& element) {
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
  Tensor y = copy_of(x, index, accuracy);
  const size_t bytes = dtype_bytes(x.dtype);
  for (size_t i = 0; i < index.count(); ++i) {
    Sizes at = index_of(i, index.sizes);
    const uint8_t* from = element(at);
    at[dim] = place_at(index, i, x.sizes[dim], false);
    if (at[dim] >= 0) {
      std::memcpy(&y.bytes[element_at(x.sizes, at) * bytes], from, bytes);
    }
  }
  return y;
}

Result scatter_src(const Arguments& arguments) {
  const Tensor& src = arguments.tensor("src");
  const Tensor& index = arguments.tensor("index");
  if (src.dtype != arguments.tensor("self").dtype || src.sizes.size() != index.sizes.size()) {
    throw Meaningless("a source of another type or rank");
  }
  for (size_t i = 0; i < src.sizes.size(); ++i) {
    if (index.sizes[i] > src.sizes[i]) {
      throw Meaningless("an index larger than the source");
    }
  }
  return scattered(arguments, src.accuracy, [&](const Sizes& at) {
    return &src.bytes[element_at(src.sizes, at) * dtype_bytes(src.dtype)];
  });
}

Result scatter_value(const Arguments& arguments) {
  const DType dtype = arguments.tensor("self").dtype;
  const double value = arguments.scalar("value");
  const double whole = std::trunc(value);
  uint8_t element[4] = {};
  if (dtype == DType::kFloat32) {
    const auto number = static_cast<float>(value);
    std::memcpy(element, &number, sizeof(number));
  } else if (dtype == DType::kBool) {
    element[0] = value != 0.0 ? 1 : 0;
  } else if (whole >= INT32_MIN && whole <= INT32_MAX) {
    const auto integer = static_cast<int32_t>(whole);
    std::memcpy(element, &integer, sizeof(integer));
  } else {
    throw Meaningless("an integer beyond 32 bits");
  }
  return scattered(arguments, Accuracy::kExact, [&](const Sizes&) { return element; });
}

// ---- Draws.

bool draw_index_put(Draft& draft) {
  const ValueId x = draft.some_tensor(kMoved, 1);
  const ValueId index = draft.some_tensor({DType::kInt32});
  if (x < 0 || index < 0) {
    return false;
  }
  testing::Random& random = draft.random();
  const size_t dim = random.below(draft.rank(x));
  std::vector<ValueId> items(dim);
  std::generate(items.begin(), items.end(), [&draft] { return draft.none(); });
  items.push_back(index);
  ByExecution<Sizes> sizes = draft.all_sizes(x);
  const ByExecution<Sizes> index_sizes = draft.all_sizes(index);
  const bool repeats = random.chance(20);
  const size_t left_out = random.chance(20) ? random.below(sizes[0].size() + 1) : 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto at = sizes[i].begin() + static_cast<std::ptrdiff_t>(dim);
    sizes[i].insert(sizes[i].erase(at), index_sizes[i].begin(), index_sizes[i].end());
    if (repeats && !sizes[i].empty()) {
      sizes[i].back() = 1;
    }
    sizes[i].erase(sizes[i].begin(), sizes[i].begin() + static_cast<std::ptrdiff_t>(
                                                            std::min(left_out, sizes[i].size())));
  }
  const ValueId same =
      draft.find_tensor({draft.dtype(x)}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
  const ValueId values =
      same >= 0 && random.chance(60) ? same : draft.new_input(draft.dtype(x), sizes);
  if (values < 0) {
    return false;
  }
  draft.give("self", x);
  draft.give_list("indices", items);
  draft.give("values", values);
  draft.give_boolean("accumulate", false);
  return true;
}

ValueId draw_places(Draft& draft) {
  const ValueId x = draft.some_tensor(kMoved, 1);
  if (x < 0) {
    return x;
  }
  const auto rank = static_cast<int32_t>(draft.rank(x));
  const ByExecution<Sizes> sizes = draft.all_sizes(x);
  const ValueId index =
      draft.find_tensor({DType::kInt32}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
  draft.give("self", x);
  draft.give_integer("dim", draft.random().integer(-rank, rank - 1));
  draft.give("index", index >= 0 ? index : draft.new_input(DType::kInt32, sizes));
  return x;
}

bool draw_scatter_src(Draft& draft) {
  const ValueId x = draw_places(draft);
  if (x < 0) {
    return false;
  }
  const ByExecution<Sizes> sizes = draft.all_sizes(x);
  const ValueId src = draft.find_tensor(
      {draft.dtype(x)}, [&](ValueId id) { return draft.all_sizes(id) == sizes && id != x; });
  draft.give("src", src >= 0 ? src : draft.new_input(draft.dtype(x), sizes));
  return true;
}

bool draw_scatter_value(Draft& draft) {
  if (draw_places(draft) < 0) {
    return false;
  }
  draft.give_integer("value", draft.random().integer(-3, 3));
  return true;
}

}  // namespace

std::vector<Entry> scatter_entries() {
  return {
      {"aten.index_put.default", draw_index_put, index_put},
      {"aten.scatter.src", draw_scatter_src, scatter_src},
      {"aten.scatter.value", draw_scatter_value, scatter_value},
  };
}

}  // namespace etvk::fuzz
