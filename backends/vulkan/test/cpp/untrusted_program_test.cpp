// Programs that are well formed and lie: about sizes, about symbolic integers, about how much they
// are. Each ends in an Error, or costs memory in proportion to its bytes. Sizes and ops are drawn.
// Plain checks; the last line counts them.
#include <sys/resource.h>

#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "Check.h"
#include "ExpectError.h"
#include "LinearCase.h"
#include "VulkanGraph_generated.h"
#include "graph/ArenaPlanner.h"
#include "graph/Blob.h"
#include "graph/ComputeGraph.h"
#include "graph/ProgramLimits.h"
#include "vk/Context.h"
#include "vk/Error.h"

namespace {

using namespace etvk;
using namespace etvk::testing;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// The most memory that this process has had, in bytes.
uint64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

// ---- Programs, value by value.

struct Program {
  GraphDef def;

  ValueId add(ValueDef value) {
    def.values.push_back(std::move(value));
    return static_cast<ValueId>(def.values.size() - 1);
  }
  ValueId tensor(DType dtype, std::vector<int64_t> dims) {
    return add(TensorDef{dtype, std::move(dims), -1});
  }
  ValueId input(DType dtype, std::vector<int64_t> dims) {
    def.inputs.push_back(tensor(dtype, std::move(dims)));
    return def.inputs.back();
  }
  ValueId constant(DType dtype, std::vector<int64_t> dims, const void* data) {
    def.constants.push_back({static_cast<const uint8_t*>(data), tensor_bytes(dtype, dims)});
    return add(TensorDef{dtype, std::move(dims), static_cast<int32_t>(def.constants.size() - 1)});
  }
  void call(const char* name, std::vector<ValueId> args) {
    def.chain.push_back({name, std::move(args)});
  }
  void build(Context& context) const { ComputeGraph graph(context, def); }
};

// ---- Sizes that a node claims.

std::vector<int64_t> draw_shape(std::mt19937& random) {
  std::vector<int64_t> shape(random() % 4);
  for (int64_t& size : shape) {
    size = 1 + static_cast<int64_t>(random() % 40);
  }
  return shape;
}

// An op whose result has the shape of its input, and claims another one of `claimed` elements.
struct ShapeLie {
  const char* op;
  bool of_constant;
  DType result;
  std::function<std::vector<ValueId>(Program&, ValueId x, const std::vector<int64_t>& claimed)>
      args;
};

const std::vector<uint8_t>& some_bytes() {
  static const std::vector<uint8_t> bytes(64 * 64 * 64, 3);
  return bytes;
}

std::vector<ShapeLie> shape_lies() {
  const auto only_x = [](Program&, ValueId x, const std::vector<int64_t>&) {
    return std::vector<ValueId>{x};
  };
  const auto sizes = [](Program& program, ValueId x, const std::vector<int64_t>& claimed) {
    return std::vector<ValueId>{x, program.add(claimed)};
  };
  const auto table = [](Program& program, ValueId x, const std::vector<int64_t>&) {
    return std::vector<ValueId>{x, program.constant(DType::kInt8, {256}, some_bytes().data())};
  };
  const auto dequantize = [](Program& program, ValueId x, const std::vector<int64_t>&) {
    return std::vector<ValueId>{x, program.add(0.5), program.add(int64_t{0})};
  };
  return {
      {"et_vk.prepack.default", true, DType::kInt8, only_x},
      {"aten.clone.default", false, DType::kInt8, only_x},
      {"aten.clone.default", true, DType::kInt8, only_x},
      {"aten.alias_copy.default", true, DType::kInt8, only_x},
      {"aten.view_copy.default", false, DType::kInt8, sizes},
      {"aten.view_copy.default", true, DType::kInt8, sizes},
      {"et_vk.fixed_view.default", true, DType::kInt8, sizes},
      {"et_vk.q8ta_table.default", false, DType::kInt8, table},
      {"et_vk.q8ta_table.default", true, DType::kInt8, table},
      {"et_vk.q8ta_dequantize.default", false, DType::kFloat32, dequantize},
  };
}

// What the op makes of x must not fit what the output claims: too small, or of another rank.
void test_claimed_sizes(Context& context) {
  std::mt19937 random(11);
  for (const ShapeLie& lie : shape_lies()) {
    int refused = 0;
    int lies = 0;
    for (int round = 0; round < 40; ++round) {
      const std::vector<int64_t> shape = draw_shape(random);
      std::vector<int64_t> claimed = draw_shape(random);
      if (random() % 2 == 0 && !claimed.empty()) {
        claimed[0] *= 100000;  // foreign memory, were it handed out
      }
      if (shape == claimed) {
        continue;
      }
      Program program;
      const ValueId x = lie.of_constant ? program.constant(DType::kInt8, shape, some_bytes().data())
                                        : program.input(DType::kInt8, shape);
      std::vector<ValueId> args = lie.args(program, x, claimed);
      const ValueId y = program.tensor(lie.result, claimed);
      args.push_back(y);
      program.call(lie.op, args);
      program.def.outputs = {y};
      // A bound that is larger than the result is no lie.
      std::vector<int64_t> result = shape;
      ++lies;
      try {
        ComputeGraph graph(context, program.def);
        expect(graph.output_sizes(0) == result || graph.numel(y) == graph.numel(x),
               std::string(lie.op) + " " + shape_text(shape) + " as " + shape_text(claimed) +
                   " gives " + shape_text(graph.output_sizes(0)));
      } catch (const Error& error) {
        expect(error.code() != ErrorCode::kInternal, error.what());
        ++refused;
      }
    }
    expect(refused > lies / 4, std::string(lie.op) + ": most lies are refused");
  }
}

void test_prepack_and_readers(Context& context) {
  for (const int64_t claimed : {17, 200000, 60000000}) {
    Program program;
    const ValueId constant = program.constant(DType::kInt8, {16}, some_bytes().data());
    const ValueId y = program.tensor(DType::kInt8, {claimed});
    program.call("et_vk.prepack.default", {constant, y});
    program.def.outputs = {y};
    expect_error(ErrorCode::kInvalidProgram, "the constant is [16], the output is declared as",
                 [&] { program.build(context); });
  }
}

// Sizes whose product is over 64 bits, in a tensor that is empty.
void test_empty_and_huge(Context& context) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  for (const auto& dims : {std::vector<int64_t>{0, kHuge, kHuge}, {kHuge, 0, kHuge, 4}}) {
    Program program;
    const ValueId x = program.input(DType::kInt8, dims);
    const ValueId y = program.tensor(DType::kInt8, dims);
    program.call("aten.permute_copy.default", {x, program.add(std::vector<int64_t>{0}), y});
    program.def.outputs = {y};
    expect_error(ErrorCode::kNotSupported, "is too large", [&] { program.build(context); });
  }
}

