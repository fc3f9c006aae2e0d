// Problems of inset.comp: x at the start, in the middle, beyond both ends, and every few steps.
#include <algorithm>
#include <string>

#include "graph/ops/impl/moves/Inset.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"

namespace etvk::ops {

namespace {

uint32_t unit_bytes(const KernelRow& row) {
  const std::string op = row.op;
  return op == "inset_bytes" ? 1 : op == "inset_words" ? 4 : 16;
}

std::vector<SpecializationConstants> all_constants(const KernelRow&) {
  std::vector<SpecializationConstants> all;
  for (uint32_t rank = 1; rank <= kMaxInsetLoops; ++rank) {
    all.push_back({rank, 0});
    all.push_back({rank, 1});
  }
  return all;
}

struct Drawn {
  InsetPush push{};
  LoopSizes sizes;
  uint32_t x_count = 1;
};

// Starts before the loop, lengths beyond it, and steps, where a loop has room for them.
Drawn drawn_spans(uint32_t rank, uint32_t least, Random& random) {
  Drawn drawn;
  drawn.sizes = drawn_sizes(rank, least, random);
  drawn.push.count = steps_of(drawn.sizes);
  for (uint32_t d = rank; d-- > 0;) {
    const auto size = static_cast<int32_t>(drawn.sizes[d]);
    const bool is_whole = random.chance(30);
    drawn.push.starts[d] =
        static_cast<uint32_t>(is_whole ? 0 : random.integer(-3, std::min(size - 1, 5)));
    drawn.push.lengths[d] = static_cast<uint32_t>(is_whole ? size : random.integer(1, size + 2));
    drawn.push.steps[d] = is_whole || random.chance(60) ? 1 : random.integer(2, 4);
    drawn.push.x_strides[d] = drawn.x_count;
    drawn.x_count *= drawn.push.lengths[d];
    if (d > 0) {
      drawn.push.sizes[d - 1] = drawn.sizes[d];
    }
  }
  return drawn;
}

// The element of x at step i of y, or -1.
int64_t source_of(uint32_t i, const Drawn& drawn) {
  int64_t from = 0;
  for (size_t d = drawn.sizes.size(); d-- > 0;) {
    const int64_t past = int64_t{i % drawn.sizes[d]} - static_cast<int32_t>(drawn.push.starts[d]);
    i /= drawn.sizes[d];
    const int64_t step = drawn.push.steps[d];
    if (past < 0 || past % step != 0 || past / step >= drawn.push.lengths[d]) {
      return -1;
    }
    from += past / step * drawn.push.x_strides[d];
  }
  return from;
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const bool has_base = constants.at(1) != 0;
  const uint32_t bytes = unit_bytes(row);
  Drawn drawn = drawn_spans(constants.at(0), flat_count(row, random), random);
  const uint32_t count = drawn.push.count;
  const auto byte = static_cast<uint8_t>(random.bits());
  drawn.push.value = byte * 0x01010101u;
  std::vector<uint8_t> x(size_t{drawn.x_count} * bytes);
  std::vector<uint8_t> base(size_t{count} * bytes);
  random.fill(x);
  random.fill(base);
  std::vector<uint8_t> y = has_base ? base : std::vector<uint8_t>(base.size(), byte);
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t from = source_of(i, drawn);
    if (from >= 0) {
      std::copy_n(&x[static_cast<size_t>(from) * bytes], bytes, &y[size_t{i} * bytes]);
    }
  }
  Problem problem;
  problem.text = std::to_string(drawn.x_count) + " set into " + sizes_text(drawn.sizes);
  problem.bind_output(y);
  problem.bind(x);
  problem.bind(base);
  problem.set_push(drawn.push);
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({
    {"inset_bytes", all_constants, make},
    {"inset_words", all_constants, make},
    {"inset_groups", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
