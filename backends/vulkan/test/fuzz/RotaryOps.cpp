// Rotary embeddings: ops of two results.
#include <cmath>

#include "Entry.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

struct Angles {
  const Tensor& cosines;
  const Tensor& sines;
  int64_t start;
  bool interleaved;
};

// Rows of cosines that a position has: one, or with three dimensions one for each head.
int64_t row_of(const Angles& angles, const Sizes& at, int64_t heads) {
  return angles.cosines.sizes.size() == 3 ? at[1] * heads + at[2] : at[1] + angles.start;
}

bool fits(const Angles& angles, const Sizes& x) {
  const Sizes& own = angles.cosines.sizes;
  if (own != angles.sines.sizes || own.size() < 2) {
    return false;
  }
  if (angles.interleaved) {
    const bool of_heads = own.size() == 3 && own[1] == x[2];
    return (own.size() == 2 || of_heads) && own[0] == x[1] && own.back() * 2 == x[3];
  }
  return own.size() == 2 && own[1] % 2 == 0 && own[1] <= x[3] && angles.start >= 0 &&
         angles.start <= own[0] && x[1] <= own[0] - angles.start;
}

Tensor turned(const Tensor& x, const Angles& angles) {
  for (const Tensor* one : {&x, &angles.cosines, &angles.sines}) {
    if (one->dtype != DType::kFloat32) {
      throw Meaningless("a type that is not turned");
    }
  }
  if (x.sizes.size() != 4 || !fits(angles, x.sizes)) {
    throw Meaningless("angles of another shape");
  }
  Tensor y = x;
  const bool is_exact = x.accuracy == Accuracy::kExact &&
                        angles.cosines.accuracy == Accuracy::kExact &&
                        angles.sines.accuracy == Accuracy::kExact;
  y.accuracy = is_exact ? Accuracy::kClose : Accuracy::kUnknown;
  const int64_t columns = angles.cosines.sizes.back();
  const int64_t rotated = angles.interleaved ? 2 * columns : columns;
  for (size_t i = 0; i < y.count(); ++i) {
    const Sizes at = index_of(i, x.sizes);
    const int64_t own = at[3];
    if (own >= rotated) {
      continue;
    }
    const bool is_first = angles.interleaved ? own % 2 == 0 : own < rotated / 2;
    const int64_t apart = angles.interleaved ? 1 : rotated / 2;
    const size_t other = is_first ? i + static_cast<size_t>(apart) : i - static_cast<size_t>(apart);
    const auto angle = static_cast<size_t>(row_of(angles, at, x.sizes[2]) * columns +
                                           (angles.interleaved ? own / 2 : own));
    // In the steps of the kernel, for the sum may cancel.
    const float beside = x.float_at(other) * angles.sines.float_at(angle);
    const float scaled = x.float_at(i) * angles.cosines.float_at(angle);
    set_float(y, i, is_first ? scaled - beside : scaled + beside);
  }
  return y;
}

Result both(const Arguments& arguments, bool interleaved) {
  const Angles angles{arguments.tensor("freqs_cos"), arguments.tensor("freqs_sin"),
                      interleaved ? 0 : arguments.integer("start_pos"), interleaved};
  return std::vector<Tensor>{turned(arguments.tensor("xq"), angles),
                             turned(arguments.tensor("xk"), angles)};
}

Result rotary(const Arguments& arguments) { return both(arguments, true); }
Result rotary_hf(const Arguments& arguments) { return both(arguments, false); }

// Queries and keys of other numbers of heads, and their angles; positions may be dynamic.
bool draw(Draft& draft, bool interleaved) {
  testing::Random& random = draft.random();
  const ValueId q = draft.find_tensor({DType::kFloat32}, [&](ValueId id) {
    const int64_t width = draft.rank(id) == 4 ? draft.sizes(id)[3] : 0;
    return width > 0 && (!interleaved || width % 2 == 0);
  });
  ByExecution<Sizes> sizes;
  if (q >= 0) {
    sizes = draft.all_sizes(q);
  } else {
    sizes.fill({random.integer(1, 2), random.integer(1, 5), random.integer(1, 3),
                2 * random.integer(1, 5)});
  }
  const bool of_heads = interleaved && random.chance(30);
  ByExecution<Sizes> keys = sizes;
  ByExecution<Sizes> angles;
  const int64_t start = interleaved ? 0 : random.integer(0, 2);
  const int64_t width = sizes[0][3];
  const int64_t columns =
      interleaved ? width / 2 : width / 2 * 2 - (width > 3 ? 2 * random.integer(0, 1) : 0);
  for (size_t i = 0; i < sizes.size(); ++i) {
    keys[i][2] = of_heads ? keys[i][2] : 2;
    const int64_t rows = sizes[i][1] + start;
    angles[i] = of_heads ? Sizes{rows, sizes[i][2], columns} : Sizes{rows, columns};
  }
  const ValueId queries = q >= 0 ? q : draft.new_input(DType::kFloat32, sizes);
  draft.give("xq", queries);
  draft.give("xk", draft.new_input(DType::kFloat32, keys));
  for (const char* name : {"freqs_cos", "freqs_sin"}) {
    const ValueId id = draft.new_input(DType::kFloat32, angles);
    if (id < 0) {
      return false;
    }
    draft.give(name, id);
  }
  ByExecution<int64_t> starts;
  starts.fill(start);
  return interleaved || draft.give_symint("start_pos", starts);
}

bool draw_rotary(Draft& draft) { return draw(draft, true); }
bool draw_rotary_hf(Draft& draft) { return draw(draft, false); }

}  // namespace

std::vector<Entry> rotary_entries() {
  return {
      {"et_vk.apply_rotary_emb.default", draw_rotary, rotary},
      {"et_vk.apply_rotary_emb_hf.default", draw_rotary_hf, rotary_hf},
  };
}

}  // namespace etvk::fuzz
