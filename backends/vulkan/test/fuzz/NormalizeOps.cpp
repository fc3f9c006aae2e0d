// Batch norm with fixed statistics: a shift and a scale of each channel.
#include "Entry.h"
#include "Int8Grid.h"

namespace etvk::fuzz {

namespace {

// Of element `i` of x, which is `value`.
float affine_at(const Arguments& arguments, const Tensor& x, size_t i, float value) {
  const Tensor& scales = arguments.constant("scales");
  size_t inner = 1;
  for (size_t dim = 2; dim < x.sizes.size(); ++dim) {
    inner *= static_cast<size_t>(x.sizes[dim]);
  }
  const size_t channel = i / inner % scales.count();
  const float distance = value - arguments.constant("centers").float_at(channel);
  const float scaled = distance * scales.float_at(channel);
  return scaled + arguments.constant("shifts").float_at(channel);
}

void check(const Arguments& arguments, const Tensor& x, DType dtype) {
  if (x.dtype != dtype || x.sizes.size() < 2 || arguments.declared_sizes("x")[1] != x.sizes[1]) {
    throw Meaningless("a tensor of another type, of too few dimensions or dynamic channels");
  }
  for (const char* name : {"centers", "scales", "shifts"}) {
    const Tensor& constant = arguments.constant(name);
    if (constant.dtype != DType::kFloat32 || constant.sizes != Sizes{x.sizes[1]}) {
      throw Meaningless("constants that are not float32 by channel");
    }
  }
}

Result affine(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("x");
  check(arguments, x, DType::kFloat32);
  Tensor y = zeros(DType::kFloat32, x.sizes);
  y.accuracy = x.accuracy == Accuracy::kExact ? Accuracy::kClose : Accuracy::kUnknown;
  for (size_t i = 0; i < y.count(); ++i) {
    set_float(y, i, affine_at(arguments, x, i, x.float_at(i)));
  }
  return y;
}

Result q8ta_affine(const Arguments& arguments) {
  const Tensor& x = arguments.tensor("x");
  check(arguments, x, DType::kInt8);
  const Int8Grid grid = read_grid(arguments, "output_", "");
  Tensor y = zeros(DType::kInt8, x.sizes);
  y.accuracy = computed_of(x.accuracy);
  for (size_t i = 0; i < y.count(); ++i) {
    const float f = affine_at(arguments, x, i, static_cast<float>(x.int8_at(i)));
    y.bytes[i] = static_cast<uint8_t>(quantize(f, grid));
  }
  return y;
}

// float32 within some magnitudes, so that an int8 result is not all at its bounds.
std::vector<uint8_t> some_floats(Draft& draft, int64_t count, float size) {
  Tensor floats = zeros(DType::kFloat32, {count});
  for (size_t i = 0; i < floats.count(); ++i) {
    set_float(floats, i, draft.random().uniform(-size, size));
  }
  return floats.bytes;
}

bool draw(Draft& draft, DType dtype, float size) {
  const ValueId x = draft.some_tensor({dtype}, 2);
  if (x < 0) {
    return false;
  }
  draft.give("x", x);
  const int64_t channels = draft.sizes(x)[1];
  draft.give_constant("centers", DType::kFloat32, {channels}, some_floats(draft, channels, size));
  draft.give_constant("scales", DType::kFloat32, {channels},
                      some_floats(draft, channels, 2.0f / size));
  draft.give_constant("shifts", DType::kFloat32, {channels}, some_floats(draft, channels, 1.0f));
  return true;
}

bool draw_affine(Draft& draft) { return draw(draft, DType::kFloat32, 4.0f); }

bool draw_q8ta_affine(Draft& draft) {
  draft.give_grid("output_", draft.some_scale());
  draft.give_range("");
  return draw(draft, DType::kInt8, 128.0f);
}

}  // namespace

std::vector<Entry> normalize_entries() {
  return {
      {"et_vk.channel_affine.default", draw_affine, affine},
      {"et_vk.q8ta_channel_affine.default", draw_q8ta_affine, q8ta_affine},
  };
}

}  // namespace etvk::fuzz
