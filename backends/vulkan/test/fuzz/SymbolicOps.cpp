// Arithmetic on symbolic integers: 64 bits, wrapping around.
#include "Entry.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

Result sym_size(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  return x.sizes[arguments.dim("dim", x.sizes.size())];
}

uint64_t operand(const Arguments& arguments, const char* name) {
  return static_cast<uint64_t>(arguments.symint(name));
}

Result add(const Arguments& arguments) {
  return static_cast<int64_t>(operand(arguments, "a") + operand(arguments, "b"));
}

Result sub(const Arguments& arguments) {
  return static_cast<int64_t>(operand(arguments, "a") - operand(arguments, "b"));
}

Result mul(const Arguments& arguments) {
  return static_cast<int64_t>(operand(arguments, "a") * operand(arguments, "b"));
}

Result floordiv(const Arguments& arguments) {
  const int64_t a = arguments.symint("a");
  const int64_t b = arguments.symint("b");
  if (b <= 0) {
    throw Meaningless("a divisor of " + std::to_string(b));
  }
  return a / b - (a % b < 0 ? 1 : 0);
}

// ---- Draws.

bool draw_sym_size(Draft& draft) {
  const ValueId x = draft.some_tensor({DType::kInt8, DType::kFloat32}, 1);
  if (x < 0) {
    return false;
  }
  draft.give("self", x);
  draft.give_integer("dim", draft.some_dim(x));
  return true;
}

bool draw_arithmetic(Draft& draft) {
  const bool a_is_fixed = draft.random().chance(20);
  for (const char* name : {"a", "b"}) {
    const bool is_fixed = *name == 'a' ? a_is_fixed : !a_is_fixed && draft.random().chance(60);
    if (is_fixed) {
      draft.give_integer(name, draft.random().integer(1, 4));
    } else {
      draft.give(name, draft.some_symbol());
    }
  }
  return true;
}

}  // namespace

std::vector<Entry> symbolic_entries() {
  return {
      {"sym_size.int", draw_sym_size, sym_size},
      {"add", draw_arithmetic, add},
      {"sub", draw_arithmetic, sub},
      {"mul", draw_arithmetic, mul},
      {"floordiv", draw_arithmetic, floordiv},
  };
}

}  // namespace etvk::fuzz
