// Problems of attention: several heads around the edges of a tile, in each form of the mask,
// of float32 and int8.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "graph/ops/impl/attention/Attention.h"
#include "graph/selfcheck/DrawnGrid.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 2;
constexpr uint32_t kBatch = 2;
constexpr uint32_t kHeads = 4;
constexpr uint32_t kHeadsOfGroup = 2;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  // Whole groups, form of the mask, causal, zeros for rows without a score, int8 in and out.
  if (std::strcmp(row.op, "float_attention") == 0) {
    return {{2, 0, 0, 0, 0, 0},
            {1, 1, 1, 1, 0, 0},
            {0, 2, 0, 1, 0, 1},
            {0, 3, 1, 0, 0, 0},
            {1, 0, 1, 0, 0, 1}};
  }
  if (uses_coopmat(row)) {
    return {{2, 0, 0, 0, 1, 1}, {0, 1, 1, 1, 1, 1}, {1, 2, 0, 1, 1, 1},
            {0, 3, 0, 0, 1, 0}, {1, 1, 0, 0, 1, 0}, {2, 3, 1, 0, 1, 0}};
  }
  return {{2, 0, 0, 0, 0, 0}, {1, 0, 0, 0, 0, 0}, {0, 1, 1, 1, 0, 0}, {1, 2, 0, 1, 0, 0},
          {0, 3, 0, 0, 0, 0}, {1, 0, 1, 0, 0, 0}, {1, 0, 0, 1, 1, 1}, {0, 1, 0, 1, 1, 1},
          {1, 3, 1, 0, 1, 0}, {0, 0, 1, 0, 1, 0}, {0, 2, 0, 0, 0, 1}, {1, 0, 0, 1, 0, 1}};
}

std::vector<float> drawn(size_t count, float most, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) {
    value = random.uniform(-most, most);
  }
  return values;
}

// int8, and what it stands for without its scale.
std::vector<float> drawn_bytes(size_t count, int8_t zero_point, std::vector<int8_t>& bytes,
                               Random& random) {
  bytes.resize(count);
  random.fill(bytes);
  std::vector<float> values(count);
  std::transform(bytes.begin(), bytes.end(), values.begin(),
                 [zero_point](int8_t q) { return static_cast<float>(q - zero_point); });
  return values;
}

// By batch, head, row and element of a vector, in this order in memory.
void set_strides(uint32_t (&strides)[4], uint32_t heads, uint32_t rows, uint32_t size) {
  strides[3] = 1;
  strides[2] = size;
  strides[1] = rows * size;
  strides[0] = heads * rows * size;
}

struct Operands {
  AttentionPush push{};
  MaskForm form = MaskForm::kNone;
  bool is_causal = false;
  bool zero_rows = false;
  bool int8_in = false;
  bool int8_out = false;
  std::vector<float> q, k, v;
  std::vector<int8_t> q_bytes, k_bytes, v_bytes;
  std::vector<float> added;  // masks: one of them, by form
  std::vector<uint8_t> is_true;

  double score(uint32_t b, uint32_t h, uint32_t l, uint32_t s) const {
    if (is_causal && s > l) {
      return -kInfinity;
    }
    double sum = 0.0;
    for (uint32_t d = 0; d < push.D; ++d) {
      sum += double{q[b * push.q[0] + h * push.q[1] + l * push.q[2] + d]} *
             k[b * push.k[0] + h / kHeadsOfGroup * push.k[1] + s * push.k[2] + d];
    }
    const uint32_t at = b * push.mask[0] + h * push.mask[1] + l * push.mask[2] + s * push.mask[3];
    if (form == MaskForm::kAdded) {
      return sum * push.scale + added[at];
    }
    const bool fills = form == MaskForm::kFillTrue    ? is_true[at] != 0
                       : form == MaskForm::kFillFalse ? is_true[at] == 0
                                                      : false;
    return fills ? push.fill : sum * push.scale;
  }

  std::vector<double> row(uint32_t b, uint32_t h, uint32_t l) const {
    std::vector<double> y(push.DV, 0.0);
    double most = -kInfinity;
    for (uint32_t s = 0; s < push.S; ++s) {
      most = std::max(most, score(b, h, l, s));
    }
    if (std::isinf(most)) {
      std::fill(y.begin(), y.end(), zero_rows ? 0.0 : std::nan(""));
      return y;
    }
    double total = 0.0;
    for (uint32_t s = 0; s < push.S; ++s) {
      const double weight = std::exp(score(b, h, l, s) - most);
      total += weight;
      for (uint32_t d = 0; d < push.DV; ++d) {
        y[d] += weight * v[b * push.v[0] + h / kHeadsOfGroup * push.v[1] + s * push.v[2] + d];
      }
    }
    for (double& one : y) {
      one *= (int8_in ? push.v_scale : 1.0) / total;
    }
    return y;
  }
};

