// How real numbers lie on int8:
//   q = clamp(round_half_even(x * fl32(1 / scale)) + zero_point, quant_min, quant_max)
//   x = (q - zero_point) * fl32(scale)
// as an op's arguments say it, checked, and as push constants.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "graph/OpArgs.h"

namespace etvk::ops {

struct Grid {
  double scale = 1.0;  // real value of one step
  int64_t zero_point = 0;
  int64_t quant_min = -128;
  int64_t quant_max = 127;
};

// Grid of quantize_and_pack.glsl: what is quantized to it.
struct GridPush {
  float inv_scale;
  int32_t zero_point, quant_min, quant_max;
};

// PackedGrid of quantize_and_pack.glsl.
struct PackedGridPush {
  float inv_scale;
  int8_t zero_point, quant_min, quant_max, unused;
};

// What arguments say: `name` is "input" for input_scale and input_zero_point. A ranged grid is one
// that is quantized to, between quant_min and quant_max where `range` is "quant". Optional
// ones have a scale that may be none: the tensor is float32 then, and the integers are checked.
Grid read_grid(const OpArgs& args, const std::string& name);
Grid read_ranged_grid(const OpArgs& args, const std::string& name,
                      const std::string& range = "quant");
std::optional<Grid> read_optional_grid(const OpArgs& args, const std::string& name);
std::optional<Grid> read_optional_ranged_grid(const OpArgs& args, const std::string& name);

// fl32(1 / scale); throws kNotSupported naming `op` when a float32 cannot hold it normally.
float inverse_scale(const std::string& op, double scale);

// Throws kInvalidProgram unless the zero point and the range lie within int8, and as
// inverse_scale() does.
void check_grid(const std::string& op, const Grid& grid);

// Checked too. Of none: a grid that nothing is quantized to.
GridPush grid_push(const std::string& op, const Grid& grid);
PackedGridPush packed_grid_push(const std::string& op, const std::optional<Grid>& grid);

}  // namespace etvk::ops
