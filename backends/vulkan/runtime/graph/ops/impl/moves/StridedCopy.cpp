#include "graph/ops/impl/moves/StridedCopy.h"

#include <algorithm>

#include "graph/ops/KernelSelect.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// The loops over the dimensions of y, nested as these are in memory.
Loops nested_as(const ComputeGraph& graph, ValueId y, const Region& region) {
  Loops loops{{}, {{}}};
  for (size_t dim : graph.memory_dims(y)) {
    loops.sizes.push_back(region.sizes[dim]);
    loops.strides[0].push_back(region.strides[dim]);
  }
  return loops;
}

// A copy, in units of one or more elements.
struct StridedCopy {
  Loops loops;
  int64_t x_offset = 0;
  Target target;
  int64_t count = 0;
};

// Whether it can be made `by` units at a time.
bool divides(const StridedCopy& copy, int64_t by) {
  const Sizes& strides = copy.loops.strides[0];
  const Target& target = copy.target;
  int64_t offsets =
      copy.x_offset | target.run | target.row_stride | target.offset | copy.loops.sizes.back();
  for (size_t i = 0; i + 1 < strides.size(); ++i) {
    offsets |= strides[i];
  }
  return strides.back() == 1 && offsets % by == 0;  // `by` is a power of two
}

StridedCopy divided(StridedCopy copy, int64_t by) {
  Sizes& strides = copy.loops.strides[0];
  for (size_t i = 0; i + 1 < strides.size(); ++i) {
    strides[i] /= by;
  }
  copy.loops.sizes.back() /= by;
  copy.x_offset /= by;
  copy.target = {copy.target.run / by, copy.target.row_stride / by, copy.target.offset / by};
  copy.count /= by;
  return copy;
}

// Where a dispatch ends in x and y, in elements.
struct CopyEnds {
  uint64_t x = 0;
  uint64_t y = 0;
};

void dispatch_strided(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId x,
                      ValueId y, const StridedCopy& copy, const CopyEnds& ends,
                      const KernelRow& row, bool bytes) {
  const Target& target = copy.target;
  // A row of bytes that starts inside a word touches one word more.
  const bool aligned = (target.row_stride | target.offset) % 4 == 0;
  const int64_t row_words = (target.run + (aligned ? 3 : 6)) / 4;
  const int64_t threads = bytes ? copy.count / target.run * row_words : copy.count;
  ETVK_CHECK(threads <= UINT32_MAX, kNotSupported,
             op << ": " << threads << " words to write, the limit is 2^32 - 1");

  CopyPush push{};
  push.count = static_cast<uint32_t>(copy.count);
  push.threads = static_cast<uint32_t>(threads);
  push.run = static_cast<uint32_t>(target.run);
  push.row_words = static_cast<uint32_t>(row_words);
  push.y_row_stride = static_cast<uint32_t>(target.row_stride);
  push.y_offset = static_cast<uint32_t>(target.offset);
  push.x_offset = static_cast<uint32_t>(copy.x_offset);
  const Loops& loops = copy.loops;
  std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
  std::copy(loops.strides[0].begin(), loops.strides[0].end(), push.x_strides);
  const auto rank = static_cast<uint32_t>(loops.sizes.size());
  commands.dispatch(graph.context().pipelines.get(row, {rank}),
                    {bind_elements(graph, y, ends.y), bind_elements(graph, x, ends.x)}, push,
                    elementwise_grid(row, graph.caps(), push.threads));
}

// ---- Transposes.

constexpr size_t kNoLoop = SIZE_MAX;
constexpr int64_t kLeastTransposed = 16;  // rows and columns; below, tiles would be mostly empty

// The loop that is innermost in x, where another one is in y and the copy fills y from its start
// on; both are long enough for tiles.
size_t transposed_loop(const StridedCopy& copy) {
  const Sizes& strides = copy.loops.strides[0];
  const Sizes& sizes = copy.loops.sizes;
  const bool fills = copy.target.run == copy.count && copy.target.offset == 0;
  const auto is_backwards = [](int64_t stride) { return stride < 0; };
  if (!fills || std::any_of(strides.begin(), strides.end(), is_backwards) || strides.back() == 1 ||
      sizes.back() < kLeastTransposed) {
    return kNoLoop;
  }
  for (size_t i = 0; i + 1 < strides.size(); ++i) {
    if (strides[i] == 1 && sizes[i] >= kLeastTransposed) {
      return i;
    }
  }
  return kNoLoop;
}

