// Rows in the registers of LANES threads each: combining what the lanes of a row have, by shuffles, and where
// they are more than a subgroup, once more through shared memory.
//
// Preconditions: LANES is a power of two that divides WORKGROUP_SIZE; the size of subgroups, too, which are
// full; all threads of the workgroup combine at once. Features: subgroup shuffle.
#ifndef ROW_LANES_GLSL
#define ROW_LANES_GLSL

// Of each subgroup, as bits, in turns: a slot is written again only when all have passed the other one's
// barrier, and so have read it.
shared uvec2 partials[2][WORKGROUP_SIZE];
uint slot = 0;

// name(own): COMBINE of what all lanes of a row have, in each of them. BITS and VALUE are from TYPE to two
// words and back.
#define OVER_ROW(name, TYPE, COMBINE, BITS, VALUE)                        \
  TYPE name(TYPE own) {                                                   \
    [[unroll]] for (uint step = 1; step < LANES; step *= 2) {             \
      if (step < gl_SubgroupSize) {                                       \
        own = COMBINE(own, subgroupShuffleXor(own, step));                \
      }                                                                   \
    }                                                                     \
    if (LANES > gl_SubgroupSize) {                                        \
      if (gl_SubgroupInvocationID == 0) {                                 \
        partials[slot][gl_SubgroupID] = BITS(own);                        \
      }                                                                   \
      barrier();                                                          \
      const uint subgroups = LANES / gl_SubgroupSize;                     \
      const uint begin = gl_SubgroupID / subgroups * subgroups;           \
      own = VALUE(partials[slot][begin]);                                 \
      for (uint i = 1; i < subgroups; ++i) {                              \
        own = COMBINE(own, VALUE(partials[slot][begin + i]));             \
      }                                                                   \
      slot ^= 1;                                                          \
    }                                                                     \
    return own;                                                           \
  }

#endif
