#include "OpCase.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <sstream>

#include "ConvolutionCases.h"
#include "NormCases.h"
#include "OpCaseBuilder.h"
#include "OrderCases.h"
#include "ProductCases.h"
#include "vk/Error.h"

namespace etvk::bench {

namespace {

constexpr int64_t kHeadSize = 64;

// ---- Elementwise.

void make_quantize(Builder& b, const Shape& shape) {
  b.op("quantized_decomposed.quantize_per_tensor.default");
  const Bytes& x = b.input(DType::kFloat32, shape);
  b.argument(kOutputScale);
  for (const int64_t value : {int64_t{kZeroY}, int64_t{-128}, int64_t{127}, int64_t{1}}) {
    b.argument(value);
  }
  Bytes& y = b.output(DType::kInt8, shape);
  for (int64_t i = 0; i < numel(shape); ++i) {
    y[static_cast<size_t>(i)] = static_cast<uint8_t>(quantize(float_at(x, i), kOutputScale));
  }
}

void make_dequantize(Builder& b, const Shape& shape) {
  b.op("et_vk.q8ta_dequantize.default");
  const Bytes& x = b.input(DType::kInt8, shape);
  b.argument(kScaleA);
  b.argument(int64_t{kZeroA});
  Bytes& y = b.output(DType::kFloat32, shape);
  for (int64_t i = 0; i < numel(shape); ++i) {
    set_float(y, i, static_cast<float>(int8s(x)[i] - kZeroA) * static_cast<float>(kScaleA));
  }
}

void make_table(Builder& b, const Shape& shape, DType dtype) {
  b.op("et_vk.q8ta_table.default");
  const Bytes& x = b.input(DType::kInt8, shape);
  const Bytes& table = b.table(dtype);
  const size_t bytes = dtype_bytes(dtype);
  Bytes& y = b.output(dtype, shape);
  for (int64_t i = 0; i < numel(shape); ++i) {
    std::memcpy(&y[static_cast<size_t>(i) * bytes],
                &table[static_cast<size_t>(int8s(x)[i] + 128) * bytes], bytes);
  }
}

void make_binary(Builder& b, const Shape& shape, const std::string& operation, const Shape& other) {
  b.op("et_vk.q8ta_binary.default");
  b.input(DType::kInt8, shape);
  b.argument(kScaleA);
  b.argument(int64_t{kZeroA});
  b.input(DType::kInt8, other);
  b.argument(kScaleB);
  b.argument(int64_t{kZeroB});
  b.argument(operation);
  b.argument(kOutputScale);
  for (const int64_t value : {kZeroY, -128, 127}) {
    b.argument(value);
  }
  const bool by_row = other.back() != 1;                      // has a value for each column
  const bool by_column = other.size() == 2 && other[0] != 1;  // has a value for each row
  Bytes& y = b.output(DType::kInt8, shape);
  const int8_t* a_bytes = int8s(b.made().inputs[0]);
  const int8_t* b_bytes = int8s(b.made().inputs[1]);
  for (int64_t r = 0; r < shape[0]; ++r) {
    for (int64_t c = 0; c < shape[1]; ++c) {
      const int64_t at = (by_column ? r * (by_row ? shape[1] : 1) : 0) + (by_row ? c : 0);
      const float f =
          static_cast<float>(a_bytes[r * shape[1] + c] - kZeroA) * static_cast<float>(kScaleA);
      const float g = static_cast<float>(b_bytes[at] - kZeroB) * static_cast<float>(kScaleB);
      const float result = operation == "add" ? f + g : operation == "sub" ? f - g : f * g;
      y[static_cast<size_t>(r * shape[1] + c)] =
          static_cast<uint8_t>(quantize(result, kOutputScale));
    }
  }
}

// ---- Copies.

// y[i, j, k] = x[offset + i * steps[0] + j * steps[1] + k * steps[2]], elements.
void fill_copy(const Bytes& x, Bytes& y, size_t bytes, const Shape& sizes, const Shape& steps,
               int64_t offset) {
  size_t at = 0;
  for (int64_t i = 0; i < sizes[0]; ++i) {
    for (int64_t j = 0; j < sizes[1]; ++j) {
      for (int64_t k = 0; k < sizes[2]; ++k, at += bytes) {
        const int64_t from = offset + i * steps[0] + j * steps[1] + k * steps[2];
        std::memcpy(&y[at], &x[static_cast<size_t>(from) * bytes], bytes);
      }
    }
  }
}

void make_slice(Builder& b, const Shape& shape, int64_t start) {
  ETVK_CHECK(shape[1] > start, kInvalidArgument,
             "slice of " << shape_text(shape) << ": needs more than " << start << " columns");
  b.op("aten.slice_copy.Tensor");
  const Bytes& x = b.input(DType::kInt8, shape);
  for (const int64_t value : {int64_t{1}, start, shape[1], int64_t{1}}) {
    b.argument(value);
  }
  const Shape sizes = {shape[0], shape[1] - start};
  Bytes& y = b.output(DType::kInt8, sizes);
  b.made().moved_bytes = 2 * y.size();
  fill_copy(x, y, 1, {1, sizes[0], sizes[1]}, {0, shape[1], 1}, start);
}

void make_cat(Builder& b, const Shape& shape) {
  const int64_t half = shape[1] / 2;
  ETVK_CHECK(shape[1] % 2 == 0, kInvalidArgument,
             "cat of " << shape_text(shape) << ": columns must be even");
  b.op("aten.cat.default");
  ValueList parts;
  for (int i = 0; i < 2; ++i) {
    b.input(DType::kInt8, {shape[0], half}, false);
    parts.items.push_back(b.last_input());
  }
  b.argument(parts);
  b.argument(int64_t{1});
  Bytes& y = b.output(DType::kInt8, shape);
  for (int64_t r = 0; r < shape[0]; ++r) {
    for (int64_t i = 0; i < 2; ++i) {
      std::memcpy(&y[static_cast<size_t>(r * shape[1] + i * half)],
                  &b.made().inputs[static_cast<size_t>(i)][static_cast<size_t>(r * half)],
                  static_cast<size_t>(half));
    }
  }
}

// x as [rows, heads, 64] with its dimensions in another order, or [rows, columns] transposed.
void make_permute(Builder& b, const Shape& shape, DType dtype, const std::vector<int64_t>& dims) {
  Shape from = shape;
  if (dims.size() == 3) {
    ETVK_CHECK(shape[1] % kHeadSize == 0, kInvalidArgument,
               "heads of " << shape_text(shape) << ": columns must be a multiple of " << kHeadSize);
    from = {shape[0], shape[1] / kHeadSize, kHeadSize};
  }
  b.op("aten.permute_copy.default");
  const Bytes& x = b.input(dtype, from);
  b.integers(dims);
  Shape sizes(3 - dims.size(), 1);
  Shape steps(3 - dims.size(), 0);
  Shape to;
  for (const int64_t dim : dims) {
    to.push_back(from[static_cast<size_t>(dim)]);
    steps.push_back(numel(Shape(from.begin() + dim + 1, from.end())));
  }
  sizes.insert(sizes.end(), to.begin(), to.end());
  Bytes& y = b.output(dtype, to);
  fill_copy(x, y, dtype_bytes(dtype), sizes, steps, 0);
}

// ---- Reductions.

void make_mean(Builder& b, const Shape& shape, int64_t dim) {
  b.op("et_vk.q8ta_mean.default");
  const Bytes& x = b.input(DType::kInt8, shape);
  const double output_scale = kScaleA / 16;
  b.argument(kScaleA);
  b.argument(int64_t{kZeroA});
  b.integers({dim});
  b.argument(false);
  b.argument(output_scale);
  for (const int64_t value : {kZeroY, -128, 127}) {
    b.argument(value);
  }
  const int64_t kept = shape[dim == 0 ? 1 : 0];
  const int64_t summed = shape[static_cast<size_t>(dim)];
  std::vector<int32_t> sums(static_cast<size_t>(kept), 0);
  for (int64_t r = 0; r < shape[0]; ++r) {
    for (int64_t c = 0; c < shape[1]; ++c) {
      sums[static_cast<size_t>(dim == 0 ? c : r)] += int8s(x)[r * shape[1] + c] - kZeroA;
    }
  }
  const auto scale = static_cast<float>(kScaleA / static_cast<double>(summed));
  Bytes& y = b.output(DType::kInt8, {kept});
  for (size_t i = 0; i < sums.size(); ++i) {
    y[i] = static_cast<uint8_t>(quantize(static_cast<float>(sums[i]) * scale, output_scale));
  }
}

// ---- Float ops.

void make_float_unary(Builder& b, const Shape& shape, const char* op, double (*f)(double)) {
  b.op(op);
  const Bytes& x = b.input(DType::kFloat32, shape);
  Bytes& y = b.output(DType::kFloat32, shape);
  b.made().is_exact = false;
  for (int64_t i = 0; i < numel(shape); ++i) {
    set_float(y, i, static_cast<float>(f(float_at(x, i))));
  }
}

// The other operand is [rows or 1, columns or 1].
void make_float_add(Builder& b, const Shape& shape, const Shape& other) {
  b.op("aten.add.Tensor");
  b.input(DType::kFloat32, shape);
  b.input(DType::kFloat32, other);
  b.argument(int64_t{1});
  Bytes& y = b.output(DType::kFloat32, shape);
  const std::vector<Bytes>& inputs = b.made().inputs;
  for (int64_t r = 0; r < shape[0]; ++r) {
    for (int64_t c = 0; c < shape[1]; ++c) {
      const int64_t from = (other[0] == 1 ? 0 : r * other[1]) + (other[1] == 1 ? 0 : c);
      const int64_t at = r * shape[1] + c;
      set_float(y, at, float_at(inputs[0], at) + float_at(inputs[1], from));
    }
  }
}

void make_float_gt(Builder& b, const Shape& shape) {
  b.op("aten.gt.Scalar");
  const Bytes& x = b.input(DType::kFloat32, shape);
  b.argument(0.25);
  Bytes& y = b.output(DType::kBool, shape);
  for (int64_t i = 0; i < numel(shape); ++i) {
    y[static_cast<size_t>(i)] = float_at(x, i) > 0.25f ? 1 : 0;
  }
}

// Over the last dimension, the first one, or both.
void make_float_sum(Builder& b, const Shape& shape, const Shape& dims) {
  b.op("aten.sum.dim_IntList");
  const Bytes& x = b.input(DType::kFloat32, shape);
  b.integers(dims);
  b.argument(false);
  b.argument(Null{});
  const bool keeps_rows = std::count(dims.begin(), dims.end(), 0) == 0;
  const bool keeps_columns = std::count(dims.begin(), dims.end(), 1) == 0;
  Shape kept;
  if (keeps_rows) {
    kept.push_back(shape[0]);
  }
  if (keeps_columns) {
    kept.push_back(shape[1]);
  }
  std::vector<double> sums(static_cast<size_t>(numel(kept)), 0.0);
  for (int64_t r = 0; r < shape[0]; ++r) {
    for (int64_t c = 0; c < shape[1]; ++c) {
      sums[static_cast<size_t>(keeps_rows      ? r
                               : keeps_columns ? c
                                               : 0)] += float_at(x, r * shape[1] + c);
    }
  }
  Bytes& y = b.output(DType::kFloat32, kept);
  b.made().is_exact = false;
  for (size_t i = 0; i < sums.size(); ++i) {
    set_float(y, static_cast<int64_t>(i), static_cast<float>(sums[i]));
  }
}

// Queries that are the keys, of one position a row, in heads of kHeadSize.
void make_rotary(Builder& b, const Shape& shape) {
  const int64_t heads = std::max<int64_t>(shape[1] / kHeadSize, 1);
  const int64_t pairs = shape[1] / heads / 2;
  const Shape operand = {1, shape[0], heads, 2 * pairs};
  b.op("et_vk.apply_rotary_emb.default");
  const Bytes x = b.input(DType::kFloat32, operand);
  // The keys too: of others, results could take the queries' memory, which is set only once.
  b.made().call.args.push_back(b.last_input());
  b.made().moved_bytes += x.size();
  const Bytes cosines = b.input(DType::kFloat32, {shape[0], pairs});
  const Bytes sines = b.input(DType::kFloat32, {shape[0], pairs});
  b.made().results = 2;
  b.made().is_exact = false;
  Bytes& y = b.output(DType::kFloat32, operand);
  b.made().moved_bytes += y.size();  // keys
  for (int64_t i = 0; i < numel(operand) / 2; ++i) {
    const int64_t angle = i / pairs / heads * pairs + i % pairs;
    const float first = float_at(x, 2 * i);
    const float second = float_at(x, 2 * i + 1);
    set_float(y, 2 * i, first * float_at(cosines, angle) - second * float_at(sines, angle));
    set_float(y, 2 * i + 1, second * float_at(cosines, angle) + first * float_at(sines, angle));
  }
}

// kAdded rows, to one of kAdded / 2 rows each.
void make_accumulate(Builder& b, const Shape& shape) {
  constexpr int64_t kAdded = 64;
  b.op("aten.index_put.default");
  const Bytes x = b.input(DType::kFloat32, shape);
  b.input(DType::kInt32, {kAdded}, false);
  Bytes& index = b.made().inputs.back();
  for (int32_t i = 0; i < kAdded; ++i) {
    const auto place = static_cast<int32_t>(i * 7 % (kAdded / 2) % shape[0]);
    std::memcpy(&index[static_cast<size_t>(i) * 4], &place, 4);
  }
  b.argument(ValueList{{b.last_input()}});
  const Bytes rows = b.input(DType::kFloat32, {kAdded, shape[1]});
  b.argument(true);
  Bytes& y = b.output(DType::kFloat32, shape);
  y = x;
  b.made().is_exact = false;
  for (int64_t i = 0; i < kAdded; ++i) {
    const int64_t first = i * 7 % (kAdded / 2) % shape[0] * shape[1];
    for (int64_t c = 0; c < shape[1]; ++c) {
      set_float(y, first + c, float_at(y, first + c) + float_at(rows, i * shape[1] + c));
    }
  }
}

// ---- By name.

std::vector<Maker> memory_bound_makers() {
  constexpr DType kI8 = DType::kInt8;
  constexpr DType kF32 = DType::kFloat32;
  const auto binary = [](const char* operation, bool row, bool column) {
    return [=](Builder& b, const Shape& s) {
      make_binary(b, s, operation, {column ? s[0] : 1, row ? s[1] : 1});
    };
  };
  const auto permute = [](DType dtype, std::vector<int64_t> dims) {
    return [=](Builder& b, const Shape& s) { make_permute(b, s, dtype, dims); };
  };
  const auto unary = [](const char* op, double (*f)(double)) {
    return [=](Builder& b, const Shape& s) { make_float_unary(b, s, op, f); };
  };
  const auto float_add = [](bool row, bool column) {
    return [=](Builder& b, const Shape& s) {
      make_float_add(b, s, {column ? s[0] : 1, row ? s[1] : 1});
    };
  };
  const auto float_sum = [](Shape dims) {
    return [=](Builder& b, const Shape& s) { make_float_sum(b, s, dims); };
  };
  return {
      {"quantize", true, make_quantize},
      {"dequantize", true, make_dequantize},
      {"table", false, [](Builder& b, const Shape& s) { make_table(b, s, kI8); }},
      {"table_float", true, [](Builder& b, const Shape& s) { make_table(b, s, kF32); }},
      {"add", false, binary("add", true, true)},
      {"sub", false, binary("sub", true, true)},
      {"mul", false, binary("mul", true, true)},
      {"add_row", false, binary("add", true, false)},
      {"add_column", false, binary("add", false, true)},
      {"add_scalar", false, binary("add", false, false)},
      {"copy", false, [](Builder& b, const Shape& s) { make_slice(b, s, 0); }},
      {"slice", false, [](Builder& b, const Shape& s) { make_slice(b, s, 16); }},
      {"slice_unaligned", false, [](Builder& b, const Shape& s) { make_slice(b, s, 1); }},
      {"cat", false, make_cat},
      {"transpose", false, permute(kI8, {1, 0})},
      {"transpose_float", true, permute(kF32, {1, 0})},
      {"heads", false, permute(kI8, {1, 0, 2})},
      {"heads_float", true, permute(kF32, {1, 0, 2})},
      {"keys", false, permute(kI8, {1, 2, 0})},
      {"keys_float", true, permute(kF32, {1, 2, 0})},
      {"mean_rows", false, [](Builder& b, const Shape& s) { make_mean(b, s, 1); }},
      {"mean_columns", false, [](Builder& b, const Shape& s) { make_mean(b, s, 0); }},
      {"relu_float", true, unary("aten.relu.default", [](double x) { return std::max(x, 0.0); })},
      {"exp_float", true, unary("aten.exp.default", [](double x) { return std::exp(x); })},
      {"tanh_float", true, unary("aten.tanh.default", [](double x) { return std::tanh(x); })},
      {"sin_float", true, unary("aten.sin.default", [](double x) { return std::sin(x); })},
      {"add_float", true, float_add(true, true)},
      {"add_row_float", true, float_add(true, false)},
      {"add_column_float", true, float_add(false, true)},
      {"add_scalar_float", true, float_add(false, false)},
      {"gt_float", true, make_float_gt},
      {"sum_rows_float", true, float_sum({1})},
      {"sum_columns_float", true, float_sum({0})},
      {"sum_all_float", true, float_sum({0, 1})},
      {"rotary", true, make_rotary},
      {"accumulate", true, make_accumulate},
  };
}

const std::vector<Maker>& makers() {
  static const std::vector<Maker> all = [] {
    std::vector<Maker> list = memory_bound_makers();
    for (const std::vector<Maker>& more :
         {norm_makers(), convolution_makers(), order_makers(), product_makers()}) {
      list.insert(list.end(), more.begin(), more.end());
    }
    return list;
  }();
  return all;
}

const Maker& maker_of(const std::string& name) {
  const auto found = std::find_if(makers().begin(), makers().end(),
                                  [&name](const Maker& one) { return one.name == name; });
  std::string known;
  for (const Maker& one : makers()) {
    known += (known.empty() ? "" : ", ") + one.name;
  }
  ETVK_CHECK(found != makers().end(), kInvalidArgument,
             "--op '" << name << "': expected all, convolution, norm, product or one of " << known);
  return *found;
}

std::string compare_steps(const Bytes& expected, const uint8_t* got) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const int wanted = int8s(expected)[i];
    const int actual = static_cast<int8_t>(got[i]);
    if (std::abs(actual - wanted) > 1) {
      return "element " + std::to_string(i) + " of y is " + std::to_string(actual) + ", expected " +
             std::to_string(wanted) + " or a step beside it";
    }
  }
  return "";
}

}  // namespace

