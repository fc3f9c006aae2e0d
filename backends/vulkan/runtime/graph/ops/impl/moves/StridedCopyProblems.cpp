// Problems of strided_copy.comp: bytes, words and groups of words, in rows of the output.
#include <algorithm>
#include <string>

#include "graph/ops/impl/moves/StridedCopy.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

uint32_t unit_bytes(const KernelRow& row) {
  const std::string op = row.op;
  return op == "strided_copy_bytes" ? 1 : op == "strided_copy_words" ? 4 : 16;
}

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  std::vector<SpecializationConstants> all;
  for (uint32_t rank = 1; rank <= kMaxLoops; ++rank) {
    all.push_back({rank});
  }
  return all;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const uint32_t rank = constants.at(0);
  const uint32_t bytes = unit_bytes(row);
  // A thread writes a word, of which bytes are a quarter.
  const uint32_t least = flat_count(row, random) * (bytes == 1 ? 4 : 1);
  const LoopSizes sizes = drawn_sizes(rank, least, random);
  const LoopSizes strides = drawn_strides(sizes, Innermost::kAny, random);
  CopyPush push{};
  push.count = steps_of(sizes);
  push.run = random.chance(50) ? push.count : push.count / sizes[0];
  push.y_row_stride = push.run + static_cast<uint32_t>(random.below(7));
  push.y_offset = static_cast<uint32_t>(random.below(6));
  push.x_offset = static_cast<uint32_t>(random.below(6));
  const bool aligned = (push.y_row_stride | push.y_offset) % 4 == 0;
  push.row_words = (push.run + (aligned ? 3 : 6)) / 4;
  const uint32_t rows = push.count / push.run;
  push.threads = bytes == 1 ? rows * push.row_words : push.count;
  std::copy(sizes.begin() + 1, sizes.end(), push.sizes);
  std::copy(strides.begin(), strides.end(), push.x_strides);

  std::vector<uint8_t> x((push.x_offset + end_of(sizes, strides)) * bytes);
  random.fill(x);
  std::vector<uint8_t> y((push.y_offset + (rows - 1) * push.y_row_stride + push.run) * bytes,
                         kUnwritten);
  for (uint32_t i = 0; i < push.count; ++i) {
    const uint64_t from = push.x_offset + element_of_step(i, sizes, strides);
    const uint64_t to = push.y_offset + i / push.run * push.y_row_stride + i % push.run;
    std::copy_n(&x[from * bytes], bytes, &y[to * bytes]);
  }
  Problem problem;
  problem.text = std::to_string(rows) + " rows of " + std::to_string(push.run) + " in loops of " +
                 sizes_text(sizes);
  problem.bind_output(y);
  problem.bind(x);
  problem.set_push(push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({
    {"strided_copy_bytes", all_constants, make},
    {"strided_copy_words", all_constants, make},
    {"strided_copy_groups", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
