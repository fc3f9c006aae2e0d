// Ops that set one tensor into another, or into numbers: constant_pad_nd and slice_scatter, of any
// type with elements of one or four bytes.
#include "graph/ops/impl/moves/Inset.h"

#include <algorithm>
#include <functional>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/elementwise/Creation.h"
#include "graph/ops/impl/moves/StridedCopy.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// One dimension of y, and where x is along it: at start, start + step, ..., `length` of them.
struct Span {
  int64_t size = 0;
  int64_t x_stride = 0;
  int64_t start = 0;
  int64_t length = 0;
  int64_t step = 1;

  bool is_whole() const { return start == 0 && length == size && step == 1; }
};

struct InsetCall {
  std::string op;
  ValueId x = -1;
  ValueId base = -1;  // -1: numbers
  ValueId y = -1;
  uint32_t value = 0;
};

// The same steps with the fewest loops, at least one.
std::vector<Span> merge_spans(const InsetCall& call, const std::vector<Span>& spans) {
  std::vector<Span> merged;
  for (const Span& span : spans) {
    if (span.size == 1 && span.is_whole()) {
      continue;
    }
    Span* outer = merged.empty() ? nullptr : &merged.back();
    if (outer != nullptr && outer->step == 1 && span.is_whole() &&
        outer->x_stride == span.x_stride * span.size) {
      *outer = {outer->size * span.size, span.x_stride, outer->start * span.size,
                outer->length * span.size, 1};
    } else {
      merged.push_back(span);
    }
  }
  if (merged.empty()) {
    merged.push_back({1, 1, 0, 1, 1});
  }
  ETVK_CHECK(merged.size() <= kMaxInsetLoops, kNotSupported,
             call.op << ": " << merged.size() << " dimensions that cannot be merged, the limit is "
                     << kMaxInsetLoops);
  return merged;
}

// Whether y's neighbours are x's, `by` at a time, or none of them is in x.
bool divides(const std::vector<Span>& spans, int64_t by) {
  const Span& inner = spans.back();
  int64_t all = inner.size | inner.start | inner.length;
  for (size_t i = 0; i + 1 < spans.size(); ++i) {
    all |= spans[i].x_stride;
  }
  return inner.x_stride == 1 && inner.step == 1 && all % by == 0;  // `by` is a power of two
}

void divide(std::vector<Span>& spans, int64_t by) {
  for (size_t i = 0; i + 1 < spans.size(); ++i) {
    spans[i].x_stride /= by;
  }
  Span& inner = spans.back();
  inner.size /= by;
  inner.start /= by;
  inner.length /= by;
}

InsetPush push_of(const std::vector<Span>& spans) {
  InsetPush push{};
  for (size_t i = 0; i < spans.size(); ++i) {
    const Span& span = spans[i];
    if (i > 0) {
      push.sizes[i - 1] = static_cast<uint32_t>(span.size);
    }
    push.x_strides[i] = static_cast<uint32_t>(span.x_stride);
    push.starts[i] = static_cast<uint32_t>(span.start);
    push.lengths[i] = static_cast<uint32_t>(span.length);
    push.steps[i] = static_cast<uint32_t>(span.step);
  }
  return push;
}

// Whether x is whole rows of y: without gaps along the one dimension that it has not all of.
bool is_rows(const std::vector<Span>& spans) {
  const auto parts =
      std::count_if(spans.begin(), spans.end(), [](const Span& span) { return !span.is_whole(); });
  return parts <= 1 &&
         std::all_of(spans.begin(), spans.end(), [](const Span& span) { return span.step == 1; });
}

// Where y is in the memory of what it is set into, only x is written.
void dispatch_rows(ComputeGraph& graph, Commands& commands, const InsetCall& call,
                   const std::vector<Span>& spans) {
  Target target{1, 1, 0};
  for (size_t dim = 0; dim < spans.size(); ++dim) {
    const int64_t stride = graph.strides(call.y)[dim];
    if (!spans[dim].is_whole()) {
      target = {spans[dim].length * stride, spans[dim].size * stride, spans[dim].start * stride};
    }
  }
  const bool is_whole =
      std::all_of(spans.begin(), spans.end(), [](const Span& span) { return span.is_whole(); });
  const int64_t count = graph.numel(call.x);
  dispatch_copy(graph, commands, call.op, call.x, call.y, whole(graph, call.x),
                is_whole ? Target{count, count, 0} : target);
}

// `spans`: of the dimensions of y.
void record_inset(ComputeGraph& graph, Commands& commands, const InsetCall& call,
                  const std::vector<Span>& spans) {
  Sizes sizes;
  for (const Span& span : spans) {
    sizes.push_back(span.size);
  }
  graph.set_sizes(call.y, sizes);
  const uint32_t count = element_count(graph, call.op, call.y);
  const uint32_t x_count = element_count(graph, call.op, call.x);
  if (count == 0) {
    return;
  }
  if (call.base >= 0 && graph.is_overwritten(call.base, call.y) && is_rows(spans)) {
    dispatch_rows(graph, commands, call, spans);
    return;
  }
  std::vector<Span> nested;
  for (size_t dim : graph.memory_dims(call.y)) {
    nested.push_back(spans[dim]);
  }
  std::vector<Span> loops = merge_spans(call, nested);
  for (const Span& loop : loops) {
    for (int64_t number : {loop.size, loop.start, -loop.start, loop.length}) {
      ETVK_CHECK(number <= INT32_MAX, kNotSupported,
                 call.op << ": dimensions of " << number << " elements, the limit is 2^31 - 1");
    }
  }
  const auto element_bytes = static_cast<int64_t>(dtype_bytes(graph.dtype(call.y)));
  int64_t by = 1;
  const char* kernels = element_bytes == 4 ? "inset_words" : "inset_bytes";
  if (divides(loops, 16 / element_bytes) && has_kernel(graph.caps(), "inset_groups")) {
    kernels = "inset_groups";
    by = 16 / element_bytes;
  } else if (element_bytes == 1 && divides(loops, 4) && has_kernel(graph.caps(), "inset_words")) {
    kernels = "inset_words";
    by = 4;
  }
  divide(loops, by);
  InsetPush push = push_of(loops);
  push.count = static_cast<uint32_t>(count / by);
  push.value = call.value;
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), {{kernels, push.count}});
  // An x without elements is bound, but not read.
  const Binding y = bind_elements(graph, call.y, count);
  const Binding x = x_count == 0 ? y : bind_elements(graph, call.x, x_count);
  const Binding base = call.base < 0 ? x : bind_elements(graph, call.base, count);
  const auto rank = static_cast<uint32_t>(loops.size());
  commands.dispatch(graph.context().pipelines.get(row, {rank, call.base < 0 ? 0u : 1u}),
                    {y, x, base}, push, elementwise_grid(row, graph.caps(), push.count));
}

