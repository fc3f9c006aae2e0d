// Problems of broadcast.comp: each function of two and three operands, in each form of these.
#include <algorithm>
#include <iterator>
#include <set>
#include <string>

#include "ElementwiseRows.h"
#include "graph/ops/impl/elementwise/Broadcast.h"
#include "graph/ops/impl/elementwise/ElementwiseCall.h"
#include "graph/selfcheck/DrawnFloats.h"
#include "graph/selfcheck/DrawnLoops.h"
#include "graph/selfcheck/FloatReferences.h"
#include "graph/selfcheck/Problem.h"
#include "graph/selfcheck/References.h"
#include "vk/Error.h"

namespace etvk::ops {

namespace {

// What the name of a kernel's op says of it.
struct Kind {
  explicit Kind(const KernelRow& row) {
    const std::string op = row.op;
    const std::string suffix = "_words";
    words = op.size() > suffix.size() && op.substr(op.size() - suffix.size()) == suffix;
    const std::string name = words ? op.substr(0, op.size() - suffix.size()) : op;
    is_where = name == "where" || name == "where_bytes";
    of_bytes = name == "where_bytes";
    operands = name == "binary_of_bool"                                  ? DType::kBool
               : name == "binary_of_int" || name == "binary_int_to_bool" ? DType::kInt32
               : of_bytes                                                ? DType::kUint8
                                                                         : DType::kFloat32;
    kernels = name;
  }

  DType type_of(size_t i) const { return is_where && i == 0 ? DType::kBool : operands; }
  bool has(const BinaryOp& op) const {
    return !is_where && is_taken(op, operands) && kernels_of("binary", op, operands) == kernels;
  }

  bool words;  // the loops count words of y
  bool is_where;
  bool of_bytes;
  DType operands;       // of a where, its values
  std::string kernels;  // the op without _words
};

std::set<uint32_t> codes_of(const Kind& kind) {
  std::set<uint32_t> codes;
  for (const BinaryOp& op : kBinaryOps) {
    if (kind.has(op)) {
      codes.insert(op.code);
    }
  }
  for (const TernaryOp& op : kTernaryOps) {
    if (kind.is_where) {
      codes.insert(op.code);
    }
  }
  return codes;
}

std::vector<SpecializationConstants> all_constants(const KernelRow& row) {
  const Kind kind(row);
  const std::set<uint32_t> codes = codes_of(kind);
  const SpecializationConstants each(kind.is_where ? 3 : 2, kEach);
  const auto with_forms = [](uint32_t rank, uint32_t code, const SpecializationConstants& forms) {
    SpecializationConstants all = {rank, code};
    all.insert(all.end(), forms.begin(), forms.end());
    return all;
  };
  std::vector<SpecializationConstants> all;
  for (uint32_t code : codes) {
    all.push_back(with_forms(1 + code % 3, code, each));
  }
  for (uint32_t rank = 1; rank <= kMaxLoops; ++rank) {
    all.push_back(with_forms(rank, *codes.begin(), each));
  }
  for (size_t i = 0; i < each.size(); ++i) {
    for (uint32_t form : {kRepeated, kNumber}) {
      SpecializationConstants forms = each;
      forms[i] = form;
      const bool exists = form == kRepeated ? kind.words : !kind.is_where;
      for (uint32_t rank : {1u, 2u}) {
        if (exists) {
          all.push_back(with_forms(rank, *codes.begin(), forms));
        }
      }
    }
  }
  return all;
}

// An operand as the kernel reads it.
class Operand {
 public:
  Operand(const LoopSizes& sizes, bool words, DType dtype, uint32_t form, Random& random)
      : words_(words),
        form_(form),
        strides_(drawn_strides(sizes, innermost(words, form), random)),
        elements_(dtype, form == kNumber ? 1 : end_of(sizes, strides_) * elements_of_unit(),
                  random) {
    if (form == kNumber) {
      std::fill(strides_.begin(), strides_.end(), 0);
    }
  }

  double at(const LoopSizes& sizes, uint32_t i) const {
    const uint64_t at = element_of_step(words_ ? i / 4 : i, sizes, strides_);
    return elements_.at(elements_of_unit() == 4 ? at * 4 + i % 4 : at);
  }
  double number() const { return elements_.at(0); }
  const LoopSizes& strides() const { return strides_; }
  void bind_to(Problem& problem) const { elements_.bind_to(problem); }

