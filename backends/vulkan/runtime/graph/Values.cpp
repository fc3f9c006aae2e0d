#include "graph/Values.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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
    : defs_(std::move(defs)), sizes_(defs_.size()), orders_(defs_.size(), Order::kRowMajor) {
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
  // Orders and aliases rely on dimensions of one element, and on tensors that are empty.
  for (size_t i = 0; i < sizes.size(); ++i) {
    ETVK_CHECK(dims(id)[i] > 1 || sizes[i] <= dims(id)[i], kInvalidProgram,
               "value " << id << " would have shape " << shape_text(sizes) << ", over its bound "
                        << shape_text(dims(id)));
  }
  tensor_bytes(dtype(id), sizes);
  sizes_[static_cast<size_t>(id)] = sizes;
}

ValueId Values::add_tensor(DType dtype, std::vector<int64_t> dims) {
  tensor_bytes(dtype, dims);
  defs_.emplace_back(TensorDef{dtype, dims, -1});
  sizes_.push_back(std::move(dims));
  orders_.push_back(Order::kRowMajor);
  return static_cast<ValueId>(defs_.size() - 1);
}

ValueId Values::add_list(std::vector<ValueId> items) {
  defs_.emplace_back(ValueList{std::move(items)});
  sizes_.emplace_back();
  orders_.push_back(Order::kRowMajor);
  return static_cast<ValueId>(defs_.size() - 1);
}

Order Values::order(ValueId id) const {
  ETVK_CHECK(is_tensor(id), kInternal, "value " << id << " is not a tensor");
  return orders_[static_cast<size_t>(id)];
}

void Values::set_order(ValueId id, Order order) {
  ETVK_CHECK(order == Order::kRowMajor || has_order(id), kInternal,
             "value " << id << " of shape " << shape_text(dims(id)) << " cannot be channels-last");
  orders_[static_cast<size_t>(id)] = order;
}

bool Values::has_order(ValueId id) const {
  const size_t rank = dims(id).size();
  return rank == 3 || rank == 4;
}

bool Values::has_two_orders(ValueId id) const {
  const std::vector<int64_t>& bound = dims(id);
  return has_order(id) && bound_bytes(id) > 0 && bound[1] > 1 &&
         std::any_of(bound.begin() + 2, bound.end(), [](int64_t size) { return size > 1; });
}

std::vector<size_t> Values::memory_dims(ValueId id) const {
  std::vector<size_t> result(dims(id).size());
  std::iota(result.begin(), result.end(), size_t{0});
  if (order(id) == Order::kChannelsLast) {
    std::rotate(result.begin() + 1, result.begin() + 2, result.end());
  }
  return result;
}

std::vector<int64_t> Values::strides(ValueId id) const {
  const std::vector<size_t> nest = memory_dims(id);
  std::vector<int64_t> result(nest.size());
  int64_t stride = 1;
  for (auto dim = nest.rbegin(); dim != nest.rend(); ++dim) {
    result[*dim] = stride;
    stride *= sizes(id)[*dim];
  }
  return result;
}

bool Values::is_in_place(ValueId x, ValueId y, const std::vector<size_t>& dims) const {
  const std::vector<int64_t>& bound = this->dims(x);
  if (this->dims(y).size() != bound.size()) {
    return false;
  }
  std::vector<size_t> from = memory_dims(x);
  std::vector<size_t> to = memory_dims(y);
  std::transform(to.begin(), to.end(), to.begin(), [&dims](size_t dim) { return dims[dim]; });
  for (std::vector<size_t>* nest : {&from, &to}) {
    nest->erase(std::remove_if(nest->begin(), nest->end(),
                               [&bound](size_t dim) { return bound[dim] == 1; }),
                nest->end());
  }
  return from == to;
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
