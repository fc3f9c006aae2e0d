// Ops that move elements, of types of one or four bytes: permute, transpose, slice, select, expand
// and cat. And the test ops of OrderOps.h, which mean moves and are aliases, so of any type.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>

#include "Entry.h"
#include "Int8Grid.h"

namespace etvk::fuzz {

namespace {

const std::vector<DType> kMovable = {DType::kInt8,  DType::kInt8, DType::kFloat32,
                                     DType::kUint8, DType::kBool, DType::kInt32};

// ---- Results.

void check_movable(const Tensor& x) {
  const size_t bytes = dtype_bytes(x.dtype);
  if (bytes != 1 && bytes != 4) {
    throw Meaningless("elements of " + std::to_string(bytes) + " bytes");
  }
}

const Tensor& movable(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  check_movable(x);
  return x;
}

// Elements of a contiguous tensor that one step of each dimension is.
Sizes strides_of(const Sizes& sizes) {
  Sizes strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * sizes[i];
  }
  return strides;
}

// y of these sizes, with y[i0, i1, ...] = x[offset + i0 * strides[0] + i1 * strides[1] + ...].
Tensor gather(const Tensor& x, const Sizes& sizes, const Sizes& strides, int64_t offset) {
  Tensor y = zeros(x.dtype, sizes);
  y.accuracy = x.accuracy;
  const size_t bytes = dtype_bytes(x.dtype);
  for (size_t i = 0; i < y.count(); ++i) {
    auto rest = static_cast<int64_t>(i);
    int64_t from = offset;
    for (size_t dim = sizes.size(); dim-- > 0;) {
      from += rest % sizes[dim] * strides[dim];
      rest /= sizes[dim];
    }
    std::memcpy(&y.bytes[i * bytes], &x.bytes[static_cast<size_t>(from) * bytes], bytes);
  }
  return y;
}

Tensor permuted(const Tensor& x, const std::vector<size_t>& dims) {
  const Sizes own = strides_of(x.sizes);
  Sizes sizes;
  Sizes strides;
  for (size_t dim : dims) {
    sizes.push_back(x.sizes[dim]);
    strides.push_back(own[dim]);
  }
  return gather(x, sizes, strides, 0);
}

// The dimensions of x that an argument lists.
std::vector<size_t> listed_dims(const Arguments& arguments, const Tensor& x, const char* name) {
  const Sizes dims = permutation(arguments, name, x.sizes.size());
  return {dims.begin(), dims.end()};
}

Result permute(const Arguments& arguments) {
  const Tensor& x = movable(arguments);
  return permuted(x, listed_dims(arguments, x, "dims"));
}

Result to_dim_order(const Arguments& arguments) {
  const Tensor& x = movable(arguments);
  return permuted(x, listed_dims(arguments, x, "dim_order"));
}

Result from_dim_order(const Arguments& arguments) {
  const Tensor& x = movable(arguments);
  const std::vector<size_t> order = listed_dims(arguments, x, "dim_order");
  std::vector<size_t> dims(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    dims[order[i]] = i;
  }
  return permuted(x, dims);
}

Result transpose(const Arguments& arguments) {
  const Tensor& x = movable(arguments);
  std::vector<size_t> dims(x.sizes.size());
  std::iota(dims.begin(), dims.end(), size_t{0});
  std::swap(dims[arguments.dim("dim0", dims.size())], dims[arguments.dim("dim1", dims.size())]);
  return permuted(x, dims);
}

// A position within [0, size], counted from the end where it is negative.
int64_t position(int64_t value, int64_t size) {
  return std::min(std::max<int64_t>(value < 0 ? value + size : value, 0), size);
}

Result slice(const Arguments& arguments) {
  const Tensor& x = movable(arguments);
  const size_t dim = arguments.dim("dim", x.sizes.size());
  const int64_t size = x.sizes[dim];
  const int64_t start = position(arguments.optional_symint("start").value_or(0), size);
  const int64_t end = position(arguments.optional_symint("end").value_or(size), size);
  const int64_t step = arguments.symint("step");
  if (step <= 0) {
    throw Meaningless("a step of " + std::to_string(step));
  }
  Sizes sizes = x.sizes;
  Sizes strides = strides_of(x.sizes);
  sizes[dim] = 0;
  for (int64_t at = start; at < end; at += std::min(step, size)) {
    ++sizes[dim];
  }
  const int64_t offset = start * strides[dim];
  strides[dim] *= std::min(step, size);
  return gather(x, sizes, strides, offset);
}

Result select(const Arguments& arguments) {
  const Tensor& x = movable(arguments);
  const size_t dim = arguments.dim("dim", x.sizes.size());
  const int64_t size = x.sizes[dim];
  const int64_t index = arguments.symint("index");
  if (index < -size || index >= size) {
    throw Meaningless("index " + std::to_string(index) + " of " + std::to_string(size));
  }
  Sizes sizes = x.sizes;
  Sizes strides = strides_of(x.sizes);
  const int64_t offset = (index < 0 ? index + size : index) * strides[dim];
  sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(dim));
  strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(dim));
  return gather(x, sizes, strides, offset);
}

