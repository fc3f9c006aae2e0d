// A function of two or, with OPERANDS 3, three operands that are broadcast: y[i] = f(a, b), f(a, b, c).
//
// Bindings: 0 y, float32 or with Y_BOOL bool; then a, b (and c), float32 or, with A_BOOL for a and
// B_BOOL for the others, bool. With INTEGERS, int32 in place of float32; with OPERANDS 3, which are
// INTEGERS, any type of four bytes, or with Y_BYTES of one, that of b and c. The loops of strided_bytes.glsl are the dimensions of y; a stride of
// 0 repeats an operand. One thread makes the units of flat_steps.glsl (four elements each); it alone
// touches them, and keeps the bytes of the last word that lie beyond the tensor.
// With WHOLE_WORDS the loops count units of y, and the operands' strides
//
//   EACH      units: four elements are a unit of the operand, too
//   REPEATED  elements: of which one stands for all four
//
// Else loops and strides count elements, and four are gathered, wherever they are.
// ONE_NUMBER is p.a_number or p.b_number, with nothing bound (but something, for Vulkan's sake).
//
// Specialization constants: 1, FUNCTION, the code of a row of elementwise.py. 2 to 4, the forms of a,
// b and c: 0 EACH, 1 REPEATED, 2 ONE_NUMBER.
// Preconditions: an operand of EACH that is float32 has whole groups, whatever the last one holds
// behind the tensor. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/functions.glsl"
#include "flat_steps.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint EACH = 0;
const uint REPEATED = 1;
const uint ONE_NUMBER = 2;
layout(constant_id = 1) const uint FUNCTION = 0;
layout(constant_id = 2) const uint A_FORM = EACH;
layout(constant_id = 3) const uint B_FORM = EACH;
layout(constant_id = 4) const uint C_FORM = EACH;

layout(push_constant) uniform Params {
  uint count;
  uint sizes[7];
  uint a_strides[8];
  uint b_strides[8];
#if OPERANDS == 3
  uint c_strides[8];
#else
  NUMBER a_number;
  NUMBER b_number;
  NUMBER alpha;
#endif
} p;

#include "elementwise/store_result.glsl"
#include "elementwise_cases.glsl"
#include "strided_bytes.glsl"

// Types of loaded operands: a may be bool beside others.
#ifdef A_BOOL
#define A_VALUES vec4
#else
#define A_VALUES NUMBERS
#endif
#ifdef B_BOOL
#define B_VALUES vec4
#else
#define B_VALUES NUMBERS
#endif

// The four bytes of a word as integers.
ivec4 byte_values(uint word) {
  return ivec4((uvec4(word) >> uvec4(0, 8, 16, 24)) & 0xffu);
}

// Each defines LOAD(at, number): the four elements of unit `at` of y, of an operand; of bytes, as
// VALUES that UNPACK makes of a word.
#ifdef WHOLE_WORDS

#define DEFINE_LOAD_NUMBERS(LOAD, AT, ELEMENTS, GROUPS, STRIDES, FORM)               \
  DEFINE_ELEMENT_AT(AT, STRIDES)                                                     \
  NUMBERS LOAD(uint at, NUMBER number) {                                             \
    if (FORM == ONE_NUMBER) {                                                        \
      return NUMBERS(number);                                                        \
    }                                                                                \
    uint left;                                                                       \
    const uint from = AT(at, left);                                                  \
    if (FORM == REPEATED) {                                                          \
      return NUMBERS(ELEMENTS[from]);                                                \
    }                                                                                \
    return GROUPS[from];                                                             \
  }
#define DEFINE_LOAD_BYTES(LOAD, AT, WORDS, STRIDES, FORM, VALUES, UNPACK)            \
  DEFINE_ELEMENT_AT(AT, STRIDES)                                                     \
  VALUES LOAD(uint at, NUMBER number) {                                              \
    if (FORM == ONE_NUMBER) {                                                        \
      return VALUES(number);                                                         \
    }                                                                                \
    uint left;                                                                       \
    const uint from = AT(at, left);                                                  \
    if (FORM == REPEATED) {                                                          \
      return VALUES(UNPACK(WORDS[from >> 2] >> ((from & 3) * 8)).x);                 \
    }                                                                                \
    return UNPACK(WORDS[from]);                                                      \
  }

#else

