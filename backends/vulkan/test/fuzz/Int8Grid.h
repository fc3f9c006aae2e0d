// Between real numbers and int8, as README.md defines it: every step IEEE float32, none fused.
#pragma once

#include <cstdint>
#include <string>

#include "Machine.h"

namespace etvk::fuzz {

struct Int8Grid {
  float scale = 1.0f;
  float inverse_scale = 1.0f;
  int64_t zero_point = 0;
  int64_t quant_min = -128;
  int64_t quant_max = 127;
};

// Reads PREFIXscale and PREFIXzero_point, and where the op has them `range_prefix`quant_min and
// `range_prefix`quant_max. Throws Meaningless where they are none of int8.
Int8Grid read_grid(const Arguments& arguments, const std::string& prefix,
                   const std::string& range_prefix);
Int8Grid read_grid(const Arguments& arguments, const std::string& prefix);

// What argument `name` stands for, of an op that reads int8 where PREFIXscale is not None, else
// float32. Throws Meaningless for another type.
Tensor real_tensor(const Arguments& arguments, const char* name, const std::string& prefix);

// What is quantized of float32 `f` where output_scale is not None, else `f`.
Tensor quantized_result(const Arguments& arguments, Tensor f);

// The zero point alone; throws Meaningless where it is none of int8.
int64_t read_zero_point(const Arguments& arguments, const std::string& prefix);

// NaN gives 0.
int8_t quantize(float f, const Int8Grid& grid);
float dequantize(int8_t q, const Int8Grid& grid);

// The accuracy of what is computed of a tensor of this accuracy.
Accuracy computed_of(Accuracy accuracy);

}  // namespace etvk::fuzz
