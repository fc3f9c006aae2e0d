// How the window of a convolution walks over an image, in the fuzzer's own words: read from the
// arguments of a call, and drawn.
#pragma once

#include <array>

#include "Draft.h"
#include "Machine.h"

namespace etvk::fuzz {

using Pair = std::array<int64_t, 2>;  // down, across

struct Window {
  Pair kernel = {1, 1};
  Pair stride = {1, 1};
  Pair padding = {0, 0};
  Pair dilation = {1, 1};
  Pair output_padding = {0, 0};
  bool is_transposed = false;
  int64_t groups = 1;
};

// Of an image of so many dimensions, one or two. Throws Meaningless.
Window read_window(const Arguments& arguments, const Sizes& kernel_size, size_t dims,
                   bool is_transposed);

// Throws Meaningless where the window does not fit.
int64_t output_size(const Window& window, size_t dim, int64_t in);

// Which pixel of x a tap meets for pixel `y` of the result; -1: none.
int64_t pixel_of(const Window& window, size_t dim, int64_t y, int64_t tap, int64_t size);

// An image of so many channels; -1 where there is none.
ValueId draw_image(Draft& draft, DType dtype, int64_t channels);

// Gives all of it but the size of the kernel, as far as the op takes it.
Window draw_window(Draft& draft, const ConvolutionShape& shape, size_t dims);

// The numbers of an image's own dimensions.
Sizes own_dims(const Pair& pair, size_t dims);

// Empty where the window does not fit in one of them.
ByExecution<Sizes> result_sizes(ByExecution<Sizes> all, const Window& window, int64_t channels);

}  // namespace etvk::fuzz
