// Dispatches of normalize.comp and normalize_rows.comp: what an op says of its rows, as a node of
// the graph.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/elementwise/FloatSum.h"
#include "graph/ops/impl/mac/QuantizedRows.h"
#include "graph/ops/impl/reduce/Normalize.h"

namespace etvk::ops {

struct NormArgs {
  std::string op;
  Normalization function = Normalization::kSoftmax;
  ValueId x = -1;
  ValueId weight = -1;  // -1: none
  ValueId bias = -1;
  ValueId y = -1;
  float epsilon = 0.0f;
  std::optional<Grid> input, output;  // of x and y; a tensor without one is float32
  // That x is, and may be made here; null: none. The node that offers it has it.
  const FloatSum* sum = nullptr;
};

// x as nested loops: by loop its size, its strides in x and in the weights, and whether a row goes
// through it.
struct Rows {
  Sizes sizes;
  Sizes x_strides;
  Sizes weight_strides;
  std::vector<bool> is_inside;
  std::vector<size_t> memory_order;  // of the loops, the outermost in memory first
  double divisor = 1.0;              // of a variance
};

// A row goes through the dimensions `inside`; weights have none.
Rows rows_of(const ComputeGraph& graph, ValueId x, const std::vector<bool>& inside);

// Throws kInvalidProgram or kNotSupported where types or grids are not what the shader takes.
void check_norm_types(const ComputeGraph& graph, const NormArgs& args);

// With `rounding`, does that too where it is asked for and can be done at once.
void dispatch_norm(ComputeGraph& graph, Commands& commands, const NormArgs& args, const Rows& rows,
                   RowRounding* rounding = nullptr);

// Adds the node of an op whose y has the sizes of x; `rows` says in each recording what a row is.
using RowsOf = std::function<Rows(const ComputeGraph& graph, const NormArgs& args)>;
void add_norm(ComputeGraph& graph, const NormArgs& args, const RowsOf& rows);

}  // namespace etvk::ops
