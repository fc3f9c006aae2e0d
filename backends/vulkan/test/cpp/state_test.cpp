// State of programs: what it is after executions, whether it is written where it lies, and that an
// execution that fails leaves it alone. Plain checks; the last line counts them.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "Check.h"
#include "ExpectError.h"
#include "graph/ComputeGraph.h"
#include "vk/Context.h"

namespace {

using namespace etvk;
using namespace etvk::testing;

using Sizes = std::vector<int64_t>;
using Floats = std::vector<float>;

constexpr int64_t kPlaces = 6;
constexpr int64_t kWidth = 8;

class Draft {
 public:
  ValueId value(ValueDef def) {
    def_.values.push_back(std::move(def));
    return static_cast<ValueId>(def_.values.size() - 1);
  }
  ValueId tensor(const Sizes& dims, DType dtype = DType::kFloat32) {
    return value(TensorDef{dtype, dims, -1});
  }
  ValueId input(const Sizes& dims, DType dtype = DType::kFloat32) {
    def_.inputs.push_back(tensor(dims, dtype));
    return def_.inputs.back();
  }
  ValueId call(const std::string& op, std::vector<ValueId> args, const Sizes& dims) {
    args.push_back(tensor(dims));
    def_.chain.push_back({op, args});
    return args.back();
  }
  // [kPlaces, kWidth], all `start`.
  ValueId state(float start = 0.0f) {
    starts_.push_back(start);
    def_.constants.push_back({reinterpret_cast<const uint8_t*>(&starts_.back()), sizeof(float)});
    const auto constant = static_cast<int32_t>(def_.constants.size() - 1);
    const ValueId initial = value(TensorDef{DType::kFloat32, {1}, constant});
    return call("et_vk.state.default", {value(kSizes), initial}, kSizes);
  }
  ValueId assign(ValueId state, ValueId to) {
    return call("et_vk.assign_state.default", {state, to}, kSizes);
  }
  // Rows `index` of x become `rows`.
  ValueId put(ValueId x, ValueId index, ValueId rows) {
    return call("aten.index_put.default", {x, value(ValueList{{index}}), rows, value(false)},
                kSizes);
  }
  ValueId set_rows(ValueId x, ValueId rows, int64_t start, int64_t end) {
    return call("aten.slice_scatter.default",
                {x, rows, value(int64_t{0}), value(start), value(end), value(int64_t{1})}, kSizes);
  }
  ValueId add(ValueId x, ValueId y) {
    return call("aten.add.Tensor", {x, y, value(int64_t{1})}, kSizes);
  }
  void output(ValueId id) { def_.outputs.push_back(id); }
  const GraphDef& def() const { return def_; }

  static inline const Sizes kSizes{kPlaces, kWidth};