#define DEFINE_LOAD_NUMBERS(LOAD, AT, ELEMENTS, GROUPS, STRIDES, FORM)               \
  DEFINE_ELEMENT_AT(AT, STRIDES)                                                     \
  NUMBERS LOAD(uint at, NUMBER number) {                                             \
    if (FORM == ONE_NUMBER) {                                                        \
      return NUMBERS(number);                                                        \
    }                                                                                \
    uint left;                                                                       \
    uint from = AT(at * 4, left);                                                    \
    NUMBERS gathered = NUMBERS(0);                                                   \
    for (uint i = 0; i < min(4, p.count - at * 4); ++i) {                            \
      if (left == 0) {                                                               \
        from = AT(at * 4 + i, left);                                                 \
      }                                                                              \
      gathered[i] = ELEMENTS[from];                                                  \
      from += STRIDES[RANK - 1];                                                     \
      --left;                                                                        \
    }                                                                                \
    return gathered;                                                                 \
  }
#define DEFINE_LOAD_BYTES(LOAD, AT, WORDS, STRIDES, FORM, VALUES, UNPACK)            \
  DEFINE_ELEMENT_AT(AT, STRIDES)                                                     \
  DEFINE_GATHER(LOAD##_bytes, AT, WORDS, STRIDES, 0)                                 \
  VALUES LOAD(uint at, NUMBER number) {                                              \
    if (FORM == ONE_NUMBER) {                                                        \
      return VALUES(number);                                                         \
    }                                                                                \
    return UNPACK(LOAD##_bytes(at * 4, min(4, p.count - at * 4)));                   \
  }

#endif

#ifdef A_BOOL
layout(set = 0, binding = 1) readonly buffer InputA { uint a_words[]; };
DEFINE_LOAD_BYTES(load_a, a_at, a_words, p.a_strides, A_FORM, vec4, truths)
#else
layout(set = 0, binding = 1) readonly buffer InputA { NUMBER a_elements[]; };
layout(set = 0, binding = 1) readonly buffer InputA4 { NUMBERS a_groups[]; };
DEFINE_LOAD_NUMBERS(load_a, a_at, a_elements, a_groups, p.a_strides, A_FORM)
#endif

#ifdef B_BOOL
layout(set = 0, binding = 2) readonly buffer InputB { uint b_words[]; };
DEFINE_LOAD_BYTES(load_b, b_at, b_words, p.b_strides, B_FORM, vec4, truths)
#elif defined(Y_BYTES)
layout(set = 0, binding = 2) readonly buffer InputB { uint b_words[]; };
DEFINE_LOAD_BYTES(load_b, b_at, b_words, p.b_strides, B_FORM, ivec4, byte_values)
#else
layout(set = 0, binding = 2) readonly buffer InputB { NUMBER b_elements[]; };
layout(set = 0, binding = 2) readonly buffer InputB4 { NUMBERS b_groups[]; };
DEFINE_LOAD_NUMBERS(load_b, b_at, b_elements, b_groups, p.b_strides, B_FORM)
#endif

#if OPERANDS == 3
#ifdef Y_BYTES
layout(set = 0, binding = 3) readonly buffer InputC { uint c_words[]; };
DEFINE_LOAD_BYTES(load_c, c_at, c_words, p.c_strides, C_FORM, ivec4, byte_values)
#else
layout(set = 0, binding = 3) readonly buffer InputC { NUMBER c_elements[]; };
layout(set = 0, binding = 3) readonly buffer InputC4 { NUMBERS c_groups[]; };
DEFINE_LOAD_NUMBERS(load_c, c_at, c_elements, c_groups, p.c_strides, C_FORM)
#endif
#endif

void main() {
  const uint units = words_of(p.count);
  FOR_EACH_PASS(first, units) {
    A_VALUES a[STEPS];
    B_VALUES b[STEPS];
#if OPERANDS == 3
    NUMBERS c[STEPS];
#endif
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      const uint at = step_at(first, s, units);
#if OPERANDS == 3
      a[s] = load_a(at, 0);
      b[s] = load_b(at, 0);
      c[s] = load_c(at, 0);
#else
      a[s] = load_a(at, p.a_number);
      b[s] = load_b(at, p.b_number);
#endif
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
#if OPERANDS == 3
        const RESULT y = apply(a[s], b[s], c[s]);
#else
        const RESULT y = apply(a[s], b[s], p.alpha);
#endif
        store(step_at(first, s, units), y);
      }
    }
  }
}
