// The elementwise ops of glsl/elementwise.py on int32, one element at a time, exact: for the
// self-check and for the fuzzer, by way of FloatReferences.h. By name, without "aten." and
// overload.
#pragma once

#include <map>
#include <string>

#include "graph/selfcheck/FloatReferences.h"

namespace etvk {

const std::map<std::string, UnaryReference>& integer_unary_references();
const std::map<std::string, BinaryReference>& integer_binary_references();
const std::map<std::string, ReductionReference>& integer_reduction_references();

}  // namespace etvk
