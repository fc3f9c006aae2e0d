// The runtime below ExecuTorch's interface: memory planning, device choice, programs that are
// wrong, programs that share constants, and a device shared between threads. Plain checks; the last
// line counts them.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "Check.h"
#include "ExpectError.h"
#include "LinearCase.h"
#include "ParallelCopy.h"
#include "graph/ArenaPlanner.h"
#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "vk/Context.h"
#include "vk/DeviceQuery.h"
#include "vk/Error.h"
#include "vk/Timestamps.h"

namespace {

using namespace etvk;
using namespace etvk::testing;

// ---- Memory planning.

void test_arena_planner() {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<ArenaItem> items(random() % 40);
    uint64_t live_bytes = 0;
    for (ArenaItem& item : items) {
      item.size_bytes = 1 + random() % 5000;
      item.first_use = static_cast<int32_t>(random() % 30);
      item.last_use = item.first_use + static_cast<int32_t>(random() % 10);
      live_bytes += item.size_bytes + 63;
    }
    const uint64_t arena = plan_arena(items, 64);
    bool sound = arena <= live_bytes && arena % 64 == 0;
    for (size_t a = 0; a < items.size(); ++a) {
      sound = sound && items[a].offset_bytes % 64 == 0 &&
              items[a].offset_bytes + items[a].size_bytes <= arena;
      for (size_t b = 0; b < a; ++b) {
        const bool together =
            items[a].first_use <= items[b].last_use && items[b].first_use <= items[a].last_use;
        const bool overlap = items[a].offset_bytes < items[b].offset_bytes + items[b].size_bytes &&
                             items[b].offset_bytes < items[a].offset_bytes + items[a].size_bytes;
        sound = sound && !(together && overlap);
      }
    }
    expect(sound, "arena plan of round " + std::to_string(round));
  }
  // A chain of layers needs room for two of its tensors only.
  std::vector<ArenaItem> chain;
  for (int32_t i = 0; i < 10; ++i) {
    chain.push_back({1024, i, i + 1, 0});
  }
  expect(plan_arena(chain, 64) == 2048, "a chain of ten layers fits two tensors");
}

// ---- Device choice.

DeviceCaps device(const char* name, DeviceType type) {
  DeviceCaps caps;
  caps.name = name;
  caps.type = type;
  caps.api_version = VK_API_VERSION_1_3;
  caps.dot4 = true;
  caps.int8_storage = true;
  return caps;
}

void test_device_choice() {
  const std::vector<DeviceCaps> all = {device("llvmpipe", DeviceType::kCpu),
                                       device("Iris Xe", DeviceType::kIntegrated),
                                       device("NVIDIA H200", DeviceType::kDiscrete)};
  expect(choose_device(all, "") == 2, "a discrete GPU is preferred");
  expect(choose_device({all[0], all[1]}, "") == 1, "then an integrated one");
  expect(choose_device({all[0]}, "") == 0, "then the CPU");
  expect(choose_device(all, "0") == 0, "by index");
  expect(choose_device(all, "iris") == 1, "by part of the name, in any case");
  expect_error(ErrorCode::kDeviceUnavailable, "the devices are 0: llvmpipe, 1: Iris Xe",
               [&] { choose_device(all, "radeon"); });
  expect_error(ErrorCode::kDeviceUnavailable, "names no device", [&] { choose_device(all, "7"); });
  expect_error(ErrorCode::kDeviceUnavailable, "Install a driver", [] { choose_device({}, ""); });
  std::vector<DeviceCaps> old = {all[0]};
  old[0].api_version = VK_API_VERSION_1_0;
  expect_error(ErrorCode::kDeviceUnavailable, "Vulkan 1.1", [&] { choose_device(old, ""); });

  expect(!without_disabled(all[2], "dot").dot4, "ETVK_DISABLE=dot");
  expect(without_disabled(all[2], "coopmat").dot4, "ETVK_DISABLE=coopmat keeps dot");
  expect(!without_disabled(all[2], "coopmat,int8_storage").int8_storage, "a list of two");
  DeviceCaps unchecked;
  unchecked.unchecked_buffers = true;
  expect(!without_disabled(unchecked, "unchecked_buffers").unchecked_buffers, "bounds checks");
  expect_error(ErrorCode::kInvalidArgument, "unknown feature 'fp16'",
               [&] { without_disabled(all[2], "fp16"); });
}

