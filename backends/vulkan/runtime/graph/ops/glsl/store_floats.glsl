// Stores of four elements of four bytes, or NUMBERS, at a time. The including shader declares y_groups
// and y_out, which are one buffer, and p.count.
#ifndef STORE_FLOATS_GLSL
#define STORE_FLOATS_GLSL

#ifndef NUMBERS
#define NUMBERS vec4
#endif

// Elements at * 4 .. at * 4 + 3, without those from p.count on; at * 4 < p.count.
void store_floats(uint at, NUMBERS y) {
  if (p.count - at * 4 >= 4) {
    y_groups[at] = y;
    return;
  }
  [[unroll]] for (uint i = 0; i < 3; ++i) {
    if (at * 4 + i < p.count) {
      y_out[at * 4 + i] = y[i];
    }
  }
}

#endif
