// One quantized linear layer for tests and benchmarks: its operands, the program that runs it, and
// its exact result in plain C++. Knows nothing of devices or kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/GraphDef.h"

namespace etvk::testing {

enum class Activation { kNone, kRelu };

// Operands are row-major and have the sizes that M, N and K give.
struct LinearCase {
  int64_t M = 1;
  int64_t N = 1;
  int64_t K = 1;
  std::vector<int64_t> leading;  // dimensions of x before K, with product M; empty: just M
  bool quantized_output = true;  // int8 y from q8ta_linear, else float32 from linear_q8ta_q8csw

  double input_scale = 1.0;
  int32_t input_zero_point = 0;
  // The rest of the scalars is for an int8 y only.
  double output_scale = 1.0;
  int32_t output_zero_point = 0;
  int32_t quant_min = -128;
  int32_t quant_max = 127;
  Activation activation = Activation::kNone;

  std::vector<int8_t> x;             // [M, K]
  std::vector<float> float_x;        // [M, K], in place of x: quantized by the op; or empty
  std::vector<int8_t> weights;       // [N, K]
  std::vector<float> weight_scales;  // [N]
  std::vector<float> bias;           // [N], or empty
  std::vector<int8_t> table;         // [256], what becomes of each int8 result, or empty
  // [M, N], added to y, which is rounded to the output's grid before and after; or empty. The
  // program's second input.
  std::vector<int8_t> residual;
  double residual_scale = 1.0;
  int32_t residual_zero_point = 0;

  size_t output_bytes() const { return static_cast<size_t>(M * N) * (quantized_output ? 1 : 4); }
};

enum class Operands {
  kUniform,  // every int8 value equally likely
  kExtreme,  // only -128 and 127, whole rows of the same value: the largest sums there are
};

// A case with seeded operands, a bias and scales that spread the outputs over all of int8.
LinearCase random_case(int64_t M, int64_t N, int64_t K, Operands operands, uint64_t seed);

// A program of one op that reads its input `dispatches` times; the last result is its output.
struct LinearProgram {
  GraphDef def;
  ValueId x = -1;
  ValueId y = -1;  // of the last op

  // What constants of `def` point at, beside the case itself.
  std::vector<int32_t> weight_sums;
  std::vector<std::vector<int8_t>> weight_copies;
};

// `linear` must outlive the building of the graph. With `distinct_weights` each op reads
// weights of its own, as the layers of a model do; those of the last one are the case's.
LinearProgram linear_program(const LinearCase& linear, size_t dispatches = 1,
                             bool distinct_weights = false);

// The bytes of y, [M, N], for an int8 x, by the formula in README.md, on all cores. Each does about
// 10^10 products a second: 8192 x 8192 x 8192 takes a few seconds on 16 of them.
std::vector<uint8_t> reference_output(const LinearCase& linear);

// Empty if the bytes are the same, else which element differs first and how many do.
std::string describe_mismatch(const LinearCase& linear, const std::vector<uint8_t>& expected,
                              const uint8_t* actual);

// While it lives, the linear ops of this process run the kernel of this name, through ETVK_KERNEL;
// with an empty name the variable is left as it is. Programs choose kernels when they are recorded.
class ForcedKernel {
 public:
  explicit ForcedKernel(const std::string& name);
  ~ForcedKernel();
  ForcedKernel(const ForcedKernel&) = delete;
  ForcedKernel& operator=(const ForcedKernel&) = delete;

 private:
  bool active_;
  bool had_previous_ = false;
  std::string previous_;
};

}  // namespace etvk::testing