// ---- Programs that are wrong.

void test_wrong_programs(Context& context) {
  const LinearCase linear = random_case(3, 8, 16, Operands::kUniform, 1);
  const LinearProgram good = linear_program(linear);
  const auto build = [&](const std::function<void(GraphDef&)>& change) {
    GraphDef def = good.def;
    change(def);
    ComputeGraph graph(context, std::move(def));
  };
  const auto x = static_cast<size_t>(good.x);
  build([](GraphDef&) {});
  expect_error(ErrorCode::kInvalidProgram,
               "'aten.nothing.default' is not one that this runtime has",
               [&] { build([](GraphDef& def) { def.chain[0].name = "aten.nothing.default"; }); });
  expect_error(ErrorCode::kInvalidProgram, "arguments and an output",
               [&] { build([](GraphDef& def) { def.chain[0].args.pop_back(); }); });
  expect_error(ErrorCode::kInvalidProgram, "names value 1000",
               [&] { build([](GraphDef& def) { def.chain[0].args[0] = 1000; }); });
  expect_error(ErrorCode::kInvalidProgram, "names value -7",
               [&] { build([](GraphDef& def) { def.inputs[0] = -7; }); });
  expect_error(ErrorCode::kInvalidProgram, "(x) must be a tensor",
               [&] { build([](GraphDef& def) { def.chain[0].args[0] = def.chain[0].args[1]; }); });
  expect_error(ErrorCode::kInvalidProgram, "already written",
               [&] { build([](GraphDef& def) { def.chain.push_back(def.chain[0]); }); });
  expect_error(ErrorCode::kInvalidProgram, "never written",
               [&] { build([](GraphDef& def) { def.chain.clear(); }); });
  expect_error(ErrorCode::kInvalidProgram, "before it is written",
               [&] { build([](GraphDef& def) { def.inputs.clear(); }); });
  expect_error(ErrorCode::kInvalidProgram, "x must be [..., K] with K = 16", [&] {
    build([&](GraphDef& def) { std::get<TensorDef>(def.values[x]).dims.back() = 15; });
  });
  expect_error(ErrorCode::kInvalidProgram, "over its bound", [&] {
    build([&](GraphDef& def) { std::get<TensorDef>(def.values[x]).dims[0] = 300; });
  });
  expect_error(ErrorCode::kNotSupported, "too large", [&] {
    build([&](GraphDef& def) {
      std::get<TensorDef>(def.values[x]).dims = {1LL << 31, 1LL << 31, 16};
    });
  });
  expect_error(ErrorCode::kInvalidProgram, "constant 0 has",
               [&] { build([](GraphDef& def) { def.constants[0].size_bytes -= 1; }); });
}

void test_wrong_inputs(Context& context) {
  const LinearCase linear = random_case(3, 8, 16, Operands::kUniform, 2);
  ComputeGraph graph(context, linear_program(linear).def);
  expect_error(ErrorCode::kInvalidArgument, "lowered for at most [3, 16]",
               [&] { graph.set_input_sizes(0, {4, 16}); });
  expect_error(ErrorCode::kInvalidArgument, "lowered for at most [3, 16]",
               [&] { graph.set_input_sizes(0, {48}); });
}

// ---- New sizes: fewer rows than the program was built for give the first rows of its result.

void test_new_sizes(Context& context) {
  const LinearCase linear = random_case(37, 30, 63, Operands::kUniform, 3);
  const auto expected = reference_output(linear);
  ComputeGraph graph(context, linear_program(linear).def);
  for (int64_t rows : {int64_t{37}, int64_t{1}, int64_t{16}, int64_t{0}, int64_t{37}, int64_t{5}}) {
    graph.set_input_sizes(0, {rows, linear.K});
    std::memcpy(graph.input_data(0), linear.x.data(), static_cast<size_t>(rows * linear.K));
    graph.run();
    const bool same = std::memcmp(graph.output_data(0), expected.data(),
                                  static_cast<size_t>(rows * linear.N)) == 0;
    expect(same && graph.output_sizes(0) == std::vector<int64_t>{rows, linear.N},
           std::to_string(rows) + " of 37 rows");
  }
}

