#include "Int8Grid.h"

#include <cmath>
#include <optional>

#include "graph/selfcheck/References.h"

// The build compiles this folder without contraction of a * b + c.
#if defined(__FAST_MATH__)
#error "the reference needs IEEE arithmetic"
#endif

namespace etvk::fuzz {

int64_t read_zero_point(const Arguments& arguments, const std::string& prefix) {
  const int64_t zero_point = arguments.integer((prefix + "zero_point").c_str());
  if (zero_point < -128 || zero_point > 127) {
    throw Meaningless("a zero point of " + std::to_string(zero_point));
  }
  return zero_point;
}

namespace {

Int8Grid grid_of(double scale, int64_t zero_point) {
  Int8Grid grid;
  grid.scale = static_cast<float>(scale);
  grid.inverse_scale = static_cast<float>(1.0 / scale);
  if (!(scale > 0.0) || !std::isnormal(grid.scale) || !std::isnormal(grid.inverse_scale)) {
    throw Meaningless("a scale of " + std::to_string(scale));
  }
  grid.zero_point = zero_point;
  return grid;
}

}  // namespace

Int8Grid read_grid(const Arguments& arguments, const std::string& prefix) {
  return grid_of(arguments.number((prefix + "scale").c_str()), read_zero_point(arguments, prefix));
}

namespace {

// Where the scale is None there is no grid, but its integers are checked.
std::optional<Int8Grid> read_optional_grid(const Arguments& arguments, const std::string& prefix) {
  const std::optional<double> scale = arguments.optional_scalar((prefix + "scale").c_str());
  const int64_t zero_point = read_zero_point(arguments, prefix);
  return scale ? std::optional(grid_of(*scale, zero_point)) : std::nullopt;
}

void read_range(const Arguments& arguments, const std::string& prefix, Int8Grid& grid) {
  grid.quant_min = arguments.integer((prefix + "quant_min").c_str());
  grid.quant_max = arguments.integer((prefix + "quant_max").c_str());
  if (grid.quant_min < -128 || grid.quant_max > 127 || grid.quant_min > grid.quant_max) {
    throw Meaningless("a range that is none of int8");
  }
}

}  // namespace

Int8Grid read_grid(const Arguments& arguments, const std::string& prefix,
                   const std::string& range_prefix) {
  Int8Grid grid = read_grid(arguments, prefix);
  read_range(arguments, range_prefix, grid);
  return grid;
}

int8_t quantize(float f, const Int8Grid& grid) {
  return quantized(f, grid.inverse_scale, grid.zero_point, grid.quant_min, grid.quant_max);
}

float dequantize(int8_t q, const Int8Grid& grid) {
  return static_cast<float>(q - grid.zero_point) * grid.scale;
}

Tensor real_tensor(const Arguments& arguments, const char* name, const std::string& prefix) {
  const Tensor& x = arguments.tensor(name);
  const std::optional<Int8Grid> grid = read_optional_grid(arguments, prefix);
  if (x.dtype != (grid ? DType::kInt8 : DType::kFloat32)) {
    throw Meaningless("a tensor of another type");
  }
  if (!grid) {
    return x;
  }
  Tensor f = zeros(DType::kFloat32, x.sizes);
  f.accuracy = x.accuracy;
  for (size_t i = 0; i < x.count(); ++i) {
    set_float(f, i, dequantize(x.int8_at(i), *grid));
  }
  return f;
}

Tensor quantized_result(const Arguments& arguments, Tensor f) {
  std::optional<Int8Grid> grid = read_optional_grid(arguments, "output_");
  Int8Grid range;
  read_range(arguments, "", grid ? *grid : range);
  if (!grid) {
    return f;
  }
  Tensor y = zeros(DType::kInt8, f.sizes);
  y.accuracy = f.accuracy;
  for (size_t i = 0; i < y.count(); ++i) {
    const float value = f.float_at(i);
    y.bytes[i] = static_cast<uint8_t>(quantize(value, *grid));
    // Other elements of the row may be off by as much.
    if (std::isfinite(value) && std::abs(value) * kFloatError > grid->scale / 2) {
      y.accuracy = Accuracy::kUnknown;
    }
  }
  return y;
}

Accuracy computed_of(Accuracy accuracy) {
  return accuracy == Accuracy::kExact ? Accuracy::kExact : Accuracy::kUnknown;
}

}  // namespace etvk::fuzz
