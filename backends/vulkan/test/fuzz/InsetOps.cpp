// Ops that set a tensor into numbers or into another one, flip it or repeat it.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "Entry.h"
#include "Shapes.h"

namespace etvk::fuzz {

namespace {

const std::vector<DType> kMoved = {DType::kFloat32, DType::kInt8, DType::kUint8, DType::kBool,
                                   DType::kInt32};

// ---- Results.

void check_moved(const Tensor& x) {
  const size_t bytes = dtype_bytes(x.dtype);
  if (bytes != 1 && bytes != 4) {
    throw Meaningless("elements of " + std::to_string(bytes) + " bytes");
  }
}

size_t element_at(const Sizes& sizes, const Sizes& at) {
  size_t element = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    element = element * static_cast<size_t>(sizes[i]) + static_cast<size_t>(at[i]);
  }
  return element;
}

void copy_element(Tensor& y, size_t to, const Tensor& x, size_t from) {
  const size_t bytes = dtype_bytes(x.dtype);
  std::memcpy(&y.bytes[to * bytes], &x.bytes[from * bytes], bytes);
}

// The element of this type that a number is.
std::vector<uint8_t> element_of(double value, DType dtype) {
  std::vector<uint8_t> bytes(dtype_bytes(dtype));
  const double whole = std::trunc(value);
  if (dtype == DType::kBool) {
    bytes[0] = value != 0.0 ? 1 : 0;
  } else if (dtype == DType::kFloat32) {
    const auto number = static_cast<float>(value);
    std::memcpy(bytes.data(), &number, sizeof(number));
  } else if (whole >= INT32_MIN && whole <= INT32_MAX) {
    const auto integer = static_cast<int32_t>(whole);
    std::memcpy(bytes.data(), &integer, bytes.size());
  } else {
    throw Meaningless("an integer beyond 32 bits");
  }
  return bytes;
}

Result pad(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  check_moved(x);
  const Sizes pads = arguments.integers("pad");
  const size_t rank = x.sizes.size();
  if (pads.size() % 2 != 0 || pads.size() > 2 * rank) {
    throw Meaningless("pads of more dimensions than there are");
  }
  Sizes sizes = x.sizes;
  Sizes starts(rank, 0);
  for (size_t i = 0; i < pads.size() / 2; ++i) {
    starts[rank - 1 - i] = pads[2 * i];
    sizes[rank - 1 - i] += pads[2 * i] + pads[2 * i + 1];
    if (sizes[rank - 1 - i] < 0) {
      throw Meaningless("a dimension cut to less than nothing");
    }
  }
  const std::vector<uint8_t> element = element_of(arguments.scalar("value"), x.dtype);
  Tensor y = zeros(x.dtype, sizes);
  y.accuracy = x.accuracy;
  for (size_t i = 0; i < y.count(); ++i) {
    Sizes at = index_of(i, sizes);
    bool inside = true;
    for (size_t dim = 0; dim < rank; ++dim) {
      at[dim] -= starts[dim];
      inside = inside && at[dim] >= 0 && at[dim] < x.sizes[dim];
    }
    if (inside) {
      copy_element(y, i, x, element_at(x.sizes, at));
    } else {
      std::copy(element.begin(), element.end(), &y.bytes[i * element.size()]);
    }
  }
  return y;
}

int64_t position(int64_t value, int64_t size) {
  return std::min(std::max<int64_t>(value < 0 ? value + size : value, 0), size);
}

Result slice_scatter(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  const Tensor& src = arguments.tensor("src");
  check_moved(x);
  const size_t dim = arguments.dim("dim", x.sizes.size());
  const int64_t size = x.sizes[dim];
  const int64_t start = position(arguments.optional_symint("start").value_or(0), size);
  const int64_t end = position(arguments.optional_symint("end").value_or(size), size);
  const int64_t step = arguments.symint("step");
  if (step <= 0 || src.dtype != x.dtype) {
    throw Meaningless("a step back, or another type");
  }
  Sizes wanted = x.sizes;
  wanted[dim] = end > start ? (end - start - 1) / step + 1 : 0;
  if (wanted != src.sizes) {
    throw Meaningless("a source of another shape");
  }
  Tensor y = x;
  y.accuracy = std::max(x.accuracy, src.accuracy);
  for (size_t i = 0; i < src.count(); ++i) {
    Sizes at = index_of(i, src.sizes);
    at[dim] = start + at[dim] * step;
    copy_element(y, element_at(x.sizes, at), src, i);
  }
  return y;
}

Result copy(const Arguments& arguments) {
  const Tensor& shape = arguments.tensor("self");
  const Tensor& src = arguments.tensor("src");
  check_moved(src);
  if (src.dtype != shape.dtype || src.sizes.size() > shape.sizes.size() ||
      broadcast(src.sizes, shape.sizes) != shape.sizes) {
    throw Meaningless("a source of another type or shape");
  }
  Tensor y = zeros(src.dtype, shape.sizes);
  y.accuracy = src.accuracy;
  for (size_t i = 0; i < y.count(); ++i) {
    copy_element(y, i, src, broadcast_at(src.sizes, index_of(i, y.sizes)));
  }
  return y;
}

Result flip(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  check_moved(x);
  std::vector<bool> flipped(x.sizes.size());
  for (int64_t dim : arguments.fixed_integers("dims")) {
    const auto rank = static_cast<int64_t>(x.sizes.size());
    if (dim < -rank || dim >= rank || flipped[static_cast<size_t>(dim < 0 ? dim + rank : dim)]) {
      throw Meaningless("a dimension that there is not, or twice");
    }
    flipped[static_cast<size_t>(dim < 0 ? dim + rank : dim)] = true;
  }
  Tensor y = x;
  for (size_t i = 0; i < y.count(); ++i) {
    Sizes at = index_of(i, x.sizes);
    for (size_t dim = 0; dim < at.size(); ++dim) {
      at[dim] = flipped[dim] ? x.sizes[dim] - 1 - at[dim] : at[dim];
    }
    copy_element(y, i, x, element_at(x.sizes, at));
  }
  return y;
}

Result repeat(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  check_moved(x);
  Sizes sizes = arguments.integers("repeats");
  if (sizes.size() < x.sizes.size() ||
      std::any_of(sizes.begin(), sizes.end(), [](int64_t one) { return one < 0 || one > 99; })) {
    throw Meaningless("repeats of fewer dimensions, or too many");
  }
  const size_t added = sizes.size() - x.sizes.size();
  for (size_t dim = 0; dim < x.sizes.size(); ++dim) {
    sizes[added + dim] *= x.sizes[dim];
  }
  Tensor y = zeros(x.dtype, sizes);
  y.accuracy = x.accuracy;
  for (size_t i = 0; i < y.count(); ++i) {
    const Sizes all = index_of(i, sizes);
    Sizes at(all.begin() + static_cast<std::ptrdiff_t>(added), all.end());
    for (size_t dim = 0; dim < at.size(); ++dim) {
      at[dim] %= x.sizes[dim];
    }
    copy_element(y, i, x, element_at(x.sizes, at));
  }
  return y;
}

// ---- Draws.

bool draw_pad(Draft& draft) {
  const ValueId x = draft.some_tensor(kMoved);
  if (x < 0) {
    return false;
  }
  testing::Random& random = draft.random();
  Sizes pads;
  for (size_t left = random.below(draft.rank(x) + 1); left > 0; --left) {
    for (int side = 0; side < 2; ++side) {
      pads.push_back(random.chance(30) ? 0 : random.integer(-1, 3));
    }
  }
  draft.give("self", x);
  ByExecution<Sizes> same;
  same.fill(pads);
  draft.give_integer("value", random.integer(-3, 3));
  return draft.give_integers("pad", same, false);
}

bool draw_slice_scatter(Draft& draft) {
  const ValueId x = draft.some_tensor(kMoved, 1);
  if (x < 0) {
    return false;
  }
  testing::Random& random = draft.random();
  const auto rank = static_cast<int32_t>(draft.rank(x));
  const int32_t dim = random.integer(-rank, rank - 1);
  const auto along = static_cast<size_t>(dim < 0 ? dim + rank : dim);
  const auto bound = static_cast<int32_t>(draft.sizes(x)[along]);
  const int32_t start = random.integer(-bound - 1, bound);
  const int32_t end = random.integer(-bound, bound + 1);
  const int64_t step = random.chance(60) ? 1 : random.integer(2, 4);
  ByExecution<Sizes> sizes = draft.all_sizes(x);
  for (Sizes& own : sizes) {
    const int64_t reach = position(end, own[along]) - position(start, own[along]);
    own[along] = reach > 0 ? (reach - 1) / step + 1 : 0;
  }
  const ValueId same =
      draft.find_tensor({draft.dtype(x)}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
  draft.give("self", x);
  draft.give("src", same >= 0 ? same : draft.new_input(draft.dtype(x), sizes));
  draft.give_integer("dim", dim);
  draft.give_integer("start", start);
  draft.give_integer("end", end);
  draft.give_integer("step", step);
  return true;
}

bool draw_copy(Draft& draft) {
  const ValueId x = draft.some_tensor(kMoved);
  if (x < 0) {
    return false;
  }
  draft.give("self", x);
  draft.give("src", broadcast_operand(draft, x));
  return true;
}

bool draw_flip(Draft& draft) {
  const ValueId x = draft.some_tensor(kMoved);
  if (x < 0) {
    return false;
  }
  Sizes dims;
  const auto rank = static_cast<int64_t>(draft.rank(x));
  for (int64_t dim = 0; dim < rank; ++dim) {
    if (draft.random().chance(50)) {
      dims.push_back(draft.random().chance(30) ? dim - rank : dim);
    }
  }
  draft.give("self", x);
  draft.give_fixed_integers("dims", dims);
  return true;
}

bool draw_repeat(Draft& draft) {
  const ValueId x = draft.some_tensor(kMoved);
  if (x < 0) {
    return false;
  }
  testing::Random& random = draft.random();
  Sizes times(draft.rank(x) + random.below(2));
  for (int64_t& one : times) {
    one = random.chance(50) ? 1 : random.integer(1, 3);
  }
  draft.give("self", x);
  ByExecution<Sizes> same;
  same.fill(times);
  return draft.give_integers("repeats", same, false);
}

}  // namespace

std::vector<Entry> inset_entries() {
  return {
      {"aten.constant_pad_nd.default", draw_pad, pad},
      {"aten.slice_scatter.default", draw_slice_scatter, slice_scatter},
      {"aten.copy.default", draw_copy, copy},
      {"aten.flip.default", draw_flip, flip},
      {"aten.repeat.default", draw_repeat, repeat},
  };
}

}  // namespace etvk::fuzz
