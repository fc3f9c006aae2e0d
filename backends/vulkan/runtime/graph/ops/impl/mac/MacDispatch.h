// What every dispatch of a layer says: the push constants that all of its kernels have, and what it
// binds.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/mac/MacArgs.h"
#include "graph/ops/impl/mac/MacConstants.h"

namespace etvk::ops {

struct MacPush {  // MacParams in linear_io.glsl
  uint32_t M, N, K, w_stride_words;
  int32_t input_zero_point;
  GridPush output_grid;
  float alpha, beta;
  float residual_scale;
  int32_t residual_zero_point;
  float own_scale;
  GridPush own_grid;
};

// All but the sizes. Throws kNotSupported for a scale whose inverse no float32 holds.
MacPush mac_push(const MacArgs& args, const MacConstants& constants);

// What a kernel's loads are compiled for; alignment in bytes.
struct LoadForm {
  uint32_t x_alignment;
  bool whole_tiles = false;
  uint32_t k_quads = 0;  // of a row of w, or 0: any
};

// The specialization constants that all kernels of layers begin with (linear_io.glsl); `channels`
// are those of a group of y.
std::vector<uint32_t> mac_specialization(const MacArgs& args, const MacConstants& constants,
                                         uint32_t channels, const LoadForm& loads);

// What kernels bind: `channels` of the layer, of which each of `rows` rows of y has one element;
// and x up to its element `x_elements` - 1. `args.x` is int8.
std::vector<Binding> mac_bindings(const ComputeGraph& graph, const MacArgs& args,
                                  const MacConstants& constants, uint64_t rows, uint64_t channels,
                                  uint64_t x_elements);

// What a layer's node reads; `x` is the op's own, which args.x may be made of.
std::vector<ValueId> node_inputs(const MacArgs& args, ValueId x);

// Throws kInvalidProgram unless a residual has the sizes of this execution's result.
void check_residual_sizes(const ComputeGraph& graph, const MacArgs& args,
                          const std::vector<int64_t>& sizes);

}  // namespace etvk::ops
