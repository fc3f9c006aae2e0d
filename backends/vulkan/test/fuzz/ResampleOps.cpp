// Resizing of images: nearest of any type of one or four bytes, bilinear of float32 and int8.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "Entry.h"
#include "Int8Grid.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

// One axis of a resize.
struct Axis {
  int64_t from = 1;
  int64_t to = 1;
  std::optional<double> factor;
};

std::vector<Axis> axes_of(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("input");
  if (x.sizes.size() != 4) {
    throw Meaningless("a resize of other than 4 dimensions");
  }
  const std::optional<Sizes> sizes = arguments.optional_symints("output_size");
  const std::vector<double> factors = arguments.optional_numbers("scale_factors");
  if (sizes.has_value() != factors.empty() || (sizes.has_value() && sizes->size() != 2) ||
      (!factors.empty() && factors.size() != 2)) {
    throw Meaningless("a resize by other than two sizes or two factors");
  }
  std::vector<Axis> axes(2);
  for (size_t i = 0; i < 2; ++i) {
    axes[i].from = x.sizes[2 + i];
    if (sizes.has_value()) {
      axes[i].to = (*sizes)[i];
    } else {
      axes[i].factor = factors[i];
      if (!(factors[i] > 0.0) || !std::isnormal(static_cast<float>(1.0 / factors[i]))) {
        throw Meaningless("a scale factor that is none");
      }
      const double to = std::trunc(static_cast<double>(axes[i].from) * factors[i]);
      axes[i].to = to < 1e9 ? static_cast<int64_t>(to) : throw Meaningless("too large an image");
    }
    if (axes[i].from < 1 || axes[i].to < 1) {
      throw Meaningless("an image of no pixels");
    }
  }
  return axes;
}

// By what the sizes are scaled: of one row of y, in rows of x.
float scale_of(const Axis& axis) {
  return axis.factor.has_value() ? static_cast<float>(1.0 / *axis.factor)
                                 : static_cast<float>(axis.from) / static_cast<float>(axis.to);
}

int64_t nearest_to(const Axis& axis, int64_t at) {
  if (axis.to == axis.from || axis.to == 2 * axis.from) {
    return at * axis.from / axis.to;
  }
  return std::min(static_cast<int64_t>(std::floor(static_cast<float>(at) * scale_of(axis))),
                  axis.from - 1);
}

struct Tap {
  int64_t low = 0;
  int64_t high = 0;
  float weight = 0.0f;  // of the second
};

Tap tap_of(const Axis& axis, int64_t at, bool align_corners) {
  if (axis.to == axis.from) {
    return {at, at, 0.0f};
  }
  float s = 0.0f;
  if (align_corners) {
    const float scale =
        axis.to > 1 ? static_cast<float>(axis.from - 1) / static_cast<float>(axis.to - 1) : 0.0f;
    s = scale * static_cast<float>(at);
  } else {
    const float middle = (static_cast<float>(at) + 0.5f) * scale_of(axis);
    s = std::max(middle - 0.5f, 0.0f);
  }
  const int64_t low = std::min(static_cast<int64_t>(s), axis.from - 1);
  return {low, std::min(low + 1, axis.from - 1),
          std::min(std::max(s - static_cast<float>(low), 0.0f), 1.0f)};
}

float mixed(float low, float high, float weight) {
  const float first = low * (1.0f - weight);
  const float second = high * weight;
  return first + second;
}

// Where a pixel of the plane that element i of y is in starts, and its place there.
struct Pixel {
  int64_t plane = 0;  // of x
  int64_t h = 0;
  int64_t w = 0;
};

Pixel pixel_of(size_t i, const std::vector<Axis>& axes) {
  const auto at = static_cast<int64_t>(i);
  const int64_t plane = at / (axes[0].to * axes[1].to);
  return {plane * axes[0].from * axes[1].from, at / axes[1].to % axes[0].to, at % axes[1].to};
}

Tensor resized(const Tensor& x, const std::vector<Axis>& axes) {
  return zeros(x.dtype, {x.sizes[0], x.sizes[1], axes[0].to, axes[1].to});
}

Result nearest(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("input");
  const std::vector<Axis> axes = axes_of(arguments);
  const size_t bytes = dtype_bytes(x.dtype);
  if (bytes != 1 && bytes != 4) {
    throw Meaningless("elements of " + std::to_string(bytes) + " bytes");
  }
  Tensor y = resized(x, axes);
  y.accuracy = x.accuracy;
  for (size_t i = 0; i < y.count(); ++i) {
    const Pixel pixel = pixel_of(i, axes);
    const int64_t from =
        pixel.plane + nearest_to(axes[0], pixel.h) * axes[1].from + nearest_to(axes[1], pixel.w);
    std::memcpy(&y.bytes[i * bytes], &x.bytes[static_cast<size_t>(from) * bytes], bytes);
  }
  return y;
}

