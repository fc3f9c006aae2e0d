// Ops that move elements and compute nothing: permute, transpose, slice, select, expand and cat, of
// any type with elements of one or four bytes. Each is described as a source region (offset and
// strides in x for the dimensions of y) and copied by one shader. Sizes and symbolic arguments are
// read when the program is recorded.
#include <algorithm>

#include "Kernels.h"
#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Loops.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// ---- What is copied.

// Elements of x for the dimensions of what is written.
struct Region {
  Sizes sizes;
  Sizes strides;
  int64_t offset = 0;
};

Region whole(const ComputeGraph& graph, ValueId x) {
  return {graph.sizes(x), contiguous_strides(graph.sizes(x)), 0};
}

// Where it goes in y: rows of `run` neighbours.
struct Target {
  int64_t run = 0;
  int64_t row_stride = 0;
  int64_t offset = 0;
};

// ---- Dispatch.

struct CopyPush {
  uint32_t count, threads, run, row_words, y_row_stride, y_offset, x_offset;
  uint32_t sizes[kMaxLoops - 1];
  uint32_t x_strides[kMaxLoops];
};

// Whether bytes can be moved four at a time.
bool moves_whole_words(const Loops& loops, int64_t x_offset, const Target& target) {
  const Sizes& strides = loops.strides[0];
  int64_t offsets = x_offset | target.run | target.row_stride | target.offset | loops.sizes.back();
  for (size_t i = 0; i + 1 < strides.size(); ++i) {
    offsets |= strides[i];
  }
  return strides.back() == 1 && offsets % 4 == 0;
}

void in_words(Loops& loops, int64_t& x_offset, Target& target) {
  Sizes& strides = loops.strides[0];
  for (size_t i = 0; i + 1 < strides.size(); ++i) {
    strides[i] /= 4;
  }
  loops.sizes.back() /= 4;
  x_offset /= 4;
  target = {target.run / 4, target.row_stride / 4, target.offset / 4};
}

void dispatch_copy(ComputeGraph& graph, Commands& commands, const std::string& op, ValueId x,
                   ValueId y, const Region& region, Target target) {
  int64_t count = 1;
  for (int64_t size : region.sizes) {
    count *= size;
  }
  if (count == 0) {
    return;
  }
  element_count(graph, op, x);
  element_count(graph, op, y);
  ETVK_CHECK(target.run > 0 && count % target.run == 0, kInternal,
             op << ": " << count << " elements in rows of " << target.run);
  // In elements, whatever unit they are moved in.
  const int64_t rows = count / target.run;
  const auto y_end =
      static_cast<uint64_t>(target.offset + (rows - 1) * target.row_stride + target.run);
  Loops loops = merge_loops(op, {region.sizes, {region.strides}});
  const uint64_t x_end = static_cast<uint64_t>(region.offset) + element_end(loops, 0);
  int64_t x_offset = region.offset;
  bool words = dtype_bytes(graph.dtype(y)) == 4;
  if (!words && moves_whole_words(loops, x_offset, target)) {
    in_words(loops, x_offset, target);
    count /= 4;
    words = true;
  }
  // A row of bytes that starts inside a word touches one word more.
  const bool aligned = (target.row_stride | target.offset) % 4 == 0;
  const int64_t row_words = (target.run + (aligned ? 3 : 6)) / 4;
  const int64_t threads = words ? count : count / target.run * row_words;
  ETVK_CHECK(threads <= UINT32_MAX, kNotSupported,
             op << ": " << threads << " words to write, the limit is 2^32 - 1");

  CopyPush push{};
  push.count = static_cast<uint32_t>(count);
  push.threads = static_cast<uint32_t>(threads);
  push.run = static_cast<uint32_t>(target.run);
  push.row_words = static_cast<uint32_t>(row_words);
  push.y_row_stride = static_cast<uint32_t>(target.row_stride);
  push.y_offset = static_cast<uint32_t>(target.offset);
  push.x_offset = static_cast<uint32_t>(x_offset);
  std::copy(loops.sizes.begin() + 1, loops.sizes.end(), push.sizes);
  std::copy(loops.strides[0].begin(), loops.strides[0].end(), push.x_strides);
  const KernelRow& row =
      kernel_row(words ? KernelId::strided_copy_words__elementwise__m1n64k1__wg64
                       : KernelId::strided_copy_bytes__elementwise__m1n64k1__wg64);
  const auto rank = static_cast<uint32_t>(loops.sizes.size());
  commands.dispatch(graph.context().pipelines.get(row, {rank}),
                    {bind_elements(graph, y, y_end), bind_elements(graph, x, x_end)}, push,
                    elementwise_grid(row, graph.caps(), push.threads));
}

