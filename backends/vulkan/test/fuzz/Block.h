// What programs of neighbouring seeds have in common, so that they share pipelines: every other one
// is compiled anew, which takes CPU drivers tens of milliseconds.
#pragma once

#include <cstdint>
#include <vector>

#include "Random.h"

namespace etvk::fuzz {

struct LinearShape {
  int64_t N = 1;
  int64_t K = 1;
  const char* activation = "none";
};

struct ConvolutionShape {
  int64_t channels = 1;
  int64_t out_channels = 1;
  int64_t groups = 1;
  bool is_transposed = false;
  const char* activation = "none";
};

struct MeanShape {
  std::vector<int64_t> sizes;
  std::vector<int64_t> dims;  // that are summed
};

class Block {
 public:
  explicit Block(uint64_t seed);

  // Whether its programs run on a device without mapped memory, which has pipelines of its own.
  bool is_staged() const { return is_staged_; }
  const LinearShape& linear_shape(testing::Random& random) const {
    return random.pick(linear_shapes_);
  }
  const ConvolutionShape& convolution_shape(testing::Random& random) const {
    return random.pick(convolution_shapes_);
  }
  const MeanShape& mean_shape(testing::Random& random) const { return random.pick(mean_shapes_); }

 private:
  bool is_staged_;
  std::vector<LinearShape> linear_shapes_;
  std::vector<ConvolutionShape> convolution_shapes_;
  std::vector<MeanShape> mean_shapes_;
};

}  // namespace etvk::fuzz
