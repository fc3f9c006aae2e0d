#include "graph/Values.h"

#include <cmath>

#include "vk/Error.h"

namespace etvk {

namespace {

constexpr double kLargestInteger = 9007199254740992.0;  // 2^53, up to which doubles are exact

void check_constant(const TensorDef& tensor, const std::vector<ConstantDef>& constants) {
  const auto index = static_cast<size_t>(tensor.constant_id);
  ETVK_CHECK(index < constants.size(), kInvalidProgram,
             "constant " << index << " does not exist, the program has " << constants.size());
  const uint64_t expected = tensor_bytes(tensor.dtype, tensor.dims);
  ETVK_CHECK(constants[index].size_bytes == expected, kInvalidProgram,
             "constant " << index << " has " << constants[index].size_bytes << " bytes, its shape "
                         << shape_text(tensor.dims) << " of " << dtype_name(tensor.dtype)
                         << " needs " << expected);
}

}  // namespace

Values::Values(std::vector<ValueDef> defs, const std::vector<ConstantDef>& constants)
    : defs_(std::move(defs)), sizes_(defs_.size()) {
  for (size_t id = 0; id < defs_.size(); ++id) {
    if (const auto* list = std::get_if<ValueList>(&defs_[id])) {
      for (ValueId item : list->items) {
        check_id(item, "a list");
      }
    }
    if (const auto* tensor = std::get_if<TensorDef>(&defs_[id])) {
      tensor_bytes(tensor->dtype, tensor->dims);
      sizes_[id] = tensor->dims;
      if (tensor->constant_id >= 0) {
        check_constant(*tensor, constants);
      }
    }
  }
}

void Values::check_id(ValueId id, const char* where) const {
  ETVK_CHECK(id >= 0 && static_cast<size_t>(id) < defs_.size(), kInvalidProgram,
             where << " names value " << id << ", the program has " << defs_.size());
}

const ValueDef& Values::at(ValueId id) const {
  ETVK_CHECK(id >= 0 && static_cast<size_t>(id) < defs_.size(), kInternal,
             "value " << id << " does not exist");
  return defs_[static_cast<size_t>(id)];
}

bool Values::is_tensor(ValueId id) const { return std::holds_alternative<TensorDef>(at(id)); }

bool Values::is_symint(ValueId id) const { return std::holds_alternative<SymInt>(at(id)); }

bool Values::is_number(ValueId id) const {
  return std::holds_alternative<double>(at(id)) || std::holds_alternative<int64_t>(at(id));
}

double Values::number(ValueId id) const {
  ETVK_CHECK(is_number(id), kInvalidProgram, "value " << id << " is not a number");
  const auto* number = std::get_if<double>(&at(id));
  return number != nullptr ? *number : static_cast<double>(std::get<int64_t>(at(id)));
}

const TensorDef& Values::tensor(ValueId id) const {
  const auto* tensor = std::get_if<TensorDef>(&at(id));
  ETVK_CHECK(tensor != nullptr, kInternal, "value " << id << " is not a tensor");
  return *tensor;
}

bool Values::is_constant(ValueId id) const { return is_tensor(id) && tensor(id).constant_id >= 0; }

const std::vector<int64_t>& Values::sizes(ValueId id) const {
  ETVK_CHECK(is_tensor(id), kInternal, "value " << id << " is not a tensor");
  return sizes_[static_cast<size_t>(id)];
}

int64_t Values::numel(ValueId id) const {
  int64_t count = 1;
  for (int64_t size : sizes(id)) {
    count *= size;
  }
  return count;
}

void Values::set_sizes(ValueId id, const std::vector<int64_t>& sizes) {
  ETVK_CHECK(sizes.size() == dims(id).size(), kInvalidProgram,
             "value " << id << " would have shape " << shape_text(sizes) << ", it is declared as "
                      << shape_text(dims(id)));
  tensor_bytes(dtype(id), sizes);
  sizes_[static_cast<size_t>(id)] = sizes;
}

ValueId Values::add_tensor(DType dtype, std::vector<int64_t> dims) {
  tensor_bytes(dtype, dims);
  defs_.emplace_back(TensorDef{dtype, dims, -1});
  sizes_.push_back(std::move(dims));
  return static_cast<ValueId>(defs_.size() - 1);
}

bool Values::is_integer(ValueId id) const {
  const auto* number = std::get_if<double>(&at(id));
  return std::holds_alternative<int64_t>(at(id)) || is_symint(id) ||
         (number != nullptr && std::abs(*number) <= kLargestInteger &&
          *number == std::floor(*number));
}

int64_t Values::integer(ValueId id) const {
  ETVK_CHECK(is_integer(id), kInvalidProgram, "value " << id << " is not an integer");
  const ValueDef& def = at(id);
  if (const auto* symint = std::get_if<SymInt>(&def)) {
    return symint->value;
  }
  const auto* number = std::get_if<double>(&def);
  return number != nullptr ? static_cast<int64_t>(*number) : std::get<int64_t>(def);
}

std::vector<int64_t> Values::integers(ValueId list) const {
  if (const auto* items = std::get_if<std::vector<int64_t>>(&at(list))) {
    return *items;
  }
  const auto* ids = std::get_if<ValueList>(&at(list));
  ETVK_CHECK(ids != nullptr, kInvalidProgram, "value " << list << " is not a list of integers");
  std::vector<int64_t> items;
  for (ValueId id : ids->items) {
    items.push_back(integer(id));
  }
  return items;
}

void Values::set_symint(ValueId id, int64_t value) {
  ETVK_CHECK(is_symint(id), kInvalidProgram, "value " << id << " is not a symbolic integer");
  std::get<SymInt>(defs_[static_cast<size_t>(id)]).value = value;
}

}  // namespace etvk
