// What the problems of linear layers and convolutions share: their numbers, and what becomes of the
// sum of the products of each element.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/ops/impl/mac/MacDispatch.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/RowGridReference.h"

namespace etvk::ops {

// The specialization constants that the kernels of all layers begin with.
struct MacSpecialization {
  explicit MacSpecialization(const SpecializationConstants& values);

  uint32_t x_alignment, n_aligned, activation, residual, whole_tiles, k_quads;
  InputGrid x_grid;
  bool has_table, may_be_nan;
};

bool gives_float(const KernelRow& row);  // else int8

// Of pipelines of `forms`, which have no activation, residual and table, those to check: with each
// activation, each residual and table that the row takes, NaN or none, and each pair of values of
// what loads and stores read, which is all but the activation. Each of these values is there with
// an exact activation, too: behind another one, a fault of one step is within the limit.
std::vector<SpecializationConstants> with_epilogues(
    const KernelRow& row, const std::vector<SpecializationConstants>& forms);

RowGrid drawn_grid(Random& random);

uint32_t drawn_number(uint32_t from, uint32_t to, Random& random);  // both included

// Rows or columns for a tile of so many: it, and a part of a second one that is small where tiles
// are large, so that a problem stays one.
inline uint32_t drawn_edge(uint32_t tile, Random& random) {
  return tile + drawn_number(1, std::min(tile, 24u), random);
}

class MacProblem {
 public:
  // Of `rows` rows of `channels` elements, each the sum of `products` products.
  MacProblem(const KernelRow& row, const MacSpecialization& constants, uint32_t rows,
             uint32_t channels, uint32_t products, Random& random);

  // All but M, N, K and w_stride_words.
  const MacPush& push() const { return push_; }
  // The next element, row by row; `sum` is exact, the zero point taken off x. `x_scale`: of a grid
  // that is found at run time.
  void add(int32_t sum, float x_scale = 1.0f);
  // All bindings; the weights as the kernel reads them, their sums by channel, and the grids of x
  // that are found at run time.
  void bind_to(Problem& problem, const std::vector<int8_t>& x, const std::vector<int8_t>& weights,
               const std::vector<int32_t>& weight_sums, const std::vector<RowGrid>& grids) const;

 private:
  float with_residual(float f, int8_t residual) const;
  void add_looked_up(int8_t q, int32_t limit);

  bool gives_float_;
  uint32_t residual_mode_;
  std::string activation_;
  uint32_t channels_;
  MacPush push_{};
  std::vector<float> scales_;
  std::vector<float> bias_;
  std::vector<int8_t> residual_;
  bool has_table_;
  std::vector<int8_t> table_;
  std::vector<float> real_;  // y, if it is float32
  std::vector<int8_t> y_;    // else
  std::vector<float> limits_;
};

}  // namespace etvk::ops