std::string OpCase::precision() const {
  if (is_exact) {
    return "exact";
  }
  std::ostringstream text;
  text << "within ";
  if (y.dtype == DType::kInt8) {
    text << "a step";
  } else {
    text << relative_error;
  }
  return text.str();
}

std::string OpCase::compare(const uint8_t* got) const {
  if (is_exact) {
    const auto [wanted, actual] = std::mismatch(expected.begin(), expected.end(), got);
    return wanted == expected.end()
               ? ""
               : "byte " + std::to_string(actual - got) + " of y is " + std::to_string(*actual) +
                     ", expected " + std::to_string(*wanted);
  }
  if (y.dtype == DType::kInt8) {
    return compare_steps(expected, got);
  }
  const auto float_in = [](const uint8_t* bytes, size_t at) {
    float value = 0.0f;
    std::memcpy(&value, bytes + 4 * at, 4);
    return value;
  };
  const size_t count = expected.size() / 4;
  const size_t row = y.dims.empty() ? 1 : static_cast<size_t>(y.dims.back());
  for (size_t first = 0; first < count; first += row) {
    double largest = 0.0;
    for (size_t i = first; i < first + row; ++i) {
      largest = std::max(largest, std::abs(double{float_in(expected.data(), i)}));
    }
    for (size_t i = first; i < first + row; ++i) {
      const double wanted = float_in(expected.data(), i);
      const double actual = float_in(got, i);
      if (!(std::abs(actual - wanted) <= relative_error * largest)) {
        return "element " + std::to_string(i) + " of y is " + std::to_string(actual) +
               ", expected " + std::to_string(wanted);
      }
    }
  }
  return "";
}