// ---- Nodes.

void check_types(const ComputeGraph& graph, const std::string& op, ValueId x, ValueId y) {
  const size_t bytes = dtype_bytes(graph.dtype(x));
  ETVK_CHECK(graph.dtype(x) == graph.dtype(y) && (bytes == 1 || bytes == 4), kInvalidProgram,
             op << ": expected one type with elements of 1 or 4 bytes, got "
                << dtype_name(graph.dtype(x)) << " to " << dtype_name(graph.dtype(y)));
}

// y becomes the region of x that `describe` gives for x's current sizes.
void add_copy(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
              const std::function<Region()>& describe) {
  check_types(graph, op, x, y);
  const auto record = [&graph, op, x, y, describe](Commands& commands) {
    const Region region = describe();
    graph.set_sizes(y, region.sizes);
    const int64_t count = graph.numel(y);
    dispatch_copy(graph, commands, op, x, y, region, {count, count, 0});
  };
  graph.add_node({op, {x}, {y}, record});
}

void add_permute(ComputeGraph& graph, const std::string& op, ValueId x, ValueId y,
                 const std::vector<size_t>& dims) {
  add_copy(graph, op, x, y, [&graph, x, dims] {
    const Region from = whole(graph, x);
    Region region;
    for (size_t dim : dims) {
      region.sizes.push_back(from.sizes[dim]);
      region.strides.push_back(from.strides[dim]);
    }
    return region;
  });
}

void permute(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.tensor("self");
  const Sizes listed = args.integers("dims");
  const ValueId y = args.output();
  const size_t rank = graph.dims(x).size();
  std::vector<size_t> dims;
  for (int64_t dim : listed) {
    dims.push_back(wrap_dim(args.op(), dim, rank));
  }
  std::vector<size_t> sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  const bool each_once = std::unique(sorted.begin(), sorted.end()) == sorted.end();
  ETVK_CHECK(each_once && dims.size() == rank, kInvalidProgram,
             args.op() << ": dims " << shape_text(listed) << " do not name each of " << rank
                       << " dimensions once");
  add_permute(graph, args.op(), x, y, dims);
}

void transpose(ComputeGraph& graph, const OpArgs& args) {
  const ValueId x = args.tensor("self");
  const size_t rank = graph.dims(x).size();
  const size_t dim0 = wrap_dim(args.op(), args.integer("dim0"), rank);
  const size_t dim1 = wrap_dim(args.op(), args.integer("dim1"), rank);
  const ValueId y = args.output();
  std::vector<size_t> dims;
  for (size_t i = 0; i < rank; ++i) {
    dims.push_back(i == dim0 ? dim1 : i == dim1 ? dim0 : i);
  }
  add_permute(graph, args.op(), x, y, dims);
}

// start and end may be None, negative, or beyond the tensor.
void slice(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  const size_t dim = wrap_dim(op, args.integer("dim"), graph.dims(x).size());
  const ValueId start = args.optional_symint("start");
  const ValueId end = args.optional_symint("end");
  const ValueId step = args.symint("step");
  const ValueId y = args.output();
  add_copy(graph, op, x, y, [&graph, op, x, dim, start, end, step] {
    Region region = whole(graph, x);
    const int64_t size = region.sizes[dim];
    const auto position = [&](ValueId id, int64_t absent) {
      const int64_t value = id < 0 ? absent : graph.integer(id);
      return std::clamp<int64_t>(value < 0 ? value + size : value, 0, size);
    };
    const int64_t first = position(start, 0);
    const int64_t length = std::max<int64_t>(position(end, size) - first, 0);
    const int64_t by = graph.integer(step);
    ETVK_CHECK(by > 0, kInvalidProgram, op << ": step " << by << " must be positive");
    region.offset = first * region.strides[dim];
    region.sizes[dim] = length / by + (length % by != 0 ? 1 : 0);
    region.strides[dim] *= std::min(by, std::max<int64_t>(size, 1));
    return region;
  });
}

