// The builders of all ops, one declaration each; OpRegistry.cpp maps blob names to them.
#pragma once

#include "graph/ComputeGraph.h"

namespace etvk::ops {

// QuantizedLinear.cpp
void q8ta_linear(ComputeGraph& graph, const OpCall& call);
void q8ta_linear_bounded(ComputeGraph& graph, const OpCall& call);
void q8ta_linear_residual(ComputeGraph& graph, const OpCall& call);
void linear_q8ta_q8csw(ComputeGraph& graph, const OpCall& call);
void linear_q8ta_q8csw_int8(ComputeGraph& graph, const OpCall& call);

// QuantizeDequantize.cpp
void quantize_per_tensor(ComputeGraph& graph, const OpCall& call);
void dequantize_per_tensor(ComputeGraph& graph, const OpCall& call);
void q8ta_dequantize(ComputeGraph& graph, const OpCall& call);

// QuantizedTable.cpp
void q8ta_table(ComputeGraph& graph, const OpCall& call);

// QuantizedBinary.cpp
void q8ta_binary(ComputeGraph& graph, const OpCall& call);

// QuantizedMean.cpp
void q8ta_mean(ComputeGraph& graph, const OpCall& call);

// StridedCopy.cpp
void permute(ComputeGraph& graph, const OpCall& call);
void transpose(ComputeGraph& graph, const OpCall& call);
void slice(ComputeGraph& graph, const OpCall& call);
void select(ComputeGraph& graph, const OpCall& call);
void expand(ComputeGraph& graph, const OpCall& call);
void cat(ComputeGraph& graph, const OpCall& call);

// View.cpp
void view(ComputeGraph& graph, const OpCall& call);
void squeeze(ComputeGraph& graph, const OpCall& call);
void unsqueeze(ComputeGraph& graph, const OpCall& call);
void clone(ComputeGraph& graph, const OpCall& call);

// Prepack.cpp
void prepack(ComputeGraph& graph, const OpCall& call);

// SymbolicInt.cpp
void sym_size(ComputeGraph& graph, const OpCall& call);
void sym_add(ComputeGraph& graph, const OpCall& call);
void sym_sub(ComputeGraph& graph, const OpCall& call);
void sym_mul(ComputeGraph& graph, const OpCall& call);
void sym_floordiv(ComputeGraph& graph, const OpCall& call);

}  // namespace etvk::ops