// `value_at` gives an element of x.
template <typename ValueAt>
float bilinear_at(size_t i, const std::vector<Axis>& axes, bool align_corners,
                  const ValueAt& value_at) {
  const Pixel pixel = pixel_of(i, axes);
  const Tap rows = tap_of(axes[0], pixel.h, align_corners);
  const Tap columns = tap_of(axes[1], pixel.w, align_corners);
  const auto row = [&](int64_t h) {
    const auto start = static_cast<size_t>(pixel.plane + h * axes[1].from);
    return mixed(value_at(start + static_cast<size_t>(columns.low)),
                 value_at(start + static_cast<size_t>(columns.high)), columns.weight);
  };
  return mixed(row(rows.low), row(rows.high), rows.weight);
}

void check_type(const Tensor& x, DType dtype) {
  if (x.dtype != dtype) {
    throw Meaningless("a tensor of another type");
  }
}

Result bilinear(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("input");
  const std::vector<Axis> axes = axes_of(arguments);
  check_type(x, DType::kFloat32);
  const bool align_corners = arguments.boolean("align_corners");
  Tensor y = resized(x, axes);
  y.accuracy = x.accuracy == Accuracy::kExact ? Accuracy::kClose : Accuracy::kUnknown;
  for (size_t i = 0; i < y.count(); ++i) {
    set_float(y, i,
              bilinear_at(i, axes, align_corners, [&x](size_t at) { return x.float_at(at); }));
  }
  return y;
}

Result q8ta_bilinear(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("input");
  const std::vector<Axis> axes = axes_of(arguments);
  check_type(x, DType::kInt8);
  const bool align_corners = arguments.boolean("align_corners");
  const Int8Grid from = read_grid(arguments, "input_");
  const Int8Grid grid = read_grid(arguments, "output_", "");
  Tensor y = resized(x, axes);
  y.accuracy = computed_of(x.accuracy);
  for (size_t i = 0; i < y.count(); ++i) {
    const float f = bilinear_at(i, axes, align_corners,
                                [&](size_t at) { return dequantize(x.int8_at(at), from); });
    y.bytes[i] = static_cast<uint8_t>(quantize(f, grid));
  }
  return y;
}

// ---- Draws.

bool draw_resize(Draft& draft, const std::vector<DType>& dtypes) {
  testing::Random& random = draft.random();
  const auto is_image = [&draft](ValueId id) { return draft.rank(id) == 4; };
  ValueId x = draft.find_tensor(dtypes, is_image);
  if (x < 0 || random.chance(20)) {
    ByExecution<Sizes> sizes;
    sizes.fill(
        {random.integer(1, 2), random.integer(1, 9), random.integer(1, 7), random.integer(1, 7)});
    x = draft.new_input(random.pick(dtypes), sizes);
  }
  draft.give("input", x);
  constexpr double kFactors[] = {0.5, 1.0, 1.05, 1.7, 2.0, 2.1, 3.0};
  if (random.chance(50)) {
    draft.give_none("output_size");
    draft.give_numbers("scale_factors", {random.pick(kFactors), random.pick(kFactors)});
    return x >= 0;
  }
  draft.give_none("scale_factors");
  ByExecution<Sizes> sizes;
  sizes.fill({random.integer(1, 9), random.integer(1, 9)});
  return x >= 0 && draft.give_integers("output_size", sizes);
}

bool draw_nearest(Draft& draft) {
  return draw_resize(draft, {DType::kInt8, DType::kFloat32, DType::kBool});
}

bool draw_bilinear(Draft& draft) {
  draft.give_boolean("align_corners", draft.random().chance(50));
  return draw_resize(draft, {DType::kFloat32});
}

bool draw_q8ta_bilinear(Draft& draft) {
  draft.give_boolean("align_corners", draft.random().chance(50));
  draft.give_grid("input_", draft.some_scale());
  draft.give_grid("output_", draft.some_scale());
  draft.give_range("");
  return draw_resize(draft, {DType::kInt8});
}

}  // namespace

std::vector<Entry> resample_entries() {
  return {
      {"aten.upsample_nearest2d.vec", draw_nearest, nearest},
      {"aten.upsample_bilinear2d.vec", draw_bilinear, bilinear},
      {"et_vk.q8ta_upsample_bilinear2d.default", draw_q8ta_bilinear, q8ta_bilinear},
  };
}

}  // namespace etvk::fuzz