Result expand(const Arguments& arguments) {
  const Tensor& x = movable(arguments);
  Sizes sizes = arguments.integers("size");
  if (sizes.size() < x.sizes.size()) {
    throw Meaningless("an expand to fewer dimensions");
  }
  const size_t added = sizes.size() - x.sizes.size();
  const Sizes own = strides_of(x.sizes);
  Sizes strides(sizes.size(), 0);
  for (size_t i = 0; i < x.sizes.size(); ++i) {
    int64_t& wanted = sizes[added + i];
    wanted = wanted == -1 ? x.sizes[i] : wanted;
    if (wanted != x.sizes[i] && x.sizes[i] != 1) {
      throw Meaningless("an expand of a size that is not 1");
    }
    strides[added + i] = x.sizes[i] == 1 ? 0 : own[i];
  }
  return gather(x, sizes, strides, 0);
}

Result cat(const Arguments& arguments) {
  const auto parts = arguments.tensors("tensors");
  const size_t rank = parts[0]->sizes.size();
  const size_t dim = arguments.dim("dim", rank);
  Sizes sizes = parts[0]->sizes;
  sizes[dim] = 0;
  Accuracy accuracy = Accuracy::kExact;
  for (const Tensor* part : parts) {
    check_movable(*part);
    if (part->dtype != parts[0]->dtype || part->sizes.size() != rank) {
      throw Meaningless("parts of other types or ranks");
    }
    for (size_t i = 0; i < rank; ++i) {
      if (i != dim && part->sizes[i] != sizes[i]) {
        throw Meaningless("parts of other shapes");
      }
    }
    sizes[dim] += part->sizes[dim];
    accuracy = std::max(accuracy, part->accuracy);
  }
  Tensor y = zeros(parts[0]->dtype, sizes);
  y.accuracy = accuracy;
  // Rows of all parts, one behind the other.
  size_t rows = 1;
  for (size_t i = 0; i < dim; ++i) {
    rows *= static_cast<size_t>(sizes[i]);
  }
  auto to = y.bytes.begin();
  for (size_t row = 0; row < rows; ++row) {
    for (const Tensor* part : parts) {
      const size_t length = part->bytes.size() / rows;
      const auto from = part->bytes.begin() + static_cast<std::ptrdiff_t>(row * length);
      to = std::copy_n(from, length, to);
    }
  }
  return y;
}

// The product of the next `count` numbers.
int64_t joined(Sizes::const_iterator& next, int64_t count) {
  int64_t product = 1;
  for (int64_t i = 0; i < count; ++i) {
    product *= *next++;
  }
  return product;
}

