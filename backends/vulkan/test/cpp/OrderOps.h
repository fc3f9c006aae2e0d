// Ops of tests alone, which stand for convolutions: they read and write channels-last tensors, as
// the bytes that they are, without a look at strides. Each is an alias.
//   test.to_channels_last    x [N, ..., C], row-major, becomes y [N, C, ...], channels-last
//   test.channels_last       y = x, both channels-last
//   test.from_channels_last  x [N, C, ...], channels-last, becomes y [N, ..., C], row-major
#pragma once

namespace etvk::testing {

// Registers them; once a process.
void register_order_ops();

}  // namespace etvk::testing