void dispatch_transpose(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId x,
                        ValueId y, const StridedCopy& copy, const CopyEnds& ends,
                        const KernelRow& row) {
  const Sizes& sizes = copy.loops.sizes;
  const Sizes& x_strides = copy.loops.strides[0];
  const Sizes y_strides = contiguous_strides(sizes);
  const size_t r = transposed_loop(copy);
  const size_t elements_of_word = 4 / dtype_bytes(graph.dtype(y));
  TransposePush push{};
  push.rows = static_cast<uint32_t>(sizes[r]);
  push.columns = static_cast<uint32_t>(sizes.back());
  push.row_tiles = (push.rows + row.tile_m - 1) / row.tile_m;
  push.column_tiles = (push.columns + row.tile_n - 1) / row.tile_n;
  push.x_stride = static_cast<uint32_t>(x_strides.back());
  push.y_stride = static_cast<uint32_t>(y_strides[r]);
  push.x_offset = static_cast<uint32_t>(copy.x_offset);
  push.last_word = static_cast<uint32_t>((ends.x - 1) / elements_of_word);
  int64_t offsets = copy.x_offset | sizes[r] | sizes.back() | x_strides.back();
  uint64_t tiles = uint64_t{push.row_tiles} * push.column_tiles;
  uint32_t batch = 0;
  for (size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (i == r) {
      continue;
    }
    if (batch > 0) {
      push.batch_sizes[batch - 1] = static_cast<uint32_t>(sizes[i]);
    }
    push.x_batch_strides[batch] = static_cast<uint32_t>(x_strides[i]);
    push.y_batch_strides[batch] = static_cast<uint32_t>(y_strides[i]);
    offsets |= x_strides[i];
    tiles *= static_cast<uint64_t>(sizes[i]);
    ++batch;
  }
  // Each tile holds an element at least.
  ETVK_CHECK(tiles <= UINT32_MAX, kInternal, op << ": " << tiles << " tiles");
  push.tiles = static_cast<uint32_t>(tiles);
  const uint32_t aligned = offsets % 4 == 0 ? 1 : 0;
  commands.dispatch(graph.context().pipelines.get(row, {batch, aligned}),
                    {bind_elements(graph, y, ends.y), bind_elements(graph, x, ends.x)}, push,
                    {std::min(push.tiles, graph.caps().max_workgroup_count), 1, 1});
}

// ---- What can make the copy.

// Ops of the kernel table.
constexpr const char* kBytes = "strided_copy_bytes";
constexpr const char* kWords = "strided_copy_words";
constexpr const char* kGroups = "strided_copy_groups";

}  // namespace

Region whole(const ComputeGraph& graph, ValueId x) { return {graph.sizes(x), graph.strides(x), 0}; }

void check_movable(const ComputeGraph& graph, const std::string& op, ValueId x, ValueId y) {
  const size_t bytes = dtype_bytes(graph.dtype(x));
  ETVK_CHECK(graph.dtype(x) == graph.dtype(y) && (bytes == 1 || bytes == 4), kInvalidProgram,
             op << ": expected one type with elements of 1 or 4 bytes, got "
                << dtype_name(graph.dtype(x)) << " to " << dtype_name(graph.dtype(y)));
}

void dispatch_copy(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId x,
                   ValueId y, const Region& region, Target target) {
  dispatch_nest(graph, commands, op, x, y, nested_as(graph, y, region), region.offset, target);
}

void dispatch_nest(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId x,
                   ValueId y, const Loops& loops, int64_t x_offset, Target target) {
  int64_t count = 1;
  for (int64_t size : loops.sizes) {
    count *= size;
  }
  if (count == 0) {
    return;
  }
  element_count(graph, op, x);
  element_count(graph, op, y);
  ETVK_CHECK(target.run > 0 && count % target.run == 0, kInternal,
             op << ": " << count << " elements in rows of " << target.run);
  const StridedCopy elements{merge_loops(op, loops), x_offset, target, count};
  const int64_t rows = count / target.run;
  const CopyEnds ends{
      static_cast<uint64_t>(x_offset) + element_end(elements.loops, 0),
      static_cast<uint64_t>(target.offset + (rows - 1) * target.row_stride + target.run)};

  const auto element_bytes = static_cast<int64_t>(dtype_bytes(graph.dtype(y)));
  const bool in_words =
      element_bytes == 4 || (divides(elements, 4) && has_kernel(graph.caps(), kWords));
  const int64_t of_word = 4 / element_bytes;
  const int64_t of_group = 16 / element_bytes;
  std::vector<ElementwiseWork> works = {
      {in_words ? kWords : kBytes, static_cast<uint64_t>(in_words ? count / of_word : count)}};
  if (divides(elements, of_group)) {
    works.push_back({kGroups, static_cast<uint64_t>(count / of_group)});
  }
  if (transposed_loop(elements) != kNoLoop) {
    works.push_back(
        {element_bytes == 4 ? "transpose_words" : "transpose_bytes", static_cast<uint64_t>(count)});
  }
  const KernelRow& row = choose_elementwise_kernel(graph.caps(), works);
  if (row.path == KernelPath::kTranspose) {
    dispatch_transpose(graph, commands, op, x, y, elements, ends, row);
    return;
  }
  const bool bytes = row.op == std::string(kBytes);
  const int64_t by = bytes ? 1 : row.op == std::string(kGroups) ? of_group : of_word;
  dispatch_strided(graph, commands, op, x, y, divided(elements, by), ends, row, bytes);
}

void add_copy(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
              const std::function<Region()>& describe) {
  check_movable(graph, op, x, y);
  const auto record = [&graph, op, x, y, describe](Commands& commands) {
    const Region region = describe();
    graph.set_sizes(y, region.sizes);
    const int64_t count = graph.numel(y);
    dispatch_copy(graph, commands, op, x, y, region, {count, count, 0});
  };
  graph.add_node({op, {x}, {y}, record});
}

}  // namespace etvk::ops
