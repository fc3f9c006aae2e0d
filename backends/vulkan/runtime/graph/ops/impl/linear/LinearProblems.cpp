// Problems of the kernels of linear layers. Rows of x and of the weights are drawn from a few, so
// that the exact sums cost little however large the tile is.
#include <algorithm>
#include <string>

#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/mac/MacProblem.h"
#include "graph/selfcheck/Problem.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kDistinctRows = 24;
constexpr uint32_t kManyQuads = 72;  // a K that pipelines on matrices are made for

// ---- Constants.

// With a float32 y, grids of x may be found at run time. Rows that have one each are whole quads.
std::vector<SpecializationConstants> with_grids(const std::vector<SpecializationConstants>& all) {
  std::vector<SpecializationConstants> found = all;
  for (const InputGrid grid : {InputGrid::kOfEachRow, InputGrid::kOfAllRows}) {
    for (SpecializationConstants constants : all) {
      if (grid == InputGrid::kOfAllRows || constants.at(0) == 16) {
        constants.at(6) = static_cast<uint32_t>(grid);
        found.push_back(constants);
      }
    }
  }
  return found;
}

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> forms;
  for (uint32_t alignment : {1u, 4u, 16u}) {
    for (uint32_t n_aligned : {0u, 1u}) {
      forms.push_back({alignment, n_aligned, 0, 0, 0, 0, 0, 0, 0});
    }
  }
  forms.push_back({16, 1, 0, 0, 1, 0, 0, 0, 0});  // whole tiles are whole in K, too
  if (uses_coopmat(row)) {
    for (uint32_t alignment : {1u, 4u, 16u}) {
      forms.push_back({alignment, 1, 0, 0, 0, kManyQuads, 0, 0, 0});
    }
    forms.push_back({16, 1, 0, 0, 1, kManyQuads * 16 / row.tile_k * row.tile_k / 16, 0, 0, 0});
  }
  return with_epilogues(row, gives_float(row) ? with_grids(forms) : forms);
}

// ---- Sizes.

uint32_t drawn_k(const KernelRow& row, const MacSpecialization& constants, Random& random) {
  if (constants.whole_tiles != 0) {
    return constants.k_quads != 0 ? constants.k_quads * 16 : 2 * row.tile_k;
  }
  const uint32_t quads =
      constants.k_quads != 0 ? constants.k_quads : row.tile_k / 16 + drawn_number(2, 5, random);
  switch (constants.x_alignment) {
    case 16:
      return quads * 16;
    case 4:
      return quads * 16 - 4 * drawn_number(1, 3, random);
    default:
      return quads * 16 - 4 * drawn_number(0, 3, random) - drawn_number(1, 3, random);
  }
}

uint32_t drawn_m(const KernelRow& row, const MacSpecialization& constants, Random& random) {
  return constants.whole_tiles == 0 ? drawn_edge(row.tile_m, random)
         : row.tile_m >= 64         ? row.tile_m
                                    : 2 * row.tile_m;
}

uint32_t drawn_n(const KernelRow& row, const MacSpecialization& constants, Random& random) {
  if (constants.whole_tiles != 0) {
    return 2 * row.tile_n;
  }
  const uint32_t aligned = (drawn_edge(row.tile_n, random) + 3) / 4 * 4;
  return constants.n_aligned != 0 ? aligned : aligned - drawn_number(1, 3, random);
}

// ---- Operands.

// Rows of `size` elements: all least ones, all largest ones, and drawn ones.
std::vector<std::vector<int8_t>> distinct_rows(uint32_t size, Random& random) {
  std::vector<std::vector<int8_t>> rows(kDistinctRows, std::vector<int8_t>(size));
  for (auto& row : rows) {
    random.fill(row);
  }
  std::fill(rows[0].begin(), rows[0].end(), int8_t{-128});
  std::fill(rows[1].begin(), rows[1].end(), int8_t{127});
  return rows;
}

// Which of them each of `count` rows is.
std::vector<uint32_t> drawn_rows(uint32_t count, Random& random) {
  std::vector<uint32_t> rows(count);
  for (uint32_t& row : rows) {
    row = drawn_number(0, kDistinctRows - 1, random);
  }
  return rows;
}

// The chosen rows one after another, each with zeros up to `stride` bytes.
std::vector<int8_t> laid_out(const std::vector<std::vector<int8_t>>& rows,
                             const std::vector<uint32_t>& chosen, size_t stride) {
  std::vector<int8_t> bytes(chosen.size() * stride);
  for (size_t i = 0; i < chosen.size(); ++i) {
    std::copy(rows[chosen[i]].begin(), rows[chosen[i]].end(), &bytes[i * stride]);
  }
  return bytes;
}

int32_t dot(const std::vector<int8_t>& x, const std::vector<int8_t>& w, int32_t zero_point) {
  int32_t sum = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    sum += (x[k] - zero_point) * w[k];
  }
  return sum;
}

Problem make(const KernelRow& row, const SpecializationConstants& values, Random& random) {
  const MacSpecialization constants(values);
  const uint32_t M = drawn_m(row, constants, random);
  const uint32_t N = drawn_n(row, constants, random);
  const uint32_t K = drawn_k(row, constants, random);
  MacProblem layer(row, constants, M, N, K, random);
  MacPush push = layer.push();
  push.M = M;
  push.N = N;
  push.K = K;
  push.w_stride_words = (K + 15) / 16 * 4;

  const auto x_rows = distinct_rows(K, random);
  const auto w_rows = distinct_rows(K, random);
  const std::vector<uint32_t> x = drawn_rows(M, random);
  const std::vector<uint32_t> w = drawn_rows(N, random);
  std::vector<RowGrid> grids(kDistinctRows, {1.0f, push.input_zero_point});
  if (constants.x_grid == InputGrid::kOfEachRow) {
    std::generate(grids.begin(), grids.end(), [&random] { return drawn_grid(random); });
  } else if (constants.x_grid == InputGrid::kOfAllRows) {
    std::fill(grids.begin(), grids.end(), drawn_grid(random));
  }
  int32_t dots[kDistinctRows][kDistinctRows];
  for (size_t m = 0; m < kDistinctRows; ++m) {
    for (size_t n = 0; n < kDistinctRows; ++n) {
      dots[m][n] = dot(x_rows[m], w_rows[n], grids[m].zero_point);
    }
  }
  std::vector<int32_t> sums;
  const std::vector<int8_t> ones(K, 1);
  for (uint32_t n = 0; n < N; ++n) {
    sums.push_back(dot(ones, w_rows[w[n]], 0));
  }
  for (uint32_t m = 0; m < M; ++m) {
    for (uint32_t n = 0; n < N; ++n) {
      layer.add(dots[x[m]][w[n]], grids[x[m]].scale);
    }
  }
  std::vector<RowGrid> bound_grids;
  for (uint32_t one : x) {
    bound_grids.push_back(grids[one]);
  }
  if (constants.x_grid == InputGrid::kOfAllRows) {
    bound_grids.resize(1);
  }
  Problem problem;
  problem.text = "M=" + std::to_string(M) + " N=" + std::to_string(N) + " K=" + std::to_string(K);
  layer.bind_to(problem, laid_out(x_rows, x, K),
                laid_out(w_rows, w, size_t{push.w_stride_words} * 4), sums, bound_grids);
  problem.set_push(push);
  problem.groups = linear_grid(row, M, N);
  return problem;
}

const RegisterProblems registered({
    {"q8ta_linear", all_constants, make},
    {"linear_q8ta_q8csw", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
