// What a program keeps from one execution to the next, and what it becomes.
#include <algorithm>
#include <vector>

#include "Entry.h"

namespace etvk::fuzz {

namespace {

const std::vector<DType> kAny = {DType::kFloat32, DType::kInt8, DType::kInt32, DType::kBool,
                                 DType::kUint8};
constexpr int64_t kMostElements = 1024;
constexpr int64_t kSizes[] = {1, 2, 3, 4, 5, 8, 12, 16, 33};

// ---- Results.

Result state(const Arguments& arguments) {
  const Tensor& initial = arguments.constant("initial");
  const Sizes sizes = arguments.fixed_integers("size");
  if (initial.sizes != sizes && initial.count() != 1) {
    throw Meaningless("a state that starts as another shape");
  }
  if (const Tensor* kept = arguments.kept()) {
    return *kept;
  }
  Tensor y = zeros(initial.dtype, sizes);
  for (size_t i = 0; i < y.bytes.size(); ++i) {
    y.bytes[i] = initial.bytes[i % initial.bytes.size()];
  }
  return y;
}

Result assign_state(const Arguments& arguments) {
  const Tensor& state = arguments.tensor("state");
  const Tensor& value = arguments.tensor("value");
  if (!arguments.is_state("state") || state.dtype != value.dtype || state.sizes != value.sizes) {
    throw Meaningless("no state, or a value of another type or shape");
  }
  return value;
}

// ---- Draws.

bool draw_state(Draft& draft) {
  testing::Random& random = draft.random();
  Sizes sizes;
  int64_t count = 1;
  for (int rank = random.integer(random.chance(10) ? 0 : 1, 4); rank > 0; --rank) {
    const int64_t size = random.chance(3) ? 0 : random.pick(kSizes);
    sizes.push_back(count * size > kMostElements ? 1 : size);
    count *= sizes.back();
  }
  const DType dtype = random.pick(kAny);
  draft.give_fixed_integers("size", sizes);
  draft.give_constant("initial", dtype,
                      random.chance(50)   ? sizes
                      : random.chance(50) ? Sizes()
                                          : Sizes{1});
  return true;
}

// A state that is not assigned yet, which the last tensor of its shape becomes, or any.
bool draw_assign_state(Draft& draft) {
  std::vector<ValueId> states;
  for (const OpCall& call : draft.def().chain) {
    if (call.name == "et_vk.state.default") {
      states.push_back(call.args.back());
    } else if (call.name == "et_vk.assign_state.default") {
      states.erase(std::remove(states.begin(), states.end(), call.args[0]), states.end());
    }
  }
  if (states.empty()) {
    return false;
  }
  testing::Random& random = draft.random();
  const ValueId state = random.chance(70) ? states.back() : random.pick(states);
  std::vector<ValueId> values;
  for (ValueId id : draft.tensors()) {
    if (draft.dtype(id) == draft.dtype(state) && draft.all_sizes(id) == draft.all_sizes(state)) {
      values.push_back(id);
    }
  }
  draft.give("state", state);
  draft.give("value", random.chance(70) ? values.back() : random.pick(values));
  return true;
}

}  // namespace

std::vector<Entry> state_entries() {
  return {
      {"et_vk.state.default", draw_state, state},
      {"et_vk.assign_state.default", draw_assign_state, assign_state},
  };
}

}  // namespace etvk::fuzz
