// Where the elements of a tensor lie that is walked through in another order than its own, or with
// some repeated: a nest of RANK loops (specialization constant 0), outermost first, that makes
// p.count steps. p.sizes has the sizes of all loops but the outermost one; an operand has its
// stride for each loop, in elements.
#ifndef STRIDED_BYTES_GLSL
#define STRIDED_BYTES_GLSL

layout(constant_id = 0) const uint RANK = 1;
const uint INNERMOST = RANK < 2 ? 0 : RANK - 2;  // in p.sizes

// Defines AT(e, left): the operand's element for step e, with `left` the steps from e to the end of
// the innermost loop.
#define DEFINE_ELEMENT_AT(AT, STRIDES)                                                \
  uint AT(uint e, out uint left) {                                                    \
    if (RANK == 1) {                                                                  \
      left = p.count - e;                                                             \
      return e * STRIDES[0];                                                          \
    }                                                                                 \
    uint outer = e / p.sizes[INNERMOST];                                              \
    uint inner = e - outer * p.sizes[INNERMOST];                                      \
    left = p.sizes[INNERMOST] - inner;                                                \
    uint at = inner * STRIDES[RANK - 1];                                              \
    for (uint d = RANK - 2; d > 0; --d) {                                             \
      const uint rest = outer;                                                        \
      outer = rest / p.sizes[d - 1];                                                  \
      at += (rest - outer * p.sizes[d - 1]) * STRIDES[d];                             \
    }                                                                                 \
    return at + outer * STRIDES[0];                                                   \
  }

// Defines GATHER(e, n): bytes of the steps e .. e + n - 1 in one word, the first one lowest, from
// an operand of words whose first element is at OFFSET. 1 <= n <= 4, e + n <= p.count. Reads no
// word that holds none of these bytes.
#define DEFINE_GATHER(GATHER, AT, WORDS, STRIDES, OFFSET)                             \
  uint GATHER(uint e, uint n) {                                                       \
    uint left;                                                                        \
    uint at = OFFSET + AT(e, left);                                                   \
    if (STRIDES[RANK - 1] == 1 && n == 4 && left >= 4) {                              \
      const uint shift = (at & 3) * 8;                                                \
      uint word = WORDS[at >> 2];                                                     \
      if (shift != 0) {                                                               \
        word = (word >> shift) | (WORDS[(at >> 2) + 1] << (32 - shift));              \
      }                                                                               \
      return word;                                                                    \
    }                                                                                 \
    uint gathered = 0;                                                                \
    for (uint i = 0; i < n; ++i) {                                                    \
      if (left == 0) {                                                                \
        at = OFFSET + AT(e + i, left);                                                \
      }                                                                               \
      gathered |= ((WORDS[at >> 2] >> ((at & 3) * 8)) & 0xffu) << (8 * i);            \
      at += STRIDES[RANK - 1];                                                        \
      --left;                                                                         \
    }                                                                                 \
    return gathered;                                                                  \
  }

#endif