// ---- Symbolic integers are values.

void test_symbolic_integers(Context& context) {
  // A program with x[8, 8] and a symbolic integer s, to be completed.
  struct Sym {
    Program program;
    ValueId x, s, zero, one, five, y;
    Sym() {
      x = program.input(DType::kInt8, {8, 8});
      s = program.add(SymInt{4});
      zero = program.add(int64_t{0});
      one = program.add(int64_t{1});
      five = program.add(int64_t{5});
      y = program.tensor(DType::kInt8, {8, 8});
      program.def.outputs = {y};
    }
  };
  const auto refused = [&](const char* text, const std::function<void(Sym&)>& complete) {
    Sym sym;
    complete(sym);
    expect_error(ErrorCode::kInvalidProgram, text, [&] { sym.program.build(context); });
  };
  const auto expand_to = [](Sym& sym, ValueId size) {
    const ValueId sizes = sym.program.add(ValueList{{size, size}});
    sym.program.call("aten.expand_copy.default", {sym.x, sizes, sym.zero, sym.y});
  };
  const char* early = "before it is written";
  refused(early, [](Sym& sym) {
    sym.program.call("aten.slice_copy.Tensor", {sym.x, sym.zero, sym.zero, sym.s, sym.one, sym.y});
    sym.program.call("add", {sym.zero, sym.five, sym.s});
  });
  refused(early, [&](Sym& sym) {
    expand_to(sym, sym.s);
    sym.program.call("add", {sym.zero, sym.five, sym.s});
  });
  refused(early, [](Sym& sym) {
    const ValueId sizes = sym.program.add(ValueList{{sym.s, sym.s}});
    sym.program.call("aten.view_copy.default", {sym.x, sizes, sym.y});
  });
  refused(early, [](Sym& sym) {
    sym.program.call("aten.select_copy.int", {sym.x, sym.zero, sym.s, sym.y});
  });
  for (const char* op : {"add", "sub", "mul", "floordiv"}) {
    refused(early, [op](Sym& sym) { sym.program.call(op, {sym.s, sym.one, sym.s}); });
    refused("already written", [op](Sym& sym) {
      sym.program.call(op, {sym.five, sym.one, sym.s});
      sym.program.call(op, {sym.five, sym.one, sym.s});
    });
    refused("already written", [op](Sym& sym) {
      sym.program.def.inputs.push_back(sym.s);
      sym.program.call(op, {sym.five, sym.one, sym.s});
    });
  }
  refused("already written", [](Sym& sym) {
    sym.program.call("sym_size.int", {sym.x, sym.zero, sym.s});
    sym.program.call("sym_size.int", {sym.x, sym.one, sym.s});
  });
  refused("is never written", [](Sym& sym) { sym.program.def.outputs = {sym.s}; });
  refused("is an input twice", [](Sym& sym) {
    sym.program.def.inputs.push_back(sym.s);
    sym.program.def.inputs.push_back(sym.s);
  });
  refused("is an input twice",
          [](Sym& sym) { sym.program.def.inputs.push_back(sym.program.def.inputs[0]); });
  refused("none symbolic", [](Sym& sym) {
    const ValueId dims = sym.program.add(ValueList{{sym.s, sym.one}});
    sym.program.call("aten.permute_copy.default", {sym.x, dims, sym.y});
  });
  // Written once and read afterwards, it is what was computed, not what the blob says.
  Sym sym;
  sym.program.call("sub", {sym.five, sym.one, sym.s});
  sym.program.call("aten.slice_copy.Tensor", {sym.x, sym.zero, sym.zero, sym.s, sym.one, sym.y});
  ComputeGraph graph(context, sym.program.def);
  expect(graph.output_sizes(0) == std::vector<int64_t>({4, 8}), "a slice up to 5 - 1");
}

