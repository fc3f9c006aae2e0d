// Chooses and dispatches the linear kernels: y[M, N] = x[M, K] * w[N, K]^T and the epilogue. Also
// for convolutions that are nothing else.
#pragma once

#include "graph/ComputeGraph.h"
#include "graph/ops/impl/mac/MacArgs.h"
#include "graph/ops/impl/mac/MacConstants.h"
#include "graph/ops/impl/mac/MacDispatch.h"

namespace etvk::ops {

// `push` for rows of M, N and K as given. x is [M, K] and y [M, N], plain bytes; M >= 1; the
// weights are packed_rows() of one run. Throws kNotSupported where M * N or M * K are more than 32
// bits count.
void dispatch_linear(ComputeGraph& graph, Commands& commands, const MacArgs& args,
                     const MacConstants& constants, MacPush push, int64_t M);

}  // namespace etvk::ops