// ---- How inputs and outputs travel: every way gives the same bytes.

// x -> view v, x -> linear y, y -> dequantize z; outputs are z, v, y and z again. So there is an
// output that no node reads, one that is an input, one that is read and one that is there twice.
GraphDef branching_program(const LinearProgram& linear, const LinearCase& c) {
  GraphDef def = linear.def;
  const auto add = [&def](ValueDef value) {
    def.values.push_back(std::move(value));
    return static_cast<ValueId>(def.values.size() - 1);
  };
  const ValueId sizes = add(std::vector<int64_t>{c.M * c.K});
  const ValueId v = add(TensorDef{DType::kInt8, {c.M * c.K}, -1});
  const ValueId none = add(Null{});
  const ValueId z = add(TensorDef{DType::kFloat32, {c.M, c.N}, -1});
  def.chain.push_back({"aten.view_copy.default", {linear.x, sizes, v}});
  def.chain.push_back({"quantized_decomposed.dequantize_per_tensor.default",
                       {linear.y, add(0.5), add(int64_t{3}), add(int64_t{-128}), add(int64_t{127}),
                        none, none, z}});
  def.outputs = {z, v, linear.y, z};
  return def;
}

void expect_branching_outputs(ComputeGraph& graph, const LinearCase& linear,
                              const std::string& what) {
  const auto y = reference_output(linear);
  std::memcpy(graph.input_data(0), linear.x.data(), linear.x.size());
  graph.run();
  std::vector<float> z;
  for (uint8_t byte : y) {
    z.push_back((static_cast<float>(static_cast<int8_t>(byte)) - 3.0f) * 0.5f);
  }
  const auto same = [&](size_t output, const void* expected, size_t bytes) {
    expect(std::memcmp(graph.output_data(output), expected, bytes) == 0,
           what + ": output " + std::to_string(output));
  };
  same(0, z.data(), z.size() * 4);
  same(1, linear.x.data(), linear.x.size());
  same(2, y.data(), y.size());
  same(3, z.data(), z.size() * 4);
}

void test_transports() {
  const ContextOptions options = ContextOptions::from_environment();
  const auto instance = std::make_shared<Instance>(options.validation);
  const auto devices = query_devices(*instance);
  const size_t index = choose_device(devices, options.device);
  const LinearCase small = random_case(5, 30, 63, Operands::kUniform, 4);
  const LinearCase large = random_case(700, 100, 400, Operands::kUniform, 5);  // 280,000 bytes of x
  const char* names[] = {"mapped_memory", "direct_input", "direct_output", "spin"};
  for (unsigned bits = 0; bits < 16; ++bits) {
    DeviceCaps caps = devices[index];
    bool* features[] = {&caps.mapped_memory, &caps.direct_input, &caps.direct_output, &caps.spin};
    std::string what = "with";
    for (unsigned i = 0; i < 4; ++i) {
      const bool is_on = (bits >> i & 1) != 0;
      // What a device has not cannot be tried; polling works everywhere.
      *features[i] = is_on && (i == 3 || *features[i]);
      what += *features[i] ? std::string(" ") + names[i] : "";
    }
    Context context(instance, index, caps, options);
    for (const LinearCase* linear : {&small, &large}) {
      const LinearProgram program = linear_program(*linear);
      ComputeGraph graph(context, branching_program(program, *linear));
      expect_branching_outputs(graph, *linear, what);
      const bool is_small = linear == &small;
      const auto is_mapped = [&graph](ValueId id) {
        return graph.range(id).buffer->mapped() != nullptr;
      };
      expect(is_mapped(program.x) == (caps.mapped_memory || (caps.direct_input && is_small)) &&
                 is_mapped(program.y) == caps.mapped_memory,
             what + ": where x and y are");
    }
  }
}