// ---- Work and memory in proportion.

// The blob of a flatbuffer, without constants.
std::vector<uint8_t> blob_of(flatbuffers::FlatBufferBuilder& builder) {
  constexpr size_t kHeaderBytes = 30;
  std::vector<uint8_t> blob(kHeaderBytes);
  const auto put = [&](size_t at, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) {
      blob[at + i] = static_cast<uint8_t>(value >> (8 * i));
    }
  };
  std::memcpy(blob.data() + 4, "VH00", 4);
  put(8, kHeaderBytes, 2);
  put(10, kHeaderBytes, 4);
  put(14, builder.GetSize(), 4);
  put(18, kHeaderBytes + builder.GetSize(), 4);
  blob.insert(blob.end(), builder.GetBufferPointer(),
              builder.GetBufferPointer() + builder.GetSize());
  return blob;
}

// What reading and building the blob costs in memory, where it does not end in an Error.
template <typename Body>
void expect_memory_within(uint64_t bytes, const std::string& what, Body&& body) {
  const uint64_t before = peak_memory();
  body();
  const uint64_t grown = peak_memory() - before;
  expect(grown <= bytes, what + ": " + std::to_string(grown / kMiB) + " MiB more, at most " +
                             std::to_string(bytes / kMiB));
}

using Values = std::vector<flatbuffers::Offset<vkgraph::VkValue>>;
using Calls = std::vector<flatbuffers::Offset<vkgraph::OperatorCall>>;

void read_and_build(Context& context, flatbuffers::FlatBufferBuilder& builder, const Values& values,
                    const Calls& calls, const std::vector<uint32_t>& inputs,
                    const std::vector<uint32_t>& outputs) {
  const auto graph = vkgraph::CreateVkGraphDirect(builder, "0", &calls, &values, &inputs, &outputs);
  vkgraph::FinishVkGraphBuffer(builder, graph);
  const std::vector<uint8_t> blob = blob_of(builder);
  ComputeGraph(context, read_blob(blob.data(), blob.size(), [](const std::string&) -> ConstantDef {
                 ETVK_FAIL(kInvalidProgram, "there is no named data");
               }));
}

void test_shared_lists(Context& context) {
  // 816 KB that say 3.2 GB.
  flatbuffers::FlatBufferBuilder builder;
  const auto items = builder.CreateVector(std::vector<int64_t>(100000, 1));
  Values values;
  for (int i = 0; i < 4000; ++i) {
    const auto list = vkgraph::CreateIntList(builder, items);
    values.push_back(vkgraph::CreateVkValue(builder, vkgraph::GraphTypes::IntList, list.Union()));
  }
  expect_memory_within(64 * kMiB, "4,000 values that share a list", [&] {
    expect_error(ErrorCode::kNotSupported, "uses the same lists too often",
                 [&] { read_and_build(context, builder, values, {}, {}, {}); });
  });
}

