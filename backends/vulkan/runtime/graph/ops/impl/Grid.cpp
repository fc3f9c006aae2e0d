#include "graph/ops/impl/Grid.h"

#include <cmath>

#include "vk/Error.h"

namespace etvk::ops {

Grid read_grid(const OpArgs& args, const std::string& name) {
  Grid grid;
  grid.scale = args.number((name + "_scale").c_str());
  grid.zero_point = args.integer((name + "_zero_point").c_str());
  return grid;
}

Grid read_ranged_grid(const OpArgs& args, const std::string& name, const std::string& range) {
  Grid grid = read_grid(args, name);
  grid.quant_min = args.integer((range + "_min").c_str());
  grid.quant_max = args.integer((range + "_max").c_str());
  return grid;
}

namespace {

// Without a scale there is none, but its integers must be right.
std::optional<Grid> checked_without_scale(const OpArgs& args, const std::string& name, Grid grid) {
  const std::optional<double> scale = args.optional_scalar((name + "_scale").c_str());
  grid.zero_point = args.integer((name + "_zero_point").c_str());
  if (!scale) {
    check_grid(args.op(), grid);
    return std::nullopt;
  }
  grid.scale = *scale;
  return grid;
}

}  // namespace

std::optional<Grid> read_optional_grid(const OpArgs& args, const std::string& name) {
  return checked_without_scale(args, name, {});
}

std::optional<Grid> read_optional_ranged_grid(const OpArgs& args, const std::string& name) {
  Grid grid;
  grid.quant_min = args.integer("quant_min");
  grid.quant_max = args.integer("quant_max");
  return checked_without_scale(args, name, grid);
}

float inverse_scale(const std::string& op, double scale) {
  // A GPU may flush subnormal numbers to zero, so results could differ between drivers.
  const float inverse = static_cast<float>(1.0 / scale);
  ETVK_CHECK(scale > 0.0 && std::isnormal(static_cast<float>(scale)) && std::isnormal(inverse),
             kNotSupported,
             op << ": scale " << scale << " must be positive, and it and its inverse must be "
                << "normal float32 numbers");
  return inverse;
}

void check_grid(const std::string& op, const Grid& grid) {
  ETVK_CHECK(
      -128 <= grid.quant_min && grid.quant_min <= grid.quant_max && grid.quant_max <= 127,
      kInvalidProgram,
      op << ": range " << grid.quant_min << " to " << grid.quant_max << " is not within int8");
  ETVK_CHECK(-128 <= grid.zero_point && grid.zero_point <= 127, kInvalidProgram,
             op << ": zero point " << grid.zero_point << " is not within int8");
  inverse_scale(op, grid.scale);
}

GridPush grid_push(const std::string& op, const Grid& grid) {
  check_grid(op, grid);
  return {inverse_scale(op, grid.scale), static_cast<int32_t>(grid.zero_point),
          static_cast<int32_t>(grid.quant_min), static_cast<int32_t>(grid.quant_max)};
}

PackedGridPush packed_grid_push(const std::string& op, const std::optional<Grid>& grid) {
  const GridPush push = grid_push(op, grid.value_or(Grid{}));
  return {push.inv_scale, static_cast<int8_t>(push.zero_point), static_cast<int8_t>(push.quant_min),
          static_cast<int8_t>(push.quant_max), 0};
}

}  // namespace etvk::ops
