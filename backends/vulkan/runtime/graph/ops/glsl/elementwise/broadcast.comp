// A function of two or, with OPERANDS 3, three operands that are broadcast: y[i] = f(a, b), f(a, b, c).
//
// Bindings: 0 y, float32 or with Y_BOOL bool; then a, b (and c), float32 or, with A_BOOL for a and
// B_BOOL for the others, bool. The loops of strided_bytes.glsl are the dimensions of y; a stride of
// 0 repeats an operand. One thread makes the units of flat_steps.glsl (four elements each); it alone
// touches them, and keeps the bytes of the last word that lie beyond the tensor.
// With WHOLE_WORDS the loops count units of y, and the operands' strides
//
//   EACH      units: four elements are a unit of the operand, too
//   REPEATED  elements: of which one stands for all four
//
// Else loops and strides count elements, and four are gathered, wherever they are.
// A NUMBER is p.a_number or p.b_number, with nothing bound (but something, for Vulkan's sake).
//
// Specialization constants: 1, FUNCTION, the code of a row of elementwise.py. 2 to 4, the forms of a,
// b and c: 0 EACH, 1 REPEATED, 2 NUMBER.
// Preconditions: an operand of EACH that is float32 has whole groups, whatever the last one holds
// behind the tensor. Features: none.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "elementwise/float_functions.glsl"
#include "flat_steps.glsl"

layout(local_size_x = WORKGROUP_SIZE, local_size_y = 1, local_size_z = 1) in;

const uint EACH = 0;
const uint REPEATED = 1;
const uint NUMBER = 2;
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
  float a_number;
  float b_number;
  float alpha;
#endif
} p;

#include "elementwise/store_result.glsl"
#include "elementwise_cases.glsl"
#include "strided_bytes.glsl"

// Each defines LOAD(at, number): the four elements of unit `at` of y, of an operand.
#ifdef WHOLE_WORDS

#define DEFINE_LOAD_FLOAT(LOAD, AT, ELEMENTS, GROUPS, STRIDES, FORM)                 \
  DEFINE_ELEMENT_AT(AT, STRIDES)                                                     \
  vec4 LOAD(uint at, float number) {                                                 \
    if (FORM == NUMBER) {                                                            \
      return vec4(number);                                                           \
    }                                                                                \
    uint left;                                                                       \
    const uint from = AT(at, left);                                                  \
    if (FORM == REPEATED) {                                                          \
      return vec4(ELEMENTS[from]);                                                   \
    }                                                                                \
    return GROUPS[from];                                                             \
  }
#define DEFINE_LOAD_BOOL(LOAD, AT, WORDS, STRIDES, FORM)                             \
  DEFINE_ELEMENT_AT(AT, STRIDES)                                                     \
  vec4 LOAD(uint at, float number) {                                                 \
    uint left;                                                                       \
    const uint from = AT(at, left);                                                  \
    if (FORM == REPEATED) {                                                          \
      return vec4(truths(WORDS[from >> 2] >> ((from & 3) * 8)).x);                   \
    }                                                                                \
    return truths(WORDS[from]);                                                      \
  }

#else

#define DEFINE_LOAD_FLOAT(LOAD, AT, ELEMENTS, GROUPS, STRIDES, FORM)                 \
  DEFINE_ELEMENT_AT(AT, STRIDES)                                                     \
  vec4 LOAD(uint at, float number) {                                                 \
    if (FORM == NUMBER) {                                                            \
      return vec4(number);                                                           \
    }                                                                                \
    uint left;                                                                       \
    uint from = AT(at * 4, left);                                                    \
    vec4 gathered = vec4(0.0);                                                       \
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
#define DEFINE_LOAD_BOOL(LOAD, AT, WORDS, STRIDES, FORM)                             \
  DEFINE_ELEMENT_AT(AT, STRIDES)                                                     \
  DEFINE_GATHER(LOAD##_bytes, AT, WORDS, STRIDES, 0)                                 \
  vec4 LOAD(uint at, float number) {                                                 \
    return truths(LOAD##_bytes(at * 4, min(4, p.count - at * 4)));                   \
  }

#endif

#ifdef A_BOOL
layout(set = 0, binding = 1) readonly buffer InputA { uint a_words[]; };
DEFINE_LOAD_BOOL(load_a, a_at, a_words, p.a_strides, A_FORM)
#else
layout(set = 0, binding = 1) readonly buffer InputA { float a_elements[]; };
layout(set = 0, binding = 1) readonly buffer InputA4 { vec4 a_groups[]; };
DEFINE_LOAD_FLOAT(load_a, a_at, a_elements, a_groups, p.a_strides, A_FORM)
#endif

#ifdef B_BOOL
layout(set = 0, binding = 2) readonly buffer InputB { uint b_words[]; };
DEFINE_LOAD_BOOL(load_b, b_at, b_words, p.b_strides, B_FORM)
#else
layout(set = 0, binding = 2) readonly buffer InputB { float b_elements[]; };
layout(set = 0, binding = 2) readonly buffer InputB4 { vec4 b_groups[]; };
DEFINE_LOAD_FLOAT(load_b, b_at, b_elements, b_groups, p.b_strides, B_FORM)
#endif

#if OPERANDS == 3
layout(set = 0, binding = 3) readonly buffer InputC { float c_elements[]; };
layout(set = 0, binding = 3) readonly buffer InputC4 { vec4 c_groups[]; };
DEFINE_LOAD_FLOAT(load_c, c_at, c_elements, c_groups, p.c_strides, C_FORM)
#endif

void main() {
  const uint units = words_of(p.count);
  FOR_EACH_PASS(first, units) {
    vec4 operands[STEPS][OPERANDS];
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      const uint at = step_at(first, s, units);
#if OPERANDS == 3
      operands[s] = vec4[3](load_a(at, 0.0), load_b(at, 0.0), load_c(at, 0.0));
#else
      operands[s] = vec4[2](load_a(at, p.a_number), load_b(at, p.b_number));
#endif
    }
    [[unroll]] for (uint s = 0; s < STEPS; ++s) {
      if (is_step(first, s, units)) {
#if OPERANDS == 3
        const RESULT y = apply(operands[s][0], operands[s][1], operands[s][2]);
#else
        const RESULT y = apply(operands[s][0], operands[s][1], p.alpha);
#endif
        store(step_at(first, s, units), y);
      }
    }
  }
}
