// Parts of the signatures of layers (OpRegistry.h), in schema order.
#pragma once

// Behind x.
#define ETVK_MAC_WEIGHTS "weights:constant weight_sums:constant weight_scales:constant "
#define ETVK_MAC_OPERANDS "input_scale:number input_zero_point:integer " ETVK_MAC_WEIGHTS
#define ETVK_MAC_DYNAMIC_OPERANDS                                       \
  "granularity:string rule:string quant_min:integer quant_max:integer " \
  "eps:number " ETVK_MAC_WEIGHTS
#define ETVK_MAC_OUTPUT "output_scale:number output_zero_point:integer "
#define ETVK_MAC_RANGE "quant_min:integer quant_max:integer "
#define ETVK_MAC_TABLE "table:constant? "
#define ETVK_MAC_ACTIVATION "activation:string alpha:number beta:number "
