// Poolings: max and mean, also adaptive, in float32 and in int8.
#include <algorithm>
#include <cmath>
#include <limits>

#include "Entry.h"
#include "Int8Grid.h"
#include "Shapes.h"
#include "graph/selfcheck/PoolReference.h"

namespace etvk::fuzz {

namespace {

// ---- Results.

int64_t number_of(const Sizes& list, size_t d, const char* name) {
  if (list.size() != 1 && list.size() != 2) {
    throw Meaningless(std::string(name) + " of another length");
  }
  return d == 0 ? list.front() : list.back();
}

int64_t positive(int64_t number, int64_t least = 1) {
  if (number < least) {
    throw Meaningless("a number of a window that is too small");
  }
  if (number > 1000000) {
    throw Unchecked("a window that is too large");
  }
  return number;
}

PooledDirection read_direction(const Arguments& arguments, size_t d, int64_t x) {
  PooledDirection one;
  one.x = x;
  one.is_adaptive = arguments.has("output_size");
  if (one.is_adaptive) {
    one.y = positive(number_of(arguments.fixed_integers("output_size"), d, "output_size"));
  } else {
    one.kernel = positive(number_of(arguments.fixed_integers("kernel_size"), d, "kernel_size"));
    const Sizes strides = arguments.fixed_integers("stride");
    one.stride = strides.empty() ? one.kernel : positive(number_of(strides, d, "stride"));
    one.padding = positive(number_of(arguments.fixed_integers("padding"), d, "padding"), 0);
    if (arguments.has("dilation")) {
      one.dilation = positive(number_of(arguments.fixed_integers("dilation"), d, "dilation"));
    }
    one.ceil_mode = arguments.boolean("ceil_mode");
  }
  if (!one.set_results()) {
    throw Meaningless("a window that does not fit");
  }
  return one;
}

struct Pooling {
  const Tensor& x;
  PooledDirection down, across;
  bool is_mean;
  bool count_include_pad = false;
  std::optional<double> divisor_override;

  Pooling(const Arguments& arguments, bool mean) : x(arguments.tensor("x")), is_mean(mean) {
    if (x.sizes.size() != 3 && x.sizes.size() != 4) {
      throw Meaningless("a pooling of " + std::to_string(x.sizes.size()) + " dimensions");
    }
    down = read_direction(arguments, 0, x.sizes[x.sizes.size() - 2]);
    across = read_direction(arguments, 1, x.sizes.back());
    if (arguments.has("count_include_pad")) {
      count_include_pad = arguments.boolean("count_include_pad");
      divisor_override = arguments.optional_scalar("divisor_override");
      if (divisor_override && (*divisor_override == 0.0 || std::abs(*divisor_override) > 2e9)) {
        throw Meaningless("a divisor of that size");
      }
    }
  }

  Tensor result(DType dtype) const {
    if (x.dtype != dtype) {
      throw Meaningless("an operand of another type");
    }
    Sizes sizes = x.sizes;
    sizes[sizes.size() - 2] = down.y;
    sizes.back() = across.y;
    return zeros(dtype, sizes);
  }