// Whether there are so many of `all` for each of `rank` dimensions.
void check_counts(const Sizes& counts, size_t rank, size_t all) {
  auto left = static_cast<int64_t>(all);
  for (int64_t count : counts) {
    left = count < 1 || count > left ? throw Meaningless("counts of no pieces") : left - count;
  }
  if (counts.size() != rank || left != 0) {
    throw Meaningless("pieces that are not all in a dimension");
  }
}

Result regroup(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("x");
  check_movable(x);
  const Sizes counts = arguments.fixed_integers("counts");
  Sizes pieces = arguments.fixed_integers("pieces");
  const Sizes groups = arguments.fixed_integers("groups");
  check_counts(counts, x.sizes.size(), pieces.size());
  check_counts(groups, groups.size(), pieces.size());
  size_t first = 0;
  for (size_t dim = 0; dim < counts.size(); ++dim) {
    int64_t known = 1;
    int64_t* open = nullptr;
    for (size_t i = 0; i < static_cast<size_t>(counts[dim]); ++i) {
      int64_t& piece = pieces[first + i];
      if (piece == -1 && open == nullptr) {
        open = &piece;
      } else if (piece < 1 || __builtin_mul_overflow(known, piece, &known)) {
        throw Meaningless("a piece of " + std::to_string(piece));
      }
    }
    if (open != nullptr) {
      *open = x.sizes[dim] / known;
    }
    if (known * (open != nullptr ? *open : 1) != x.sizes[dim]) {
      throw Meaningless("a dimension that is not made of its pieces");
    }
    first += static_cast<size_t>(counts[dim]);
  }
  Tensor split = x;
  split.sizes = pieces;
  std::vector<size_t> dims;
  for (int64_t dim : arguments.fixed_integers("dims")) {
    dims.push_back(dim < 0 ? pieces.size() : static_cast<size_t>(dim));
  }
  std::vector<size_t> sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != i) {
      throw Meaningless("dims that are no permutation");
    }
  }
  if (sorted.size() != pieces.size()) {
    throw Meaningless("dims that are no permutation");
  }
  Tensor y = permuted(split, dims);
  Sizes::const_iterator next = y.sizes.cbegin();
  Sizes sizes;
  for (int64_t count : groups) {
    sizes.push_back(joined(next, count));
  }
  y.sizes = sizes;
  return y;
}

