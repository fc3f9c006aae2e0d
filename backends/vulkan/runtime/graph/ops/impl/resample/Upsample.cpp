// Resizing of images: upsample_nearest2d of any type with elements of one or four bytes, and
// upsample_bilinear2d of float32 or, as et_vk.q8ta_upsample_bilinear2d, from int8 to int8. The
// numbers are PyTorch's (upsample.comp), in the order of y, which x has as well.
#include "graph/ops/impl/resample/Upsample.h"

#include <cmath>

#include "graph/ComputeGraph.h"
#include "graph/ops/KernelSelect.h"
#include "graph/ops/impl/Grid.h"
#include "graph/ops/impl/Loops.h"
#include "graph/ops/impl/moves/StridedCopy.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

struct Resize {
  std::string op;
  ValueId x = -1;
  ValueId y = -1;
  ValueId output_size = -1;     // -1: by the factors
  std::vector<double> factors;  // of height and width; none: by the sizes
  bool is_linear = false;
  bool align_corners = false;
  UpsamplePush push{};
};

Resize read_arguments(const ComputeGraph& graph, const OpArgs& args, bool is_linear) {
  Resize resize;
  resize.op = args.op();
  resize.x = args.tensor("input");
  resize.y = args.output();
  resize.output_size = args.optional_symints("output_size");
  resize.factors = args.optional_numbers("scale_factors");
  resize.is_linear = is_linear;
  resize.align_corners = is_linear && args.boolean("align_corners");
  ETVK_CHECK(graph.dims(resize.x).size() == 4 && graph.dims(resize.y).size() == 4, kInvalidProgram,
             resize.op << ": input and output must have 4 dimensions, got "
                       << shape_text(graph.dims(resize.x)) << " and "
                       << shape_text(graph.dims(resize.y)));
  ETVK_CHECK(resize.factors.empty() || resize.factors.size() == 2, kInvalidProgram,
             resize.op << ": " << resize.factors.size() << " scale factors, expected 2");
  for (double factor : resize.factors) {
    ETVK_CHECK(factor > 0.0 && std::isnormal(static_cast<float>(1.0 / factor)), kInvalidProgram,
               resize.op << ": scale factor " << factor
                         << " must be positive, and its inverse a normal float32");
  }
  ETVK_CHECK((resize.output_size < 0) != resize.factors.empty(), kInvalidProgram,
             resize.op << ": needs either an output size or scale factors");
  return resize;
}

// Of height (0) or width (1), for x's current ones.
int64_t resized(const ComputeGraph& graph, const Resize& resize, size_t axis, int64_t size) {
  if (resize.output_size >= 0) {
    const Sizes sizes = graph.integers(resize.output_size);
    ETVK_CHECK(sizes.size() == 2, kInvalidProgram,
               resize.op << ": an output size of " << sizes.size() << " numbers, expected 2");
    return sizes[axis];
  }
  const double to = std::trunc(static_cast<double>(size) * resize.factors[axis]);
  return to < 0x1p31 ? static_cast<int64_t>(to) : INT64_MAX;
}

// How far one row of y is in rows of x, as PyTorch has it, which goes by the sizes alone where
// these are the same, and in its nearest resize where there are twice as many.
float scale_of(const Resize& resize, size_t axis, int64_t from, int64_t to) {
  if (to == from) {
    return 1.0f;
  }
  if (resize.align_corners) {
    return to > 1 ? static_cast<float>(from - 1) / static_cast<float>(to - 1) : 0.0f;
  }
  if (!resize.is_linear && to == 2 * from) {
    return 0.5f;
  }
  return resize.factors.empty() ? static_cast<float>(from) / static_cast<float>(to)
                                : static_cast<float>(1.0 / resize.factors[axis]);
}

