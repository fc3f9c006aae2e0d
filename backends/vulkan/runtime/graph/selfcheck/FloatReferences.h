// The elementwise ops and reductions of glsl/elementwise.py, one element at a time and in
// double, by the names of the table: for the self-check and for the fuzzer.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/ops/ElementwiseTable.h"

namespace etvk {

// Of an element and the op's parameters.
using UnaryReference = std::function<double(double x, const std::vector<double>& parameters)>;
// Of an element of each operand, and alpha (1 where the op has none).
using BinaryReference = std::function<double(double a, double b, float alpha)>;
// Elements in any order, one after another, and how many they were.
struct ReductionReference {
  double start = 0.0;
  double (*combine)(double so_far, double x) = nullptr;
  double (*finish)(double all, double count) = nullptr;
};

// Each throws std::logic_error that says where to add it when there is none for the row.
const UnaryReference& float_reference(const UnaryOp& row);
const BinaryReference& float_reference(const BinaryOp& row);
ReductionReference float_reference(const ReductionOp& row);

}  // namespace etvk
