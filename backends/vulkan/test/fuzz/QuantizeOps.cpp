// Elementwise ops and means on int8: quantize, dequantize, table, binary, mean.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "Entry.h"
#include "Int8Grid.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

void check_type(const Tensor& tensor, DType dtype) {
  if (tensor.dtype != dtype) {
    throw Meaningless("an operand of another type");
  }
}

Result quantize_per_tensor(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("input");
  check_type(x, DType::kFloat32);
  const Int8Grid grid = read_grid(arguments, "", "");
  Tensor y = zeros(DType::kInt8, x.sizes);
  y.accuracy = computed_of(x.accuracy);
  for (size_t i = 0; i < y.count(); ++i) {
    y.bytes[i] = static_cast<uint8_t>(quantize(x.float_at(i), grid));
  }
  return y;
}

Result dequantize_per_tensor(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("input");
  check_type(x, DType::kInt8);
  const Int8Grid grid = read_grid(arguments, "");
  Tensor y = zeros(DType::kFloat32, x.sizes);
  y.accuracy = computed_of(x.accuracy);
  for (size_t i = 0; i < y.count(); ++i) {
    set_float(y, i, dequantize(x.int8_at(i), grid));
  }
  return y;
}

// uint8 x is taken for the int8 of the same bits.
Result table(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("x");
  const Tensor& entries = arguments.constant("table");
  if (x.dtype != DType::kUint8) {
    check_type(x, DType::kInt8);
  }
  const bool known_type = entries.dtype == DType::kInt8 || entries.dtype == DType::kUint8 ||
                          entries.dtype == DType::kFloat32;
  if (!known_type || entries.sizes != Sizes{256}) {
    throw Meaningless("a table of another type or size");
  }
  Tensor y = zeros(entries.dtype, x.sizes);
  y.accuracy = computed_of(x.accuracy);
  const size_t bytes = dtype_bytes(y.dtype);
  for (size_t i = 0; i < y.count(); ++i) {
    const auto at = static_cast<size_t>(x.int8_at(i) + 128);
    std::memcpy(&y.bytes[i * bytes], &entries.bytes[at * bytes], bytes);
  }
  return y;
}

// The sizes that two shapes are repeated to, last dimensions beside each other.
Sizes broadcast(const Sizes& a, const Sizes& b) {
  Sizes sizes(std::max(a.size(), b.size()), 1);
  for (const Sizes* own : {&a, &b}) {
    for (size_t i = 0; i < own->size(); ++i) {
      int64_t& size = sizes[sizes.size() - own->size() + i];
      const int64_t wanted = (*own)[i];
      if (size != 1 && wanted != 1 && wanted != size) {
        throw Meaningless("shapes that cannot be broadcast");
      }
      size = size == 1 ? wanted : size;
    }
  }
  return sizes;
}

// Element `index` (by dimension of the result) of an operand.
int8_t broadcast_at(const Tensor& x, const Sizes& index) {
  int64_t at = 0;
  for (size_t i = 0; i < x.sizes.size(); ++i) {
    const int64_t own = x.sizes[i] == 1 ? 0 : index[index.size() - x.sizes.size() + i];
    at = at * x.sizes[i] + own;
  }
  return x.int8_at(static_cast<size_t>(at));
}

// The dimensions' indices of element `at` of a contiguous tensor.
Sizes index_of(size_t at, const Sizes& sizes) {
  Sizes index(sizes.size());
  auto rest = static_cast<int64_t>(at);
  for (size_t dim = sizes.size(); dim-- > 0;) {
    index[dim] = rest % sizes[dim];
    rest /= sizes[dim];
  }
  return index;
}

Result binary(const Arguments& arguments) {
  const Tensor& a = arguments.tensor("a");
  const Tensor& b = arguments.tensor("b");
  check_type(a, DType::kInt8);
  check_type(b, DType::kInt8);
  const Int8Grid a_grid = read_grid(arguments, "a_");
  const Int8Grid b_grid = read_grid(arguments, "b_");
  const Int8Grid grid = read_grid(arguments, "output_", "");
  const std::string op = arguments.string("op");
  if (op != "add" && op != "sub" && op != "mul") {
    throw Meaningless("op '" + op + "'");
  }
  Tensor y = zeros(DType::kInt8, broadcast(a.sizes, b.sizes));
  y.accuracy = computed_of(std::max(a.accuracy, b.accuracy));
  for (size_t i = 0; i < y.count(); ++i) {
    const Sizes index = index_of(i, y.sizes);
    const float left = dequantize(broadcast_at(a, index), a_grid);
    const float right = dequantize(broadcast_at(b, index), b_grid);
    const float g = op == "add" ? left + right : op == "sub" ? left - right : left * right;
    y.bytes[i] = static_cast<uint8_t>(quantize(g, grid));
  }
  return y;
}

