// What kernels have to compute, as plain C++ that shares nothing with them: for the self-check and
// for the fuzzer. float32 steps are never fused; the build sees to that.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/GraphDef.h"

namespace etvk {

// Relative to a result's magnitude, or absolute for what is below one: what float32 results with a
// sum or a transcendental inside may be off by, on any driver.
constexpr float kFloatError = 1e-5f;
float float_limit(float expected);

// clamp(round_half_even(f * inverse_scale) + zero_point, quant_min, quant_max); NaN gives 0.
int8_t quantized(float f, float inverse_scale, int64_t zero_point, int64_t quant_min,
                 int64_t quant_max);

// An activation of glsl/activations.py, by PyTorch's definition.
struct Activated {
  float value = 0.0f;
  bool is_exact = true;  // else a transcendental is inside
};
// Throws std::out_of_range for a name that there is not.
Activated activated(const std::string& name, float f, float alpha, float beta);

// The element at `x`, of dtype `from`, as bytes of dtype `to` at the end of `bytes`: of float32,
// int32, int8, uint8 and bool. What int32 does not have becomes its least value.
void append_converted(std::vector<uint8_t>& bytes, DType to, const uint8_t* x, DType from);

// Where step `step` of a nest of loops, outermost first, is in an operand with these strides.
uint64_t element_of_step(uint64_t step, const std::vector<uint32_t>& sizes,
                         const std::vector<uint32_t>& strides);

}  // namespace etvk
