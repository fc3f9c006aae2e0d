// Problems of transpose.comp: a batch of transposes with edges in both directions.
#include <algorithm>
#include <string>

#include "graph/ops/impl/moves/StridedCopy.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

constexpr uint32_t kGroups = 3;
constexpr uint32_t kMostBatchLoops = kMaxLoops - 2;

bool is_of_bytes(const KernelRow& row) { return row.op == std::string("transpose_bytes"); }

// Batch loops, and whether all rows are whole words.
std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  std::vector<SpecializationConstants> all;
  for (uint32_t batch = 0; batch <= kMostBatchLoops; ++batch) {
    all.push_back({batch, 0});
    if (is_of_bytes(row) || batch == 1) {
      all.push_back({batch, 1});
    }
  }
  return all;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const uint32_t bytes = is_of_bytes(row) ? 1 : 4;
  const uint32_t unit = constants.at(1) != 0 ? 4 : 1;  // that sizes and offsets are multiples of
  const auto drawn = [&](uint32_t from, uint32_t to) {
    return (from + static_cast<uint32_t>(random.below(to - from + 1))) * unit;
  };
  TransposePush push{};
  push.rows = row.tile_m + drawn(1, row.tile_m / unit / 4);
  push.columns = row.tile_n + drawn(1, row.tile_n / unit / 4);
  push.row_tiles = (push.rows + row.tile_m - 1) / row.tile_m;
  push.column_tiles = (push.columns + row.tile_n - 1) / row.tile_n;
  push.x_stride = push.rows + drawn(0, 5);
  push.x_offset = drawn(0, 5);
  // One loop of the batch has three steps, so that the others can be many.
  LoopSizes batch(constants.at(0), 1);
  if (!batch.empty()) {
    batch[random.below(batch.size())] = 3;
  }
  const uint32_t images = steps_of(batch);
  push.tiles = images * push.row_tiles * push.column_tiles;
  // Images lie one after another, in x with a gap.
  const uint32_t x_image = push.x_stride * push.columns + drawn(0, 5);
  const uint32_t y_image = push.rows * push.columns;
  push.y_stride = push.columns;
  uint32_t inner = 1;
  for (size_t d = batch.size(); d-- > 0;) {
    push.x_batch_strides[d] = inner * x_image;
    push.y_batch_strides[d] = inner * y_image;
    inner *= batch[d];
    if (d > 0) {
      push.batch_sizes[d - 1] = batch[d];
    }
  }
  const uint32_t x_end =
      push.x_offset + (images - 1) * x_image + (push.columns - 1) * push.x_stride + push.rows;
  push.last_word = (x_end - 1) * bytes / 4;

  std::vector<uint8_t> x(size_t{x_end} * bytes);
  random.fill(x);
  std::vector<uint8_t> y(size_t{images} * y_image * bytes);
  for (uint32_t image = 0; image < images; ++image) {
    for (uint32_t r = 0; r < push.rows; ++r) {
      for (uint32_t c = 0; c < push.columns; ++c) {
        const size_t from = push.x_offset + image * x_image + c * push.x_stride + r;
        const size_t to = image * y_image + r * push.columns + c;
        std::copy_n(&x[from * bytes], bytes, &y[to * bytes]);
      }
    }
  }
  Problem problem;
  problem.text = std::to_string(images) + " of " + std::to_string(push.rows) + "x" +
                 std::to_string(push.columns);
  problem.bind_output(y);
  problem.bind(x);
  problem.set_push(push);
  problem.groups.x = std::min(push.tiles, kGroups);
  return problem;
}

const RegisterProblems registered({
    {"transpose_bytes", all_constants, make},
    {"transpose_words", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
