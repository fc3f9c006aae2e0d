// How threads walk through a flat tensor, in units (words or groups of words): a workgroup takes
// STEPS units for each of its threads per pass, neighbouring threads neighbouring units, and
// strides by the whole grid.
//
//   unit  0 .. WORKGROUP_SIZE - 1 | WORKGROUP_SIZE .. | ...       one pass of workgroup 0
//         step 0                  | step 1            | STEPS
//
// A pass loads all of its steps before it stores one, so that the loads are in flight together.
// Steps behind the last unit load it again, without a branch, and store nothing.
// The including shader defines UNIT_ELEMENTS, of the TILE_N that a workgroup makes in a pass.
#ifndef FLAT_STEPS_GLSL
#define FLAT_STEPS_GLSL

#ifndef UNIT_ELEMENTS
#define UNIT_ELEMENTS 4
#endif

const uint STEPS = TILE_N / (WORKGROUP_SIZE * UNIT_ELEMENTS);

// Words of `count` bytes.
uint words_of(uint count) {
  return count / 4 + (count % 4 != 0 ? 1 : 0);
}

#define FOR_EACH_PASS(FIRST, UNITS)                                                      \
  for (uint FIRST = gl_WorkGroupID.x * (STEPS * WORKGROUP_SIZE) + gl_LocalInvocationIndex; \
       FIRST < UNITS;                                                                    \
       FIRST += gl_NumWorkGroups.x * (STEPS * WORKGROUP_SIZE))

bool is_step(uint first, uint s, uint units) {
  return s == 0 || first + s * WORKGROUP_SIZE < units;
}

uint step_at(uint first, uint s, uint units) {
  return s == 0 ? first : min(first + s * WORKGROUP_SIZE, units - 1);
}

#endif