  // Calls each(y's element, x's elements, divisor).
  template <typename Each>
  void for_each(const Tensor& y, const Each& each) const {
    for (size_t i = 0; i < y.count(); ++i) {
      const auto across_at = static_cast<int64_t>(i) % across.y;
      const auto down_at = static_cast<int64_t>(i) / across.y % down.y;
      const auto plane = static_cast<int64_t>(i) / across.y / down.y;
      std::vector<size_t> elements;
      for (int64_t h : down.taps(down_at)) {
        for (int64_t w : across.taps(across_at)) {
          elements.push_back(static_cast<size_t>((plane * down.x + h) * across.x + w));
        }
      }
      const auto taps = static_cast<double>(elements.size());
      const auto padded =
          static_cast<double>(down.padded_taps(down_at) * across.padded_taps(across_at));
      each(i, elements, divisor_override.value_or(count_include_pad ? padded : taps));
    }
  }
};

Result pool_floats(const Arguments& arguments, bool is_mean) {
  const Pooling pooling(arguments, is_mean);
  Tensor y = pooling.result(DType::kFloat32);
  y.accuracy = !is_mean                                 ? pooling.x.accuracy
               : pooling.x.accuracy == Accuracy::kExact ? Accuracy::kClose
                                                        : Accuracy::kUnknown;
  pooling.for_each(y, [&](size_t i, const std::vector<size_t>& elements, double divisor) {
    double value = is_mean ? 0.0 : -std::numeric_limits<double>::infinity();
    double magnitude = 0.0;
    for (size_t at : elements) {
      const double element = pooling.x.float_at(at);
      magnitude += std::abs(element);
      // Of two zeros, the largest is the positive one.
      const bool takes = element > value || (element == value && std::signbit(value));
      value = is_mean || std::isnan(value) || std::isnan(element) ? value + element
              : takes                                             ? element
                                                                  : value;
    }
    if (is_mean && !elements.empty()) {
      value /= divisor;
      // As of reductions: what is left where 1e30 is added and taken away.
      const bool is_open = std::isfinite(magnitude) && magnitude > 1e6;
      y.accuracy = is_open ? Accuracy::kUnknown : y.accuracy;
    }
    set_float(y, i, static_cast<float>(value));
  });
  return y;
}

Result max_pool(const Arguments& arguments) { return pool_floats(arguments, false); }
Result mean_pool(const Arguments& arguments) { return pool_floats(arguments, true); }

Result pool_bytes(const Arguments& arguments, bool is_mean) {
  const Pooling pooling(arguments, is_mean);
  const Int8Grid input = read_grid(arguments, "input_");
  const Int8Grid grid = read_grid(arguments, "output_", "");
  const double scale = arguments.number("input_scale");
  Tensor y = pooling.result(DType::kInt8);
  y.accuracy = computed_of(pooling.x.accuracy);
  pooling.for_each(y, [&](size_t i, const std::vector<size_t>& elements, double divisor) {
    int64_t acc = is_mean ? 0 : INT64_MIN;
    for (size_t at : elements) {
      const int64_t real = pooling.x.int8_at(at) - input.zero_point;
      acc = is_mean ? acc + real : std::max(acc, real);
    }
    if (elements.empty() && !is_mean) {
      y.bytes[i] = static_cast<uint8_t>(grid.quant_min);
      return;
    }
    const double of_elements = is_mean && !elements.empty() ? divisor : 1.0;
    const auto multiplier = static_cast<float>(scale / of_elements);
    y.bytes[i] = static_cast<uint8_t>(quantize(static_cast<float>(acc) * multiplier, grid));
  });
  return y;
}

Result q8ta_max_pool(const Arguments& arguments) { return pool_bytes(arguments, false); }
Result q8ta_mean_pool(const Arguments& arguments) { return pool_bytes(arguments, true); }

// ---- Draws.

// An image of three or four dimensions, mostly one that there is.
ValueId some_image(Draft& draft, DType dtype) {
  const ValueId found = draft.find_tensor({dtype}, [&draft](ValueId id) {
    const auto all = draft.all_sizes(id);
    return std::all_of(all.begin(), all.end(), [](const Sizes& own) {
      return (own.size() == 3 || own.size() == 4) && own[own.size() - 2] > 0 && own.back() > 0;
    });
  });
  return found >= 0 && draft.random().chance(70) ? found : draft.new_input(dtype, 3);
}

void give_pair(Draft& draft, const char* name, int32_t least, int32_t most, bool may_be_empty) {
  testing::Random& random = draft.random();
  Sizes list;
  const int count = may_be_empty && random.chance(20) ? 0 : random.chance(80) ? 2 : 1;
  for (int i = 0; i < count; ++i) {
    list.push_back(random.chance(40) ? least : random.integer(least, most));
  }
  draft.give_fixed_integers(name, list);
}

bool draw_pool(Draft& draft) {
  testing::Random& random = draft.random();
  const auto takes = [&draft](const char* name) {
    return position_of(draft.op(), name) < draft.op().args.size();
  };
  const bool is_int8 = takes("input_scale");
  const ValueId x = some_image(draft, is_int8 ? DType::kInt8 : DType::kFloat32);
  if (x < 0) {
    return false;
  }
  draft.give("x", x);
  if (is_int8) {
    draft.give_grid("input_", draft.some_scale());
    draft.give_grid("output_", draft.some_scale());
    draft.give_range("");
  }
  if (takes("output_size")) {
    give_pair(draft, "output_size", 1, 5, false);
    return true;
  }
  give_pair(draft, "kernel_size", 1, 3, false);
  give_pair(draft, "stride", 1, 3, true);
  give_pair(draft, "padding", 0, 1, false);
  draft.give_boolean("ceil_mode", random.chance(40));
  if (takes("dilation")) {
    give_pair(draft, "dilation", 1, 2, false);
  }
  if (takes("divisor_override")) {
    draft.give_boolean("count_include_pad", random.chance(50));
    if (random.chance(25)) {
      draft.give_integer("divisor_override", random.integer(1, 9));
    } else {
      draft.give_none("divisor_override");
    }
  }
  return true;
}

}  // namespace

std::vector<Entry> pool_entries() {
  return {
      {"aten.max_pool2d_with_indices.default", draw_pool, max_pool, true, true},
      {"aten.adaptive_max_pool2d.default", draw_pool, max_pool, true, true},
      {"aten.avg_pool2d.default", draw_pool, mean_pool, true, true},
      {"aten._adaptive_avg_pool2d.default", draw_pool, mean_pool, true, true},
      {"et_vk.q8ta_max_pool2d.default", draw_pool, q8ta_max_pool, true, true},
      {"et_vk.q8ta_adaptive_max_pool2d.default", draw_pool, q8ta_max_pool, true, true},
      {"et_vk.q8ta_avg_pool2d.default", draw_pool, q8ta_mean_pool, true, true},
      {"et_vk.q8ta_adaptive_avg_pool2d.default", draw_pool, q8ta_mean_pool, true, true},
  };
}

}  // namespace etvk::fuzz
