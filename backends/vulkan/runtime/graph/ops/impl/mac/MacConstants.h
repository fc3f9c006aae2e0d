// The constants of a layer in the layouts that kernels read: weights, their sums, scales and bias.
#pragma once

#include <cstdint>
#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/mac/MacArgs.h"

namespace etvk::ops {

// int8 weights as the program has them: byte n * channel_stride + k * product_stride is that of
// output channel n and product k.
struct MacWeights {
  const uint8_t* bytes = nullptr;
  uint64_t size_bytes = 0;
  uint64_t N = 0;  // output channels
  uint64_t K = 0;  // products of a channel
  uint64_t channel_stride = 0;
  uint64_t product_stride = 1;
  uint64_t scale_count = 0;  // channel n has scale n % scale_count; N but for grouped transposed

  int8_t at(uint64_t n, uint64_t k) const {
    return static_cast<int8_t>(bytes[n * channel_stride + k * product_stride]);
  }
};

// Weights as a kernel reads them.
struct PackedWeights {
  std::string layout;  // all that the bytes depend on beside the program's weights
  uint64_t size_bytes = 0;
  uint32_t stride_words = 0;  // of a channel, or in depthwise layout of a tap
  FillBytes fill;
};

// Rows of channels, each of whole 16-byte groups. A row is made of runs of `run` products (a
// divisor of K), each padded with zeros to `padded_run` bytes. Product stride 1.
PackedWeights packed_rows(const MacWeights& weights, uint64_t run, uint64_t padded_run);

// A row for each product, of channels padded with zeros to whole words.
PackedWeights packed_taps(const MacWeights& weights);

struct MacConstants {
  ConstantRef weights;
  ConstantRef sums;    // int32 [N]
  ConstantRef scales;  // float32 [N], input_scale * w_scale[n]
  ConstantRef bias;    // float32 [N]
  uint64_t weight_bytes;
  uint32_t stride_words;
  bool has_finite_bias;
};

// Throws kNotSupported where input_scale times a weight's scale is not a normal float32.
MacConstants add_mac_constants(ComputeGraph& graph, const MacArgs& args, const MacWeights& weights,
                               const PackedWeights& packed);

}  // namespace etvk::ops
