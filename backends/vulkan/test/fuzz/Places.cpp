#include "Places.h"

#include <algorithm>
#include <cstring>

namespace etvk::fuzz {

const std::vector<DType> kPlacedTypes = {DType::kFloat32, DType::kInt8, DType::kUint8, DType::kBool,
                                         DType::kInt32};

Placed one_index(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const std::vector<const Tensor*> indices = arguments.optional_tensors("indices");
  const auto is_tensor = [](const Tensor* one) { return one != nullptr; };
  const auto given = std::find_if(indices.begin(), indices.end(), is_tensor);
  const auto dim = static_cast<size_t>(given - indices.begin());
  if (std::count_if(indices.begin(), indices.end(), is_tensor) != 1 || dim >= x.sizes.size()) {
    throw Meaningless("not one index of a dimension that there is");
  }
  return {&x, *given, dim};
}

Placed index_along(const Arguments& arguments) {
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
  return {&x, &index, dim};
}

void check_types(const Tensor& x, const Tensor& index) {
  const size_t bytes = dtype_bytes(x.dtype);
  if ((bytes != 1 && bytes != 4) || index.dtype != DType::kInt32) {
    throw Meaningless("a type that has no places, or is none");
  }
}

int64_t place_at(const Tensor& index, size_t i, int64_t size, bool counts_back) {
  int32_t place = 0;
  std::memcpy(&place, &index.bytes[i * sizeof(place)], sizeof(place));
  return counts_back && place < 0 ? place + size : place;
}

size_t element_at(const Sizes& sizes, const Sizes& at) {
  size_t element = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    element = element * static_cast<size_t>(sizes[i]) + static_cast<size_t>(at[i]);
  }
  return element;
}

DrawnIndex draw_one_index(Draft& draft) {
  const ValueId x = draft.some_tensor(kPlacedTypes, 1);
  const ValueId index = draft.some_tensor({DType::kInt32});
  if (x < 0 || index < 0) {
    return {};
  }
  const size_t dim = draft.random().below(draft.rank(x));
  std::vector<ValueId> items(dim);
  std::generate(items.begin(), items.end(), [&draft] { return draft.none(); });
  items.push_back(index);
  draft.give("self", x);
  draft.give_list("indices", items);
  return {x, index, dim};
}

ValueId draw_index_along(Draft& draft) {
  const ValueId x = draft.some_tensor(kPlacedTypes, 1);
  if (x < 0) {
    return x;
  }
  const ByExecution<Sizes> sizes = draft.all_sizes(x);
  const ValueId index =
      draft.find_tensor({DType::kInt32}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
  draft.give("self", x);
  draft.give_integer("dim", draft.some_dim(x));
  draft.give("index", index >= 0 ? index : draft.new_input(DType::kInt32, sizes));
  return x;
}

}  // namespace etvk::fuzz
