#include "Block.h"

namespace etvk::fuzz {

namespace {

constexpr uint64_t kSeeds = 2500;          // with the same shapes
constexpr uint64_t kSeedsOfADevice = 250;  // on it in a row
constexpr int64_t kSizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17};

std::vector<LinearShape> draw_linear_shapes(testing::Random& random) {
  constexpr const char* kActivations[] = {"clamp",     "leaky_relu", "sigmoid", "tanh",
                                          "silu",      "hardswish",  "gelu",    "elu",
                                          "gelu_tanh", "hardsigmoid"};
  std::vector<LinearShape> shapes;
  for (const char* activation : {"none", random.pick(kActivations)}) {
    shapes.push_back({random.integer(1, 40), random.integer(1, 70), activation});
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
  mean_shapes_ = draw_mean_shapes(random);
}

}  // namespace etvk::fuzz
