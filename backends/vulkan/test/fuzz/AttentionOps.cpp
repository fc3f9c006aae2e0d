// Attention: et_vk.attention, et_vk.q8ta_attention and et_vk.sdpa.
#include <algorithm>
#include <cmath>
#include <limits>

#include "Entry.h"
#include "Int8Grid.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

constexpr DType kF32 = DType::kFloat32;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// ---- Results.

// A tensor with its dimensions permuted, as [batch, heads, rows, columns].
struct Heads {
  Heads(const Tensor& x, const Sizes& dims) : x(x), dims(dims) {
    for (size_t i = 0; i < dims.size(); ++i) {
      sizes[4 - dims.size() + i] = x.sizes[static_cast<size_t>(dims[i])];
    }
  }
  // Repeated along dimensions of one.
  size_t place(int64_t b, int64_t h, int64_t row, int64_t column) const {
    const int64_t index[] = {b, h, row, column};
    Sizes own(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) {
      const size_t dim = 4 - dims.size() + i;
      own[static_cast<size_t>(dims[i])] = sizes[dim] == 1 ? 0 : index[dim];
    }
    return broadcast_at(x.sizes, own);
  }
  double at(int64_t b, int64_t h, int64_t row, int64_t column) const {
    return x.float_at(place(b, h, row, column));
  }

  const Tensor& x;
  Sizes dims;
  int64_t sizes[4] = {1, 1, 1, 1};
};

struct Call {
  Heads q, k, v;
  const Tensor* mask = nullptr;
  std::string kind = "none";
  double scale = 1.0;
  double fill = 0.0;
  bool is_causal = false;
  bool zero_rows = false;
};

void check(const Call& call) {
  const Heads& q = call.q;
  const Heads& k = call.k;
  const Heads& v = call.v;
  for (const Heads* one : {&q, &k, &v}) {
    if (one->x.dtype != kF32 || one->dims.size() < 2 || one->dims.size() > 4) {
      throw Meaningless("an operand of another type or rank");
    }
  }
  const bool has_ranks = k.dims.size() == v.dims.size() && k.dims.size() <= q.dims.size();
  const bool fits = q.sizes[3] == k.sizes[3] && k.sizes[2] == v.sizes[2] &&
                    k.sizes[1] == v.sizes[1] && k.sizes[1] > 0 && q.sizes[1] % k.sizes[1] == 0;
  const auto is_batch = [&q](const Heads& one) {
    return one.sizes[0] == q.sizes[0] || one.sizes[0] == 1;
  };
  if (!has_ranks || !fits || !is_batch(k) || !is_batch(v) || q.sizes[3] > 256 || v.sizes[3] > 256) {
    throw Meaningless("operands that do not fit");
  }
}

// Empty where there is no mask.
std::vector<Heads> mask_of(const Call& call) {
  if ((call.mask == nullptr) != (call.kind == "none")) {
    throw Meaningless("a mask without a kind, or a kind without a mask");
  }
  if (call.mask == nullptr) {
    return {};
  }
  const DType wanted = call.kind == "add" ? kF32 : DType::kBool;
  if (call.mask->dtype != wanted || call.mask->sizes.size() > 4) {
    throw Meaningless("a mask of another type or rank");
  }
  Heads mask(*call.mask, in_order(call.mask->sizes.size()));
  const int64_t scores[] = {call.q.sizes[0], call.q.sizes[1], call.q.sizes[2], call.k.sizes[2]};
  for (size_t i = 0; i < 4; ++i) {
    if (mask.sizes[i] != 1 && mask.sizes[i] != scores[i]) {
      throw Meaningless("a mask that does not fit");
    }
  }
  return {mask};
}

double score_of(const Call& call, const std::vector<Heads>& mask, int64_t b, int64_t h, int64_t l,
                int64_t s) {
  if (call.is_causal && s > l) {
    return -kInfinity;
  }
  const int64_t group = h / (call.q.sizes[1] / call.k.sizes[1]);
  double score = 0.0;
  for (int64_t d = 0; d < call.q.sizes[3]; ++d) {
    score += call.q.at(b, h, l, d) * call.k.at(b, group, s, d);
  }
  score *= call.scale;
  if (mask.empty()) {
    return score;
  }
  if (call.kind == "add") {
    return score + mask[0].at(b, h, l, s);
  }
  const bool is_set = call.mask->bytes[mask[0].place(b, h, l, s)] != 0;
  return is_set == (call.kind == "fill_true") ? call.fill : score;
}