Operands drawn_operands(const KernelRow& row, const SpecializationConstants& constants,
                        Random& random) {
  Operands own;
  own.form = static_cast<MaskForm>(constants.at(1));
  own.is_causal = constants.at(2) != 0;
  own.zero_rows = constants.at(3) != 0;
  own.int8_in = constants.at(4) != 0;
  own.int8_out = constants.at(5) != 0;
  AttentionPush& push = own.push;
  push.heads = kHeads;
  push.heads_of_group = kHeadsOfGroup;
  push.L = row.tile_m + static_cast<uint32_t>(random.integer(1, 3));
  push.S = row.tile_n + static_cast<uint32_t>(random.integer(1, 9));
  constexpr uint16_t kSizes[][2] = {{5, 7}, {8, 12}, {32, 16}};  // by GROUPS
  push.D = static_cast<uint16_t>(std::min<uint32_t>(kSizes[constants.at(0)][0], row.tile_k));
  push.DV = kSizes[constants.at(0)][1];
  push.tiles = kBatch * kHeads * ((push.L + row.tile_m - 1) / row.tile_m);
  set_strides(push.q, kHeads, push.L, push.D);
  set_strides(push.k, kHeads / kHeadsOfGroup, push.S, push.D);
  set_strides(push.v, kHeads / kHeadsOfGroup, push.S, push.DV);
  set_strides(push.y, kHeads, push.L, push.DV);
  push.mask[0] = push.L * push.S;  // the same for all heads
  push.mask[2] = push.S;
  push.mask[3] = 1;
  push.scale = random.uniform(0.3f, 0.6f);
  push.fill = -kInfinity;
  for (int8_t* one : {&push.q_zero_point, &push.k_zero_point, &push.v_zero_point}) {
    *one = static_cast<int8_t>(random.integer(-128, 127));
  }
  draw_grid(push.output_grid, 40.0f, 40.0f, random, 127);
  const size_t q_count = size_t{kBatch} * push.q[0];
  const size_t k_count = size_t{kBatch} * push.k[0];
  const size_t v_count = size_t{kBatch} * push.v[0];
  if (own.int8_in) {
    push.scale /= 65.0f * 65.0f;  // scores of a few units
    own.q = drawn_bytes(q_count, push.q_zero_point, own.q_bytes, random);
    own.k = drawn_bytes(k_count, push.k_zero_point, own.k_bytes, random);
    own.v = drawn_bytes(v_count, push.v_zero_point, own.v_bytes, random);
  } else {
    own.q = drawn(q_count, 2.0f, random);
    own.k = drawn(k_count, 2.0f, random);
    own.v = drawn(v_count, 2.0f, random);
  }
  push.v_scale = 0.02f;
  const size_t mask_count = size_t{kBatch} * push.mask[0];
  own.added = drawn(mask_count, 1.0f, random);
  own.is_true.resize(mask_count);
  for (size_t i = 0; i < mask_count; ++i) {
    // The first row has no score at all.
    const bool is_masked = i < push.S || random.chance(30);
    own.added[i] = is_masked ? -kInfinity : own.added[i];
    own.is_true[i] = is_masked == (own.form == MaskForm::kFillTrue) ? 1 : 0;
  }
  return own;
}

// Rows of y one behind the other.
std::vector<float> result(const Operands& own) {
  std::vector<float> y;
  for (uint32_t b = 0; b < kBatch; ++b) {
    for (uint32_t h = 0; h < kHeads; ++h) {
      for (uint32_t l = 0; l < own.push.L; ++l) {
        for (double one : own.row(b, h, l)) {
          y.push_back(static_cast<float>(one));
        }
      }
    }
  }
  return y;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const Operands own = drawn_operands(row, constants, random);
  const AttentionPush& push = own.push;
  Problem problem;
  const std::vector<float> y = result(own);
  problem.text = std::to_string(kBatch * kHeads) + " heads of " + std::to_string(push.L) +
                 " rows, " + std::to_string(push.S) + " positions";
  if (own.int8_out) {
    std::vector<int8_t> steps;
    for (float one : y) {
      steps.push_back(quantized(one, push.output_grid));
    }
    problem.limits.assign(y.size(), 1.0f);
    problem.bind_output(steps);
  } else {
    // Of a row, for what is close to zero is a difference of larger ones.
    const float scale = own.int8_in ? push.v_scale * 255.0f : 1.0f;
    for (float one : y) {
      problem.limits.push_back(float_limit(one) * std::max(scale, 1.0f));
    }
    problem.bind_output(y);
  }
  if (own.int8_in) {
    problem.bind(own.q_bytes);
    problem.bind(own.k_bytes);
    problem.bind(own.v_bytes);
  } else {
    problem.bind(own.q);
    problem.bind(own.k);
    problem.bind(own.v);
  }
  if (own.form == MaskForm::kAdded) {
    problem.bind(own.added);
  } else {
    problem.bind(own.is_true);
  }
  problem.set_push(push);
  problem.groups.x = kGroups;
  return problem;
}

const RegisterProblems registered({
    {"attention", all_constants, make},
    {"q8ta_attention", all_constants, make},
    {"float_attention", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