void test_parallel_copy() {
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{4194303}, size_t{4194305}, size_t{40000007}}) {
    std::vector<uint8_t> from(size);
    std::mt19937 random(static_cast<uint32_t>(size));
    std::generate(from.begin(), from.end(), [&] { return static_cast<uint8_t>(random()); });
    std::vector<uint8_t> to(size + 1, 0xa5);
    parallel_copy(to.data(), from.data(), size);
    expect(std::equal(from.begin(), from.end(), to.begin()) && to[size] == 0xa5,
           "a copy of " + std::to_string(size) + " bytes");
  }
}

// ---- What waits for what.

// Against every pair of ranges, bytewise.
void test_hazards() {
  std::mt19937 random(9);
  const Buffer buffers[2];
  const auto draw = [&] {
    std::vector<BufferRange> ranges(random() % 3);
    for (BufferRange& range : ranges) {
      range = {&buffers[random() % 2], random() % 60, random() % 9};
    }
    return ranges;
  };
  const auto meet = [](const std::vector<BufferRange>& a, const std::vector<BufferRange>& b) {
    for (const BufferRange& one : a) {
      for (const BufferRange& other : b) {
        const uint64_t begin = std::max(one.offset_bytes, other.offset_bytes);
        const uint64_t end =
            std::min(one.offset_bytes + one.size_bytes, other.offset_bytes + other.size_bytes);
        if (one.buffer == other.buffer && begin < end) {
          return true;
        }
      }
    }
    return false;
  };
  int conflicts = 0;
  bool same = true;
  for (int round = 0; round < 300; ++round) {
    Hazards hazards;
    std::vector<BufferRange> all_reads;
    std::vector<BufferRange> all_writes;
    for (int step = 0; step < 8; ++step) {
      const auto reads = draw();
      const auto writes = draw();
      const bool expected =
          meet(reads, all_writes) || meet(writes, all_writes) || meet(writes, all_reads);
      same = same && hazards.conflict(reads, writes) == expected;
      conflicts += expected ? 1 : 0;
      hazards.add(reads, writes);
      all_reads.insert(all_reads.end(), reads.begin(), reads.end());
      all_writes.insert(all_writes.end(), writes.begin(), writes.end());
    }
  }
  expect(same && conflicts > 100, "hazards are those of every pair of ranges");
}

void test_barriers(Context& context) {
  const LinearCase linear = random_case(5, 32, 64, Operands::kUniform, 8);
  const auto barriers = [&](const GraphDef& def) {
    return ComputeGraph(context, def).barrier_count();
  };
  const LinearProgram one = linear_program(linear);
  const size_t transport = barriers(one.def);  // between copies and the layer, where there are any
  // Two layers on the same input, both results wanted.
  LinearProgram two = linear_program(linear, 2);
  const ValueId first = two.def.chain[0].args.back();
  two.def.outputs = {first, two.y};
  expect(barriers(two.def) == transport, "independent layers run side by side");
  // The second one reads what the first one writes.
  expect(barriers(branching_program(one, linear)) == transport + 1, "a layer and its reader");
  if (context.device.caps().mapped_memory) {
    two.def.outputs = {two.y};
    expect(barriers(two.def) == transport + 1, "memory that is used again");
  }
}

// ---- GPU time.

void test_ticks() {
  DeviceCaps caps;
  caps.timestamp_period_ns = 2.5f;
  caps.timestamp_bits = 36;
  const uint64_t round = uint64_t{1} << 36;
  expect(us_between_ticks(caps, 1000, 3000) == 5.0, "a tick is a period");
  expect(us_between_ticks(caps, round - 500, 1500) == 5.0, "a counter that starts over");
  expect(us_between_ticks(caps, 7, 7) == 0.0, "no time");
  expect(timestamp_round_us(caps) == 2.5e-3 * static_cast<double>(round), "a round");
  caps.timestamp_bits = 64;
  expect(us_between_ticks(caps, UINT64_MAX - 499, 1500) == 5.0, "a counter of all bits");
}