// One row of the result; false where float32 may give something else: scores whose roundings count,
// and what is not finite.
bool add_row(const Call& call, const std::vector<Heads>& mask, int64_t b, int64_t h, int64_t l,
             std::vector<double>& row) {
  constexpr double kMostScore = 20.0;
  std::vector<double> scores;
  double most = -kInfinity;
  bool is_known = true;
  for (int64_t s = 0; s < call.k.sizes[2]; ++s) {
    scores.push_back(score_of(call, mask, b, h, l, s));
    is_known = is_known && (scores.back() == -kInfinity || std::abs(scores.back()) < kMostScore);
    most = std::max(most, scores.back());
  }
  std::fill(row.begin(), row.end(), 0.0);
  if (scores.empty() || (is_known && most == -kInfinity)) {
    const bool is_zero = scores.empty() || call.zero_rows;
    std::fill(row.begin(), row.end(), is_zero ? 0.0 : std::nan(""));
    return true;
  }
  double total = 0.0;
  const int64_t group = h / (call.q.sizes[1] / call.k.sizes[1]);
  for (size_t s = 0; s < scores.size(); ++s) {
    const double weight = std::exp(scores[s] - most);
    total += weight;
    for (size_t d = 0; d < row.size(); ++d) {
      const double v = call.v.at(b, group, static_cast<int64_t>(s), static_cast<int64_t>(d));
      is_known = is_known && std::abs(v) < kMostScore;
      row[d] += weight * v;
    }
  }
  for (double& one : row) {
    one /= total;
  }
  return is_known;
}

Tensor evaluate(const Call& call, const Sizes& y_dims) {
  check(call);
  const std::vector<Heads> mask = mask_of(call);
  const size_t rank = call.q.dims.size();
  const int64_t own[] = {call.q.sizes[0], call.q.sizes[1], call.q.sizes[2], call.v.sizes[3]};
  Sizes sizes;
  for (int64_t dim : y_dims) {
    sizes.push_back(own[4 - rank + static_cast<size_t>(dim)]);
  }
  Tensor y = zeros(kF32, sizes);
  y.accuracy = Accuracy::kClose;
  for (const Tensor* one : {&call.q.x, &call.k.x, &call.v.x, call.mask}) {
    if (one != nullptr && one->accuracy != Accuracy::kExact) {
      y.accuracy = Accuracy::kUnknown;
    }
  }
  // Where the result's dimensions were before they were permuted.
  Sizes inverse(rank);
  for (size_t i = 0; i < rank; ++i) {
    inverse[static_cast<size_t>(y_dims[i])] = static_cast<int64_t>(i);
  }
  const Heads places(y, inverse);
  std::vector<double> row(static_cast<size_t>(own[3]));
  for (int64_t b = 0; b < own[0]; ++b) {
    for (int64_t h = 0; h < own[1]; ++h) {
      for (int64_t l = 0; l < own[2]; ++l) {
        if (!add_row(call, mask, b, h, l, row)) {
          y.accuracy = Accuracy::kUnknown;
        }
        for (size_t d = 0; d < row.size(); ++d) {
          set_float(y, places.place(b, h, l, static_cast<int64_t>(d)), static_cast<float>(row[d]));
        }
      }
    }
  }
  return y;
}

Heads heads_of(const Arguments& arguments, const Tensor& x, const char* dims) {
  if (x.sizes.size() < 2 || x.sizes.size() > 4) {
    throw Meaningless("an operand of another rank");
  }
  return {x, permutation(arguments, dims, x.sizes.size())};
}

Tensor attention_of(const Arguments& arguments, const Tensor& q, const Tensor& k, const Tensor& v) {
  Call call{heads_of(arguments, q, "q_dims"), heads_of(arguments, k, "k_dims"),
            heads_of(arguments, v, "v_dims")};
  call.mask = arguments.optional_tensor("mask");
  call.kind = arguments.string("mask_kind");
  const std::string kinds[] = {"none", "add", "fill_true", "fill_false"};
  if (std::find(std::begin(kinds), std::end(kinds), call.kind) == std::end(kinds)) {
    throw Meaningless("a kind of mask that there is not");
  }
  call.scale = static_cast<float>(arguments.number("scale"));
  call.fill = static_cast<float>(arguments.number("fill"));
  call.is_causal = arguments.boolean("is_causal");
  call.zero_rows = arguments.boolean("zero_rows");
  return evaluate(call, permutation(arguments, "y_dims", call.q.dims.size()));
}

Result attention(const Arguments& arguments) {
  return attention_of(arguments, arguments.tensor("q"), arguments.tensor("k"),
                      arguments.tensor("v"));
}

Result q8ta_attention(const Arguments& arguments) {
  const auto has_scale = [&arguments](const char* name) {
    return arguments.optional_scalar(name).has_value();
  };
  if (has_scale("q_scale") != has_scale("k_scale") ||
      has_scale("q_scale") != has_scale("v_scale")) {
    throw Meaningless("operands of two types");
  }
  const Tensor q = real_tensor(arguments, "q", "q_");
  const Tensor k = real_tensor(arguments, "k", "k_");
  const Tensor v = real_tensor(arguments, "v", "v_");
  return quantized_result(arguments, attention_of(arguments, q, k, v));
}

