#include "graph/selfcheck/References.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#if defined(__FAST_MATH__)
#error "the references need IEEE arithmetic"
#endif

namespace etvk {

float float_limit(float expected) {
  return kFloatError * std::max(1.0f, std::isfinite(expected) ? std::abs(expected) : 1.0f);
}

int8_t quantized(float f, float inverse_scale, int64_t zero_point, int64_t quant_min,
                 int64_t quant_max) {
  if (std::isnan(f)) {
    return 0;
  }
  const float steps = std::nearbyint(f * inverse_scale);  // half to even
  const float q = steps + static_cast<float>(zero_point);
  return static_cast<int8_t>(
      std::min(std::max(q, static_cast<float>(quant_min)), static_cast<float>(quant_max)));
}

Activated activated(const std::string& name, float f, float alpha, float beta) {
  const double x = f;
  const auto close = [](double value) { return Activated{static_cast<float>(value), false}; };
  const auto sigmoid = [](double v) { return 1.0 / (1.0 + std::exp(-v)); };
  if (name == "none") {
    return {f, true};
  }
  if (name == "relu") {
    return {std::max(f, 0.0f), true};
  }
  if (name == "clamp") {
    return {std::min(std::max(f, alpha), beta), true};
  }
  if (name == "leaky_relu") {
    return {f > 0.0f ? f : f * alpha, true};
  }
  if (name == "sigmoid") {
    return close(sigmoid(x));
  }
  if (name == "tanh") {
    return close(std::tanh(x));
  }
  if (name == "silu") {
    return close(x * sigmoid(x));
  }
  if (name == "hardswish") {
    return close(x * std::min(std::max(x + 3.0, 0.0), 6.0) / 6.0);
  }
  if (name == "hardsigmoid") {
    return close(std::min(std::max(x + 3.0, 0.0), 6.0) / 6.0);
  }
  if (name == "gelu") {
    return close(x * 0.5 * std::erfc(-x / std::sqrt(2.0)));
  }
  if (name == "gelu_tanh") {
    const double inner = std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
    return close(x * sigmoid(2.0 * inner));
  }
  if (name == "elu") {
    return close(x > 0.0 ? x : alpha * std::expm1(x));
  }
  throw std::out_of_range("there is no activation '" + name + "'");
}

void append_converted(std::vector<uint8_t>& bytes, DType to, const uint8_t* x, DType from) {
  float real = 0.0f;
  int32_t integer = 0;
  if (from == DType::kFloat32) {
    std::memcpy(&real, x, sizeof(real));
    const bool fits = real >= -2147483648.0f && real < 2147483648.0f;
    integer = fits ? static_cast<int32_t>(real) : INT32_MIN;
  } else {
    if (from == DType::kInt32) {
      std::memcpy(&integer, x, sizeof(integer));
    } else {
      integer = from == DType::kInt8   ? static_cast<int8_t>(*x)
                : from == DType::kBool ? static_cast<int32_t>(*x != 0)
                                       : *x;
    }
    real = static_cast<float>(integer);
  }
  const auto append = [&bytes](const auto& value) {
    const auto* start = reinterpret_cast<const uint8_t*>(&value);
    bytes.insert(bytes.end(), start, start + sizeof(value));
  };
  if (to == DType::kFloat32) {
    append(real);
  } else if (to == DType::kInt32) {
    append(integer);
  } else if (to == DType::kBool) {
    append(static_cast<uint8_t>(real != 0.0f));
  } else {
    append(static_cast<uint8_t>(integer));
  }
}

uint64_t element_of_step(uint64_t step, const std::vector<uint32_t>& sizes,
                         const std::vector<uint32_t>& strides) {
  uint64_t at = 0;
  for (size_t d = sizes.size(); d-- > 0;) {
    at += step % sizes[d] * strides[d];
    step /= sizes[d];
  }
  return at;
}

}  // namespace etvk
