// The pass that decides the orders of tensors, on small programs: which orders, and how many bytes
// are copied. Needs no device. Plain checks; the last line counts them.
#include "graph/Orders.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "Check.h"
#include "ExpectError.h"
#include "OrderOps.h"
#include "graph/OrderRules.h"
#include "graph/Program.h"
#include "graph/Values.h"

namespace {

using namespace etvk;
using namespace etvk::testing;

using Sizes = std::vector<int64_t>;

constexpr Order kRows = Order::kRowMajor;
constexpr Order kChannels = Order::kChannelsLast;

// ---- Programs. Tensors are int8 where nothing else is said.

class Chain {
 public:
  ValueId value(ValueDef def) {
    def_.values.push_back(std::move(def));
    return static_cast<ValueId>(def_.values.size() - 1);
  }
  ValueId tensor(const Sizes& dims, DType dtype = DType::kInt8) {
    return value(TensorDef{dtype, dims, -1});
  }
  ValueId constant(const Sizes& dims, DType dtype = DType::kInt8) {
    bytes_.emplace_back(tensor_bytes(dtype, dims));
    def_.constants.push_back({bytes_.back().data(), bytes_.back().size()});
    return value(TensorDef{dtype, dims, static_cast<int32_t>(def_.constants.size() - 1)});
  }
  ValueId input(const Sizes& dims, DType dtype = DType::kInt8) {
    def_.inputs.push_back(tensor(dims, dtype));
    return def_.inputs.back();
  }
  void symbol(ValueId id) { def_.inputs.push_back(id); }
  void output(ValueId id) { def_.outputs.push_back(id); }
  ValueId last() const { return def_.chain.back().args.back(); }
  ValueId call(const std::string& op, std::vector<ValueId> args, const Sizes& dims,
               DType dtype = DType::kInt8) {
    args.push_back(tensor(dims, dtype));
    def_.chain.push_back({op, args});
    return args.back();
  }

  Sizes dims(ValueId id) const {
    return std::get<TensorDef>(def_.values[static_cast<size_t>(id)]).dims;
  }

  DType dtype(ValueId id) const {
    return std::get<TensorDef>(def_.values[static_cast<size_t>(id)]).dtype;
  }

  // [N, ..., C] to [N, C, ...], channels-last, and back.
  ValueId to_channels_last(ValueId x) {
    Sizes sizes = dims(x);
    std::rotate(sizes.begin() + 1, sizes.end() - 1, sizes.end());
    return call("test.to_channels_last", {x}, sizes);
  }
  ValueId from_channels_last(ValueId x) {
    Sizes sizes = dims(x);
    std::rotate(sizes.begin() + 1, sizes.begin() + 2, sizes.end());
    return call("test.from_channels_last", {x}, sizes);
  }
  ValueId channels_last(ValueId x) { return call("test.channels_last", {x}, dims(x)); }
  ValueId table(ValueId x) {
    return call("et_vk.q8ta_table.default", {x, constant({256})}, dims(x));
  }
  ValueId quantize(ValueId x) {
    return call("quantized_decomposed.quantize_per_tensor.default",
                {x, value(0.5), value(int64_t{0}), value(int64_t{-128}), value(int64_t{127}),
                 value(Null{})},
                dims(x));
  }
  ValueId dequantize(ValueId x) {
    return call("et_vk.q8ta_dequantize.default", {x, value(0.5), value(int64_t{0})}, dims(x),
                DType::kFloat32);
  }
  ValueId add(ValueId a, ValueId b, const Sizes& dims) {
    const ValueId scale = value(0.5);
    const ValueId zero = value(int64_t{0});
    return call("et_vk.q8ta_binary.default",
                {a, scale, zero, b, scale, zero, value(std::string("add")), scale, zero,
                 value(int64_t{-128}), value(int64_t{127})},
                dims);
  }
  ValueId add(ValueId a, ValueId b) { return add(a, b, dims(a)); }
  ValueId mean(ValueId x, const Sizes& reduced, const Sizes& dims) {
    const ValueId scale = value(0.5);
    const ValueId zero = value(int64_t{0});
    return call("et_vk.q8ta_mean.default",
                {x, scale, zero, value(reduced), value(true), scale, zero, value(int64_t{-128}),
                 value(int64_t{127})},
                dims);
  }
  ValueId permute(ValueId x, const Sizes& by) {
    Sizes sizes;
    for (int64_t dim : by) {
      sizes.push_back(dims(x)[static_cast<size_t>(dim)]);
    }
    return call("aten.permute_copy.default", {x, value(by)}, sizes);
  }
  ValueId flatten(ValueId x) {
    int64_t count = 1;
    for (int64_t size : dims(x)) {
      count *= size;
    }
    return call("aten.view_copy.default", {x, value(Sizes{count})}, {count});
  }
  ValueId cat(ValueId a, ValueId b, size_t dim) {
    Sizes sizes = dims(a);
    sizes[dim] += dims(b)[dim];
    return call("aten.cat.default", {value(ValueList{{a, b}}), value(static_cast<int64_t>(dim))},
                sizes);
  }