void test_ops_share_lists(Context& context) {
  flatbuffers::FlatBufferBuilder builder;
  Values values;
  Calls calls;
  std::vector<uint32_t> inputs;
  const auto tensor = [&](uint32_t size) {
    const std::vector<uint32_t> dims{size};
    const auto def = vkgraph::CreateVkTensorDirect(builder, vkgraph::VkDataType::INT8, &dims);
    values.push_back(vkgraph::CreateVkValue(builder, vkgraph::GraphTypes::VkTensor, def.Union()));
    return static_cast<int32_t>(values.size() - 1);
  };
  std::vector<int32_t> parts;
  for (int i = 0; i < 20000; ++i) {
    parts.push_back(tensor(4));
    inputs.push_back(static_cast<uint32_t>(parts.back()));
  }
  const auto list = vkgraph::CreateValueListDirect(builder, &parts);
  values.push_back(vkgraph::CreateVkValue(builder, vkgraph::GraphTypes::ValueList, list.Union()));
  const auto list_id = static_cast<int32_t>(values.size() - 1);
  const auto dim = vkgraph::CreateInt(builder, 0);
  values.push_back(vkgraph::CreateVkValue(builder, vkgraph::GraphTypes::Int, dim.Union()));
  const auto dim_id = static_cast<int32_t>(values.size() - 1);
  std::vector<uint32_t> outputs;
  for (int i = 0; i < 200; ++i) {
    const std::vector<int32_t> args{list_id, dim_id, tensor(80000)};
    outputs.push_back(static_cast<uint32_t>(args[2]));
    calls.push_back(vkgraph::CreateOperatorCallDirect(builder, 0, "aten.cat.default", &args));
  }
  expect_memory_within(512 * kMiB, "200 cats that share a list", [&] {
    expect_error(ErrorCode::kNotSupported, "uses the same lists too often",
                 [&] { read_and_build(context, builder, values, calls, inputs, outputs); });
  });
}

void test_many_dispatches(Context& context) {
  constexpr int64_t kParts = kMaxDispatches + 1;
  Program program;
  const ValueId x = program.input(DType::kInt8, {1});
  const ValueId parts = program.add(ValueList{std::vector<ValueId>(kParts, x)});
  const ValueId y = program.tensor(DType::kInt8, {kParts});
  program.call("aten.cat.default", {parts, program.add(int64_t{0}), y});
  program.def.outputs = {y};
  expect_memory_within(256 * kMiB, "a cat of too many parts", [&] {
    expect_error(ErrorCode::kNotSupported, "more than 65536 dispatches",
                 [&] { program.build(context); });
  });
}

// Many layers on one set of constants, each with its own scale: what they make of them is bounded.
void test_shared_constants(Context& context) {
  constexpr int64_t kN = 8192;
  constexpr int64_t kK = 4;
  const LinearCase linear = random_case(1, kN, kK, Operands::kUniform, 5);
  LinearProgram program = linear_program(linear, 4000);
  program.def.source_bytes = 1 << 20;
  // All layers are the same: one set of constants on the device.
  expect_memory_within(256 * kMiB, "4,000 linears on one set of constants",
                       [&] { ComputeGraph graph(context, program.def); });

  for (OpCall& call : program.def.chain) {
    call.args[1] = static_cast<ValueId>(program.def.values.size());
    program.def.values.emplace_back(0.01 + 1e-6 * static_cast<double>(call.args[1]));
  }
  expect_memory_within(256 * kMiB, "4,000 linears with a scale each", [&] {
    expect_error(ErrorCode::kNotSupported, "the program's layers make more than",
                 [&] { ComputeGraph graph(context, program.def); });
  });
}

void test_many_values(Context& context) {
  // A search for each among all would take minutes.
  Program inputs;
  for (int i = 0; i < 400000; ++i) {
    inputs.input(DType::kInt8, {4});
  }
  inputs.def.outputs = {inputs.def.inputs.back()};
  inputs.build(context);
  Program constants;
  for (int i = 0; i < 100000; ++i) {
    constants.def.outputs.push_back(
        constants.constant(DType::kInt8, {16}, some_bytes().data() + i % 100000));
  }
  constants.build(context);
  expect(true, "400,000 inputs, 100,000 constants");
}

void test_arena_of_many() {
  std::mt19937 random(3);
  std::vector<ArenaItem> items(200000);
  uint64_t all = 0;
  for (ArenaItem& item : items) {
    item.size_bytes = 16 + random() % 4096;
    item.first_use = static_cast<int32_t>(random() % 1000);
    item.last_use = item.first_use + static_cast<int32_t>(random() % 10);
    all += (item.size_bytes + 15) / 16 * 16;
  }
  const uint64_t arena = plan_arena(items, 16);
  expect(arena <= all, "an arena is no larger than its items");
  bool inside = true;
  for (const ArenaItem& item : items) {
    inside = inside && item.offset_bytes + item.size_bytes <= arena;
  }
  expect(inside, "all items are inside");
}

}  // namespace

int main() {
  try {
    const std::shared_ptr<Context> shared = context_from_environment();
    Context& context = *shared;
    test_claimed_sizes(context);
    test_prepack_and_readers(context);
    test_empty_and_huge(context);
    test_symbolic_integers(context);
    test_arena_of_many();
    test_shared_lists(context);
    test_many_values(context);
    test_ops_share_lists(context);
    test_many_dispatches(context);
    test_shared_constants(context);
  } catch (const std::exception& error) {
    expect(false, error.what());
  }
  return report_checks();
}
