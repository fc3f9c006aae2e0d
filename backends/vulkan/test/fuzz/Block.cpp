#include "Block.h"

namespace etvk::fuzz {

namespace {

constexpr uint64_t kSeeds = 2500;          // with the same shapes
constexpr uint64_t kSeedsOfADevice = 250;  // on it in a row
constexpr int64_t kSizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17};

constexpr const char* kActivations[] = {"clamp",     "leaky_relu", "sigmoid", "tanh",
                                        "silu",      "hardswish",  "gelu",    "elu",
                                        "gelu_tanh", "hardsigmoid"};

std::vector<LinearShape> draw_linear_shapes(testing::Random& random) {
  std::vector<LinearShape> shapes;
  for (const char* activation : {"none", random.pick(kActivations)}) {
    shapes.push_back({random.integer(1, 40), random.integer(1, 70), activation});
  }
  return shapes;
}

// Of all kinds: channels of each alignment, groups, depthwise ones, transposed ones.
std::vector<ConvolutionShape> draw_convolution_shapes(testing::Random& random) {
  constexpr int64_t kChannels[] = {1, 2, 3, 4, 5, 8, 12, 16, 32};
  std::vector<ConvolutionShape> shapes(3);
  for (ConvolutionShape& shape : shapes) {
    shape.groups = random.chance(50) ? 1 : random.integer(2, 5);
    const bool is_depthwise = random.chance(50);
    shape.channels = shape.groups * (is_depthwise && shape.groups > 1 ? 1 : random.pick(kChannels));
    shape.out_channels = shape.groups * random.integer(1, 9);
    shape.is_transposed = random.chance(30);
    shape.activation = random.chance(50) ? "none" : random.pick(kActivations);
  }
  return shapes;
}

std::vector<MeanShape> draw_mean_shapes(testing::Random& random) {
  std::vector<MeanShape> shapes(3);
  for (MeanShape& shape : shapes) {
    const int32_t rank = random.integer(1, 4);
    for (int32_t dim = 0; dim < rank; ++dim) {
      shape.sizes.push_back(random.pick(kSizes));
      if (random.chance(40)) {
        shape.dims.push_back(dim);
      }
    }
  }
  return shapes;
}

}  // namespace

Block::Block(uint64_t seed) : is_staged_(seed / kSeedsOfADevice % 5 == 4) {
  testing::Random random(seed / kSeeds);
  linear_shapes_ = draw_linear_shapes(random);
  convolution_shapes_ = draw_convolution_shapes(random);
  mean_shapes_ = draw_mean_shapes(random);
}

}  // namespace etvk::fuzz