void select(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  const size_t dim = wrap_dim(op, args.integer("dim"), graph.dims(x).size());
  const ValueId index = args.symint("index");
  const ValueId y = args.output();
  add_copy(graph, op, x, y, [&graph, op, x, dim, index] {
    Region region = whole(graph, x);
    const int64_t size = region.sizes[dim];
    const int64_t at = graph.integer(index);
    ETVK_CHECK(-size <= at && at < size, kInvalidProgram,
               op << ": index " << at << " is outside dim " << dim << " of size " << size);
    region.offset = (at < 0 ? at + size : at) * region.strides[dim];
    region.sizes.erase(region.sizes.begin() + static_cast<int64_t>(dim));
    region.strides.erase(region.strides.begin() + static_cast<int64_t>(dim));
    return region;
  });
}

void expand(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const ValueId x = args.tensor("self");
  const ValueId size = args.symints("size");
  const ValueId y = args.output();
  add_copy(graph, op, x, y, [&graph, op, x, size] {
    const Region from = whole(graph, x);
    Region region;
    region.sizes = graph.integers(size);
    const size_t added = region.sizes.size() - from.sizes.size();
    ETVK_CHECK(
        region.sizes.size() >= from.sizes.size(), kInvalidProgram,
        op << ": " << shape_text(from.sizes) << " cannot become " << shape_text(region.sizes));
    region.strides.assign(region.sizes.size(), 0);
    for (size_t i = 0; i < from.sizes.size(); ++i) {
      int64_t& wanted = region.sizes[added + i];
      wanted = wanted == -1 ? from.sizes[i] : wanted;
      ETVK_CHECK(
          wanted == from.sizes[i] || from.sizes[i] == 1, kInvalidProgram,
          op << ": size " << from.sizes[i] << " of dim " << i << " cannot become " << wanted);
      region.strides[added + i] = from.sizes[i] == 1 ? 0 : from.strides[i];
    }
    return region;
  });
}

// Each part is copied into rows of y, one behind the other.
void cat(ComputeGraph& graph, const OpArgs& args) {
  const std::string op = args.op();
  const std::vector<ValueId> parts = args.tensors("tensors");
  const int64_t listed_dim = args.integer("dim");
  const ValueId y = args.output();
  const size_t rank = graph.dims(y).size();
  const size_t dim = wrap_dim(op, listed_dim, rank);
  for (ValueId part : parts) {
    check_types(graph, op, part, y);
    ETVK_CHECK(
        graph.dims(part).size() == rank, kInvalidProgram,
        op << ": a part of rank " << graph.dims(part).size() << ", the output has rank " << rank);
  }
  const auto record = [&graph, op, parts, dim, y](Commands& commands) {
    Sizes sizes = graph.sizes(parts[0]);
    sizes[dim] = 0;
    for (ValueId part : parts) {
      Sizes others = graph.sizes(part);
      const int64_t length = std::exchange(others[dim], sizes[dim]);
      ETVK_CHECK(others == sizes, kInvalidProgram,
                 op << ": parts of shapes " << shape_text(graph.sizes(parts[0])) << " and "
                    << shape_text(graph.sizes(part)) << " along dim " << dim);
      sizes[dim] += length;
    }
    graph.set_sizes(y, sizes);
    const int64_t inner = contiguous_strides(sizes)[dim];
    Target target{0, sizes[dim] * inner, 0};
    for (ValueId part : parts) {
      target.run = graph.sizes(part)[dim] * inner;
      dispatch_copy(graph, commands, op, part, y, whole(graph, part), target);
      target.offset += target.run;
    }
  };
  graph.add_node({op, parts, {y}, record});
}

const RegisterOps registered({
    {"aten.permute_copy.default", "self:tensor dims:integers y:out", permute},
    {"aten.transpose_copy.int", "self:tensor dim0:integer dim1:integer y:out", transpose},
    {"aten.slice_copy.Tensor",
     "self:tensor dim:integer start:symint? end:symint? step:symint y:out", slice},
    {"aten.select_copy.int", "self:tensor dim:integer index:symint y:out", select},
    {"aten.expand_copy.default", "self:tensor size:symints implicit:any y:out", expand},
    {"aten.cat.default", "tensors:tensors dim:integer y:out", cat},
});

}  // namespace

}  // namespace etvk::ops
