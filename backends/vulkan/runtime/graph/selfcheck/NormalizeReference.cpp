#include "graph/selfcheck/NormalizeReference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace etvk {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> softmax(std::vector<double> row, bool as_log) {
  double largest = -kInfinity;
  for (double x : row) {
    largest = std::isnan(x) || std::isnan(largest) ? std::nan("") : std::max(largest, x);
  }
  double sum = 0.0;
  for (double x : row) {
    sum += std::exp(x - largest);
  }
  for (double& x : row) {
    x = as_log ? x - largest - std::log(sum) : std::exp(x - largest) / sum;
  }
  return row;
}

double sum_of_squares(const std::vector<double>& row, double center) {
  double sum = 0.0;
  for (double x : row) {
    sum += (x - center) * (x - center);
  }
  return sum;
}

}  // namespace

std::vector<double> normalized_row(ops::Normalization function, const std::vector<double>& row,
                                   double number) {
  using ops::Normalization;
  if (function == Normalization::kSoftmax || function == Normalization::kLogSoftmax) {
    return softmax(row, function == Normalization::kLogSoftmax);
  }
  const auto count = static_cast<double>(row.size());
  double mean = 0.0;
  for (double x : row) {
    mean += x / count;
  }
  const double center = function == Normalization::kRmsNorm ? 0.0 : mean;
  const double squares = sum_of_squares(row, center);
  if (function == Normalization::kVariance) {
    return {squares / number};
  }
  std::vector<double> y = row;
  for (double& x : y) {
    x = (x - center) / std::sqrt(squares / count + number);
  }
  return y;
}

}  // namespace etvk
