// Writing some bytes of a word of the output buffer, which is called y_out.
#ifndef MERGE_WORD_GLSL
#define MERGE_WORD_GLSL

// Replaces the bytes of one word that `mask` names. Other threads may own its other bytes: And
// clears and Or sets only our own, so no order of the two pairs loses anything.
void merge_word(uint at, uint value, uint mask) {
  if (mask == 0xffffffffu) {
    y_out[at] = value;
  } else if (mask != 0) {
    atomicAnd(y_out[at], ~mask);
    atomicOr(y_out[at], value & mask);
  }
}

#endif