void dispatch_resize(ComputeGraph& graph, Commands& commands, const Resize& resize) {
  const Sizes from = graph.sizes(resize.x);
  Sizes to = from;
  for (size_t axis : {0, 1}) {
    to[2 + axis] = resized(graph, resize, axis, from[2 + axis]);
    ETVK_CHECK(from[2 + axis] > 0 && to[2 + axis] > 0, kInvalidProgram,
               resize.op << ": " << shape_text(from) << " cannot be resized to " << shape_text(to));
  }
  graph.set_sizes(resize.y, to);
  UpsamplePush push = resize.push;
  push.count = element_count(graph, resize.op, resize.y);
  if (push.count == 0) {
    return;
  }
  const uint32_t x_count = element_count(graph, resize.op, resize.x);
  const bool channels_last = graph.values().order(resize.y) == Order::kChannelsLast;
  push.inner = channels_last ? static_cast<uint32_t>(to[1]) : 1;
  push.x_height = static_cast<uint32_t>(from[2]);
  push.x_width = static_cast<uint32_t>(from[3]);
  push.y_height = static_cast<uint32_t>(to[2]);
  push.y_width = static_cast<uint32_t>(to[3]);
  push.scale_height = scale_of(resize, 0, from[2], to[2]);
  push.scale_width = scale_of(resize, 1, from[3], to[3]);
  push.step_height = from[2] == to[2] ? 0 : 1;
  push.step_width = from[3] == to[3] ? 0 : 1;
  const bool in_words = dtype_bytes(graph.dtype(resize.x)) == 4;
  const KernelRow& row = choose_elementwise_kernel(
      graph.caps(), {{in_words ? "upsample_words" : "upsample_bytes", push.count}});
  // Elements of x up to the last one, or the group that it is in.
  commands.dispatch(
      graph.context().pipelines.get(row,
                                    {resize.is_linear ? 1u : 0u, resize.align_corners ? 1u : 0u,
                                     push.inner % 4 == 0 ? 1u : 0u}),
      {bind_elements(graph, resize.y, push.count), bind_elements(graph, resize.x, x_count)}, push,
      elementwise_grid(row, graph.caps(), push.count));
}

void add_resize(ComputeGraph& graph, const Resize& resize) {
  const auto record = [&graph, resize](Commands& commands) {
    dispatch_resize(graph, commands, resize);
  };
  graph.add_node({resize.op, {resize.x}, {resize.y}, record});
}

void check_types(const ComputeGraph& graph, const Resize& resize, DType dtype) {
  ETVK_CHECK(graph.dtype(resize.x) == dtype && graph.dtype(resize.y) == dtype, kInvalidProgram,
             resize.op << ": expected " << dtype_name(dtype) << ", got "
                       << dtype_name(graph.dtype(resize.x)) << " to "
                       << dtype_name(graph.dtype(resize.y)));
}

void nearest(ComputeGraph& graph, const OpArgs& args) {
  const Resize resize = read_arguments(graph, args, false);
  check_movable(graph, resize.op, resize.x, resize.y);
  add_resize(graph, resize);
}

void bilinear(ComputeGraph& graph, const OpArgs& args) {
  const Resize resize = read_arguments(graph, args, true);
  check_types(graph, resize, DType::kFloat32);
  add_resize(graph, resize);
}

void q8ta_bilinear(ComputeGraph& graph, const OpArgs& args) {
  Resize resize = read_arguments(graph, args, true);
  check_types(graph, resize, DType::kInt8);
  UpsamplePush& push = resize.push;
  const Grid input = read_grid(args, "input");
  check_grid(resize.op, input);
  push.x_scale = static_cast<float>(input.scale);
  push.x_zero_point = static_cast<int32_t>(input.zero_point);
  push.output_grid = grid_push(resize.op, read_ranged_grid(args, "output"));
  add_resize(graph, resize);
}

// The images of a batch and their channels stay.
bool always(const Values&, const OpArgs&) { return true; }

const RegisterOps registered({
    {"aten.upsample_nearest2d.vec",
     "input:tensor@alike output_size:symints? scale_factors:numbers? y:out@alike", nearest, nullptr,
     always},
    {"aten.upsample_bilinear2d.vec",
     "input:tensor@alike output_size:symints? align_corners:boolean scale_factors:numbers? "
     "y:out@alike",
     bilinear, nullptr, always},
    {"et_vk.q8ta_upsample_bilinear2d.default",
     "input:tensor@alike input_scale:number input_zero_point:integer output_size:symints? "
     "align_corners:boolean scale_factors:numbers? output_scale:number output_zero_point:integer "
     "quant_min:integer quant_max:integer y:out@alike",
     q8ta_bilinear, nullptr, always},
});

}  // namespace

}  // namespace etvk::ops
