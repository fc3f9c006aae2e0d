#include "graph/ops/impl/mac/MacProblem.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <string>

#include "Kernels.h"
#include "graph/selfcheck/Cover.h"
#include "graph/selfcheck/DrawnGrid.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr auto kRounded = static_cast<uint32_t>(ResidualMode::kRounded);
constexpr uint32_t kResiduals = kRounded + 1;
constexpr auto kNoActivation = static_cast<uint32_t>(Activation::none);
constexpr size_t kActivation = 2;  // ids of constants
constexpr size_t kResidual = 3;
constexpr size_t kTable = 7;
constexpr size_t kMayBeNan = 8;

// Where a transcendental has a part, a result below zero shows it.
bool is_exact(uint32_t activation) {
  return activated(kActivationNames[activation], -0.5f, 0.3f, 0.0f).is_exact;
}

MacPush drawn_push(const std::string& activation, Random& random) {
  MacPush push{};
  push.input_zero_point = random.integer(-128, 127);
  draw_grid(push.output_grid, 20.0f, 40.0f, random, 127);
  const bool is_clamp = activation == "clamp";
  push.alpha = is_clamp ? -0.75f : 0.3f;
  push.beta = is_clamp ? 1.5f : 0.0f;
  push.residual_scale = random.uniform(0.01f, 0.05f);
  push.residual_zero_point = random.integer(-128, 127);
  push.own_scale = 1.0f / 32.0f;
  push.own_grid = {32.0f, random.integer(-30, 30), -120, 121};
  return push;
}

}  // namespace

MacSpecialization::MacSpecialization(const SpecializationConstants& values)
    : x_alignment(values.at(0)),
      n_aligned(values.at(1)),
      activation(values.at(2)),
      residual(values.at(3)),
      whole_tiles(values.at(4)),
      k_quads(values.at(5)),
      x_grid(static_cast<InputGrid>(values.at(6))),
      has_table(values.at(kTable) != 0),
      may_be_nan(values.at(kMayBeNan) != 0) {}

bool gives_float(const KernelRow& row) {
  const std::string op = row.op;
  return op.rfind("q8ta_", 0) != 0;
}

std::vector<SpecializationConstants> with_epilogues(
    const KernelRow& row, const std::vector<SpecializationConstants>& forms) {
  const uint32_t residuals = gives_float(row) ? 1 : kResiduals;
  const uint32_t choices = gives_float(row) ? 1 : 2;  // of a table, and of NaN
  std::vector<SpecializationConstants> all;
  for (const SpecializationConstants& form : forms) {
    for (uint32_t activation = 0; activation < std::size(kActivationNames); ++activation) {
      for (uint32_t tail = 0; tail < residuals * choices * choices; ++tail) {
        all.push_back(form);
        all.back().at(kActivation) = activation;
        all.back().at(kResidual) = tail % residuals;
        all.back().at(kTable) = tail / residuals % choices;
        all.back().at(kMayBeNan) = tail / residuals / choices;
        all.back().push_back(is_exact(activation) ? 1 : 0);  // as if it were a constant
      }
    }
  }
  std::vector<size_t> together;
  for (size_t id = 0; id < all.front().size(); ++id) {
    if (id != kActivation) {
      together.push_back(id);
    }
  }
  std::vector<SpecializationConstants> chosen =
      covering(all, {together}, static_cast<uint64_t>(row.id));
  for (SpecializationConstants& constants : chosen) {
    constants.pop_back();
  }
  return chosen;
}

RowGrid drawn_grid(Random& random) {
  return {random.uniform(0.25f, 4.0f), random.integer(-128, 127)};
}

uint32_t drawn_number(uint32_t from, uint32_t to, Random& random) {
  return from + static_cast<uint32_t>(random.below(to - from + 1));
}