 private:
  static Innermost innermost(bool words, uint32_t form) {
    return !words ? Innermost::kAny : form == kEach ? Innermost::kNeighbours : Innermost::kRepeated;
  }
  uint32_t elements_of_unit() const { return words_ && form_ == kEach ? 4 : 1; }

  bool words_;
  uint32_t form_;
  LoopSizes strides_;
  DrawnOperand elements_;
};

const BinaryOp& binary_op(const Kind& kind, uint32_t code) {
  const auto* op =
      std::find_if(std::begin(kBinaryOps), std::end(kBinaryOps),
                   [&](const BinaryOp& one) { return kind.has(one) && one.code == code; });
  ETVK_CHECK(op != std::end(kBinaryOps), kInternal, "broadcast: no function has code " << code);
  return *op;
}

template <typename Push>
void set_loops(Push& push, const LoopSizes& sizes, uint32_t count,
               const std::vector<Operand>& operands) {
  push.count = count;
  std::copy(sizes.begin() + 1, sizes.end(), push.sizes);
  std::copy(operands[0].strides().begin(), operands[0].strides().end(), push.a_strides);
  std::copy(operands[1].strides().begin(), operands[1].strides().end(), push.b_strides);
}

Problem make(const KernelRow& row, const SpecializationConstants& constants, Random& random) {
  const Kind kind(row);
  const uint32_t rank = constants.at(0);
  const uint32_t code = constants.at(1);
  const uint32_t flat = flat_count(row, random);
  const uint32_t units = kind.words ? (flat + 3) / 4 : flat;
  const LoopSizes sizes = rank == 1 ? LoopSizes{units} : drawn_sizes(rank, units, random);
  // Of a single loop, the last word may be a part of one.
  const uint32_t count = rank == 1 ? flat : steps_of(sizes) * (kind.words ? 4 : 1);
  std::vector<Operand> operands;
  for (size_t i = 2; i < constants.size(); ++i) {
    operands.emplace_back(sizes, kind.words, kind.type_of(i - 2), constants[i], random);
  }

  Problem problem;
  std::string name = "where";
  DrawnResults y(kind.is_where ? kind.operands : result_type(binary_op(kind, code)));
  if (kind.is_where) {
    TernaryPush push{};
    set_loops(push, sizes, count, operands);
    std::copy(operands.at(2).strides().begin(), operands[2].strides().end(), push.c_strides);
    problem.set_push(push);
    for (uint32_t i = 0; i < count; ++i) {
      y.add(operands[0].at(sizes, i) != 0.0 ? operands[1].at(sizes, i) : operands[2].at(sizes, i));
    }
  } else {
    BinaryPush push{};
    set_loops(push, sizes, count, operands);
    push.a_number = number_bits(operands[0].number(), kind.operands);
    push.b_number = number_bits(operands[1].number(), kind.operands);
    const BinaryOp& op = binary_op(kind, code);
    const float alpha = !op.has_alpha ? 1.0f : op.takes_int ? -3.0f : 1.5f;
    push.alpha = number_bits(alpha, kind.operands);
    problem.set_push(push);
    name = op.name;
    const BinaryReference& reference = float_reference(op);
    for (uint32_t i = 0; i < count; ++i) {
      y.add(reference(operands[0].at(sizes, i), operands[1].at(sizes, i), alpha));
    }
  }
  problem.text =
      name + " of " + std::to_string(count) + " elements in loops of " + sizes_text(sizes);
  y.bind_to(problem);
  for (const Operand& operand : operands) {
    operand.bind_to(problem);
  }
  problem.groups.x = kFlatGroups;
  return problem;
}

const RegisterProblems registered({
    {"binary", all_constants, make},
    {"binary_words", all_constants, make},
    {"binary_to_bool", all_constants, make},
    {"binary_to_bool_words", all_constants, make},
    {"binary_of_bool", all_constants, make},
    {"binary_of_bool_words", all_constants, make},
    {"binary_of_int", all_constants, make},
    {"binary_of_int_words", all_constants, make},
    {"binary_int_to_bool", all_constants, make},
    {"binary_int_to_bool_words", all_constants, make},
    {"where_bytes", all_constants, make},
    {"where_bytes_words", all_constants, make},
    {"where", all_constants, make},
    {"where_words", all_constants, make},
});

}  // namespace

}  // namespace etvk::ops