void add_inset(ComputeGraph& graph, const InsetCall& call,
               const std::function<std::vector<Span>()>& describe) {
  check_movable(graph, call.op, call.x, call.y);
  const auto record = [&graph, call, describe](Commands& commands) {
    record_inset(graph, commands, call, describe());
  };
  std::vector<ValueId> reads = {call.x};
  std::vector<ValueId> overwrites;
  if (call.base >= 0) {
    reads.push_back(call.base);
    overwrites.push_back(call.base);
  }
  graph.add_node({call.op, reads, {call.y}, record, -1, overwrites});
}

// Numbers for the last dimensions come first: before and behind; negative ones cut off.
void pad(ComputeGraph& graph, const OpArgs& args) {
  InsetCall call{args.op(), args.tensor("self"), -1, args.output()};
  const DType dtype = graph.dtype(call.y);
  call.value = fill_bits(args, "value", args.scalar("value"), dtype);
  if (dtype_bytes(dtype) == 1) {
    call.value = (call.value & 0xff) * 0x01010101u;
  }
  add_inset(graph, call, [&graph, call, pads = args.symints("pad")] {
    const Sizes numbers = graph.integers(pads);
    const Sizes& sizes = graph.sizes(call.x);
    const size_t rank = sizes.size();
    ETVK_CHECK(numbers.size() % 2 == 0 && numbers.size() <= 2 * rank, kInvalidProgram,
               call.op << ": " << numbers.size() << " numbers for a tensor of shape "
                       << shape_text(sizes));
    const Sizes strides = graph.strides(call.x);
    std::vector<Span> spans;
    for (size_t dim = 0; dim < rank; ++dim) {
      const size_t at = 2 * (rank - 1 - dim);
      const bool is_padded = at < numbers.size();
      const int64_t before = is_padded ? numbers[at] : 0;
      const int64_t behind = is_padded ? numbers[at + 1] : 0;
      const int64_t size = sizes[dim] + before + behind;
      ETVK_CHECK(size >= 0, kInvalidProgram,
                 call.op << ": dim " << dim << " of size " << sizes[dim] << " is padded by "
                         << before << " and " << behind);
      spans.push_back({size, strides[dim], before, sizes[dim], 1});
    }
    return spans;
  });
}

// start and end may be None, negative, or beyond the tensor.
void slice_scatter(ComputeGraph& graph, const OpArgs& args) {
  const InsetCall call{args.op(), args.tensor("src"), args.tensor("self"), args.output()};
  check_movable(graph, call.op, call.base, call.y);
  const size_t dim = wrap_dim(call.op, args.integer("dim"), graph.dims(call.base).size());
  const ValueId start = args.optional_symint("start");
  const ValueId end = args.optional_symint("end");
  const ValueId step = args.symint("step");
  add_inset(graph, call, [&graph, call, dim, start, end, step] {
    const Sizes& sizes = graph.sizes(call.base);
    const Sizes& x_sizes = graph.sizes(call.x);
    const auto position = [&](ValueId id, int64_t absent) {
      const int64_t value = id < 0 ? absent : graph.integer(id);
      return std::clamp<int64_t>(value < 0 ? value + sizes[dim] : value, 0, sizes[dim]);
    };
    const int64_t by = graph.integer(step);
    ETVK_CHECK(by > 0, kInvalidProgram, call.op << ": step " << by << " must be positive");
    const int64_t first = position(start, 0);
    const int64_t reach = std::max<int64_t>(position(end, sizes[dim]) - first, 0);
    Sizes wanted = sizes;
    wanted[dim] = reach / by + (reach % by != 0 ? 1 : 0);
    ETVK_CHECK(wanted == x_sizes, kInvalidProgram,
               call.op << ": src must have shape " << shape_text(wanted) << ", got "
                       << shape_text(x_sizes));
    const Sizes strides = contiguous_strides(x_sizes);
    std::vector<Span> spans;
    for (size_t i = 0; i < sizes.size(); ++i) {
      spans.push_back({sizes[i], strides[i], 0, sizes[i], 1});
    }
    spans[dim].start = first;
    spans[dim].length = wanted[dim];
    spans[dim].step = std::min(by, std::max<int64_t>(sizes[dim], 1));
    return spans;
  });
}

const RegisterOps registered({
    {"aten.constant_pad_nd.default", "self:tensor@either pad:symints value:scalar y:out@either",
     pad},
    {"aten.slice_scatter.default",
     "self:tensor src:tensor dim:integer start:symint? end:symint? step:symint y:out",
     slice_scatter},
});

}  // namespace

}  // namespace etvk::ops
