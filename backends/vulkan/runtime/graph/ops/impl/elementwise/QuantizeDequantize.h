// Quantizing: adds a quantize node to a graph, for ops that quantize an input of theirs.
#pragma once

#include <string>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/Grid.h"

namespace etvk::ops {

// Push constants of quantize_per_tensor.comp and dequantize_per_tensor.comp.
struct QuantizePush {
  uint32_t count;
  GridPush grid;
};

struct DequantizePush {
  uint32_t count;
  float scale;
  int32_t zero_point;
};

// `x` float32 and `y` int8, of the same shape.
void add_quantize_node(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
                       const Grid& grid);

}  // namespace etvk::ops