GraphDef OpCase::program(size_t calls) const {
  GraphDef def = base;
  for (size_t i = 0; i < calls; ++i) {
    def.values.push_back(y);
    OpCall one = call;
    one.args.push_back(static_cast<ValueId>(def.values.size() - 1));
    def.outputs = {one.args.back()};
    if (results > 0) {
      ValueList list{{one.args.back()}};
      while (list.items.size() < results) {
        def.values.emplace_back(y);
        list.items.push_back(static_cast<ValueId>(def.values.size() - 1));
      }
      def.values.emplace_back(list);
      one.args.back() = static_cast<ValueId>(def.values.size() - 1);
    }
    def.chain.push_back(std::move(one));
  }
  if (!reorder.empty()) {
    def.values.push_back(reordered);
    const auto id = static_cast<ValueId>(def.values.size() - 1);
    def.chain.push_back({reorder, {def.outputs[0], id}});
    def.outputs = {id};
  }
  return def;
}

std::vector<std::string> op_case_names(const std::string& group) {
  std::vector<std::string> names;
  for (const Maker& one : makers()) {
    if (group == one.group) {
      names.push_back(one.name);
    }
  }
  return names.empty() ? std::vector<std::string>{group} : names;
}

bool is_float_case(const std::string& name) { return maker_of(name).is_float; }

const std::vector<std::vector<int64_t>>& default_op_shapes(const std::string& name) {
  return maker_of(name).shapes;
}

OpCase make_op_case(const std::string& name, const std::vector<int64_t>& shape, uint64_t seed) {
  const Maker& maker = maker_of(name);
  Builder builder(name, shape, seed);
  maker.make(builder, shape);
  return builder.done();
}

}  // namespace etvk::bench