 private:
  GraphDef def_;
  std::deque<float> starts_;
};

template <typename T>
void set(ComputeGraph& graph, size_t input, const Sizes& sizes, const std::vector<T>& values) {
  graph.set_input_sizes(input, sizes);
  std::memcpy(graph.input_data(input), values.data(), values.size() * sizeof(T));
}

Floats output(ComputeGraph& graph, size_t index) {
  Floats values(kPlaces * kWidth);
  std::memcpy(values.data(), graph.output_data(index), values.size() * sizeof(float));
  return values;
}

Floats rows_of(const Floats& of_rows) {
  Floats values;
  for (float value : of_rows) {
    values.insert(values.end(), kWidth, value);
  }
  return values;
}

bool dispatches(const ComputeGraph& graph, const std::string& op) {
  return std::any_of(graph.kernels().begin(), graph.kernels().end(),
                     [&op](const std::string& name) { return name.rfind(op + "__", 0) == 0; });
}

// One row, then three of which two are the same place, one counted back, and one that is no place.
void test_rows_by_index(Context& context) {
  Draft draft;
  const ValueId index = draft.input({4}, DType::kInt32);
  const ValueId rows = draft.input({4, kWidth});
  const ValueId state = draft.state(9.0f);
  const ValueId next = draft.put(state, index, rows);
  draft.assign(state, next);
  draft.output(next);
  ComputeGraph graph(context, draft.def());
  expect(dispatches(graph, "put_groups") && !dispatches(graph, "scatter_groups"),
         "rows by index are written in place");
  set<int32_t>(graph, 0, {1}, {2});
  set(graph, 1, {1, kWidth}, rows_of({1}));
  graph.run();
  expect(graph.kernels().size() == 1, "one row by index is one dispatch");
  expect(output(graph, 0) == rows_of({9, 9, 1, 9, 9, 9}), "one row by index");
  set<int32_t>(graph, 0, {4}, {4, -1, 4, 6});
  set(graph, 1, {4, kWidth}, rows_of({2, 3, 4, 5}));
  graph.run();
  expect(output(graph, 0) == rows_of({9, 9, 1, 9, 4, 3}), "several rows by index, the last of two");
}

// A running sum and a running mean, each made where the state lies: nothing runs but kernels.
void test_elementwise_updates(Context& context) {
  for (const bool is_mean : {false, true}) {
    Draft draft;
    const ValueId x = draft.input(Draft::kSizes);
    const ValueId state = draft.state(2.0f);
    draft.output(draft.add(state, x));
    const ValueId half = draft.value(0.5);
    const ValueId sum = draft.add(x, state);
    draft.assign(state, is_mean ? draft.call("aten.mul.Scalar", {sum, half}, Draft::kSizes) : sum);
    ComputeGraph graph(context, draft.def());
    const std::string name = is_mean ? "a running mean" : "a running sum";
    float wanted = 2.0f;
    for (const float x : {1.0f, 5.0f, -3.0f}) {
      set(graph, 0, Draft::kSizes, Floats(kPlaces * kWidth, x));
      graph.run();
      expect(output(graph, 0) == Floats(kPlaces * kWidth, wanted + x), name);
      wanted = (wanted + x) * (is_mean ? 0.5f : 1.0f);
    }
    if (context.device.caps().has_timestamps()) {
      graph.run(true);
      expect(graph.op_times().size() == graph.kernels().size(), name + " is made in place");
    }
  }
}

// What is smaller than its bounds, and repeated, is not in the memory of what is made of it.
void test_update_by_what_is_repeated(Context& context) {
  Draft draft;
  const ValueId rows = draft.input(Draft::kSizes);
  const ValueId x = draft.input(Draft::kSizes);
  const ValueId state = draft.state();
  const ValueId positive = draft.call("aten.relu.default", {rows}, Draft::kSizes);
  const ValueId next = draft.add(positive, x);
  draft.assign(state, next);
  draft.output(next);
  ComputeGraph graph(context, draft.def());
  set(graph, 0, {1, kWidth}, rows_of({4}));
  set(graph, 1, Draft::kSizes, rows_of({1, 2, 3, 4, 5, 6}));
  graph.run();
  expect(output(graph, 0) == rows_of({5, 6, 7, 8, 9, 10}), "a row that is repeated");
}

// What a call before has left is read, by a view even, when the new state is made elsewhere.
void test_old_state_is_read_later(Context& context) {
  Draft draft;
  const ValueId index = draft.input({1}, DType::kInt32);
  const ValueId rows = draft.input({1, kWidth});
  const ValueId state = draft.state();
  const ValueId view =
      draft.call("aten.view_copy.default", {state, draft.value(Draft::kSizes)}, Draft::kSizes);
  const ValueId next = draft.put(state, index, rows);
  draft.assign(state, next);
  draft.output(draft.add(next, view));
  draft.output(state);
  ComputeGraph graph(context, draft.def());
  expect(!dispatches(graph, "put_groups"), "a state that is read later is not written in place");
  set<int32_t>(graph, 0, {1}, {0});
  set(graph, 1, {1, kWidth}, rows_of({1}));
  graph.run();
  expect(output(graph, 0) == rows_of({1, 0, 0, 0, 0, 0}), "new and old state added");
  expect(output(graph, 1) == rows_of({0, 0, 0, 0, 0, 0}), "the old state as an output");
  set<int32_t>(graph, 0, {1}, {3});
  set(graph, 1, {1, kWidth}, rows_of({1}));
  graph.run();
  expect(output(graph, 0) == rows_of({2, 0, 0, 1, 0, 0}), "new and old state added, once more");
  expect(output(graph, 1) == rows_of({1, 0, 0, 0, 0, 0}), "the old state as an output, once more");
}

// Two writes, one after the other, both where the state lies.
void test_chain_of_writes(Context& context) {
  Draft draft;
  const ValueId rows = draft.input({2, kWidth});
  const ValueId index = draft.input({1}, DType::kInt32);
  const ValueId row = draft.input({1, kWidth});
  const ValueId state = draft.state();
  const ValueId first = draft.set_rows(state, rows, 1, 3);
  const ValueId second = draft.put(first, index, row);
  draft.assign(state, second);
  draft.output(draft.add(second, second));
  ComputeGraph graph(context, draft.def());
  expect(dispatches(graph, "put_groups") && !dispatches(graph, "inset_groups"),
         "two writes in place");
  set(graph, 0, {2, kWidth}, rows_of({1, 2}));
  set<int32_t>(graph, 1, {1}, {2});
  set(graph, 2, {1, kWidth}, rows_of({5}));
  graph.run();
  expect(output(graph, 0) == rows_of({0, 2, 10, 0, 0, 0}), "two writes");
  set(graph, 0, {2, kWidth}, rows_of({1, 2}));
  set<int32_t>(graph, 1, {1}, {5});
  set(graph, 2, {1, kWidth}, rows_of({5}));
  graph.run();
  expect(output(graph, 0) == rows_of({0, 2, 4, 0, 0, 10}), "two writes, once more");
}

// Each becomes what the other was.
void test_exchange(Context& context) {
  Draft draft;
  const ValueId a = draft.state(1.0f);
  const ValueId b = draft.state(2.0f);
  draft.assign(a, b);
  draft.assign(b, a);
  draft.output(a);
  draft.output(b);
  ComputeGraph graph(context, draft.def());
  for (float first : {1.0f, 2.0f, 1.0f}) {
    graph.run();
    expect(output(graph, 0) == Floats(kPlaces * kWidth, first),
           "the first of two that change places");
    expect(output(graph, 1) == Floats(kPlaces * kWidth, 3.0f - first),
           "the second of two that change places");
  }
}

// A state that becomes an input, which the host writes before anything reads the old one.
void test_assigned_an_input(Context& context) {
  Draft draft;
  const ValueId x = draft.input(Draft::kSizes);
  const ValueId state = draft.state(1.0f);
  draft.assign(state, x);
  draft.output(draft.add(state, x));
  ComputeGraph graph(context, draft.def());
  set(graph, 0, Draft::kSizes, Floats(kPlaces * kWidth, 5.0f));
  graph.run();
  expect(output(graph, 0) == Floats(kPlaces * kWidth, 6.0f), "a state that becomes an input");
  set(graph, 0, Draft::kSizes, Floats(kPlaces * kWidth, 5.0f));
  graph.run();
  expect(output(graph, 0) == Floats(kPlaces * kWidth, 10.0f), "a state that was an input");
}

// Sizes that do not fit: nothing has run, so the state is what it was.
void test_failed_execution(Context& context) {
  Draft draft;
  const ValueId x = draft.input(Draft::kSizes);
  const ValueId state = draft.state();
  draft.assign(state, draft.add(state, x));
  draft.output(state);
  ComputeGraph graph(context, draft.def());
  set(graph, 0, Draft::kSizes, Floats(kPlaces * kWidth, 1.0f));
  graph.run();
  graph.set_input_sizes(0, {kPlaces - 1, kWidth});
  expect_error(ErrorCode::kInvalidArgument, "add", [&] { graph.run(); });
  set(graph, 0, Draft::kSizes, Floats(kPlaces * kWidth, 1.0f));
  graph.run();
  expect(output(graph, 0) == Floats(kPlaces * kWidth, 1.0f),
         "the state that a failed execution has left alone");
}

void test_wrong_programs(Context& context) {
  const auto refused = [&context](const char* message, auto&& change) {
    Draft draft;
    const ValueId state = draft.state();
    draft.output(state);
    change(draft, state);
    expect_error(ErrorCode::kInvalidProgram, message,
                 [&] { ComputeGraph graph(context, draft.def()); });
  };
  refused("assigned twice", [](Draft& draft, ValueId state) {
    draft.assign(state, draft.input(Draft::kSizes));
    draft.assign(state, draft.input(Draft::kSizes));
  });
  refused("no state", [](Draft& draft, ValueId) {
    const ValueId x = draft.input(Draft::kSizes);
    draft.assign(x, x);
  });
  refused("cannot become", [](Draft& draft, ValueId state) {
    const ValueId x = draft.input({kPlaces * kWidth});
    draft.call("et_vk.assign_state.default", {state, x}, {kPlaces * kWidth});
  });
}

}  // namespace

int main() {
  try {
    const std::shared_ptr<Context> shared = context_from_environment();
    Context& context = *shared;
    test_rows_by_index(context);
    test_elementwise_updates(context);
    test_update_by_what_is_repeated(context);
    test_old_state_is_read_later(context);
    test_chain_of_writes(context);
    test_exchange(context);
    test_assigned_an_input(context);
    test_failed_execution(context);
    test_wrong_programs(context);
  } catch (const std::exception& error) {
    expect(false, std::string("unexpected: ") + error.what());
  }
  return report_checks();
}
