// Ops that make a tensor of numbers alone.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "Entry.h"

namespace etvk::fuzz {

namespace {

const std::vector<DType> kTypes = {DType::kFloat32, DType::kInt32, DType::kInt8, DType::kUint8,
                                   DType::kBool};

// ---- Results.

// Which dtype is no argument: the output's is.
Tensor filled(const Arguments& arguments, const Sizes& sizes, double value) {
  const DType dtype = arguments.declared_dtype();
  if (std::find(kTypes.begin(), kTypes.end(), dtype) == kTypes.end()) {
    throw Meaningless("a dtype that is not filled");
  }
  if (std::any_of(sizes.begin(), sizes.end(), [](int64_t size) { return size < 0; })) {
    throw Meaningless("a negative size");
  }
  const bool is_integer = dtype != DType::kFloat32 && dtype != DType::kBool;
  const double whole = std::trunc(value);
  if (is_integer && !(whole >= INT32_MIN && whole <= INT32_MAX)) {
    throw Meaningless("an integer beyond 32 bits");
  }
  Tensor y = zeros(dtype, sizes);
  for (size_t i = 0; i < y.count(); ++i) {
    if (dtype == DType::kFloat32) {
      set_float(y, i, static_cast<float>(value));
    } else if (dtype == DType::kBool) {
      y.bytes[i] = value != 0.0 ? 1 : 0;
    } else {
      const auto integer = static_cast<int32_t>(whole);
      std::memcpy(&y.bytes[i * dtype_bytes(dtype)], &integer, dtype_bytes(dtype));
    }
  }
  return y;
}

Result full(const Arguments& arguments) {
  return filled(arguments, arguments.integers("size"), arguments.scalar("fill_value"));
}
Result zeros_of(const Arguments& arguments) {
  return filled(arguments, arguments.integers("size"), 0.0);
}
Result ones_of(const Arguments& arguments) {
  return filled(arguments, arguments.integers("size"), 1.0);
}
Result full_like(const Arguments& arguments) {
  return filled(arguments, arguments.tensor("self").sizes, arguments.scalar("fill_value"));
}
Result zeros_like(const Arguments& arguments) {
  return filled(arguments, arguments.tensor("self").sizes, 0.0);
}
Result ones_like(const Arguments& arguments) {
  return filled(arguments, arguments.tensor("self").sizes, 1.0);
}

Result arange(const Arguments& arguments) {
  const DType dtype = arguments.declared_dtype();
  const int64_t start = arguments.symint("start");
  const int64_t end = arguments.symint("end");
  const int64_t step = arguments.symint("step");
  const auto is_wide = [](int64_t one) { return one < INT32_MIN || one > INT32_MAX; };
  if (is_wide(start) || is_wide(end) || is_wide(step) || step == 0 ||
      (step > 0 ? end < start : end > start) ||
      (dtype != DType::kFloat32 && dtype != DType::kInt32)) {
    throw Meaningless("an arange of no dtype or length");
  }
  int64_t length = 0;
  for (int64_t at = start; (step > 0 ? at < end : at > end) && length < 1000000; at += step) {
    ++length;
  }
  Tensor y = zeros(dtype, {length});
  for (int64_t i = 0; i < length; ++i) {
    const int64_t value = start + i * step;
    if (dtype == DType::kFloat32) {
      y.accuracy = Accuracy::kClose;
      set_float(y, static_cast<size_t>(i), static_cast<float>(value));
    } else {
      const auto integer = static_cast<int32_t>(value);
      std::memcpy(&y.bytes[static_cast<size_t>(i) * sizeof(integer)], &integer, sizeof(integer));
    }
  }
  return y;
}

// ---- Draws.

void give_fill_value(Draft& draft) {
  if (position_of(draft.op(), "fill_value") < draft.op().args.size()) {
    constexpr double kNumbers[] = {0.0, 1.0, -1.0, 2.5, -7.9, 300.0, INFINITY, NAN};
    draft.give_number("fill_value", draft.random().pick(kNumbers));
  }
}

bool draw_filled(Draft& draft) {
  const ValueId like = draft.some_tensor(kTypes);
  if (like < 0 || !draft.give_integers("size", draft.all_sizes(like))) {
    return false;
  }
  draft.give_output_dtype(draft.random().pick(kTypes));
  give_fill_value(draft);
  return true;
}

bool draw_filled_like(Draft& draft) {
  draft.give("self", draft.some_tensor(kTypes));
  draft.give_output_dtype(draft.random().pick(kTypes));
  give_fill_value(draft);
  return true;
}

bool draw_arange(Draft& draft) {
  testing::Random& random = draft.random();
  const int32_t step = random.chance(60) ? 1 : random.integer(-3, 5);
  draft.give_output_dtype(random.chance(50) ? DType::kFloat32 : DType::kInt32);
  draft.give_integer("start", random.chance(60) ? 0 : random.integer(-20, 20));
  if (random.chance(50)) {
    draft.give("end", draft.some_symbol());
  } else {
    draft.give_integer("end", step * random.integer(0, 30));
  }
  draft.give_integer("step", step);
  return true;
}

}  // namespace

std::vector<Entry> creation_entries() {
  return {
      {"aten.full.default", draw_filled, full},
      {"aten.zeros.default", draw_filled, zeros_of},
      {"aten.ones.default", draw_filled, ones_of},
      {"aten.full_like.default", draw_filled_like, full_like},
      {"aten.zeros_like.default", draw_filled_like, zeros_like},
      {"aten.ones_like.default", draw_filled_like, ones_like},
      {"aten.arange.start_step", draw_arange, arange},
  };
}

}  // namespace etvk::fuzz
