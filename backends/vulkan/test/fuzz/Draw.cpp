#include "Draw.h"

#include <algorithm>

#include "Draft.h"
#include "Entry.h"
#include "Lies.h"

namespace etvk::fuzz {

namespace {

using Ops = std::vector<const Op*>;

// Calls of some ops are seldom possible with what was drawn for them; so that these are no rarer
// than others, each op that was picked is drawn until it is, or this often.
constexpr int kTries = 4;

// Ops of which some tensor is in one of these orders.
Ops ops_with(const std::vector<OrderRule>& orders) {
  Ops ops;
  for (const auto& [name, op] : all_ops()) {
    const bool has = std::any_of(op.args.begin(), op.args.end(), [&](const ArgDef& arg) {
      return std::find(orders.begin(), orders.end(), arg.order) != orders.end();
    });
    if (has) {
      ops.push_back(&op);
    }
  }
  return ops;
}

// A state, what writes to a part of it or makes another one of it, mostly by what was written last,
// and perhaps reads it again; then its assignment.
void add_states(Draft& draft) {
  constexpr const char* kWrites[] = {
      "aten.index_put.default", "aten.slice_scatter.default", "aten.scatter.src",
      "aten.scatter.value",     "aten.index_put.default",     "aten.slice_scatter.default",
      "aten.add.Tensor",        "aten.view_copy.default",     "aten.copy.default",
      "aten.where.self",        "aten.slice_copy.Tensor",     "aten.cat.default"};
  testing::Random& random = draft.random();
  for (int states = random.integer(1, 2); states > 0; --states) {
    draft.add(*find_op("et_vk.state.default"));
    for (int writes = random.integer(0, 3); writes > 0; --writes) {
      const Op* op = find_op(random.pick(kWrites));
      for (int attempts = 4; attempts > 0 && !draft.add(*op); --attempts) {
      }
    }
    if (random.chance(85)) {
      draft.add(*find_op("et_vk.assign_state.default"));
    }
  }
}

void add_calls(Draft& draft) {
  testing::Random& random = draft.random();
  const Ops all = ops_with(
      {OrderRule::kRowMajor, OrderRule::kEither, OrderRule::kAlike, OrderRule::kChannelsLast});
  const Ops any_order = ops_with({OrderRule::kEither, OrderRule::kAlike});
  const Ops channels_last = ops_with({OrderRule::kChannelsLast});
  const bool is_chain = random.chance(25);
  if (is_chain) {
    draft.set_chain();
  }
  const bool has_states = random.chance(15);
  int wanted = random.integer(has_states ? 0 : 1, 8);
  if (has_states && random.chance(70)) {
    add_states(draft);
    wanted /= 2;
  }
  for (int attempts = 8 * wanted; wanted > 0 && attempts > 0; --attempts) {
    const Op& op = *random.pick(!is_chain ? all : random.chance(40) ? channels_last : any_order);
    const bool is_left_out = entry_of(op.name).is_one_of_many && random.chance(60);
    bool is_added = false;
    for (int tries = is_left_out ? 0 : kTries; tries > 0 && !is_added; --tries) {
      is_added = draft.add(op);
    }
    wanted -= is_added ? 1 : 0;
  }
  if (draft.tensors().empty() && draft.symints().empty()) {
    draft.new_input(DType::kInt8, 1);
  }
}

// Of a chain, few. Mostly what was drawn last, which depends on what was drawn before; sometimes an
// input, a constant or the same one again.
std::vector<ValueId> draw_outputs(Draft& draft) {
  testing::Random& random = draft.random();
  std::vector<ValueId> outputs;
  const auto& tensors = draft.tensors();
  const auto& symints = draft.symints();
  const int percent = draft.is_chain() ? 20 : 60;
  for (size_t i = tensors.size(); i-- > 0 && outputs.size() < 4;) {
    if (random.chance(percent)) {
      outputs.push_back(tensors[i]);
    }
  }
  if (!symints.empty() && random.chance(50)) {
    outputs.push_back(random.pick(symints));
  }
  if (!outputs.empty() && random.chance(8)) {
    outputs.push_back(random.pick(outputs));
  }
  if (outputs.empty()) {
    outputs.push_back(tensors.empty() ? symints.back() : tensors.back());
  }
  return outputs;
}

// Inputs of any sizes within the bounds, so that the program may have a result or not.
Execution any_execution(testing::Random& random, const Program& program) {
  Execution execution = program.executions[0];
  for (InputSetting& setting : execution) {
    for (int64_t& size : setting.sizes) {
      size = random.chance(50) ? size : random.integer(0, static_cast<int32_t>(size));
    }
    if (random.chance(50)) {
      setting.integer = random.integer(-3, 70);
    }
  }
  return execution;
}

}  // namespace

Program draw_program(uint64_t seed) {
  Draft draft(seed);
  testing::Random random(draft.random().bits());
  add_calls(draft);
  std::vector<ValueId> outputs = draw_outputs(draft);
  Program program = draft.take();
  program.def.outputs = std::move(outputs);
  program.as_blob = random.chance(30);
  for (int i = random.integer(0, 2); i > 0; --i) {
    program.executions.push_back(any_execution(random, program));
  }
  program.executions.push_back(program.executions[0]);
  if (has_states(program)) {
    for (int i = random.integer(0, 3); i > 0; --i) {
      program.executions.push_back(program.executions[random.below(kExecutions)]);
    }
  }
  if (random.chance(50)) {
    tell_lies(program, random);
  }
  return program;
}

}  // namespace etvk::fuzz
