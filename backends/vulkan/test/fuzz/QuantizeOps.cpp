// Elementwise ops and means on int8: quantize, dequantize, table, binary, mean.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "Entry.h"
#include "Int8Grid.h"
#include "Layer.h"
#include "Shapes.h"
#include "graph/selfcheck/RowGridReference.h"

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

// Of values that other ops have computed, a rounding may fall to the other side.
Result round_rows(const Arguments& arguments) {
  const ops::RowGrids grids = read_row_grids(arguments);
  const Tensor& x = arguments.tensor("x");
  if (x.dtype != DType::kFloat32 || x.sizes.empty()) {
    throw Meaningless("x that is not float32 [..., K]");
  }
  Tensor y = zeros(DType::kFloat32, x.sizes);
  y.accuracy = x.accuracy == Accuracy::kExact ? Accuracy::kExact : Accuracy::kUnknown;
  std::vector<float> values(x.count());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = x.float_at(i);
  }
  const size_t size = grids.per_row ? static_cast<size_t>(x.sizes.back()) : values.size();
  for (size_t first = 0; first < values.size(); first += size) {
    const RowGrid grid = row_grid(grids, &values[first], size);
    for (size_t i = first; i < first + size; ++i) {
      const int32_t distance = quantized_on(grids, grid, values[i]) - grid.zero_point;
      set_float(y, i, static_cast<float>(distance) * grid.scale);
    }
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
    const float left = dequantize(a.int8_at(broadcast_at(a.sizes, index)), a_grid);
    const float right = dequantize(b.int8_at(broadcast_at(b.sizes, index)), b_grid);
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
  const ReducedShape shape(x.sizes, arguments.fixed_integers("dim"), arguments.boolean("keepdim"));
  Tensor y = zeros(DType::kInt8, shape.sizes);
  y.accuracy = computed_of(x.accuracy);
  if (y.count() == 0) {
    return y;
  }
  const auto scale =
      static_cast<float>(arguments.number("input_scale") / static_cast<double>(shape.count));
  if (shape.count == 0 || !std::isnormal(scale)) {
    throw Meaningless("a mean of " + std::to_string(shape.count) + " elements");
  }
  std::vector<int64_t> sums(y.count());
  for (size_t i = 0; i < x.count(); ++i) {
    sums[shape.result_of(i)] += x.int8_at(i) - input.zero_point;
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

bool draw_round_rows(Draft& draft) {
  draft.give("x", draft.some_tensor({DType::kFloat32}));
  give_row_grids(draft, draft.random().chance(60));
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
  const ValueId b = broadcast_operand(draft, a);
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

bool draw_mean(Draft& draft) {
  const ReducedOperand operand = reduced_operand(draft, DType::kInt8);
  draft.give("x", operand.id);
  draft.give_grid("input_", draft.some_scale());
  draft.give_fixed_integers("dim", operand.dims);
  draft.give_boolean("keepdim", draft.random().chance(50));
  draft.give_grid("output_", draft.some_scale() / 4);
  draft.give_range("");
  return true;
}

}  // namespace

std::vector<Entry> quantize_entries() {
  return {
      {"quantized_decomposed.quantize_per_tensor.default", draw_quantize, quantize_per_tensor},
      {"et_vk.round_rows.default", draw_round_rows, round_rows},
      {"quantized_decomposed.dequantize_per_tensor.default", draw_dequantize,
       dequantize_per_tensor},
      {"et_vk.q8ta_dequantize.default", draw_dequantize, dequantize_per_tensor},
      {"et_vk.q8ta_table.default", draw_table, table},
      {"et_vk.q8ta_binary.default", draw_binary, binary, true},
      {"et_vk.q8ta_mean.default", draw_mean, mean, true},
  };
}

}  // namespace etvk::fuzz
