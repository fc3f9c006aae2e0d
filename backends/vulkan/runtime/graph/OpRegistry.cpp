#include "graph/OpRegistry.h"

#include <algorithm>
#include <iterator>

#include "graph/ops/impl/Ops.h"

namespace etvk {

namespace {

struct OpEntry {
  const char* name;
  OpBuilder build;
};

constexpr OpEntry kOps[] = {
    {"et_vk.q8ta_linear.default", ops::q8ta_linear},
    {"et_vk.q8ta_linear_gemv.default", ops::q8ta_linear},  // the kernel is chosen from M here
    {"et_vk.q8ta_linear.bounded", ops::q8ta_linear_bounded},
    {"et_vk.q8ta_linear.residual", ops::q8ta_linear_residual},
    {"et_vk.linear_q8ta_q8csw.default", ops::linear_q8ta_q8csw},
    {"et_vk.linear_q8ta_q8csw.int8", ops::linear_q8ta_q8csw_int8},
    {"et_vk.prepack.default", ops::prepack},
    {"et_vk.q8ta_dequantize.default", ops::q8ta_dequantize},
    {"quantized_decomposed.quantize_per_tensor.default", ops::quantize_per_tensor},
    {"quantized_decomposed.dequantize_per_tensor.default", ops::dequantize_per_tensor},
    {"et_vk.q8ta_table.default", ops::q8ta_table},
    {"et_vk.q8ta_binary.default", ops::q8ta_binary},
    {"et_vk.q8ta_mean.default", ops::q8ta_mean},
    {"aten.permute_copy.default", ops::permute},
    {"aten.transpose_copy.int", ops::transpose},
    {"aten.slice_copy.Tensor", ops::slice},
    {"aten.select_copy.int", ops::select},
    {"aten.expand_copy.default", ops::expand},
    {"aten.cat.default", ops::cat},
    {"aten.view_copy.default", ops::view},
    {"et_vk.fixed_view.default", ops::view},
    {"aten.squeeze_copy.dims", ops::squeeze},
    {"aten.unsqueeze_copy.default", ops::unsqueeze},
    {"aten.clone.default", ops::clone},
    {"dim_order_ops._clone_dim_order.default", ops::clone},
    {"aten.alias_copy.default", ops::clone},
    {"sym_size.int", ops::sym_size},
    {"add", ops::sym_add},
    {"sub", ops::sym_sub},
    {"mul", ops::sym_mul},
    {"floordiv", ops::sym_floordiv},
};

}  // namespace

OpBuilder find_op(const std::string& name) {
  const auto* entry = std::find_if(std::begin(kOps), std::end(kOps),
                                   [&](const OpEntry& op) { return name == op.name; });
  return entry == std::end(kOps) ? nullptr : entry->build;
}

}  // namespace etvk
