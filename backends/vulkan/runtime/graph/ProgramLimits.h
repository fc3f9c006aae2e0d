// How much work and memory a program may ask for, so that loading stays in proportion to its file:
// what a program says twice by pointing at one place counts twice. README.md states these limits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace etvk {

// Elements of lists, names and arguments, all together, for each byte of the program's flatbuffer.
// Written out one by one they are at most one.
constexpr uint64_t kMaxElementsPerByte = 4;

// Kernels and copies of one execution.
constexpr size_t kMaxDispatches = 65536;

// Constants as kernels read them (rows padded, sums, scales) against the bytes that they are made
// of: the program's own and those of its named data, plus an allowance.
constexpr uint64_t kMaxConstantGrowth = 8;
constexpr uint64_t kConstantAllowanceBytes = uint64_t{64} << 20;

// Tensors that share the arena, the largest ones; smaller ones have memory of their own.
constexpr size_t kMaxPackedTensors = 4096;

}  // namespace etvk