void test_timing_problems() {
  DeviceCaps caps;
  const auto problem = [&caps](double gpu_us, double host_us) {
    std::vector<OpTime> times(2);
    times[1].end_us = gpu_us;
    return timing_problem(caps, times, host_us);
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  expect(has(problem(0.0, 50.0), "has no timestamps"), "a queue without timestamps");
  caps.timestamp_period_ns = 1.0f;
  expect(problem(40.0, 50.0).empty() && timing_problem(caps, {}, 50.0).empty(), "no problem");
  expect(has(problem(60.0, 50.0), "say 60 us of a run that took the host 50 us"),
         "longer on the GPU than for the host");
  caps.timestamp_bits = 16;  // 65.536 us
  expect(problem(40.0, 65.0).empty(), "within a round");
  expect(has(problem(40.0, 70.0), "start over after 65.536 us"), "more than a round");
}

void test_times(Context& context) {
  if (!context.device.caps().has_timestamps()) {
    expect_error(ErrorCode::kNotSupported, "no GPU timestamps",
                 [&] { Commands commands(context.device, true); });
    return;
  }
  const LinearCase linear = random_case(64, 256, 256, Operands::kUniform, 6);
  ComputeGraph graph(context, linear_program(linear, 3).def, true);
  graph.run();
  expect(graph.gpu_time_us() > 0 && graph.gpu_time_us() < graph.submission_us(),
         "two of three dispatches take less time than all");
}

// ---- Pipelines.

void test_pipelines(Context& context) {
  const KernelRow& row = choose_linear_kernel(context.device.caps(), "q8ta_linear", {5, 7, 9});
  PipelineCache cache(context.device, "");
  const Pipeline& pipeline = cache.get(row, {4, 1});
  const Pipeline& aligned = cache.get(row, {16, 1});
  expect(&pipeline != &aligned && &pipeline == &cache.get(row, {4, 1}), "one a specialization");
  expect(pipeline.handle() == VK_NULL_HANDLE, "naming a pipeline compiles nothing");
  cache.create({});
  cache.create({&pipeline, &pipeline});
  const VkPipeline handle = pipeline.handle();
  expect(handle != VK_NULL_HANDLE && aligned.handle() == VK_NULL_HANDLE, "only what is wanted");
  cache.create({&aligned, &pipeline});
  expect(pipeline.handle() == handle && aligned.handle() != VK_NULL_HANDLE, "each once");

  Commands commands(context.device, false);
  commands.begin();
  const Buffer buffer(context.device, 64, MemoryUse::kUpload);
  const std::vector<uint8_t> push(row.push_constant_bytes);
  const auto dispatch = [&](const Binding& one) {
    commands.dispatch(cache.get(row, {1, 0}), std::vector<Binding>(row.binding_count, one),
                      push.data(), row.push_constant_bytes, {1, 1, 1});
  };
  // Nothing is dispatched that could touch what is not bound, or binds what is not there.
  expect_error(ErrorCode::kInternal, "touches 33 bytes of a binding of 32",
               [&] { dispatch({{&buffer, 32, 32}, 33}); });
  expect_error(ErrorCode::kInternal, "48 bytes at 32 are outside a buffer of 64",
               [&] { dispatch({{&buffer, 32, 48}, 0}); });
  expect_error(ErrorCode::kInternal, "outside a buffer of 64",
               [&] { commands.copy({{{&buffer, 0, 32}, {&buffer, UINT64_MAX - 15, 32}}}); });
  dispatch({{&buffer, 32, 32}, 32});
  expect_error(ErrorCode::kInternal, "has not been created", [&] { commands.end(); });
}

// ---- Sharing.

void run_and_check(ComputeGraph& graph, const LinearCase& linear,
                   const std::vector<uint8_t>& expected, std::string& error) {
  std::memcpy(graph.input_data(0), linear.x.data(), linear.x.size());
  graph.run();
  const std::string mismatch = describe_mismatch(linear, expected, graph.output_data(0));
  if (!mismatch.empty()) {
    error = mismatch;
  }
}

void test_content_hash() {
  std::vector<uint8_t> bytes(100);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(i * 37);
  }
  // Around the words that the hash reads, every byte and the length count.
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const ContentHash hash = content_hash(bytes.data(), size);
    expect(hash == content_hash(std::vector<uint8_t>(bytes).data(), size), "equal bytes");
    for (size_t i = 0; i < size; ++i) {
      std::vector<uint8_t> other = bytes;
      other[i] ^= 0x80;
      expect(!(hash == content_hash(other.data(), size)),
             "byte " + std::to_string(i) + " of " + std::to_string(size));
    }
  }
  const std::vector<uint8_t> zeros(64, 0);
  expect(!(content_hash(zeros.data(), 63) == content_hash(zeros.data(), 64)), "length of zeros");
}