Result mean(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("x");
  check_type(x, DType::kInt8);
  const Int8Grid input = read_grid(arguments, "input_");
  const Int8Grid grid = read_grid(arguments, "output_", "");
  const size_t rank = x.sizes.size();
  const Sizes dims = arguments.fixed_integers("dim");
  std::vector<bool> reduced(rank, dims.empty());  // none: all of them
  for (int64_t dim : dims) {
    reduced[wrap_dim(dim, rank)] = true;
  }
  const bool keepdim = arguments.boolean("keepdim");
  Sizes kept;   // of the result, with ones where it is reduced
  Sizes sizes;  // of the result
  int64_t count = 1;
  for (size_t i = 0; i < rank; ++i) {
    kept.push_back(reduced[i] ? 1 : x.sizes[i]);
    count *= reduced[i] ? x.sizes[i] : 1;
    if (!reduced[i] || keepdim) {
      sizes.push_back(kept.back());
    }
  }
  Tensor y = zeros(DType::kInt8, sizes);
  y.accuracy = computed_of(x.accuracy);
  if (y.count() == 0) {
    return y;
  }
  const auto scale =
      static_cast<float>(arguments.number("input_scale") / static_cast<double>(count));
  if (count == 0 || !std::isnormal(scale)) {
    throw Meaningless("a mean of " + std::to_string(count) + " elements");
  }
  std::vector<int64_t> sums(y.count());
  for (size_t i = 0; i < x.count(); ++i) {
    const Sizes index = index_of(i, x.sizes);
    int64_t at = 0;
    for (size_t dim = 0; dim < rank; ++dim) {
      at = at * kept[dim] + (reduced[dim] ? 0 : index[dim]);
    }
    sums[static_cast<size_t>(at)] += x.int8_at(i) - input.zero_point;
  }
  for (size_t i = 0; i < y.count(); ++i) {
    y.bytes[i] = static_cast<uint8_t>(quantize(static_cast<float>(sums[i]) * scale, grid));
  }
  return y;
}

// ---- Draws.

bool draw_quantize(Draft& draft) {
  draft.give("input", draft.some_tensor({DType::kFloat32}));
  draft.give_grid("", draft.some_scale());
  draft.give_range("");
  return true;
}

bool draw_dequantize(Draft& draft) {
  draft.give("input", draft.some_tensor({DType::kInt8}));
  draft.give_grid("", draft.some_scale());
  return true;
}

bool draw_table(Draft& draft) {
  constexpr DType kResults[] = {DType::kInt8, DType::kUint8, DType::kFloat32};
  draft.give("x", draft.some_tensor({DType::kInt8, DType::kInt8, DType::kUint8}));
  draft.give_constant("table", draft.random().pick(kResults), {256});
  return true;
}

bool draw_binary(Draft& draft) {
  constexpr const char* kOps[] = {"add", "sub", "mul"};
  testing::Random& random = draft.random();
  const ValueId a = draft.some_tensor({DType::kInt8});
  if (a < 0) {
    return false;
  }
  ValueId b = draft.some_tensor({DType::kInt8});
  if (random.chance(60)) {
    ByExecution<Sizes> sizes = draft.all_sizes(a);
    for (size_t dim = 0; dim < sizes[0].size(); ++dim) {
      const bool repeat = random.chance(30);
      for (Sizes& own : sizes) {
        own[dim] = repeat ? 1 : own[dim];
      }
    }
    const size_t fewer = random.chance(30) ? random.below(sizes[0].size() + 1) : 0;
    for (Sizes& own : sizes) {
      own.erase(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(fewer));
    }
    b = draft.new_input(DType::kInt8, sizes);
  }
  const bool swapped = random.chance(30);
  draft.give("a", swapped ? b : a);
  draft.give("b", swapped ? a : b);
  draft.give_string("op", random.pick(kOps));
  draft.give_grid("a_", draft.some_scale());
  draft.give_grid("b_", draft.some_scale());
  draft.give_grid("output_", draft.some_scale());
  draft.give_range("");
  return true;
}

// x of one of the block's shapes; dimensions that are not summed may be dynamic.
ValueId mean_operand(Draft& draft, const MeanShape& shape) {
  testing::Random& random = draft.random();
  ByExecution<Sizes> sizes;
  sizes.fill(shape.sizes);
  for (size_t dim = 0; dim < shape.sizes.size(); ++dim) {
    const auto signed_dim = static_cast<int64_t>(dim);
    const bool is_summed = std::count(shape.dims.begin(), shape.dims.end(), signed_dim) > 0;
    if (!draft.dynamic_sizes().empty() && random.chance(is_summed ? 3 : 30)) {
      const auto& dynamic = random.pick(draft.dynamic_sizes());
      for (size_t execution = 0; execution < kExecutions; ++execution) {
        sizes[execution][dim] = dynamic[execution];
      }
    }
  }
  const ValueId same =
      draft.find_tensor({DType::kInt8}, [&](ValueId id) { return draft.all_sizes(id) == sizes; });
  return same >= 0 && random.chance(50) ? same : draft.new_input(DType::kInt8, sizes);
}

bool draw_mean(Draft& draft) {
  testing::Random& random = draft.random();
  const MeanShape& shape = draft.block().mean_shape(random);
  Sizes dims;
  for (int64_t dim : shape.dims) {
    const auto rank = static_cast<int64_t>(shape.sizes.size());
    dims.push_back(random.chance(30) ? dim - rank : dim);
  }
  draft.give("x", mean_operand(draft, shape));
  draft.give_grid("input_", draft.some_scale());
  draft.give_fixed_integers("dim", dims);
  draft.give_boolean("keepdim", random.chance(50));
  draft.give_grid("output_", draft.some_scale() / 4);
  draft.give_range("");
  return true;
}

}  // namespace

std::vector<Entry> quantize_entries() {
  return {
      {"quantized_decomposed.quantize_per_tensor.default", draw_quantize, quantize_per_tensor},
      {"quantized_decomposed.dequantize_per_tensor.default", draw_dequantize,
       dequantize_per_tensor},
      {"et_vk.q8ta_dequantize.default", draw_dequantize, dequantize_per_tensor},
      {"et_vk.q8ta_table.default", draw_table, table},
      {"et_vk.q8ta_binary.default", draw_binary, binary, true},
      {"et_vk.q8ta_mean.default", draw_mean, mean, true},
  };
}

}  // namespace etvk::fuzz