Result sdpa(const Arguments& arguments) {
  const auto heads = [&arguments](const char* name) {
    const Tensor& x = arguments.tensor(name);
    if (x.sizes.size() < 2 || x.sizes.size() > 4) {
      throw Meaningless("an operand of another rank");
    }
    return Heads(x, in_order(x.sizes.size()));
  };
  Call call{heads("q"), heads("k"), heads("v")};
  call.mask = arguments.optional_tensor("attn_mask");
  call.kind = call.mask == nullptr ? "none" : "add";
  const std::optional<double> scale = arguments.optional_scalar("scale");
  call.scale =
      static_cast<float>(scale.value_or(1.0 / std::sqrt(static_cast<double>(call.q.sizes[3]))));
  return evaluate(call, call.q.dims);
}

// ---- Draws.

bool give_mask(Draft& draft, const char* name, DType dtype, ValueId q, int64_t positions) {
  ByExecution<Sizes> sizes = draft.all_sizes(q);
  const bool is_row = draft.random().chance(50);
  for (Sizes& own : sizes) {
    own = is_row ? Sizes{positions} : Sizes{own[own.size() - 2], positions};
  }
  const ValueId mask = draft.new_input(dtype, sizes);
  draft.give(name, mask);
  return mask >= 0;
}

struct Drawn {
  ValueId q = -1;
  int64_t positions = 0;
};

Drawn draw_three(Draft& draft, DType dtype = kF32) {
  testing::Random& random = draft.random();
  constexpr int64_t kVectors[] = {3, 4, 8};
  const ValueId q = draft.new_input(dtype, 3, random.pick(kVectors));
  if (q < 0 || draft.rank(q) > 4) {
    return {};
  }
  const size_t rank = draft.rank(q);
  const int64_t positions = random.integer(1, 40);
  const bool has_one_group = random.chance(30);
  const int64_t vector = random.chance(50) ? draft.sizes(q).back() : random.pick(kVectors);
  ByExecution<Sizes> sizes = draft.all_sizes(q);
  for (Sizes& own : sizes) {
    own[rank - 3] = has_one_group ? 1 : own[rank - 3];
    own[rank - 2] = positions;
  }
  draft.give("q", q);
  draft.give("k", draft.new_input(dtype, sizes));
  for (Sizes& own : sizes) {
    own[rank - 1] = vector;
  }
  draft.give("v", draft.new_input(dtype, sizes));
  return {q, positions};
}

bool give_attention(Draft& draft, DType dtype) {
  testing::Random& random = draft.random();
  const Drawn drawn = draw_three(draft, dtype);
  if (drawn.q < 0) {
    return false;
  }
  constexpr const char* kKinds[] = {"none", "add", "fill_true", "fill_false"};
  const std::string kind = random.pick(kKinds);
  draft.give_string("mask_kind", kind.c_str());
  if (kind == "none") {
    draft.give_none("mask");
  } else if (!give_mask(draft, "mask", kind == "add" ? kF32 : DType::kBool, drawn.q,
                        drawn.positions)) {
    return false;
  }
  constexpr double kFills[] = {-kInfinity, -1.0, 0.5};
  draft.give_number("scale", random.uniform(0.05f, 0.5f));
  draft.give_number("fill", random.pick(kFills));
  draft.give_boolean("is_causal", random.chance(30));
  draft.give_boolean("zero_rows", random.chance(50));
  const Sizes dims = in_order(draft.rank(drawn.q));
  Sizes y_dims = dims;
  if (random.chance(40)) {
    std::swap(y_dims[y_dims.size() - 3], y_dims[y_dims.size() - 2]);
  }
  for (const char* name : {"q_dims", "k_dims", "v_dims"}) {
    draft.give_fixed_integers(name, dims);
  }
  draft.give_fixed_integers("y_dims", y_dims);
  return true;
}

bool draw_attention(Draft& draft) { return give_attention(draft, kF32); }

bool draw_q8ta_attention(Draft& draft) {
  const bool int8_in = draft.random().chance(70);
  for (const std::string prefix : {"q_", "k_", "v_"}) {
    draft.give_grid(prefix, draft.some_scale() / 20);
    if (!int8_in) {
      draft.give_none((prefix + "scale").c_str());
    }
  }
  draft.give_grid("output_", draft.some_scale() / 10);
  if (draft.random().chance(30)) {
    draft.give_none("output_scale");
  }
  draft.give_range("");
  return give_attention(draft, int8_in ? DType::kInt8 : kF32);
}

bool draw_sdpa(Draft& draft) {
  testing::Random& random = draft.random();
  const Drawn drawn = draw_three(draft);
  if (drawn.q < 0) {
    return false;
  }
  if (random.chance(50)) {
    draft.give_none("attn_mask");
  } else if (!give_mask(draft, "attn_mask", kF32, drawn.q, drawn.positions)) {
    return false;
  }
  if (random.chance(50)) {
    draft.give_none("scale");
  } else {
    draft.give_number("scale", random.uniform(0.05f, 0.5f));
  }
  return true;
}

}  // namespace

std::vector<Entry> attention_entries() {
  return {
      {"et_vk.attention.default", draw_attention, attention, true},
      {"et_vk.q8ta_attention.default", draw_q8ta_attention, q8ta_attention, true},
      {"et_vk.sdpa.default", draw_sdpa, sdpa, true},
  };
}

}  // namespace etvk::fuzz
