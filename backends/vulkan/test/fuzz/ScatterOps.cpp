// Ops that write elements to places that an integer tensor gives: index_put with one tensor, and
// scatter. The last of several writes stays; what is no place is not written.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "Entry.h"
#include "FloatSum.h"
#include "Places.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

// Negative where it is none.
int64_t written_place(const Tensor& index, size_t i, int64_t size, bool counts_back) {
  const int64_t place = place_at(index, i, size, counts_back);
  return place < size ? place : -1;
}

Tensor copy_of(const Tensor& x, const Tensor& index, Accuracy values) {
  check_types(x, index);
  Tensor y = x;
  y.accuracy =
      index.accuracy == Accuracy::kExact ? std::max(x.accuracy, values) : Accuracy::kUnknown;
  return y;
}

// Whether the values have some of the index's dimensions and are repeated along others: for sums in
// any order, for writes in front of one that they have.
bool repeats_in_part(const Sizes& values, const Sizes& to, size_t dim, size_t index_rank,
                     bool accumulates) {
  if (std::find(values.begin(), values.end(), 0) != values.end()) {
    return false;  // there are none
  }
  const size_t added = to.size() - values.size();
  bool had = false;
  bool repeated = false;
  for (size_t i = dim; i < dim + index_rank; ++i) {
    const bool has = i >= added && values[i - added] > 1;
    const bool repeats = !has && to[i] > 1;
    if ((has && repeated) || (repeats && had && accumulates)) {
      return true;
    }
    had = had || has;
    repeated = repeated || repeats;
  }
  return false;
}

bool is_summed(const Tensor& x) {
  return x.sizes.size() <= 6 && (x.dtype == DType::kFloat32 || x.dtype == DType::kInt32);
}

// What is added to each element of a tensor.
class PlaceSums {
 public:
  explicit PlaceSums(const Tensor& x) : floats_(x.count()), integers_(x.count()) {
    for (size_t i = 0; is_summed(x) && i < x.count(); ++i) {
      add(i, x, i);
    }
  }
  void add(size_t place, const Tensor& values, size_t i) {
    if (values.dtype == DType::kFloat32) {
      floats_[place].add(values.float_at(i), 1.0);
    } else {
      integers_[place] += static_cast<uint32_t>(values.int32_at(i));
    }
  }
  Tensor result(Tensor y) const {
    if (y.accuracy != Accuracy::kExact) {
      y.accuracy = Accuracy::kUnknown;
      return y;
    }
    for (size_t i = 0; i < y.count(); ++i) {
      if (y.dtype == DType::kFloat32) {
        set_float(y, i, static_cast<float>(floats_[i].value));
        y.accuracy =
            floats_[i].is_known() ? std::max(y.accuracy, Accuracy::kClose) : Accuracy::kUnknown;
        if (y.accuracy == Accuracy::kUnknown) {
          return y;
        }
      } else {
        std::memcpy(&y.bytes[i * sizeof(uint32_t)], &integers_[i], sizeof(uint32_t));
      }
    }
    return y;
  }

 private:
  std::vector<FloatSum> floats_;
  std::vector<uint32_t> integers_;
};