  const GraphDef& def() const { return def_; }

 private:
  GraphDef def_;
  std::deque<std::vector<uint8_t>> bytes_;
};

// What the pass made of a chain.
struct Decided {
  explicit Decided(const Chain& chain)
      : values(chain.def().values, chain.def().constants),
        program(read_program(values, chain.def())) {
    const size_t given = program.calls.size();
    decide_orders(values, program);
    copies = program.calls.size() - given;
    for (const Call& call : program.calls) {
      check_orders(values, call);
      const ValueId y = call.args.output();
      if (static_cast<size_t>(y) >= chain.def().values.size()) {
        copied_bytes += values.bound_bytes(y);
      }
    }
  }

  Values values;
  Program program;
  size_t copies = 0;
  uint64_t copied_bytes = 0;
};

void expect_orders(const Decided& decided, const std::vector<ValueId>& ids, Order order,
                   const std::string& what) {
  for (ValueId id : ids) {
    expect(decided.values.order(id) == order, what + ": the order of value " + std::to_string(id));
  }
}

void expect_copied(const Decided& decided, size_t copies, uint64_t bytes, const std::string& what) {
  expect(decided.copies == copies && decided.copied_bytes == bytes,
         what + ": " + std::to_string(decided.copies) + " copies of " +
             std::to_string(decided.copied_bytes) + " bytes, expected " + std::to_string(copies) +
             " of " + std::to_string(bytes));
}

const Sizes kNHWC = {2, 5, 7, 3};  // in rows
const Sizes kNCHW = {2, 3, 5, 7};  // the same, as PyTorch means it
constexpr uint64_t kBytes = 2 * 3 * 5 * 7;

// ---- Values.

void test_strides() {
  Values values({TensorDef{DType::kInt8, {2, 3, 5, 7}, -1}, TensorDef{DType::kInt8, {2, 3, 5}, -1},
                 TensorDef{DType::kInt8, {2, 3, 1, 1}, -1}, TensorDef{DType::kInt8, {4, 1, 2}, -1},
                 TensorDef{DType::kInt8, {2, 3}, -1}, TensorDef{DType::kInt8, {2, 0, 5, 7}, -1}},
                {});
  expect(values.strides(0) == Sizes{105, 35, 7, 1} && values.strides(1) == Sizes{15, 5, 1},
         "row-major strides");
  values.set_order(0, kChannels);
  values.set_order(1, kChannels);
  expect(values.strides(0) == Sizes{105, 1, 21, 3} && values.strides(1) == Sizes{15, 1, 3},
         "channels-last strides");
  values.set_sizes(0, {1, 3, 4, 2});
  expect(values.strides(0) == Sizes{24, 1, 6, 3}, "strides follow the sizes");
  expect(values.has_two_orders(0) && values.has_two_orders(1), "two orders");
  for (ValueId id : {2, 3, 4, 5}) {
    expect(!values.has_two_orders(id), "one order of value " + std::to_string(id));
  }
  expect(values.is_in(2, kChannels) && values.is_in(3, kChannels) && values.is_in(5, kChannels) &&
             !values.is_in(4, kChannels) && !values.is_in(0, kRows),
         "which orders a tensor is in");
  expect_error(ErrorCode::kInternal, "cannot be channels-last",
               [&] { values.set_order(4, kChannels); });
  // Else a tensor of one order could become one of two.
  expect_error(ErrorCode::kInvalidProgram, "over its bound [2, 3, 1, 1]",
               [&] { values.set_sizes(2, {1, 1, 2, 3}); });
}

// ---- Orders.

void test_row_major_programs() {
  Chain chain;
  const ValueId x = chain.input(kNCHW);
  const ValueId y = chain.add(chain.table(x), x);
  chain.output(chain.flatten(y));
  chain.output(chain.permute(y, {0, 3, 1, 2}));
  const Decided decided(chain);
  expect_copied(decided, 0, 0, "nothing asks for channels last");
  for (ValueId id = 0; id < static_cast<ValueId>(decided.values.count()); ++id) {
    if (decided.values.is_tensor(id)) {
      expect_orders(decided, {id}, kRows, "nothing asks for channels last");
    }
  }
}

void test_elementwise() {
  for (const Sizes& dims : {Sizes{2, 5, 7, 3}, Sizes{2, 5, 3}}) {
    Chain chain;
    const ValueId x = chain.to_channels_last(chain.input(dims));
    const ValueId a = chain.table(x);
    const ValueId b = chain.dequantize(a);
    const ValueId c = chain.quantize(b);
    const ValueId d = chain.add(c, x);
    const ValueId e = chain.add(d, d);
    chain.output(chain.from_channels_last(e));
    const Decided decided(chain);
    expect_copied(decided, 0, 0, "elementwise ops between channels-last ones");
    expect_orders(decided, {x, a, b, c, d, e}, kChannels, "elementwise ops between those");
  }
}

// A copy is where a tensor is smallest, on both sides of a chain.
void test_smallest_copy() {
  Chain in;
  const ValueId q = in.quantize(in.input(kNCHW, DType::kFloat32));
  const ValueId t = in.table(q);
  in.output(in.from_channels_last(t));
  expect_copied(Decided(in), 1, kBytes, "float in");

  Chain out;
  const ValueId x = out.to_channels_last(out.input(kNHWC));
  out.output(out.dequantize(out.table(x)));
  expect_copied(Decided(out), 1, kBytes, "float out");

  Chain around;
  const ValueId f = around.dequantize(around.quantize(around.input(kNCHW, DType::kFloat32)));
  around.output(around.from_channels_last(f));
  expect_copied(Decided(around), 1, kBytes, "int8 on the way");
}

void test_shared_copy() {
  Chain chain;
  const ValueId x = chain.to_channels_last(chain.input(kNHWC));
  const ValueId y = chain.table(x);
  chain.output(chain.from_channels_last(y));
  chain.output(chain.flatten(y));
  chain.output(chain.flatten(y));
  chain.output(y);
  chain.output(y);
  const Decided decided(chain);
  expect_orders(decided, {y}, kChannels, "readers of both kinds");
  expect_copied(decided, 1, kBytes, "readers of both kinds");
  const std::vector<ValueId>& outputs = decided.program.outputs;
  expect(outputs[3] != y && outputs[3] == outputs[4] && decided.values.order(outputs[3]) == kRows,
         "an output is the row-major copy");
  expect(chain.def().outputs[3] == y, "of a value that it was asked for");
}

void test_inputs_and_constants() {
  Chain chain;
  const ValueId x = chain.input(kNCHW);
  const ValueId c = chain.constant(kNCHW);
  chain.output(x);
  chain.output(c);
  chain.output(chain.from_channels_last(x));
  chain.output(chain.from_channels_last(c));
  const Decided decided(chain);
  expect_orders(decided, {x, c}, kRows, "inputs and constants");
  expect_copied(decided, 2, 2 * kBytes, "inputs and constants");
  expect(decided.program.outputs[0] == x && decided.program.outputs[1] == c,
         "they are outputs as they are");
}

void test_broadcasting() {
  Chain chain;
  const ValueId x = chain.to_channels_last(chain.input(kNHWC));
  const ValueId a = chain.add(x, chain.input({3, 1, 1}));  // [C, 1, 1]
  const ValueId b = chain.add(a, chain.input({1}));        // a scalar
  const ValueId c = chain.add(chain.constant(kNCHW), b);   // read by its strides
  const ValueId d = chain.add(c, chain.mean(c, {2, 3}, {2, 3, 1, 1}));
  chain.output(chain.from_channels_last(d));
  const Decided decided(chain);
  expect_orders(decided, {x, a, b, c, d}, kChannels, "broadcasting");
  expect_copied(decided, 0, 0, "broadcasting");

  // Neither operand is of the result's shape.
  Chain outer;
  const ValueId left = outer.to_channels_last(outer.input({1, 5, 7, 3}));
  const ValueId sum = outer.add(left, outer.input({2, 1, 5, 1}), kNCHW);
  outer.output(outer.from_channels_last(sum));
  const Decided apart(outer);
  expect_orders(apart, {sum}, kRows, "operands of other shapes");
  expect_copied(apart, 2, kBytes / 2 + kBytes, "operands of other shapes");

  // An unary op whose output is declared larger than its input copies bytes as they are.
  Chain larger;
  const ValueId small = larger.to_channels_last(larger.input(kNHWC));
  const ValueId table = larger.constant({256});
  const ValueId y = larger.call("et_vk.q8ta_table.default", {small, table}, {4, 3, 5, 7});
  larger.output(larger.from_channels_last(y));
  expect_orders(Decided(larger), {y}, kRows, "an output with a larger bound");
}

void test_one_element() {
  Chain chain;
  const ValueId x = chain.to_channels_last(chain.input(kNHWC));
  const ValueId m = chain.mean(x, {2, 3}, {2, 3, 1, 1});
  chain.output(chain.flatten(m));
  chain.output(chain.flatten(chain.channels_last(chain.table(m))));
  chain.output(chain.mean(x, {1}, {2, 1, 5, 7}));
  expect_copied(Decided(chain), 0, 0, "channels of one element are in both orders");
}

void test_permutes() {
  Chain there;
  const ValueId x = there.permute(there.input(kNHWC), {0, 3, 1, 2});
  const ValueId t = there.table(x);
  there.output(there.permute(t, {0, 2, 3, 1}));
  const Decided both(there);
  expect_orders(both, {x, t}, kChannels, "permutes to and from channels last");
  expect_copied(both, 0, 0, "permutes to and from channels last");

  Chain rows;
  const ValueId y = rows.permute(rows.input(kNHWC), {0, 3, 1, 2});
  rows.output(rows.flatten(y));
  const Decided flat(rows);
  expect_orders(flat, {y}, kRows, "the permute itself copies");
  expect_copied(flat, 0, 0, "the permute itself copies");

  Chain three;
  const ValueId a = three.permute(three.input({2, 5, 3}), {0, 2, 1});
  three.output(three.permute(three.table(a), {0, 2, 1}));
  const Decided transposed(three);
  expect_orders(transposed, {a}, kChannels, "three dimensions");
  expect_copied(transposed, 0, 0, "three dimensions");
}

void test_views() {
  const auto copies = [](const Sizes& from, const std::string& op, const ValueDef& argument,
                         const Sizes& to) {
    Chain chain;
    const ValueId x = chain.to_channels_last(chain.input(from));
    const ValueId y = chain.call(op, {x, chain.value(argument)}, to);
    chain.output(chain.from_channels_last(y));
    return Decided(chain).copies;
  };
  const std::string view = "aten.view_copy.default";
  expect(copies(kNHWC, view, Sizes{2, 3, 35}, {2, 3, 35}) == 0, "H and W become one");
  expect(copies({2, 6, 3}, view, Sizes{2, 3, 2, 3}, {2, 3, 2, 3}) == 0, "L becomes H and W");
  expect(copies(kNHWC, view, Sizes{2, 15, 7}, {2, 15, 7}) == 2, "C and H become one");
  expect(copies(kNHWC, view, Sizes{6, 5, 7}, {6, 5, 7}) == 2, "N and C become one");
  expect(copies(kNHWC, view, Sizes{2, 3, -1}, {2, 3, 35}) == 2, "a size that is not known");
  expect(copies({2, 1, 7, 3}, "aten.squeeze_copy.dims", Sizes{2}, {2, 3, 7}) == 0, "no H");
  expect(copies({1, 5, 7, 3}, "aten.squeeze_copy.dims", Sizes{0}, {3, 5, 7}) == 2, "no N");
  expect(copies({2, 7, 3}, "aten.unsqueeze_copy.default", int64_t{-2}, {2, 3, 1, 7}) == 0, "one H");
  expect(copies({2, 7, 3}, "aten.unsqueeze_copy.default", int64_t{1}, {2, 1, 3, 7}) == 1, "one C");

  // The first layer of a vision transformer, without what quantizes.
  Chain patches;
  const ValueId x = patches.to_channels_last(patches.input(kNHWC));
  const ValueId flat = patches.call(view, {x, patches.value(Sizes{2, 3, 35})}, {2, 3, 35});
  patches.output(patches.permute(flat, {0, 2, 1}));
  const Decided decided(patches);
  expect_orders(decided, {x, flat}, kChannels, "patches");
  expect_copied(decided, 0, 0, "patches");

  // What is symbolic may be anything up to its bound.
  Chain dynamic;
  const ValueId given = dynamic.to_channels_last(dynamic.input(kNHWC));
  const ValueId size = dynamic.value(SymInt{});
  dynamic.symbol(size);
  const ValueId list =
      dynamic.value(ValueList{{dynamic.value(int64_t{2}), size, dynamic.value(int64_t{35})}});
  dynamic.output(dynamic.call(view, {given, list}, {2, 3, 35}));
  expect_orders(Decided(dynamic), {dynamic.last()}, kRows, "a symbolic size");
}

void test_moves() {
  Chain chain;
  const ValueId x = chain.to_channels_last(chain.input(kNHWC));
  const ValueId y = chain.cat(x, chain.table(x), 1);
  chain.output(chain.from_channels_last(y));
  const Decided decided(chain);
  expect_orders(decided, {y}, kChannels, "a concatenation of channels");
  expect_copied(decided, 0, 0, "a concatenation of channels");
}

void test_ranks() {
  for (const Sizes& dims : {Sizes{2, 3}, Sizes{2, 3, 5, 7, 2}}) {
    Chain reads;
    reads.output(reads.from_channels_last(reads.input(dims)));
    expect_error(ErrorCode::kInvalidProgram, "test.from_channels_last: value 0 of shape",
                 [&] { Decided decided(reads); });
    Chain writes;
    writes.output(writes.to_channels_last(writes.input(dims)));
    expect_error(ErrorCode::kInvalidProgram, "must have 3 or 4 dimensions",
                 [&] { Decided decided(writes); });
  }
}

// ---- Random programs, beside every choice of orders that there is.

struct Step {
  enum Kind { kAlike, kPermute, kFixed } kind;
  std::vector<ValueId> reads;
  ValueId y;
  Order order;  // of a kFixed: that it reads and writes
};

struct Random {
  Chain chain;
  std::vector<Step> steps;
};

// A few ops on tensors of one shape, each on what was made last or, with `joins`, before.
Random random_program(std::mt19937& random, bool joins) {
  Random drawn;
  Chain& chain = drawn.chain;
  const bool is_float = random() % 2 == 0;
  std::vector<ValueId> pool = {
      chain.input({3, 3, 3, 3}, is_float ? DType::kFloat32 : DType::kInt8)};
  const auto is_int8 = [&chain](ValueId id) { return chain.dtype(id) == DType::kInt8; };
  for (size_t count = 2 + random() % 8; drawn.steps.size() < count;) {
    const ValueId x = joins && random() % 3 == 0 ? pool[random() % pool.size()] : pool.back();
    const ValueId other = pool[random() % pool.size()];
    Step step{Step::kAlike, {x}, -1, kRows};
    if (!is_int8(x)) {
      step.y = chain.quantize(x);
    } else if (const auto kind = random() % 7; kind == 0) {
      step.y = chain.dequantize(x);
    } else if (kind == 1) {
      step.kind = Step::kPermute;
      step.y = chain.permute(x, random() % 2 == 0 ? Sizes{0, 3, 1, 2} : Sizes{0, 2, 3, 1});
    } else if (kind == 2) {
      step.kind = Step::kFixed;
      step.order = kChannels;
      step.y = chain.channels_last(x);
    } else if (kind == 3) {
      step.kind = Step::kFixed;
      step.y =
          chain.call("aten.view_copy.default", {x, chain.value(Sizes{-1, 3, 3, 3})}, chain.dims(x));
    } else if (kind == 4 && joins && is_int8(other)) {
      step.reads.push_back(other);
      step.y = chain.add(x, other);
    } else {
      step.y = chain.table(x);
    }
    pool.push_back(step.y);
    drawn.steps.push_back(step);
  }
  chain.output(pool.back());
  if (joins) {
    chain.output(pool[random() % pool.size()]);
  }
  return drawn;
}

// Bytes that are copied where tensors have these orders, by what the ops are.
uint64_t cost_of(const Random& drawn, const std::function<Order(ValueId)>& order) {
  const auto bytes = [&](ValueId id) {
    return tensor_bytes(drawn.chain.dtype(id), drawn.chain.dims(id));
  };
  uint64_t cost = 0;
  std::set<ValueId> copied;
  const auto need = [&](ValueId id, Order wanted) {
    if (order(id) != wanted && copied.insert(id).second) {
      cost += bytes(id);
    }
  };
  for (const Step& step : drawn.steps) {
    if (step.kind == Step::kPermute) {
      const auto& call = drawn.chain.def().chain[static_cast<size_t>(&step - drawn.steps.data())];
      const auto& dims =
          std::get<Sizes>(drawn.chain.def().values[static_cast<size_t>(call.args[1])]);
      const bool stays = dims[1] == 3 ? order(step.reads[0]) == kRows && order(step.y) == kChannels
                                      : order(step.reads[0]) == kChannels && order(step.y) == kRows;
      cost += stays ? 0 : bytes(step.y);
      continue;
    }
    for (ValueId id : step.reads) {
      need(id, step.kind == Step::kFixed ? step.order : order(step.y));
    }
  }
  for (ValueId id : drawn.chain.def().outputs) {
    need(id, kRows);
  }
  return cost;
}

// By bits of `choice`: the orders of what is not fixed.
uint64_t cost_of_choice(const Random& drawn, uint32_t choice) {
  std::vector<Order> orders(drawn.chain.def().values.size(), kRows);
  for (size_t i = 0; i < drawn.steps.size(); ++i) {
    const Step& step = drawn.steps[i];
    orders[static_cast<size_t>(step.y)] = step.kind == Step::kFixed ? step.order
                                          : (choice >> i & 1) != 0  ? kChannels
                                                                    : kRows;
  }
  return cost_of(drawn, [&](ValueId id) { return orders[static_cast<size_t>(id)]; });
}

// The pass looks at an op and its neighbours, so it misses what only several ops together gain.
void test_random_programs() {
  constexpr size_t kPrograms = 3000;
  for (const bool joins : {false, true}) {
    std::mt19937 random(11);
    size_t least = 0;
    uint64_t sum = 0;
    uint64_t least_sum = 0;
    for (size_t i = 0; i < kPrograms; ++i) {
      const Random drawn = random_program(random, joins);
      const Decided decided(drawn.chain);
      const uint64_t cost = cost_of(drawn, [&](ValueId id) { return decided.values.order(id); });
      const uint64_t row_major = cost_of_choice(drawn, 0);
      uint64_t best = row_major;
      for (uint32_t choice = 1; choice < 1u << drawn.steps.size(); ++choice) {
        best = std::min(best, cost_of_choice(drawn, choice));
      }
      expect(cost <= row_major, "no more than with all that may be row-major");
      least += cost == best ? 1 : 0;
      sum += cost;
      least_sum += best;
    }
    expect(least * 100 >= kPrograms * 98, "the least for 98 programs of 100");
    expect(sum * 100 <= least_sum * 102, "within 2 % of the least in all");
  }
}

// One tensor with many readers, and readers of many tensors: a look at all of them for each would
// take minutes.
void test_large_programs() {
  constexpr int kCalls = 30000;
  Chain chain;
  const ValueId x = chain.permute(chain.input(kNHWC), {0, 3, 1, 2});
  std::vector<ValueId> parts;
  for (int i = 0; i < kCalls; ++i) {
    parts.push_back(chain.permute(x, {0, 2, 3, 1}));
  }
  Sizes dims = kNHWC;
  dims[0] *= kCalls;
  chain.output(chain.call("aten.cat.default",
                          {chain.value(ValueList{parts}), chain.value(int64_t{0})}, dims));
  const Decided decided(chain);
  expect_orders(decided, {x}, kChannels, "30,000 readers");
  expect_copied(decided, 0, 0, "30,000 readers");
}

// An op whose row declares nothing is never given anything but row-major tensors.
void test_check() {
  Chain chain;
  chain.output(chain.flatten(chain.input(kNCHW)));
  Values values(chain.def().values, chain.def().constants);
  const Program program = read_program(values, chain.def());
  check_orders(values, program.calls[0]);
  values.set_order(0, kChannels);
  expect_error(ErrorCode::kInternal, "aten.view_copy.default: reads value 0 in an order",
               [&] { check_orders(values, program.calls[0]); });

  Chain writes;
  writes.output(writes.channels_last(writes.input(kNCHW)));
  Values others(writes.def().values, writes.def().constants);
  const Program other = read_program(others, writes.def());
  others.set_order(0, kChannels);
  expect_error(ErrorCode::kInternal, "test.channels_last: writes value 1 in an order",
               [&] { check_orders(others, other.calls[0]); });
}

}  // namespace

int main() {
  try {
    register_order_ops();
    test_strides();
    test_row_major_programs();
    test_elementwise();
    test_smallest_copy();
    test_shared_copy();
    test_inputs_and_constants();
    test_broadcasting();
    test_one_element();
    test_permutes();
    test_views();
    test_moves();
    test_ranks();
    test_random_programs();
    test_large_programs();
    test_check();
  } catch (const std::exception& error) {
    expect(false, std::string("unexpected: ") + error.what());
  }
  return report_checks();
}
