#include "Windows.h"

#include <algorithm>

namespace etvk::fuzz {

namespace {

constexpr int64_t kMost = 65535;  // of kernel, stride ...: README.md

Pair checked_pair(Sizes list, const char* name, size_t dims, int64_t least) {
  if (list.size() == 1) {
    list.resize(dims, list[0]);
  }
  if (list.size() != dims) {
    throw Meaningless(std::string(name) + " of another length");
  }
  Pair pair = {least, least};
  std::copy(list.begin(), list.end(), pair.end() - static_cast<std::ptrdiff_t>(dims));
  for (int64_t number : pair) {
    if (number < least || number > kMost) {
      throw Meaningless(std::string(name) + " out of its range");
    }
  }
  return pair;
}

bool takes(const Draft& draft, const char* name) {
  return position_of(draft.op(), name) < draft.op().args.size();
}

}  // namespace

Window read_window(const Arguments& arguments, const Sizes& kernel_size, size_t dims,
                   bool is_transposed) {
  const auto read_pair = [&](const char* name, int64_t least) {
    return checked_pair(arguments.fixed_integers(name), name, dims, least);
  };
  Window window;
  window.kernel = checked_pair(kernel_size, "kernel_size", dims, 1);
  window.stride = read_pair("stride", 1);
  window.padding = read_pair("padding", 0);
  window.dilation = read_pair("dilation", 1);
  window.is_transposed = is_transposed;
  if (window.is_transposed) {
    window.output_padding = read_pair("output_padding", 0);
    for (size_t i = 0; i < 2; ++i) {
      if (window.output_padding[i] >= std::max(window.stride[i], window.dilation[i])) {
        throw Meaningless("output padding of a stride or more");
      }
    }
  }
  window.groups = arguments.integer("groups");
  if (window.groups < 1) {
    throw Meaningless("no groups");
  }
  return window;
}

int64_t output_size(const Window& window, size_t dim, int64_t in) {
  const int64_t reach = window.dilation[dim] * (window.kernel[dim] - 1);
  const int64_t around = 2 * window.padding[dim];
  const int64_t size = window.is_transposed  ? (in - 1) * window.stride[dim] - around + reach +
                                                   window.output_padding[dim] + 1
                       : in + around > reach ? (in + around - reach - 1) / window.stride[dim] + 1
                                             : 0;
  if (in < 1 || size < 1) {
    throw Meaningless("a window that does not fit");
  }
  return size;
}

int64_t pixel_of(const Window& window, size_t dim, int64_t y, int64_t tap, int64_t size) {
  const int64_t away = tap * window.dilation[dim];
  int64_t pixel = y * window.stride[dim] - window.padding[dim] + away;
  if (window.is_transposed) {
    const int64_t scaled = y + window.padding[dim] - away;
    pixel = scaled % window.stride[dim] == 0 ? scaled / window.stride[dim] : -1;
  }
  return pixel < size ? std::max<int64_t>(pixel, -1) : -1;
}

ValueId draw_image(Draft& draft, DType dtype, int64_t channels) {
  testing::Random& random = draft.random();
  const ValueId found = draft.find_tensor({dtype}, [&](ValueId id) {
    const auto sizes = draft.all_sizes(id);
    return std::all_of(sizes.begin(), sizes.end(), [&](const Sizes& own) {
      return (own.size() == 3 || own.size() == 4) && own[1] == channels && own[2] > 0 &&
             own.back() > 0;
    });
  });
  if (found >= 0 && random.chance(70)) {
    return found;
  }
  ByExecution<Sizes> sizes;
  const bool is_dynamic = !draft.dynamic_sizes().empty() && random.chance(30);
  const size_t rank = random.chance(75) ? 4 : 3;
  for (size_t dim = 0; dim < rank; ++dim) {
    ByExecution<int64_t> values;
    values.fill(dim == 0 ? random.integer(1, 2) : random.integer(1, 9));
    if (is_dynamic && dim == rank - 1) {
      values = random.pick(draft.dynamic_sizes());
    }
    for (size_t i = 0; i < kExecutions; ++i) {
      sizes[i].push_back(dim == 1 ? channels : values[i]);
    }
  }
  return draft.new_input(dtype, sizes);
}

Window draw_window(Draft& draft, const ConvolutionShape& shape, size_t dims) {
  testing::Random& random = draft.random();
  const auto drawn = [&](int32_t least, int32_t most) {
    Pair pair = {least, least};
    for (size_t i = 2 - dims; i < 2; ++i) {
      pair[i] = random.chance(50) ? least : random.integer(least, most);
    }
    return pair;
  };
  Window window;
  window.kernel = drawn(1, 3);
  window.stride = drawn(1, 3);
  window.padding = drawn(0, 2);
  window.dilation = drawn(1, 2);
  window.is_transposed = shape.is_transposed;
  window.groups = shape.groups;
  draft.give_fixed_integers("stride", own_dims(window.stride, dims));
  draft.give_fixed_integers("padding", own_dims(window.padding, dims));
  draft.give_fixed_integers("dilation", own_dims(window.dilation, dims));
  draft.give_integer("groups", shape.groups);
  if (takes(draft, "transposed")) {
    draft.give_boolean("transposed", shape.is_transposed);
  }
  if (takes(draft, "output_padding")) {
    const int64_t limit =
        *std::min_element(window.stride.begin() + (dims == 1), window.stride.end());
    const int64_t padding =
        shape.is_transposed ? random.integer(0, static_cast<int32_t>(limit) - 1) : 0;
    window.output_padding = {dims == 2 ? padding : 0, padding};
    draft.give_fixed_integers("output_padding", Sizes(dims, padding));
  }
  return window;
}

Sizes own_dims(const Pair& pair, size_t dims) {
  return {pair.end() - static_cast<std::ptrdiff_t>(dims), pair.end()};
}

ByExecution<Sizes> result_sizes(ByExecution<Sizes> all, const Window& window, int64_t channels) {
  try {
    for (Sizes& sizes : all) {
      sizes[1] = channels;
      sizes.back() = output_size(window, 1, sizes.back());
      if (sizes.size() == 4) {
        sizes[2] = output_size(window, 0, sizes[2]);
      }
    }
  } catch (const Meaningless&) {
    return {};
  }
  return all;
}

}  // namespace etvk::fuzz
