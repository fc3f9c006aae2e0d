#include "graph/ops/impl/mac/MacConstants.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>
#include <vector>

#include "vk/Error.h"

namespace etvk::ops {

namespace {

constexpr uint64_t kGroupBytes = 16;

uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

// Weights of other shapes may share the bytes, but not what is made of them.
std::string shape_key(const MacWeights& weights) {
  std::ostringstream key;
  key << " " << weights.N << " " << weights.K << " " << weights.channel_stride << " "
      << weights.product_stride;
  return key.str();
}

void check_scales(const MacArgs& args, const float* w_scales, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const float scale = static_cast<float>(args.input.scale) * w_scales[i];
    // A GPU may flush subnormal numbers to zero.
    ETVK_CHECK(scale == 0.0f ? w_scales[i] == 0.0f : std::isnormal(scale), kNotSupported,
               args.op << ": input_scale " << args.input.scale << " times weight scale "
                       << w_scales[i] << " of channel " << i << " is not a normal float32");
  }
}

// Four bytes a channel: `value` gives those of channel n.
template <typename Value>
FillBytes channels(Value value) {
  return [value](uint8_t* to, uint64_t begin, uint64_t size) {
    for (uint64_t at = begin; at < begin + size; at += 4) {
      const auto one = value(at / 4);
      static_assert(sizeof(one) == 4);
      std::memcpy(to + (at - begin), &one, 4);
    }
  };
}

float float_at(const uint8_t* data, uint64_t index) {
  float value = 0.0f;
  std::memcpy(&value, data + index * 4, 4);
  return value;
}

}  // namespace

PackedWeights packed_rows(const MacWeights& weights, uint64_t run, uint64_t padded_run) {
  const uint64_t own_bytes = weights.K / run * padded_run;
  const uint64_t stride = round_up(own_bytes, kGroupBytes);
  PackedWeights packed;
  packed.layout = "rows" + shape_key(weights) + " in runs of " + std::to_string(run) +
                  " padded to " + std::to_string(padded_run);
  packed.size_bytes = weights.N * stride;
  packed.stride_words = static_cast<uint32_t>(stride / 4);
  packed.fill = [=](uint8_t* to, uint64_t begin, uint64_t size) {
    for (uint64_t at = begin; at < begin + size;) {
      const uint64_t column = at % stride;
      const bool is_own = column < own_bytes;
      const uint64_t within = column % padded_run;
      const uint64_t end = is_own ? column - within + padded_run : stride;  // of run or row
      const uint64_t count = std::min(end - column, begin + size - at);
      const uint64_t copied = is_own && within < run ? std::min(run - within, count) : 0;
      const uint64_t row = at / stride * weights.channel_stride;
      std::memcpy(to, weights.bytes + row + column / padded_run * run + within, copied);
      std::memset(to + copied, 0, count - copied);
      to += count;
      at += count;
    }
  };
  return packed;
}

PackedWeights packed_taps(const MacWeights& weights) {
  const uint64_t stride = round_up(weights.N, 4);
  PackedWeights packed;
  packed.layout = "taps" + shape_key(weights);
  packed.size_bytes = weights.K * stride;
  packed.stride_words = static_cast<uint32_t>(stride / 4);
  packed.fill = [=](uint8_t* to, uint64_t begin, uint64_t size) {
    for (uint64_t at = begin; at < begin + size; ++at) {
      const uint64_t n = at % stride;
      *to++ = n < weights.N ? static_cast<uint8_t>(weights.at(n, at / stride)) : 0;
    }
  };
  return packed;
}

MacConstants add_mac_constants(ComputeGraph& graph, const MacArgs& args, const MacWeights& weights,
                               const PackedWeights& packed) {
  const uint64_t n = weights.N;
  const uint8_t* scales = graph.constant_source(args.weight_scales).data;
  MacConstants constants;
  constants.weight_bytes = packed.size_bytes;
  constants.stride_words = packed.stride_words;
  constants.weights =
      graph.add_constant({weights.bytes, weights.size_bytes, "weights in " + packed.layout,
                          packed.size_bytes, packed.fill});
  constants.sums =
      graph.add_constant({weights.bytes, weights.size_bytes, "weight sums" + shape_key(weights),
                          n * 4, channels([weights](uint64_t row) {
                            int32_t sum = 0;
                            for (uint64_t i = 0; i < weights.K; ++i) {
                              sum += weights.at(row, i);
                            }
                            return sum;
                          })});

  const auto input_scale = static_cast<float>(args.input.scale);
  const uint64_t count = weights.scale_count;
  std::vector<float> w_scales(count);
  std::memcpy(w_scales.data(), scales, count * 4);
  check_scales(args, w_scales.data(), count);
  std::ostringstream scales_layout;
  scales_layout << "scales of " << n << " channels times " << std::hexfloat << input_scale;
  constants.scales = graph.add_constant({scales, count * 4, scales_layout.str(), n * 4,
                                         channels([scales, input_scale, count](uint64_t row) {
                                           return input_scale * float_at(scales, row % count);
                                         })});

  constants.has_finite_bias = true;
  if (args.bias < 0) {
    constants.bias = graph.add_constant(
        {nullptr, 0, "zeros " + std::to_string(n), n * 4, channels([](uint64_t) { return 0.0f; })});
  } else {
    const uint8_t* bias = graph.constant_source(args.bias).data;
    for (uint64_t row = 0; row < n; ++row) {
      constants.has_finite_bias &= std::isfinite(float_at(bias, row));
    }
    constants.bias =
        graph.add_constant({bias, n * 4, "bias", n * 4,
                            channels([bias](uint64_t row) { return float_at(bias, row); })});
  }
  return constants;
}

}  // namespace etvk::ops