uint64_t memory_in_use(const Context& context) { return context.device.memory_in_use().size_bytes; }

void test_shared_constants(Context& context) {
  const LinearCase linear = random_case(2, 512, 512, Operands::kUniform, 4);
  LinearCase copy = linear;
  LinearCase other = linear;
  other.weights.back() = static_cast<int8_t>(other.weights.back() ^ 1);
  const uint64_t weights_bytes = 512 * 512;
  const uint64_t before = memory_in_use(context);
  std::string error;
  {
    auto first = std::make_unique<ComputeGraph>(context, linear_program(linear).def);
    const uint64_t first_bytes = memory_in_use(context) - before;
    expect(first_bytes > weights_bytes, "one program holds its weights");
    ComputeGraph second(context, linear_program(copy).def);
    const uint64_t second_bytes = memory_in_use(context) - before - first_bytes;
    expect(second_bytes < weights_bytes / 4, "a second program holds no copy of the same weights");
    ComputeGraph third(context, linear_program(other).def);
    const uint64_t third_bytes = memory_in_use(context) - before - first_bytes - second_bytes;
    expect(third_bytes > weights_bytes, "weights that differ in one bit are not shared");
    run_and_check(second, copy, reference_output(copy), error);
    first.reset();
    expect(memory_in_use(context) - before > 2 * weights_bytes, "shared weights outlive the first");
    run_and_check(second, copy, reference_output(copy), error);
    run_and_check(third, other, reference_output(other), error);
  }
  expect(error.empty(), error);
  expect(memory_in_use(context) == before, "the last program frees the weights");
}

void test_threads(Context& context) {
  // Each thread loads programs of its own, again and again, while the others run.
  std::vector<std::thread> threads;
  std::vector<std::string> errors(4);
  for (size_t t = 0; t < errors.size(); ++t) {
    threads.emplace_back([&context, &error = errors[t], t] {
      try {
        const LinearCase a =
            random_case(5 + static_cast<int64_t>(t), 33, 70, Operands::kUniform, 100 + t);
        const LinearCase b = random_case(1, 64, 128, Operands::kUniform, 200 + t);
        const auto expected_a = reference_output(a);
        const auto expected_b = reference_output(b);
        for (int load = 0; load < 20; ++load) {
          ComputeGraph graph_a(context, linear_program(a).def);
          ComputeGraph graph_b(context, linear_program(b).def);
          for (int run = 0; run < 10; ++run) {
            run_and_check(graph_a, a, expected_a, error);
            run_and_check(graph_b, b, expected_b, error);
          }
        }
      } catch (const std::exception& exception) {
        error = exception.what();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const std::string& error : errors) {
    expect(error.empty(), "a thread: " + error);
  }
}

}  // namespace

int main() {
  try {
    test_arena_planner();
    test_device_choice();
    const std::shared_ptr<Context> shared = context_from_environment();
    Context& context = *shared;
    test_wrong_programs(context);
    test_wrong_inputs(context);
    test_new_sizes(context);
    test_content_hash();
    test_shared_constants(context);
    test_transports();
    test_parallel_copy();
    test_hazards();
    test_barriers(context);
    test_ticks();
    test_timing_problems();
    test_times(context);
    test_pipelines(context);
    test_threads(context);
  } catch (const std::exception& error) {
    expect(false, std::string("unexpected: ") + error.what());
  }
  return report_checks();
}