Tensor pixels_shuffled(const Tensor& x, int64_t factor) {
  check_movable(x);
  const size_t rank = x.sizes.size();
  if (rank < 3 || factor < 1 || factor > 1 << 15 || x.sizes[rank - 3] % (factor * factor) != 0) {
    throw Meaningless("a shuffle of channels that are no squares");
  }
  Sizes sizes = x.sizes;
  sizes[rank - 3] /= factor * factor;
  sizes[rank - 2] *= factor;
  sizes[rank - 1] *= factor;
  Tensor y = zeros(x.dtype, sizes);
  y.accuracy = x.accuracy;
  const size_t bytes = dtype_bytes(x.dtype);
  const int64_t height = sizes[rank - 2];
  const int64_t width = sizes[rank - 1];
  for (size_t i = 0; i < y.count(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t w = at % width;
    const int64_t h = at / width % height;
    const int64_t channel =
        at / width / height * factor * factor + h % factor * factor + w % factor;
    const int64_t from = (channel * (height / factor) + h / factor) * (width / factor) + w / factor;
    std::memcpy(&y.bytes[i * bytes], &x.bytes[static_cast<size_t>(from) * bytes], bytes);
  }
  return y;
}

Result pixel_shuffle(const Arguments& arguments) {
  return pixels_shuffled(arguments.tensor("self"), arguments.integer("upscale_factor"));
}

Result q8ta_pixel_shuffle(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("self");
  if (x.dtype != DType::kInt8) {
    throw Meaningless("a tensor of another type");
  }
  const Int8Grid from = read_grid(arguments, "input_");
  const double inverse = arguments.number("output_inv_scale");
  const auto as_float = static_cast<float>(inverse);
  if (!(inverse > 0.0) || !std::isnormal(as_float) ||
      !std::isnormal(static_cast<float>(1.0 / inverse))) {
    throw Meaningless("an inverse scale that is none");
  }
  Int8Grid to;
  to.inverse_scale = as_float;
  to.zero_point = read_zero_point(arguments, "output_");
  Tensor y = pixels_shuffled(x, arguments.integer("upscale_factor"));
  y.accuracy = computed_of(x.accuracy);
  for (size_t i = 0; i < y.count(); ++i) {
    y.bytes[i] = static_cast<uint8_t>(quantize(dequantize(y.int8_at(i), from), to));
  }
  return y;
}

std::vector<size_t> dims_of(const Tensor& x) {
  if (x.sizes.size() != 3 && x.sizes.size() != 4) {
    throw Meaningless("channels-last with " + std::to_string(x.sizes.size()) + " dimensions");
  }
  std::vector<size_t> dims(x.sizes.size());
  std::iota(dims.begin(), dims.end(), size_t{0});
  return dims;
}

Result to_channels_last(const Arguments& arguments) {
  std::vector<size_t> dims = dims_of(arguments.tensor("x"));
  std::rotate(dims.begin() + 1, dims.end() - 1, dims.end());
  return permuted(arguments.tensor("x"), dims);
}

Result channels_last(const Arguments& arguments) {
  return permuted(arguments.tensor("x"), dims_of(arguments.tensor("x")));
}

Result from_channels_last(const Arguments& arguments) {
  std::vector<size_t> dims = dims_of(arguments.tensor("x"));
  std::rotate(dims.begin() + 1, dims.begin() + 2, dims.end());
  return permuted(arguments.tensor("x"), dims);
}

// ---- Draws.

bool draw_permutation(Draft& draft, const char* name) {
  const ValueId x = draft.some_tensor(kMovable);
  if (x < 0) {
    return false;
  }
  Sizes dims(draft.rank(x));
  std::iota(dims.begin(), dims.end(), int64_t{0});
  if (dims.size() >= 3 && draft.random().chance(50)) {
    // From or to channels last.
    std::rotate(dims.begin() + 1, draft.random().chance(50) ? dims.begin() + 2 : dims.end() - 1,
                dims.end());
  } else {
    for (size_t i = dims.size(); i > 1; --i) {
      std::swap(dims[i - 1], dims[draft.random().below(i)]);
    }
  }
  for (int64_t& dim : dims) {
    dim -= draft.random().chance(20) ? static_cast<int64_t>(dims.size()) : 0;
  }
  draft.give("self", x);
  draft.give_fixed_integers(name, dims);
  return true;
}

bool draw_permute(Draft& draft) { return draw_permutation(draft, "dims"); }

bool draw_dim_order(Draft& draft) { return draw_permutation(draft, "dim_order"); }

bool draw_pixels(Draft& draft, const std::vector<DType>& dtypes) {
  testing::Random& random = draft.random();
  const int64_t factor = random.integer(1, 3);
  const auto fits = [&](ValueId id) {
    const size_t rank = draft.rank(id);
    return rank >= 3 && draft.sizes(id)[rank - 3] % (factor * factor) == 0;
  };
  ValueId x = draft.find_tensor(dtypes, fits);
  if (x < 0 || random.chance(20)) {
    ByExecution<Sizes> sizes;
    sizes.fill({random.integer(1, 2), random.integer(1, 3) * factor * factor, random.integer(1, 5),
                random.integer(1, 5)});
    x = draft.new_input(random.pick(dtypes), sizes);
  }
  draft.give("self", x);
  draft.give_integer("upscale_factor", factor);
  return x >= 0;
}

bool draw_pixel_shuffle(Draft& draft) { return draw_pixels(draft, kMovable); }

bool draw_q8ta_pixel_shuffle(Draft& draft) {
  const double scale = draft.some_scale();
  draft.give_grid("input_", scale);
  const double output_scale = draft.random().chance(30) ? scale : draft.some_scale();
  draft.give_number("output_inv_scale", 1.0 / output_scale);
  draft.give_integer("output_zero_point", draft.random().integer(-128, 127));
  return draw_pixels(draft, {DType::kInt8});
}

// Channels are split and put elsewhere, as for a shuffle of channels or pixels.
bool draw_regroup(Draft& draft) {
  testing::Random& random = draft.random();
  const auto fits = [&draft](ValueId id) { return draft.rank(id) >= 2 && draft.rank(id) <= 4; };
  ValueId x = draft.find_tensor(kMovable, fits);
  if (x < 0 || random.chance(20)) {
    x = draft.new_input(DType::kInt8, 3);
  }
  if (x < 0 || draft.rank(x) > 4) {
    return false;
  }
  Sizes counts;
  Sizes pieces;
  for (int64_t size : draft.sizes(x)) {
    int64_t piece = random.integer(2, 4);
    if (size % piece != 0 || size == 0 || random.chance(40)) {
      piece = 0;
    }
    counts.push_back(piece == 0 ? 1 : 2);
    pieces.push_back(-1);
    if (piece != 0) {
      pieces.insert(pieces.end() - (random.chance(50) ? 1 : 0), piece);
    }
  }
  Sizes dims(pieces.size());
  std::iota(dims.begin(), dims.end(), int64_t{0});
  for (size_t i = dims.size(); i > 1; --i) {
    std::swap(dims[i - 1], dims[random.below(i)]);
  }
  Sizes groups;
  for (auto left = static_cast<int64_t>(pieces.size()); left > 0; left -= groups.back()) {
    groups.push_back(std::min<int64_t>(left, random.integer(1, 2)));
  }
  draft.give("x", x);
  draft.give_fixed_integers("counts", counts);
  draft.give_fixed_integers("pieces", pieces);
  draft.give_fixed_integers("dims", dims);
  draft.give_fixed_integers("groups", groups);
  return true;
}

bool draw_transpose(Draft& draft) {
  const ValueId x = draft.some_tensor(kMovable, 1);
  if (x < 0) {
    return false;
  }
  draft.give("self", x);
  draft.give_integer("dim0", draft.some_dim(x));
  draft.give_integer("dim1", draft.some_dim(x));
  return true;
}

// A tensor and one of its dimensions, and the size of that.
std::optional<int32_t> draw_self_and_dim(Draft& draft) {
  const ValueId x = draft.some_tensor(kMovable, 1);
  if (x < 0) {
    return std::nullopt;
  }
  const int64_t dim = draft.some_dim(x);
  draft.give("self", x);
  draft.give_integer("dim", dim);
  return static_cast<int32_t>(draft.sizes(x)[wrap_dim(dim, draft.rank(x))]);
}

bool draw_slice(Draft& draft) {
  const std::optional<int32_t> size = draw_self_and_dim(draft);
  if (!size.has_value()) {
    return false;
  }
  testing::Random& random = draft.random();
  for (const char* name : {"start", "end"}) {
    if (random.chance(30)) {
      draft.give_none(name);
    } else if (random.chance(20)) {
      draft.give(name, draft.some_symbol());
    } else {
      const int32_t at = random.integer(-*size - 1, *size + 1);
      draft.give_integer(name, random.chance(10) ? INT64_MAX : at);
    }
  }
  draft.give_integer("step", random.chance(60) ? 1 : random.integer(2, 5));
  if (random.chance(10)) {
    draft.give("step", draft.some_symbol());
  }
  return true;
}

bool draw_select(Draft& draft) {
  const std::optional<int32_t> size = draw_self_and_dim(draft);
  if (!size.has_value()) {
    return false;
  }
  testing::Random& random = draft.random();
  if (random.chance(15)) {
    draft.give("index", draft.some_symbol());
  } else {
    draft.give_integer("index", random.chance(50) ? -1 : random.integer(0, *size / 2));
  }
  return true;
}

bool draw_expand(Draft& draft) {
  const ValueId x = draft.some_tensor(kMovable);
  if (x < 0) {
    return false;
  }
  testing::Random& random = draft.random();
  ByExecution<Sizes> sizes = draft.all_sizes(x);
  for (size_t dim = 0; dim < sizes[0].size(); ++dim) {
    const int64_t wanted = random.integer(1, 5);
    const bool repeat = random.chance(70);
    for (Sizes& own : sizes) {
      own[dim] = own[dim] == 1 && repeat ? wanted : own[dim];
    }
  }
  for (int added = random.integer(0, 2); added > 0; --added) {
    const int64_t wanted = random.integer(1, 4);
    for (Sizes& own : sizes) {
      own.insert(own.begin(), wanted);
    }
  }
  draft.give("self", x);
  return draft.give_integers("size", sizes, sizes[0].size() == draft.rank(x));
}

bool draw_cat(Draft& draft) {
  const ValueId x = draft.some_tensor(kMovable, 1);
  if (x < 0) {
    return false;
  }
  testing::Random& random = draft.random();
  const int64_t dim = draft.some_dim(x);
  const size_t along = wrap_dim(dim, draft.rank(x));
  std::vector<ValueId> parts = {x};
  for (int more = random.integer(0, 3); more > 0; --more) {
    ByExecution<Sizes> sizes = draft.all_sizes(x);
    const bool other = random.chance(60);
    const int64_t length = random.integer(0, 6);
    for (Sizes& own : sizes) {
      own[along] = other ? length : own[along];
    }
    const ValueId same = draft.find_tensor(
        {draft.dtype(x)}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
    const ValueId part =
        same >= 0 && random.chance(60) ? same : draft.new_input(draft.dtype(x), sizes);
    if (part >= 0) {
      parts.push_back(part);
    }
  }
  draft.give_list("tensors", parts);
  draft.give_integer("dim", dim);
  return true;
}

bool draw_channels_last(Draft& draft) {
  const auto fits = [&draft](ValueId id) { return draft.rank(id) == 3 || draft.rank(id) == 4; };
  ValueId x = draft.find_tensor(kMovable, fits);
  if (x < 0 || draft.random().chance(10)) {
    x = draft.new_input(draft.random().chance(80) ? DType::kInt8 : DType::kFloat32, 3);
  }
  draft.give("x", x);
  return x >= 0;
}

}  // namespace

std::vector<Entry> move_entries() {
  return {
      {"test.to_channels_last", draw_channels_last, to_channels_last},
      {"test.channels_last", draw_channels_last, channels_last},
      {"test.from_channels_last", draw_channels_last, from_channels_last},
      {"aten.permute_copy.default", draw_permute, permute},
      {"et_vk.regroup.default", draw_regroup, regroup},
      {"aten.pixel_shuffle.default", draw_pixel_shuffle, pixel_shuffle},
      {"et_vk.q8ta_pixel_shuffle.default", draw_q8ta_pixel_shuffle, q8ta_pixel_shuffle},
      {"et_vk.from_dim_order.default", draw_dim_order, from_dim_order},
      {"et_vk.to_dim_order.default", draw_dim_order, to_dim_order},
      {"aten.transpose_copy.int", draw_transpose, transpose},
      {"aten.slice_copy.Tensor", draw_slice, slice},
      {"aten.select_copy.int", draw_select, select},
      {"aten.expand_copy.default", draw_expand, expand},
      {"aten.cat.default", draw_cat, cat},
  };
}

}  // namespace etvk::fuzz
