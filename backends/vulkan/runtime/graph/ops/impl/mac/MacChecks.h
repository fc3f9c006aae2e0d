// What has to hold for the arguments of a layer before anything is made of them. All throw Error
// naming the op.
#pragma once

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/mac/MacArgs.h"
#include "graph/ops/impl/mac/MacConstants.h"

namespace etvk::ops {

// y's type and rank, and scales and bias for as many channels.
void check_result(const ComputeGraph& graph, const MacArgs& args, int64_t scale_count,
                  int64_t bias_count);

// Zero points and ranges, and that a residual is a tensor like y and a table int8 [256].
void check_numbers(const ComputeGraph& graph, const MacArgs& args);

// That no sum of products overflows 32 bits.
void check_accumulator(const MacArgs& args, const MacWeights& weights);

// Makes x int8, on a grid that is found at run time if args say so. The stock serializer hands over
// the float tensor that its own runtime would quantize: that is quantized here.
void add_int8_input(ComputeGraph& graph, MacArgs& args);

}  // namespace etvk::ops
