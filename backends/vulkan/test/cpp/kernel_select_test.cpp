// Kernel selection for devices that are not in the machine: a table of device and shape to kernel
// name, and the reasons why rows do not fit. Needs no Vulkan driver; the last line counts checks.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "Check.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/TunedKernels.h"
#include "vk/Commands.h"
#include "vk/Error.h"
#include "vk/Quirks.h"

namespace {

using namespace etvk;
using testing::expect;

DeviceCaps device(const char* name, DeviceType type, uint32_t subgroup_size, uint32_t shared_bytes,
                  uint32_t workgroup_invocations) {
  DeviceCaps caps;
  caps.name = name;
  caps.type = type;
  caps.subgroup_size = subgroup_size;
  caps.min_subgroup_size = subgroup_size;
  caps.max_subgroup_size = subgroup_size;
  caps.max_shared_bytes = shared_bytes;
  caps.max_workgroup_invocations = workgroup_invocations;
  caps.dot4 = true;
  caps.subgroup_shuffle = true;
  return caps;
}

DeviceCaps h200() { return device("H200", DeviceType::kDiscrete, 32, 49152, 1024); }
DeviceCaps rdna() { return device("RDNA", DeviceType::kDiscrete, 64, 65536, 1024); }
DeviceCaps adreno() { return device("Adreno", DeviceType::kIntegrated, 64, 32768, 1024); }
DeviceCaps mali() { return device("Mali", DeviceType::kIntegrated, 16, 32768, 512); }
DeviceCaps lavapipe() { return device("lavapipe", DeviceType::kCpu, 8, 32768, 1024); }
DeviceCaps swiftshader() { return device("SwiftShader", DeviceType::kCpu, 4, 32768, 256); }

// The least that Vulkan 1.1 allows, and no packed dot product.
DeviceCaps minimal() {
  DeviceCaps caps = device("minimal", DeviceType::kIntegrated, 1, 16384, 128);
  caps.dot4 = false;
  caps.subgroup_shuffle = false;
  return caps;
}

DeviceCaps with_coopmat(DeviceCaps caps,
                        std::vector<CoopmatShape> shapes = {{16, 16, 32}, {16, 8, 32}},
                        std::vector<CoopmatShape> halves = {{16, 16, 16}, {16, 8, 16}}) {
  caps.coopmat.listed = std::move(shapes);
  caps.half_coopmat.listed = std::move(halves);
  return caps;
}

DeviceCaps with_subgroups(DeviceCaps caps, uint32_t from, uint32_t to) {
  caps.subgroup_size_control = true;
  caps.min_subgroup_size = from;
  caps.max_subgroup_size = to;
  return caps;
}

// RDNA 3 under a driver that lets a pipeline choose its subgroup size, and under one that does not.
DeviceCaps rdna3_fixed() { return with_coopmat(rdna(), {{16, 16, 16}}); }
DeviceCaps rdna3() { return with_subgroups(rdna3_fixed(), 32, 64); }

DeviceCaps intel(const char* name, DeviceType type, CoopmatShape shape, uint32_t least_subgroup) {
  const DeviceCaps caps = device(name, type, 32, 65536, 1024);
  return with_subgroups(with_coopmat(caps, {shape}, {{8, shape.n, 16}}), least_subgroup, 32);
}

DeviceCaps xe2() { return intel("Xe2", DeviceType::kIntegrated, {8, 16, 32}, 16); }
DeviceCaps xe() { return intel("Xe", DeviceType::kDiscrete, {8, 8, 32}, 8); }

DeviceCaps without_half(DeviceCaps caps) {
  caps.half_coopmat = {};
  return caps;
}

DeviceCaps without_dot4(DeviceCaps caps) {
  caps.dot4 = false;
  return caps;
}

DeviceCaps without_shuffle(DeviceCaps caps) {
  caps.subgroup_shuffle = false;
  return caps;
}

const KernelRow* select(const DeviceCaps& caps, const char* op, uint32_t M, uint32_t N, uint32_t K,
                        std::string* log = nullptr) {
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  return select_linear_kernel(rows, count, caps, op, {M, N, K}, log);
}

// A build with a glslang that is too old has no such rows; it says so when it compiles the shaders.
bool has_coopmat_rows() {
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  return std::any_of(rows, rows + count,
                     [](const KernelRow& row) { return row.path == KernelPath::kCoopmat; });
}

void test_attention() {
  struct Choice {
    DeviceCaps caps;
    AttentionWork work;
    std::string kernel;
  };
  const DeviceCaps nvidia = with_coopmat(h200());
  const auto on_nvidia = [](const std::string& tile) {
    return "q8ta_attention__coopmat__" + tile + "__mat16x16x32__sg32";
  };
  const auto of_float = [](const std::string& tile) {
    return "float_attention__coopmat__" + tile + "__mat16x16x32__sg32";
  };
  DeviceCaps on_cpu = with_coopmat(lavapipe(), {{8, 8, 8}}, {{8, 8, 8}});
  on_cpu.coopmat.step = {8, 8, 8};
  on_cpu.half_coopmat.step = {8, 8, 8};
  const Choice choices[] = {
      {h200(), {128, 64, 384}, "attention__scalar__m64n32k64__wg256"},
      {h200(), {128, 64, 12}, "attention__scalar__m16n32k64__wg128"},
      {h200(), {128, 64, 6}, "attention__scalar__m16n32k64__wg128"},
      {h200(), {128, 32, 384}, "attention__scalar__m64n32k32__wg128"},
      {h200(), {128, 32, 12}, "attention__scalar__m16n64k32__wg128"},
      {h200(), {512, 128, 512}, "attention__scalar__m32n16k128__wg128"},
      {h200(), {512, 256, 512}, "attention__scalar__m8n128k256__wg128"},
      {h200(), {1, 64, 32}, "attention__gemv_scalar__m1n256k256__wg64"},
      {adreno(), {512, 64, 512}, "attention__scalar__m32n32k64__wg128"},
      {minimal(), {128, 64, 384}, "attention__scalar__m4n64k256__wg64"},
      {lavapipe(), {128, 64, 384}, "attention__cpu__m4n32k256__wg8"},
      {lavapipe(), {1, 64, 12}, "attention__cpu__m4n32k256__wg8"},
      // Of int8 on matrices, from BERT-base and MiniLM in batches of 32 and 1 on.
      {nvidia, {128, 64, 384, true}, on_nvidia("m64n32k64__wg128")},
      {nvidia, {128, 64, 12, true}, on_nvidia("m16n64k64__wg128")},
      {nvidia, {128, 64, 6, true}, on_nvidia("m16n64k64__wg128")},
      {nvidia, {128, 32, 384, true}, on_nvidia("m64n32k32__wg128")},
      {nvidia, {128, 32, 12, true}, on_nvidia("m16n64k32__wg64")},
      {nvidia, {512, 128, 512, true}, on_nvidia("m64n32k128__wg128")},
      {nvidia, {512, 256, 512, true}, on_nvidia("m32n32k256__wg128")},
      {nvidia, {1, 64, 384, true}, "attention__gemv_scalar__m1n256k256__wg64"},
      // Of float32 on matrices from some hundred tiles on.
      {nvidia, {128, 64, 384}, of_float("m64n16k64__wg128")},
      {nvidia, {128, 64, 48}, of_float("m64n16k64__wg128")},
      {nvidia, {128, 64, 12}, "attention__scalar__m16n32k64__wg128"},
      {nvidia, {128, 32, 384}, of_float("m64n16k32__wg128")},
      {nvidia, {128, 32, 96}, of_float("m64n16k32__wg128")},
      {nvidia, {128, 32, 12}, "attention__scalar__m16n64k32__wg128"},
      {nvidia, {512, 128, 24}, of_float("m32n32k128__wg128")},
      {nvidia, {512, 256, 512}, "attention__scalar__m8n128k256__wg128"},
      {without_half(nvidia), {128, 64, 384}, "attention__scalar__m64n32k64__wg256"},
      {h200(), {128, 64, 384, true}, "attention__scalar__m64n32k64__wg256"},
      {without_half(nvidia), {128, 64, 384, true}, "attention__scalar__m64n32k64__wg256"},
      {without_shuffle(nvidia), {128, 64, 384, true}, "attention__scalar__m64n32k64__wg256"},
      {rdna3(),
       {197, 64, 12, true},
       "q8ta_attention__coopmat__m16n64k128__wg128__mat16x16x16__sg32"},
      {rdna3(),
       {197, 64, 384, true},
       "q8ta_attention__coopmat__m64n32k64__wg128__mat16x16x16__sg32"},
      {rdna3_fixed(),
       {197, 64, 384, true},
       "q8ta_attention__coopmat__m64n32k64__wg256__mat16x16x16__sg64"},
      {rdna3(), {197, 64, 384}, "float_attention__coopmat__m64n32k64__wg128__mat16x16x16__sg32"},
      {rdna3_fixed(),
       {197, 64, 384},
       "float_attention__coopmat__m64n32k64__wg256__mat16x16x16__sg64"},
      {xe2(), {197, 64, 12, true}, "q8ta_attention__coopmat__m32n32k64__wg64__mat8x16x32__sg16"},
      {on_cpu, {128, 64, 384, true}, "attention__cpu__m4n32k256__wg8"},
  };
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  const bool coopmat = has_coopmat_rows();
  for (const Choice& choice : choices) {
    if (!coopmat && !choice.caps.coopmat.listed.empty()) {
      continue;
    }
    std::string log;
    const KernelRow* row = select_attention_kernel(rows, count, choice.caps, choice.work, &log);
    const std::string got = row == nullptr ? "none" : row->name;
    expect(got == choice.kernel, "expected " + choice.kernel + ", got " + got + "\n" + log);
  }
  expect(select_attention_kernel(rows, count, h200(), {1, 257, 1}) == nullptr, "vectors of 257");
}

const KernelRow& row_named(const char* name) {
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  for (const KernelRow* row = rows; row != rows + count; ++row) {
    if (std::strcmp(name, row->name) == 0) {
      return *row;
    }
  }
  std::printf("FAILED: the table has no row %s\n", name);
  std::exit(1);
}

struct Choice {
  DeviceCaps caps;
  uint32_t M, N, K;
  const char* tile;  // the kernel's name without its op
};

std::vector<Choice> choices() {
  return {
      // With cooperative matrices: what was fastest there, see docs/benchmarks.md.
      {with_coopmat(h200()), 1, 2048, 2048, "gemv_dot4__m1n4k2048__wg128"},
      {with_coopmat(h200()), 1, 9059, 512, "gemv_dot4__m1n8k512__wg64"},
      {with_coopmat(h200()), 4, 8192, 8192, "gemv_dot4__m4n8k512__wg64"},
      {with_coopmat(h200()), 16, 2048, 2048, "coopmat__m16n16k256__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 5, 8192, 8192,
       "skinny_coopmat__m16n64k1024__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 16, 8192, 8192,
       "skinny_coopmat__m16n64k1024__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 17, 8192, 8192, "coopmat__m32n32k256__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 32, 2048, 2048, "coopmat__m16n16k256__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 64, 2048, 2048, "coopmat__m32n32k256__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 128, 2048, 2048, "coopmat__m64n32k256__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 256, 2048, 2048, "coopmat__m64n64k256__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 512, 2048, 2048, "coopmat__m64n128k128__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 1024, 2048, 2048, "coopmat__m128n128k128__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 1024, 4096, 4096, "coopmat__m128n128k128__wg128__mat16x16x32__sg32"},
      {with_coopmat(h200()), 4096, 4096, 4096, "coopmat__m128n128k128__wg128__mat16x16x32__sg32"},
      // Many rows, short K: pointwise convolutions.
      {with_coopmat(h200()), 401408, 32, 16, "coopmat__m128n32k64__wg128__mat16x16x32__sg32"},
      {with_coopmat(h200()), 100352, 24, 96, "coopmat__m128n32k64__wg128__mat16x16x32__sg32"},
      {with_coopmat(h200()), 100352, 64, 64, "coopmat__m64n64k64__wg128__mat16x16x32__sg32"},
      {with_coopmat(h200()), 100352, 256, 64, "coopmat__m128n128k64__wg128__mat16x16x32__sg32"},
      {with_coopmat(h200()), 25088, 512, 128, "coopmat__m128n128k128__wg128__mat16x16x32__sg32"},
      {with_coopmat(h200()), 25088, 128, 512, "coopmat__m128n128k128__wg128__mat16x16x32__sg32"},

      {h200(), 1, 2048, 2048, "gemv_dot4__m1n4k2048__wg128"},
      {h200(), 4, 2048, 2048, "gemv_dot4__m4n8k512__wg64"},
      {h200(), 5, 2048, 2048, "gemv_dot4__m16n4k512__wg32"},
      {h200(), 16, 8192, 8192, "gemv_dot4__m16n4k512__wg32"},
      {h200(), 17, 2048, 2048, "dot4__m32n32k64__wg64"},
      {h200(), 128, 2048, 2048, "dot4__m32n32k64__wg64"},
      {h200(), 256, 2048, 2048, "dot4__m64n64k32__wg128"},
      {h200(), 1024, 2048, 2048, "dot4__m128n128k32__wg256"},
      {h200(), 4096, 4096, 4096, "dot4__m128n128k32__wg256"},
      {without_dot4(h200()), 1, 2048, 2048, "gemv_scalar__m1n4k2048__wg128"},
      {without_dot4(h200()), 1024, 2048, 2048, "scalar__m128n128k32__wg256"},

      {rdna(), 1, 512, 9059, "gemv_dot4__m1n4k2048__wg128"},
      {rdna(), 1024, 4096, 4096, "dot4__m128n128k32__wg256"},
      {rdna(), 33, 100, 300, "dot4__m32n32k64__wg64"},

      {rdna3(), 1, 512, 9059, "gemv_dot4__m1n4k2048__wg128"},
      {rdna3(), 16, 4096, 4096, "coopmat__m32n32k128__wg128__mat16x16x16__sg32"},
      {rdna3(), 128, 768, 768, "coopmat__m32n32k128__wg128__mat16x16x16__sg32"},
      {rdna3(), 512, 2048, 2048, "coopmat__m64n64k128__wg128__mat16x16x16__sg32"},
      {rdna3(), 4096, 4096, 4096, "coopmat__m128n128k128__wg256__mat16x16x16__sg32"},
      {rdna3_fixed(), 16, 4096, 4096, "coopmat__m32n32k128__wg256__mat16x16x16__sg64"},
      {rdna3_fixed(), 128, 768, 768, "coopmat__m32n32k128__wg256__mat16x16x16__sg64"},
      {rdna3_fixed(), 4096, 4096, 4096, "coopmat__m128n128k128__wg256__mat16x16x16__sg64"},
      {xe2(), 1, 768, 768, "gemv_dot4__m1n8k512__wg64"},
      {xe2(), 16, 768, 768, "coopmat__m32n32k128__wg64__mat8x16x32__sg16"},
      {xe2(), 197, 768, 768, "coopmat__m64n64k128__wg128__mat8x16x32__sg16"},
      {xe2(), 1024, 1024, 1024, "coopmat__m128n128k128__wg256__mat8x16x32__sg16"},
      {xe(), 16, 768, 768, "coopmat__m32n32k64__wg32__mat8x8x32__sg8"},
      {xe(), 197, 768, 768, "coopmat__m32n32k64__wg32__mat8x8x32__sg8"},
      {xe(), 1024, 4096, 4096, "coopmat__m64n64k64__wg128__mat8x8x32__sg8"},

      {adreno(), 1, 768, 768, "gemv_dot4__m1n8k512__wg64"},
      {adreno(), 64, 96, 128, "dot4__m32n32k64__wg64"},
      {adreno(), 128, 768, 768, "dot4__m32n32k64__wg64"},
      {adreno(), 512, 768, 768, "dot4__m64n64k32__wg128"},
      {adreno(), 1024, 1024, 1024, "dot4__m128n128k32__wg256"},

      {mali(), 3, 1000, 512, "gemv_dot4__m4n8k512__wg64"},
      {mali(), 197, 768, 768, "dot4__m64n64k32__wg128"},
      {without_dot4(mali()), 197, 768, 768, "scalar__m64n64k32__wg128"},

      {minimal(), 1, 10, 64, "gemv_scalar__m1n8k512__wg64"},
      {minimal(), 1024, 1024, 1024, "scalar__m64n64k32__wg128"},
      {minimal(), 64, 96, 128, "scalar__m32n32k64__wg64"},

      {lavapipe(), 1, 2048, 2048, "cpu__m1n32k16__wg8"},
      {lavapipe(), 2, 2048, 2048, "cpu_shuffle__m4n32k16__wg8"},
      {lavapipe(), 16, 2048, 2048, "cpu_shuffle__m16n32k16__wg8"},
      {lavapipe(), 1024, 2048, 2048, "cpu_shuffle__m16n32k16__wg8"},
      {without_shuffle(lavapipe()), 1024, 2048, 2048, "cpu__m8n32k16__wg8"},
      {without_dot4(lavapipe()), 1024, 2048, 2048, "cpu_shuffle__m16n32k16__wg8"},

      {swiftshader(), 1, 10, 64, "cpu_shuffle__m4n16k16__wg4"},
      {swiftshader(), 128, 128, 64, "cpu_shuffle__m16n16k16__wg4"},
  };
}

// Windows as a matrix product: M pixels of y, N channels of a group, K bytes of a window.
std::vector<Choice> convolution_choices() {
  return {
      // ResNet-50: its first layer, 56 x 56, 7 x 7, 32 images.
      {with_coopmat(h200()), 12544, 64, 176, "coopmat__m64n64k64__wg128__mat16x16x32__sg32"},
      {with_coopmat(h200()), 3136, 64, 576, "coopmat__m64n32k256__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 49, 512, 4608, "coopmat__m16n16k256__wg256__mat16x16x32__sg32"},
      {with_coopmat(h200()), 32 * 3136, 64, 576, "coopmat__m64n64k64__wg128__mat16x16x32__sg32"},
      {with_coopmat(h200()), 1, 512, 4608, "coopmat__m16n16k256__wg256__mat16x16x32__sg32"},
      {h200(), 3136, 64, 576, "dot4__m32n32k64__wg64"},
      {without_dot4(h200()), 196, 256, 2304, "scalar__m32n32k64__wg64"},
      {rdna3(), 3136, 64, 576, "coopmat__m32n32k128__wg128__mat16x16x16__sg32"},
      {adreno(), 196, 256, 2304, "dot4__m64n64k32__wg128"},
      {mali(), 3136, 64, 576, "dot4__m64n64k32__wg128"},
      {minimal(), 784, 128, 1152, "scalar__m64n64k32__wg128"},
      {lavapipe(), 3136, 64, 576, "cpu_shuffle__m16n32k16__wg8"},
      {without_shuffle(lavapipe()), 1, 8, 48, "cpu__m1n32k16__wg8"},
      {swiftshader(), 196, 16, 144, "cpu_shuffle__m16n16k16__wg4"},
  };
}

void test_choices() {
  const bool coopmat = has_coopmat_rows();
  if (!coopmat) {
    std::printf("no cooperative-matrix rows in this build: their choices are not tested\n");
  }
  const auto test = [coopmat](const char* op, const std::vector<Choice>& choices) {
    for (const Choice& choice : choices) {
      if (!coopmat && !choice.caps.coopmat.listed.empty()) {
        continue;
      }
      const std::string expected = std::string(op) + "__" + choice.tile;
      std::string log;
      const KernelRow* row = select(choice.caps, op, choice.M, choice.N, choice.K, &log);
      const std::string got = row == nullptr ? "none" : row->name;
      expect(got == expected, "expected " + expected + ", got " + got + "\n" + log);
    }
  };
  test("q8ta_linear", choices());
  test("linear_q8ta_q8csw", choices());
  test("q8ta_conv2d", convolution_choices());
  test("conv2d_q8ta_q8csw", convolution_choices());
}

void expect_unfit(const std::string& name, const DeviceCaps& caps, const std::string& reason) {
  std::string why;
  const bool fits = kernel_fits(row_named(name.c_str()), caps, &why);
  expect(!fits && why.find(reason) != std::string::npos,
         name + " on " + caps.name + ": expected '" + reason + "', got '" + why + "'");
}

void test_reasons() {
  expect_unfit("q8ta_linear__dot4__m64n64k32__wg128", minimal(), "needs packed dot products");
  expect_unfit("q8ta_linear__scalar__m128n128k32__wg256", minimal(),
               "needs 256 threads in a workgroup, the device has 128");
  expect_unfit("q8ta_linear__cpu_shuffle__m16n32k16__wg8", swiftshader(),
               "needs subgroups of 8, the device has 4");
  expect_unfit("q8ta_linear__cpu_shuffle__m16n32k16__wg8", without_shuffle(lavapipe()),
               "needs subgroup shuffle");
  DeviceCaps little_shared = h200();
  little_shared.max_shared_bytes = 4096;
  expect_unfit("q8ta_linear__dot4__m64n64k32__wg128", little_shared,
               "needs 6144 bytes of shared memory, the device has 4096");
  expect(kernel_fits(row_named("q8ta_linear__cpu__m1n32k16__wg8"), minimal()),
         "the smallest row runs everywhere");
  const char* eight = "q8ta_linear__cpu_shuffle__m16n32k16__wg8";
  expect(kernel_fits(row_named(eight), with_subgroups(swiftshader(), 4, 8)),
         "a device that lets pipelines choose their subgroups");
  expect_unfit(eight, with_subgroups(rdna(), 32, 64),
               "needs subgroups of 8, the device has 32 to 64");
}

// Cooperative-matrix rows name their shape; a device has to report that very shape.
void test_coopmat_shape() {
  KernelRow row = row_named("q8ta_linear__dot4__m128n128k32__wg256");
  row.name = "pretend";
  row.path = KernelPath::kCoopmat;
  row.features = kFeatureCoopmat;
  row.subgroup_size = 32;
  row.coopmat_m = 16;
  row.coopmat_n = 16;
  row.coopmat_k = 32;
  DeviceCaps caps = h200();
  std::string why;
  expect(!kernel_fits(row, caps, &why), "coopmat row on a device without shapes");
  caps.coopmat.listed = {{8, 8, 16}};
  expect(!kernel_fits(row, caps, &why), "coopmat row on a device with another shape");
  caps.coopmat.listed = {{8, 8, 16}, {16, 16, 32}};
  expect(kernel_fits(row, caps, &why), "coopmat row on a device with its shape: " + why);
  caps.coopmat.listed = {{8, 8, 8}};
  caps.coopmat.step = {8, 8, 8};
  expect(kernel_fits(row, caps, &why), "coopmat row on a device with any multiple: " + why);
  caps.coopmat.step = {8, 8, 64};
  expect(!kernel_fits(row, caps, &why), "coopmat row on a device with multiples of another size");
  caps.coopmat.listed = {{16, 16, 32}};
  caps.coopmat.step = {};
  DeviceCaps few = with_subgroups(caps, 32, 32);
  few.max_workgroup_subgroups = 4;
  expect(
      !kernel_fits(row, few, &why) && why == "needs 8 subgroups in a workgroup, the device has 4",
      "coopmat row on a device with few subgroups in a workgroup: " + why);

  const KernelRow rows[] = {row_named("q8ta_linear__dot4__m128n128k32__wg256"), row};
  const KernelRow* best = select_linear_kernel(rows, 2, caps, "q8ta_linear", {1024, 1024, 1024});
  expect(best == &rows[1], "coopmat is preferred to dot4 with the same tile");
  caps.coopmat.listed.clear();
  best = select_linear_kernel(rows, 2, caps, "q8ta_linear", {1024, 1024, 1024});
  expect(best == &rows[0], "dot4 where there is no coopmat");
}

void test_limits() {
  DeviceCaps caps = h200();
  caps.max_workgroup_count = 16;
  const KernelRow* row = select(caps, "q8ta_linear", 1, 1024, 64);
  expect(row != nullptr && row->tile_n >= 64, "a wide tile where few workgroups are allowed");
  std::string log;
  expect(select(caps, "q8ta_linear", 1, 1 << 20, 64, &log) == nullptr, "no row for a huge N");
  expect(log.find("8192 workgroups in one direction, the device has 16") != std::string::npos,
         "the log says why:\n" + log);
  expect(select(h200(), "no_such_op", 1, 1, 1) == nullptr, "unknown op");
}

void test_grids() {
  const KernelRow& tile = row_named("q8ta_linear__dot4__m64n64k32__wg128");
  WorkgroupCount grid = linear_grid(tile, 65, 128);
  expect(grid.x == 2 && grid.y == 2 && grid.z == 1, "linear grid rounds up");
  const KernelRow& flat = row_named("quantize_per_tensor__elementwise__m1n256k1__wg64");
  expect(elementwise_grid(flat, h200(), 1).x == 1, "one element");
  expect(elementwise_grid(flat, h200(), 257).x == 2, "one more than a workgroup");
  expect(elementwise_grid(flat, h200(), UINT32_MAX).x == 65535, "largest grid");
}

struct ElementwiseChoice {
  DeviceCaps caps;
  std::vector<ElementwiseWork> works;
  const char* kernel;
};

void test_elementwise_choices() {
  constexpr uint64_t kMany = 1 << 26;
  const std::vector<ElementwiseWork> copy = {{"strided_copy_words", kMany / 4},
                                             {"strided_copy_groups", kMany / 16}};
  const std::vector<ElementwiseWork> transpose = {{"strided_copy_bytes", 4096},
                                                  {"transpose_bytes", 4096}};
  const std::vector<ElementwiseWork> binary = {{"q8ta_binary_words", kMany},
                                               {"q8ta_binary_groups", kMany}};
  const std::vector<ElementwiseChoice> choices = {
      {h200(),
       {{"quantize_per_tensor", kMany}},
       "quantize_per_tensor__elementwise__m1n2048k1__wg128"},
      {h200(), {{"quantize_per_tensor", 1000}}, "quantize_per_tensor__elementwise__m1n256k1__wg64"},
      {adreno(), {{"q8ta_table", 1 << 20}}, "q8ta_table__elementwise__m1n4096k1__wg128"},
      {h200(), {{"q8ta_table", 1 << 20}}, "q8ta_table__elementwise__m1n4096k1__wg128"},
      {h200(), {{"q8ta_table", (1 << 20) - 4096}}, "q8ta_table__elementwise__m1n256k1__wg64"},
      {lavapipe(), {{"q8ta_table", kMany}}, "q8ta_table__elementwise__m1n256k1__wg64"},
      {h200(), {{"q8ta_mean", kMany}}, "q8ta_mean__elementwise__m1n2048k1__wg512"},
      {minimal(), {{"q8ta_mean", kMany}}, "q8ta_mean__elementwise__m1n256k1__wg64"},
      {h200(), {{"unary", kMany}}, "unary__elementwise__m1n2048k1__wg128"},
      {lavapipe(), {{"unary", kMany}}, "unary__elementwise__m1n256k1__wg64"},
      {h200(), {{"reduce", kMany}}, "reduce__elementwise__m1n1024k256__wg256"},
      {h200(), {{"q8ta_conv2d_dw", kMany}}, "q8ta_conv2d_dw__elementwise__m4n512k1__wg128"},
      {h200(), {{"q8ta_conv2d_dw", 50000}}, "q8ta_conv2d_dw__elementwise__m1n256k1__wg64"},
      {lavapipe(), {{"q8ta_conv2d_dw", kMany}}, "q8ta_conv2d_dw__elementwise__m1n256k1__wg64"},
      {swiftshader(), {{"q8ta_binary", kMany}}, "q8ta_binary__elementwise__m1n256k1__wg64"},
      {h200(), binary, "q8ta_binary_groups__elementwise__m1n4096k1__wg128"},
      {lavapipe(), binary, "q8ta_binary_words__elementwise__m1n256k1__wg64"},
      {h200(), copy, "strided_copy_groups__elementwise__m1n256k1__wg256"},
      {minimal(), copy, "strided_copy_words__elementwise__m1n512k1__wg128"},
      {lavapipe(), copy, "strided_copy_words__elementwise__m1n64k1__wg64"},
      {h200(), {{"strided_copy_bytes", kMany}}, "strided_copy_bytes__elementwise__m1n64k1__wg64"},
      {h200(), transpose, "transpose_bytes__transpose__m128n64k1__wg256"},
      {minimal(), transpose, "strided_copy_bytes__elementwise__m1n64k1__wg64"},
      {lavapipe(), transpose, "strided_copy_bytes__elementwise__m1n64k1__wg64"},
  };
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  for (const ElementwiseChoice& choice : choices) {
    const std::string got = select_elementwise_kernel(rows, count, choice.caps, choice.works).name;
    expect(got == choice.kernel, choice.caps.name + ": expected " + choice.kernel + ", got " + got);
  }
  try {
    select_elementwise_kernel(rows, count, h200(), {{"no_such_op", 1}});
    expect(false, "an op without rows is an error");
  } catch (const Error& error) {
    expect(error.code() == ErrorCode::kInternal, "an op without rows");
  }
  setenv("ETVK_KERNEL", "strided_copy_words__elementwise__m1n512k1__wg128", 1);
  expect(choose_elementwise_kernel(lavapipe(), copy).tile_n == 512, "ETVK_KERNEL chooses the row");
  expect(choose_elementwise_kernel(lavapipe(), {{"q8ta_mean", 1}}).tile_n == 256,
         "a row of another op changes nothing");
  unsetenv("ETVK_KERNEL");
}

void test_reduction_lanes() {
  const KernelRow& small = row_named("q8ta_mean__elementwise__m1n256k1__wg64");
  const KernelRow& large = row_named("q8ta_mean__elementwise__m1n2048k1__wg512");
  expect(reduction_lanes(small, h200(), true, 1, 1) == 1, "one step needs one lane");
  expect(reduction_lanes(small, h200(), true, 1, 5) == 8, "lanes for each of few steps");
  expect(reduction_lanes(small, h200(), true, 1 << 20, 1000) == 32, "along rows, many sums");
  expect(reduction_lanes(small, h200(), true, 1, 1000) == 64, "along rows, one sum");
  expect(reduction_lanes(small, lavapipe(), true, 1, 1000) == 32, "along rows, one sum on a CPU");
  expect(reduction_lanes(small, h200(), false, 1, 1000) == 8, "along columns, whole sectors");
  expect(reduction_lanes(large, h200(), false, 2048, 8192) == 64, "along columns, few sums");
  expect(reduction_lanes(large, h200(), false, 1 << 20, 8192) == 8, "along columns, many sums");
}

void test_reduction_parts() {
  const KernelRow& small = row_named("reduce__elementwise__m1n256k1__wg64");
  const KernelRow& large = row_named("reduce__elementwise__m1n1024k256__wg256");
  constexpr uint32_t kMany = 1 << 22;
  expect(reduction_parts(large, h200(), 1, 512, kMany, 16384) == 256, "one result, as the row can");
  expect(reduction_parts(large, h200(), 8, 512, kMany, 16384) == 64, "until the device is full");
  expect(reduction_parts(large, h200(), 1, 512, 81920, 16384) == 10, "16 steps for each lane");
  expect(reduction_parts(large, h200(), 1, 512, kMany, 100) == 100, "as many as there is room for");
  expect(reduction_parts(large, h200(), 1, 512, kMany, 0) == 1, "no room for two");
  expect(reduction_parts(large, h200(), 1000, 32, kMany, 16384) == 1, "many results");
  expect(reduction_parts(small, h200(), 1, 64, kMany, 16384) == 1, "a row that has no parts");
}

const KernelRow* select_rows(const DeviceCaps& caps, const RowsWork& work,
                             std::string* log = nullptr) {
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  return select_rows_kernel(rows, count, caps, "normalize_rows", work, log);
}

void test_normalized_rows() {
  struct Choice {
    DeviceCaps caps;
    RowsWork work;
    const char* kernel;  // "": none
  };
  const Choice choices[] = {
      {h200(), {128, 384}, "normalize_rows__subgroups__m4n1024k32__wg128"},
      {h200(), {4096, 384}, "normalize_rows__subgroups__m4n1024k32__wg128"},
      {h200(), {4096, 768}, "normalize_rows__subgroups__m4n1024k32__wg128"},
      {h200(), {65536, 32}, "normalize_rows__subgroups__m16n256k8__wg128"},
      {h200(), {16, 4096}, "normalize_rows__subgroups__m1n8192k256__wg256"},
      {h200(), {16, 8196}, ""},
      {h200(), {1 << 20, 4}, ""},
      {without_shuffle(h200()), {128, 384}, ""},
      {minimal(), {128, 384}, ""},
      {rdna(), {4096, 768}, "normalize_rows__subgroups__m4n1024k32__wg128"},
      {mali(), {4096, 256}, "normalize_rows__subgroups__m16n256k8__wg128"},
      {lavapipe(), {128, 384}, "normalize_rows__subgroups__m8n512k16__wg128"},
      {lavapipe(), {128, 64}, "normalize_rows__subgroups__m16n256k8__wg128"},
      {swiftshader(), {128, 768}, "normalize_rows__subgroups__m4n1024k32__wg128"},
  };
  for (const Choice& choice : choices) {
    std::string log;
    const KernelRow* row = select_rows(choice.caps, choice.work, &log);
    expect((row == nullptr ? "" : row->name) == std::string(choice.kernel),
           std::string("expected ") + choice.kernel + " of\n" + log);
  }
  // Subgroups are full: those of 128 threads fit into one row only.
  std::string log;
  const KernelRow* row =
      select_rows(device("wide", DeviceType::kIntegrated, 256, 32768, 1024), {64, 512}, &log);
  expect(row != nullptr && row->workgroup_size == 256, "the workgroup of a whole subgroup");
  expect(
      log.find("needs whole subgroups in 128 threads, the device's have 256") != std::string::npos,
      "the log says why:\n" + log);
  expect(groups_of_lane(*row, 512) == 1 && groups_of_lane(*row, 5 * 1024) == 6 &&
             groups_of_lane(*row, 8192) == 8,
         "one of a few numbers of groups");
}

void test_forced_rows() {
  const auto choose = [](const char* forced, uint32_t elements) -> std::string {
    setenv("ETVK_KERNEL", forced, 1);
    std::string result;
    try {
      const KernelRow* row =
          choose_rows_kernel(lavapipe(), "normalize_rows", {"normalize"}, {64, elements});
      result = row == nullptr ? "" : row->name;
    } catch (const Error& error) {
      result = error.what();
    }
    unsetenv("ETVK_KERNEL");
    return result;
  };
  const char* two = "normalize_rows__subgroups__m2n2048k64__wg128";
  expect(choose(two, 4) == two, "ETVK_KERNEL chooses the row");
  expect(choose(two, 2052).find("has room for rows of 2048 elements, not of 2052") !=
             std::string::npos,
         "rows that it cannot hold");
  expect(choose("normalize__elementwise__m1n256k1__wg64", 384).empty(), "the general kernel");
}

std::string choose_with(const char* forced, const DeviceCaps& caps) {
  setenv("ETVK_KERNEL", forced, 1);
  std::string result;
  try {
    result = choose_linear_kernel(caps, "q8ta_linear", {5, 7, 9}).name;
  } catch (const Error& error) {
    result = error.what();
  }
  unsetenv("ETVK_KERNEL");
  return result;
}

void test_forced_kernel() {
  const char* tile = "q8ta_linear__scalar__m32n32k64__wg64";
  expect(choose_with(tile, h200()) == tile, "ETVK_KERNEL chooses the row");
  const std::string usual = choose_with("", h200());
  expect(choose_with("linear_q8ta_q8csw__scalar__m32n32k64__wg64", h200()) == usual,
         "a row of another op changes nothing");
  expect(choose_with("q8ta_linear__dot4__m3n3k3__wg1", h200()).find("there is no kernel") !=
             std::string::npos,
         "unknown name");
  expect(choose_with("q8ta_linear__dot4__m32n32k64__wg64", minimal()).find("packed dot products") !=
             std::string::npos,
         "row that the device cannot run");
}

// ---- Tuned kernels.

constexpr const char* kTunedTile = "q8ta_linear__scalar__m64n64k32__wg128";

const KernelRow* select_tuned(const DeviceCaps& caps, const char* op, const char* tuned,
                              std::string* log = nullptr) {
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  return select_linear_kernel(rows, count, caps, op, {5, 7, 9}, log, tuned);
}

void test_tuned_selection() {
  const KernelRow* usual = select(h200(), "q8ta_linear", 5, 7, 9);
  std::string log;
  const KernelRow* tuned = select_tuned(h200(), "q8ta_linear", kTunedTile, &log);
  expect(std::string(tuned->name) == kTunedTile, "the tuned row is chosen");
  expect(log.find(std::string(kTunedTile) + ": cost") != std::string::npos &&
             log.find(", tuned <- chosen") != std::string::npos,
         "and the log says so:\n" + log);
  expect(select_tuned(h200(), "q8ta_linear", "") == usual, "no tuned row");
  expect(select_tuned(h200(), "q8ta_linear", "q8ta_linear__dot4__m3n3k3__wg1") == usual,
         "a tuned row that the table no longer has");
  expect(
      select_tuned(h200(), "q8ta_linear", "linear_q8ta_q8csw__scalar__m64n64k32__wg128") == usual,
      "a tuned row of another op");
  expect(select_tuned(minimal(), "q8ta_linear", "q8ta_linear__dot4__m64n64k32__wg128") ==
             select(minimal(), "q8ta_linear", 5, 7, 9),
         "a tuned row that the device cannot run");
}

void test_tuned_file() {
  TunedKernels tuned;
  tuned.set("device a", {"q8ta_linear", 1, 2, 3}, "one");
  tuned.set("device a", {"q8ta_linear", 1, 2, 4}, "two");
  tuned.set("device b", {"q8ta_linear", 1, 2, 3}, "three");
  tuned.set("device a", {"q8ta_linear", 1, 2, 3}, "four");
  const std::string text = tuned.text();
  std::string why;
  const TunedKernels read = TunedKernels::parse(text, &why);
  expect(why.empty() && read.text() == text, "a file is read as it was written: " + why);
  expect(read.find("device a", {"q8ta_linear", 1, 2, 3}) == "four", "the last one set");
  expect(read.find("device a", {"q8ta_linear", 1, 2, 4}) == "two", "another shape");
  expect(read.find("device b", {"q8ta_linear", 1, 2, 3}) == "three", "another device");
  expect(read.find("device a", {"q8ta_linear", 2, 1, 3}).empty(), "a shape not measured");
  expect(read.find("device a", {"linear_q8ta_q8csw", 1, 2, 3}).empty(), "an op not measured");
  expect(!read.has("device c") && read.find("device c", {"q8ta_linear", 1, 2, 3}).empty(),
         "a device not measured");
  size_t accepted = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string flipped = text;
    flipped[i] ^= 1;
    for (const std::string& damaged : {flipped, text.substr(0, i)}) {
      why.clear();
      const bool is_empty = TunedKernels::parse(damaged, &why).text() == TunedKernels().text();
      accepted += why.empty() || !is_empty ? 1 : 0;
    }
  }
  expect(accepted == 0, std::to_string(accepted) + " damaged files were read");
}

void test_tuning_key() {
  DeviceCaps caps = h200();
  const std::string key = tuning_key(caps);
  expect(key == tuning_key(h200()) && key.find('\n') == std::string::npos, "one line");
  const auto differs = [&](const char* what, auto change) {
    DeviceCaps changed = h200();
    change(changed);
    expect(tuning_key(changed) != key, std::string("the key has the ") + what);
  };
  differs("name", [](DeviceCaps& c) { c.name = "H100\n"; });
  differs("vendor", [](DeviceCaps& c) { c.vendor_id = 1; });
  differs("device", [](DeviceCaps& c) { c.device_id = 1; });
  differs("driver version", [](DeviceCaps& c) { c.driver_version = 1; });
  differs("driver", [](DeviceCaps& c) { c.driver = "other"; });
  differs("dot product", [](DeviceCaps& c) { c.dot4 = false; });
  differs("cooperative matrices", [](DeviceCaps& c) { c.coopmat.listed = {{16, 16, 32}}; });
  differs("float16 matrices", [](DeviceCaps& c) { c.half_coopmat.listed = {{16, 16, 16}}; });
}

// What choose_linear_kernel() gives with ETVK_TUNE=`tune` and this file.
std::string choose_tuned(const char* tune, const std::string& path, const char* forced = "") {
  setenv("ETVK_TUNE", tune, 1);
  setenv("ETVK_TUNE_CACHE", path.c_str(), 1);
  const std::string result = choose_with(forced, h200());
  unsetenv("ETVK_TUNE");
  unsetenv("ETVK_TUNE_CACHE");
  return result;
}

void test_tuned_environment() {
  const std::string usual = choose_with("", h200());
  const std::string folder = std::filesystem::temp_directory_path() /
                             ("etvk_tuned_" + std::to_string(std::random_device()()));
  std::filesystem::create_directory(folder);
  const auto written = [&](const char* name, const std::string& text) {
    const std::string path = folder + "/" + name;
    std::ofstream(path) << text;
    return path;
  };
  TunedKernels tuned;
  tuned.set(tuning_key(h200()), {"q8ta_linear", 5, 7, 9}, kTunedTile);
  const std::string good = written("good", tuned.text());
  expect(usual != kTunedTile && choose_tuned("1", good) == kTunedTile, "ETVK_TUNE=1 uses the file");
  expect(choose_tuned("0", good) == usual && choose_tuned("", good) == usual, "only then");
  expect(choose_tuned("yes", good).find("expected 0 or 1") != std::string::npos, "a wrong value");
  const char* forced = "q8ta_linear__scalar__m32n32k64__wg64";
  expect(choose_tuned("1", good, forced) == forced, "ETVK_KERNEL wins");
  expect(choose_tuned("1", written("damaged", tuned.text() + " ")) == usual, "a damaged file");
  expect(choose_tuned("1", written("empty", "")) == usual, "an empty file");
  expect(choose_tuned("1", folder + "/none") == usual, "no file");
  expect(choose_tuned("1", folder) == usual, "a folder");
  TunedKernels stale;
  stale.set(tuning_key(rdna()), {"q8ta_linear", 5, 7, 9}, kTunedTile);
  expect(choose_tuned("1", written("stale", stale.text())) == usual, "another device's file");
  std::filesystem::remove_all(folder);
}

void test_tuned_path() {
  const auto path = [](const char* cache, const char* xdg, const char* home) {
    setenv("ETVK_TUNE_CACHE", cache, 1);
    setenv("XDG_CACHE_HOME", xdg, 1);
    setenv("HOME", home, 1);
    return tuned_kernels_path();
  };
  expect(path("a", "/x", "/h") == "a", "ETVK_TUNE_CACHE comes first");
  expect(path("", "/x", "/h") == "/x/executorch_vulkan/tuned_kernels.txt", "XDG_CACHE_HOME");
  expect(path("", "x", "/h") == "/h/.cache/executorch_vulkan/tuned_kernels.txt", "HOME");
  try {
    path("", "", "");
    expect(false, "nowhere to keep the file is an error");
  } catch (const Error& error) {
    expect(error.code() == ErrorCode::kInvalidArgument, "nowhere to keep the file");
  }
  unsetenv("ETVK_TUNE_CACHE");
}

// ---- Drivers that compute wrongly.

void test_wrong_kernels() {
  DeviceCaps caps = h200();
  std::vector<std::string> tried;
  while (const KernelRow* row = select(caps, "q8ta_linear", 100, 100, 100)) {
    tried.emplace_back(row->name);
    caps.wrong_kernels.emplace_back(row->name);
  }
  size_t fitting = 0;
  size_t count = 0;
  const KernelRow* rows = kernel_rows(&count);
  for (const KernelRow* row = rows; row != rows + count; ++row) {
    fitting += row->op == std::string("q8ta_linear") && kernel_fits(*row, h200()) ? 1 : 0;
  }
  std::sort(tried.begin(), tried.end());
  expect(tried.size() == fitting && std::unique(tried.begin(), tried.end()) == tried.end(),
         "each row that fits is a candidate once, until none is left");
  std::string why;
  expect(!kernel_fits(row_named(tried[0].c_str()), caps, &why) &&
             why.find("self-check") != std::string::npos,
         "a wrong row does not fit");

  DeviceCaps cpu = lavapipe();
  cpu.wrong_kernels = {"q8ta_table__elementwise__m1n256k1__wg64"};
  const std::vector<ElementwiseWork> table = {{"q8ta_table", 5}};
  expect(select_elementwise_kernel(rows, count, cpu, table).tile_n == 4096, "the other row");
  expect(has_kernel(cpu, "q8ta_table"), "one row is left");
  cpu.wrong_kernels.emplace_back("q8ta_table__elementwise__m1n4096k1__wg128");
  expect(!has_kernel(cpu, "q8ta_table"), "none is left");
  try {
    select_elementwise_kernel(rows, count, cpu, table);
    expect(false, "no row that is right is an error");
  } catch (const Error& error) {
    expect(error.code() == ErrorCode::kNotSupported &&
               std::string(error.what()).find("computes wrongly") != std::string::npos,
           "no row that is right");
  }
}

DeviceCaps by(const char* driver, uint32_t vendor_id, DeviceCaps caps) {
  caps.driver = driver;
  caps.vendor_id = vendor_id;
  return caps;
}

std::string tile_of(const DeviceCaps& caps) {
  const std::string name = select(without_quirks(caps), "q8ta_linear", 512, 512, 512)->name;
  return name.substr(0, name.find("__m"));
}

void test_known_quirks() {
  constexpr uint32_t kAmd = 0x1002;
  const char* proprietary = "AMD proprietary driver 24.12.1 (AMD proprietary shader compiler)";
  expect(tile_of(by(proprietary, kAmd, rdna())) == "q8ta_linear__scalar", "RDNA 2, proprietary");
  expect(tile_of(by("radv Mesa 25.0.1", kAmd, rdna())) == "q8ta_linear__dot4", "RDNA 2, Mesa");
  expect(tile_of(by(proprietary, kAmd, rdna3())) == "q8ta_linear__coopmat", "RDNA 3");
  expect(tile_of(by(proprietary, 0x10de, rdna())) == "q8ta_linear__dot4", "another vendor");
  expect(without_quirks(by(proprietary, kAmd, rdna3())).dot4, "RDNA 3 keeps the dot product");
  const DeviceCaps old = without_quirks(by(proprietary, kAmd, rdna()));
  expect(old.quirks.size() == 1 && old.quirks[0].rfind("dot: https://", 0) == 0,
         "what was switched off, and why");

  DeviceCaps laptop = by("Qualcomm Technologies Inc. Adreno Vulkan Driver", 0x5143,
                         device("Adreno X1-85", DeviceType::kIntegrated, 64, 32768, 1024));
  laptop.int8_storage = true;
  expect(!without_quirks(laptop).int8_storage, "Adreno X1-85");
  laptop.name = "Adreno 840";
  expect(without_quirks(laptop).int8_storage, "another Adreno");

  size_t count = 0;
  const Quirk* rows = known_quirks(&count);
  for (const Quirk* row = rows; row != rows + count; ++row) {
    expect(std::string(row->source).rfind("https://", 0) == 0 && row->switched_off[0] != '\0',
           "each row has a report and switches something off");
  }
}

void test_quirk_versions() {
  const Quirk ranges[] = {
      {1, "RDNA", "driver", "24.5", "24.12.1", false, "dot", "https://report"},
      {1, "", "driver", "30", "", true, "dot,int8_storage", "https://other"},
  };
  const auto has_dot = [&](const char* driver, const DeviceCaps& caps) {
    return without_quirks(by(driver, 1, caps), ranges, 2).dot4;
  };
  expect(has_dot("driver 24.4.9 (compiler 99.0)", rdna()), "before the first version");
  expect(!has_dot("driver 24.5 (compiler 1.0)", rdna()), "the first version");
  expect(!has_dot("driver 24.12.1", rdna()), "the last version");
  expect(has_dot("driver 24.12.1.1", rdna()) && has_dot("driver 25.1", rdna()), "a later version");
  expect(!has_dot("driver", rdna()), "no version");
  expect(!has_dot("driver 31.1", adreno()) && !has_dot("driver 30", adreno()), "an open range");
  expect(has_dot("driver 31.1", rdna3()), "a device that has matrices");
  expect(has_dot("another driver 24.5", rdna()), "another driver");
}

}  // namespace

int main() {
  test_choices();
  test_attention();
  test_reasons();
  test_coopmat_shape();
  test_limits();
  test_grids();
  test_elementwise_choices();
  test_reduction_lanes();
  test_reduction_parts();
  test_normalized_rows();
  test_forced_rows();
  test_forced_kernel();
  test_tuned_selection();
  test_tuned_file();
  test_tuning_key();
  test_tuned_environment();
  test_tuned_path();
  test_wrong_kernels();
  test_known_quirks();
  test_quirk_versions();
  return testing::report_checks();
}