Result index_put(const Arguments& arguments) {
  const Placed placed = one_index(arguments);
  const Tensor& x = *placed.x;
  const Tensor& index = *placed.index;
  const size_t dim = placed.dim;
  const Tensor& values = arguments.tensor("values");
  const bool accumulates = arguments.boolean("accumulate");
  if (values.dtype != x.dtype || (accumulates && !is_summed(x))) {
    throw Meaningless("values of another type, or sums of one that has none");
  }
  const auto at_dim = x.sizes.begin() + static_cast<std::ptrdiff_t>(dim);
  Sizes to(x.sizes.begin(), at_dim);
  to.insert(to.end(), index.sizes.begin(), index.sizes.end());
  to.insert(to.end(), at_dim + 1, x.sizes.end());
  if (values.sizes.size() > to.size() || broadcast(values.sizes, to) != to ||
      repeats_in_part(values.sizes, to, dim, index.sizes.size(), accumulates)) {
    throw Meaningless("values of another shape");
  }
  Tensor y = copy_of(x, index, values.accuracy);
  PlaceSums sums(x);
  Tensor all = zeros(x.dtype, to);
  const size_t bytes = dtype_bytes(x.dtype);
  for (size_t i = 0; i < all.count(); ++i) {
    const Sizes from = index_of(i, to);
    const auto first = from.begin() + static_cast<std::ptrdiff_t>(dim);
    const auto end = first + static_cast<std::ptrdiff_t>(index.sizes.size());
    const int64_t place =
        written_place(index, element_at(index.sizes, Sizes(first, end)), x.sizes[dim], true);
    if (place < 0) {
      continue;
    }
    Sizes at(from.begin(), first);
    at.push_back(place);
    at.insert(at.end(), end, from.end());
    const size_t to_write = element_at(x.sizes, at);
    const size_t value = broadcast_at(values.sizes, from);
    if (accumulates) {
      sums.add(to_write, values, value);
    } else {
      std::memcpy(&y.bytes[to_write * bytes], &values.bytes[value * bytes], bytes);
    }
  }
  return accumulates ? sums.result(y) : y;
}

// `element`: the bytes to write for a position of the index.
template <typename ElementOf>
Tensor scattered(const Arguments& arguments, Accuracy accuracy, ElementOf&& element) {
  const Placed placed = index_along(arguments);
  const Tensor& x = *placed.x;
  const Tensor& index = *placed.index;
  const size_t dim = placed.dim;
  Tensor y = copy_of(x, index, accuracy);
  const size_t bytes = dtype_bytes(x.dtype);
  for (size_t i = 0; i < index.count(); ++i) {
    Sizes at = index_of(i, index.sizes);
    const uint8_t* from = element(at);
    at[dim] = written_place(index, i, x.sizes[dim], false);
    if (at[dim] >= 0) {
      std::memcpy(&y.bytes[element_at(x.sizes, at) * bytes], from, bytes);
    }
  }
  return y;
}

const Tensor& source_of(const Arguments& arguments) {
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
  return src;
}

Result scatter_add(const Arguments& arguments) {
  const Tensor& src = source_of(arguments);
  const Placed placed = index_along(arguments);
  const Tensor& x = *placed.x;
  const Tensor& index = *placed.index;
  if (!is_summed(x)) {
    throw Meaningless("a type or rank that is not added up");
  }
  PlaceSums sums(x);
  for (size_t i = 0; i < index.count(); ++i) {
    Sizes at = index_of(i, index.sizes);
    const size_t from = element_at(src.sizes, at);
    at[placed.dim] = written_place(index, i, x.sizes[placed.dim], false);
    if (at[placed.dim] >= 0) {
      sums.add(element_at(x.sizes, at), src, from);
    }
  }
  return sums.result(copy_of(x, index, src.accuracy));
}

Result scatter_src(const Arguments& arguments) {
  const Tensor& src = source_of(arguments);
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

bool is_summed_type(DType dtype) { return dtype == DType::kFloat32 || dtype == DType::kInt32; }

bool draw_index_put(Draft& draft) {
  const auto [x, index, dim] = draw_one_index(draft);
  if (x < 0) {
    return false;
  }
  testing::Random& random = draft.random();
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
  draft.give("values", values);
  draft.give_boolean("accumulate", is_summed_type(draft.dtype(x)) && random.chance(30));
  return true;
}

bool draw_scatter_src(Draft& draft) {
  const ValueId x = draw_index_along(draft);
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
  if (draw_index_along(draft) < 0) {
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
      {"aten.scatter_add.default", draw_scatter_src, scatter_add},
      {"aten.scatter.value", draw_scatter_value, scatter_value},
  };
}

}  // namespace etvk::fuzz
