// Places along a dimension that an integer tensor gives, in the fuzzer's own words: of ops that
// pick from there (GatherOps.cpp) and of those that write there (ScatterOps.cpp).
#pragma once

#include <vector>

#include "Draft.h"
#include "Machine.h"

namespace etvk::fuzz {

// What such ops take.
extern const std::vector<DType> kPlacedTypes;

struct Placed {
  const Tensor* x;
  const Tensor* index;
  size_t dim;
};

// Of an op with a list of indices, of which one is given. Throws Meaningless.
Placed one_index(const Arguments& arguments);

// Of an op with self, dim and an index of self's rank. Throws Meaningless.
Placed index_along(const Arguments& arguments);

// Throws Meaningless where the types are not those of such an op.
void check_types(const Tensor& x, const Tensor& index);

// Number `i` of the index; negative ones from the end of `size` with `counts_back`. Any number.
int64_t place_at(const Tensor& index, size_t i, int64_t size, bool counts_back);

// How many elements stand in front of `at`.
size_t element_at(const Sizes& sizes, const Sizes& at);

// Gives self and a list of indices, of which the last one is a tensor.
struct DrawnIndex {
  ValueId x = -1;  // -1: there are none
  ValueId index = -1;
  size_t dim = 0;
};
DrawnIndex draw_one_index(Draft& draft);

// Gives self, dim and an index of self's sizes; self, or -1 where there is none.
ValueId draw_index_along(Draft& draft);

}  // namespace etvk::fuzz
