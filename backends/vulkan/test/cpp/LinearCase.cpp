#include "LinearCase.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <thread>

#include "Random.h"
#include "vk/Error.h"

// The build compiles this file without contraction of a * b + c, so the reference below is exact.
#if defined(__FAST_MATH__)
#error "the reference needs IEEE arithmetic"
#endif

namespace etvk::testing {

namespace {

// ---- Random operands.

void fill_rows_with_extremes(Random& random, std::vector<int8_t>& values, int64_t row_length) {
  for (auto row = values.begin(); row != values.end(); row += row_length) {
    std::fill_n(row, row_length, static_cast<int8_t>(random.bits() % 2 == 0 ? -128 : 127));
  }
}

// ---- Exact sums.

constexpr int64_t kRowsAtOnce = 4;
constexpr int64_t kSafeK = 65536;  // 65,536 * 128 * 128 < 2^31

// Adds the dot products of x with four rows of weights; k <= kSafeK. Compilers vectorize the loop.
void add_products(const int8_t* x, const int8_t* const* w, int64_t k, int64_t* sums) {
  const int8_t* w0 = w[0];
  const int8_t* w1 = w[1];
  const int8_t* w2 = w[2];
  const int8_t* w3 = w[3];
  int32_t sum0 = 0;
  int32_t sum1 = 0;
  int32_t sum2 = 0;
  int32_t sum3 = 0;
  for (int64_t i = 0; i < k; ++i) {
    sum0 += x[i] * w0[i];
    sum1 += x[i] * w1[i];
    sum2 += x[i] * w2[i];
    sum3 += x[i] * w3[i];
  }
  sums[0] += sum0;
  sums[1] += sum1;
  sums[2] += sum2;
  sums[3] += sum3;
}

// sums[i] = sum_k x[m, k] * w[n + i, k]; rows behind the last repeat it.
void row_sums(const LinearCase& linear, int64_t m, int64_t n, int64_t* sums) {
  std::fill_n(sums, kRowsAtOnce, 0);
  for (int64_t k = 0; k < linear.K; k += kSafeK) {
    const int8_t* w[kRowsAtOnce];
    for (int64_t i = 0; i < kRowsAtOnce; ++i) {
      w[i] = &linear.weights[std::min(n + i, linear.N - 1) * linear.K + k];
    }
    add_products(&linear.x[m * linear.K + k], w, std::min(kSafeK, linear.K - k), sums);
  }
}

// ---- The float steps, in the order that is part of the contract.

struct Channel {
  float scale;
  float bias;
  int64_t weight_sum;
};

std::vector<int32_t> sum_weights(const LinearCase& linear) {
  std::vector<int32_t> sums;
  for (auto row = linear.weights.begin(); row != linear.weights.end(); row += linear.K) {
    int32_t sum = 0;
    for (int64_t k = 0; k < linear.K; ++k) {
      sum += row[k];
    }
    sums.push_back(sum);
  }
  return sums;
}

float real_output(const LinearCase& linear, int64_t products, const Channel& channel) {
  const int64_t acc = products - linear.input_zero_point * channel.weight_sum;
  float f = static_cast<float>(static_cast<int32_t>(acc));
  f = f * channel.scale;
  return linear.bias.empty() ? f : f + channel.bias;
}

int8_t on_output_grid(const LinearCase& linear, float f, float inv_output_scale) {
  const float scaled = f * inv_output_scale;
  const float q = std::nearbyint(scaled) + static_cast<float>(linear.output_zero_point);
  return static_cast<int8_t>(std::min(std::max(q, static_cast<float>(linear.quant_min)),
                                      static_cast<float>(linear.quant_max)));
}

// `at`: of the element in y.
int8_t quantized_output(const LinearCase& linear, float f, float inv_output_scale, int64_t at) {
  if (linear.activation == Activation::kRelu) {
    f = std::max(f, 0.0f);
  }
  int8_t y = on_output_grid(linear, f, inv_output_scale);
  if (!linear.residual.empty()) {
    const auto own =
        static_cast<float>(y - linear.output_zero_point) * static_cast<float>(linear.output_scale);
    const auto addend =
        static_cast<float>(linear.residual[static_cast<size_t>(at)] - linear.residual_zero_point) *
        static_cast<float>(linear.residual_scale);
    y = on_output_grid(linear, own + addend, inv_output_scale);
  }
  return linear.table.empty() ? y : linear.table[static_cast<size_t>(y + 128)];
}

void write_output(const LinearCase& linear, float f, float inv_output_scale, int64_t at,
                  uint8_t* y) {
  if (linear.quantized_output) {
    const int8_t q = quantized_output(linear, f, inv_output_scale, at);
    std::memcpy(y + at, &q, 1);
  } else {
    std::memcpy(y + 4 * at, &f, 4);
  }
}

// Columns first .. last - 1, in blocks of weights that stay in a core's own cache.
void fill_columns(const LinearCase& linear, const std::vector<Channel>& channels, int64_t first,
                  int64_t last, uint8_t* y) {
  constexpr int64_t kBlockBytes = 256 * 1024;
  const int64_t block = std::max<int64_t>(kBlockBytes / linear.K, 1) * kRowsAtOnce;
  const auto inv_output_scale = static_cast<float>(1.0 / linear.output_scale);
  for (int64_t begin = first; begin < last; begin += block) {
    const int64_t end = std::min(begin + block, last);
    for (int64_t m = 0; m < linear.M; ++m) {
      for (int64_t n = begin; n < end; n += kRowsAtOnce) {
        int64_t sums[kRowsAtOnce];
        row_sums(linear, m, n, sums);
        for (int64_t i = 0; i < std::min(kRowsAtOnce, end - n); ++i) {
          const float f = real_output(linear, sums[i], channels[n + i]);
          write_output(linear, f, inv_output_scale, m * linear.N + n + i, y);
        }
      }
    }
  }
}

// ---- Programs.

ValueId add_value(GraphDef& def, ValueDef value) {
  def.values.push_back(std::move(value));
  return static_cast<ValueId>(def.values.size() - 1);
}

ValueId add_constant(GraphDef& def, DType dtype, const std::vector<int64_t>& dims, const void* data,
                     size_t size_bytes) {
  def.constants.push_back({static_cast<const uint8_t*>(data), size_bytes});
  return add_value(def, TensorDef{dtype, dims, static_cast<int32_t>(def.constants.size() - 1)});
}

void check_case(const LinearCase& linear) {
  const int64_t M = linear.M;
  const int64_t N = linear.N;
  const int64_t K = linear.K;
  ETVK_CHECK(M >= 1 && N >= 1 && K >= 1, kInvalidArgument,
             "linear case: M, N and K must be positive, got " << M << ", " << N << ", " << K);
  const auto check_size = [](const char* name, size_t size, int64_t expected) {
    ETVK_CHECK(size == static_cast<size_t>(expected), kInvalidArgument,
               "linear case: " << name << " has " << size << " elements, expected " << expected);
  };
  if (linear.float_x.empty()) {
    check_size("x", linear.x.size(), M * K);
  } else {
    check_size("float_x", linear.float_x.size(), M * K);
    ETVK_CHECK(linear.x.empty() && !linear.quantized_output, kInvalidArgument,
               "linear case: float_x replaces x, and is for a float32 output");
  }
  check_size("weights", linear.weights.size(), N * K);
  check_size("weight_scales", linear.weight_scales.size(), N);
  check_size("bias", linear.bias.size(), linear.bias.empty() ? 0 : N);
  check_size("table", linear.table.size(), linear.table.empty() ? 0 : 256);
  check_size("residual", linear.residual.size(), linear.residual.empty() ? 0 : M * N);
  ETVK_CHECK((linear.table.empty() && linear.residual.empty()) || linear.quantized_output,
             kInvalidArgument, "linear case: tables and residuals are for an int8 output");
  int64_t rows = 1;
  for (int64_t size : linear.leading) {
    rows *= size;
  }
  ETVK_CHECK(linear.leading.empty() || rows == M, kInvalidArgument,
             "linear case: the leading dimensions multiply to " << rows << ", M is " << M);
}

// The value ids of one op call's operands that all calls share.
struct SharedOperands {
  ValueId x;
  ValueId residual;  // -1 without
  ValueId weight_sums;
  ValueId weight_scales;
  ValueId bias;
  ValueId table;
};

// Arguments in schema order; see QuantizedLinear.cpp.
OpCall linear_call(GraphDef& def, const LinearCase& linear, const SharedOperands& shared,
                   ValueId weights, ValueId y) {
  OpCall call;
  call.args = {shared.x,
               add_value(def, linear.input_scale),
               add_value(def, int64_t{linear.input_zero_point}),
               weights,
               shared.weight_sums,
               shared.weight_scales};
  const auto add = [&](ValueId id) { call.args.push_back(id); };
  const auto add_grid = [&](double scale, int64_t zero_point) {
    add(add_value(def, scale));
    add(add_value(def, zero_point));
  };
  const auto add_range = [&] {
    add(add_value(def, int64_t{linear.quant_min}));
    add(add_value(def, int64_t{linear.quant_max}));
  };
  if (!linear.quantized_output) {
    call.name =
        linear.float_x.empty() ? "et_vk.linear_q8ta_q8csw.int8" : "et_vk.linear_q8ta_q8csw.default";
    add(shared.bias);
    if (linear.float_x.empty()) {
      add(add_value(def, std::string("none")));
      add(add_value(def, 0.0));
      add(add_value(def, 0.0));
    }
    add(y);
    return call;
  }
  add_grid(linear.output_scale, linear.output_zero_point);
  add(shared.bias);
  add(add_value(def, std::string(linear.activation == Activation::kRelu ? "relu" : "none")));
  const bool is_bounded = linear.quant_min != -128 || linear.quant_max != 127;
  if (linear.residual.empty() && linear.table.empty() && !is_bounded) {
    call.name = "et_vk.q8ta_linear.default";
    add(y);
    return call;
  }
  call.name = "et_vk.q8ta_linear.bounded";
  add(add_value(def, 0.0));
  add(add_value(def, 0.0));
  add_range();
  if (!linear.residual.empty()) {
    call.name = "et_vk.q8ta_linear.residual";
    add(add_value(def, true));
    add(shared.residual);
    add_grid(linear.residual_scale, linear.residual_zero_point);
    add_grid(linear.output_scale, linear.output_zero_point);
    add_range();
  }
  add(shared.table);
  add(y);
  return call;
}

}  // namespace

LinearCase random_case(int64_t M, int64_t N, int64_t K, Operands operands, uint64_t seed) {
  Random random(seed);
  LinearCase linear;
  linear.M = M;
  linear.N = N;
  linear.K = K;
  linear.x.resize(static_cast<size_t>(M * K));
  linear.weights.resize(static_cast<size_t>(N * K));
  double spread = 0.0;  // of the sums: three standard deviations, or the largest
  if (operands == Operands::kUniform) {
    random.fill(linear.x);
    random.fill(linear.weights);
    linear.input_zero_point = random.integer(-20, 20);
    spread = 3.0 * 74.0 * 74.0 * std::sqrt(static_cast<double>(K));
  } else {
    fill_rows_with_extremes(random, linear.x, K);
    fill_rows_with_extremes(random, linear.weights, K);
    linear.input_zero_point = random.bits() % 2 == 0 ? -128 : 127;
    spread = 255.0 * 128.0 * static_cast<double>(K);
  }
  linear.input_scale = random.uniform(0.005f, 0.05f);
  for (int64_t n = 0; n < N; ++n) {
    linear.weight_scales.push_back(random.uniform(0.001f, 0.01f));
  }
  const double real_spread = spread * linear.input_scale * 0.005;
  for (int64_t n = 0; n < N; ++n) {
    linear.bias.push_back(static_cast<float>(real_spread) * random.uniform(-0.25f, 0.25f));
  }
  linear.output_scale = real_spread / 127.0;
  linear.output_zero_point = random.integer(-30, 30);
  return linear;
}

LinearProgram linear_program(const LinearCase& linear, size_t dispatches, bool distinct_weights) {
  check_case(linear);
  LinearProgram program;
  GraphDef& def = program.def;
  const std::vector<int64_t> leading =
      linear.leading.empty() ? std::vector<int64_t>{linear.M} : linear.leading;
  const auto shape = [&](int64_t last) {
    std::vector<int64_t> dims = leading;
    dims.push_back(last);
    return dims;
  };
  const DType x_dtype = linear.float_x.empty() ? DType::kInt8 : DType::kFloat32;
  program.x = add_value(def, TensorDef{x_dtype, shape(linear.K), -1});
  def.inputs = {program.x};

  const int64_t N = linear.N;
  const auto channel_bytes = static_cast<size_t>(N) * 4;
  program.weight_sums = sum_weights(linear);
  SharedOperands shared{};
  shared.x = program.x;
  shared.residual = -1;
  if (!linear.residual.empty()) {
    shared.residual = add_value(def, TensorDef{DType::kInt8, shape(N), -1});
    def.inputs.push_back(shared.residual);
  }
  shared.weight_sums =
      add_constant(def, DType::kInt32, {N}, program.weight_sums.data(), channel_bytes);
  shared.weight_scales =
      add_constant(def, DType::kFloat32, {N}, linear.weight_scales.data(), channel_bytes);
  shared.bias = linear.bias.empty()
                    ? add_value(def, Null{})
                    : add_constant(def, DType::kFloat32, {N}, linear.bias.data(), channel_bytes);
  shared.table = linear.table.empty() ? add_value(def, Null{})
                                      : add_constant(def, DType::kInt8, {256}, linear.table.data(),
                                                     linear.table.size());

  ValueId weights = -1;
  for (size_t i = 0; i < dispatches; ++i) {
    if (i == 0 || distinct_weights) {
      const int8_t* data = linear.weights.data();
      if (distinct_weights && i + 1 < dispatches) {
        // Equal bytes would share memory. Only the last op's result is looked at.
        std::vector<int8_t>& copy = program.weight_copies.emplace_back(linear.weights);
        std::memcpy(copy.data(), &i, std::min(copy.size(), sizeof(i)));
        data = copy.data();
      }
      weights = add_constant(def, DType::kInt8, {N, linear.K}, data, linear.weights.size());
    }
    const DType dtype = linear.quantized_output ? DType::kInt8 : DType::kFloat32;
    program.y = add_value(def, TensorDef{dtype, shape(N), -1});
    def.chain.push_back(linear_call(def, linear, shared, weights, program.y));
  }
  def.outputs = {program.y};
  return program;
}

std::vector<uint8_t> reference_output(const LinearCase& linear) {
  check_case(linear);
  ETVK_CHECK(linear.float_x.empty(), kInvalidArgument, "the reference is for an int8 x");
  const std::vector<int32_t> weight_sums = sum_weights(linear);
  std::vector<Channel> channels;
  for (int64_t n = 0; n < linear.N; ++n) {
    const float scale = static_cast<float>(linear.input_scale) * linear.weight_scales[n];
    channels.push_back({scale, linear.bias.empty() ? 0.0f : linear.bias[n], weight_sums[n]});
  }
  std::vector<uint8_t> y(linear.output_bytes());

  constexpr int64_t kProductsPerThread = 1 << 22;
  const int64_t products = linear.M * linear.N * linear.K;
  const int64_t threads =
      std::clamp<int64_t>(std::thread::hardware_concurrency(), 1,
                          std::min(products / kProductsPerThread + 1, linear.N));
  std::vector<std::thread> workers;
  for (int64_t i = 1; i < threads; ++i) {
    workers.emplace_back(fill_columns, std::cref(linear), std::cref(channels),
                         i * linear.N / threads, (i + 1) * linear.N / threads, y.data());
  }
  fill_columns(linear, channels, 0, linear.N / threads, y.data());
  for (std::thread& worker : workers) {
    worker.join();
  }
  return y;
}

std::string describe_mismatch(const LinearCase& linear, const std::vector<uint8_t>& expected,
                              const uint8_t* actual) {
  if (std::memcmp(expected.data(), actual, expected.size()) == 0) {
    return "";
  }
  const size_t element_bytes = linear.quantized_output ? 1 : 4;
  int64_t first = -1;
  int64_t count = 0;
  for (int64_t i = 0; i < linear.M * linear.N; ++i) {
    if (std::memcmp(&expected[i * element_bytes], actual + i * element_bytes, element_bytes) != 0) {
      first = first < 0 ? i : first;
      ++count;
    }
  }
  const auto value = [&](const uint8_t* bytes) -> double {
    if (linear.quantized_output) {
      return static_cast<int8_t>(bytes[first]);
    }
    float f = 0.0f;
    std::memcpy(&f, bytes + first * 4, 4);
    return f;
  };
  std::ostringstream text;
  text.precision(9);
  text << "y[" << first / linear.N << ", " << first % linear.N << "] is " << value(actual)
       << ", expected " << value(expected.data()) << "; " << count << " of " << linear.M * linear.N
       << " elements differ";
  return text.str();
}

ForcedKernel::ForcedKernel(const std::string& name) : active_(!name.empty()) {
  if (!active_) {
    return;
  }
  const char* previous = std::getenv("ETVK_KERNEL");
  had_previous_ = previous != nullptr;
  previous_ = had_previous_ ? previous : "";
  setenv("ETVK_KERNEL", name.c_str(), 1);
}

ForcedKernel::~ForcedKernel() {
  if (active_ && had_previous_) {
    setenv("ETVK_KERNEL", previous_.c_str(), 1);
  } else if (active_) {
    unsetenv("ETVK_KERNEL");
  }
}

}  // namespace etvk::testing