MacProblem::MacProblem(const KernelRow& row, const MacSpecialization& constants, uint32_t rows,
                       uint32_t channels, uint32_t products, Random& random)
    : gives_float_(gives_float(row)),
      residual_mode_(constants.residual),
      activation_(kActivationNames[constants.activation]),
      channels_(channels),
      push_(drawn_push(activation_, random)),
      residual_(size_t{rows} * channels),
      has_table_(constants.has_table),
      table_(kTableSize) {
  // Results of some ones.
  const float spread = 74.0f * 74.0f * std::sqrt(static_cast<float>(products));
  for (uint32_t n = 0; n < channels; ++n) {
    scales_.push_back(random.uniform(0.5f, 1.5f) / spread);
    bias_.push_back(random.uniform(-1.0f, 1.0f));
  }
  if (constants.may_be_nan && constants.activation == kNoActivation) {
    bias_.at(channels / 2) = std::numeric_limits<float>::quiet_NaN();
    bias_.back() = -std::numeric_limits<float>::infinity();
  }
  random.fill(residual_);
  random.fill(table_);
}

float MacProblem::with_residual(float f, int8_t residual) const {
  if (residual_mode_ == kRounded) {
    const int8_t q = quantized(f, push_.own_grid);
    f = static_cast<float>(q - push_.own_grid.zero_point) * push_.own_scale;
  }
  const float addend =
      static_cast<float>(residual - push_.residual_zero_point) * push_.residual_scale;
  return f + addend;
}

void MacProblem::add(int32_t sum, float x_scale) {
  const size_t at = limits_.size();
  const size_t n = at % channels_;
  const float product = static_cast<float>(sum) * (x_scale * scales_[n]);
  const Activated result = activated(activation_, product + bias_[n], push_.alpha, push_.beta);
  if (gives_float_) {
    real_.push_back(result.value);
    limits_.push_back(result.is_exact ? 0.0f : float_limit(result.value));
    return;
  }
  const float f = residual_mode_ == 0 ? result.value : with_residual(result.value, residual_[at]);
  const int8_t q = quantized(f, push_.output_grid);
  // A step of the layer's own result is up to 40 / 32 of a step of the output.
  const int32_t limit = result.is_exact ? 0 : residual_mode_ == kRounded ? 2 : 1;
  if (has_table_) {
    add_looked_up(q, limit);
  } else {
    y_.push_back(q);
    limits_.push_back(static_cast<float>(limit));
  }
}

// Entries of what the kernel may find in place of q are as right.
void MacProblem::add_looked_up(int8_t q, int32_t limit) {
  const auto entry = [this](int32_t value) {
    return int32_t{table_.at(static_cast<size_t>(std::clamp(value, -128, 127) + 128))};
  };
  int32_t furthest = 0;
  for (int32_t value = q - limit; value <= q + limit; ++value) {
    furthest = std::max(furthest, std::abs(entry(value) - entry(q)));
  }
  y_.push_back(static_cast<int8_t>(entry(q)));
  limits_.push_back(static_cast<float>(furthest));
}

void MacProblem::bind_to(Problem& problem, const std::vector<int8_t>& x,
                         const std::vector<int8_t>& weights,
                         const std::vector<int32_t>& weight_sums,
                         const std::vector<RowGrid>& grids) const {
  if (gives_float_) {
    problem.bind_output(real_);
  } else {
    problem.bind_output(y_);
  }
  problem.bind(x);
  problem.bind(weights);
  problem.bind(weight_sums);
  problem.bind(scales_);
  problem.bind(bias_);
  if (gives_float_) {
    std::vector<uint8_t>& with_grids = problem.bindings.emplace_back(problem.bindings[1]);
    const auto* bytes = reinterpret_cast<const uint8_t*>(grids.data());
    with_grids.insert(with_grids.end(), bytes, bytes + grids.size() * sizeof(RowGrid));
  } else {
    problem.bind(residual_);
    problem.bind(table_);
  }
  problem.limits = limits_;
}

}  // namespace etvk::ops
