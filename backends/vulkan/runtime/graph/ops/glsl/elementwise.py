"""The one table of elementwise ops and reductions: for the shaders, C++, Python and tests.

A row is one op of a program: "aten." and its `aten` are the name in a blob. elementwise_code.py
makes of the rows the cases of the shaders in elementwise/ and reduce/, and the list by which C++
registers the ops; the partitioner and the tests read the rows. A new op is one row here, with what
its expression calls in what elementwise/float_functions.glsl includes. This file imports no torch.

Expressions are of `vec4` x, or a, b and c, and where they end as a truth value of `bvec4`. Operands
of "bool" come as 0.0 and 1.0. Parameters are `float`, by position alpha, beta and gamma. In rows of
integers (int32, which int64 is in a blob) all of these are `ivec4` and `int`, and wrap around.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FLOAT32, BOOL, INT32 = "float32", "bool", "int32"
PARAMETER_NAMES = ("alpha", "beta", "gamma")  # in an expression, by position

Parameters = tuple[tuple[str, float | None], ...]
Keywords = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Unary:
    """A function of one tensor, of any shape.

    aten: in torch.ops.aten. Its tensor comes first, then `parameters`, then `keywords`.
    parameters: names in the schema and their defaults, which None in a program means too; a default
        of None: the program must give one.
    keywords: string arguments that are fixed for this row; other rows have the others.
    operands, result: dtypes; the operand may have either. Of int32 a row of its own.
    keeps_nan: whether the float32 result of NaN is NaN, whatever `glsl` makes of it.
    domain: between what finite values tests draw operands.
    """

    aten: str
    glsl: str
    parameters: Parameters = ()
    keywords: Keywords = ()
    operands: tuple[str, ...] = (FLOAT32,)
    result: str = FLOAT32
    keeps_nan: bool = True
    domain: tuple[float, float] = (-10.0, 10.0)


@dataclass(frozen=True)
class Binary:
    """A function of two tensors that are broadcast, or of a tensor and a number.

    scalar: "" for two tensors; "a" or "b" where the first or the second operand is a number.
    alpha: whether a number of this name, 1 by default, follows them; it is `alpha` in `glsl`.
    keywords, operands, result, domain: as of Unary; both tensors have the same dtype.
    """

    aten: str
    glsl: str
    scalar: str = ""
    alpha: bool = False
    keywords: Keywords = ()
    operands: tuple[str, ...] = (FLOAT32,)
    result: str = FLOAT32
    domain: tuple[float, float] = (-10.0, 10.0)


@dataclass(frozen=True)
class Ternary:
    """A function of a bool tensor a and two tensors b and c of any one dtype, all broadcast.

    glsl: of `vec4` a and the bits of b and c, `ivec4`.
    """

    aten: str
    glsl: str
    domain: tuple[float, float] = (-10.0, 10.0)


@dataclass(frozen=True)
class Reduction:
    """float32, or int32, over some dimensions, at least one element for each result.

    start: what `combine` leaves as it is.
    combine: of `vec4` a and b; the elements come in any order.
    finish: of `vec4` x, what was combined, and `float` count, the elements of one result.
    compensated: `combine` is a sum, whose rounding errors are kept and added at the end.
    arguments: what follows the tensor: of "dim" (none or an empty list: all; in an overload dim_int
        one integer), "keepdim" and "dtype" (None, or that of the operand).
    operands: the dtype, which the result has too; integers have a row of their own.
    """

    aten: str
    start: float
    combine: str
    finish: str = "x"
    compensated: bool = False
    arguments: tuple[str, ...] = ()
    operands: tuple[str, ...] = (FLOAT32,)
    domain: tuple[float, float] = (-10.0, 10.0)


def comparison(name: str, glsl: str) -> tuple[Binary, ...]:
    return (
        Binary(f"{name}.Tensor", glsl, operands=(FLOAT32, BOOL), result=BOOL, domain=(-2.0, 2.0)),
        Binary(
            *(f"{name}.Scalar", glsl, "b"),
            operands=(FLOAT32, BOOL),
            result=BOOL,
            domain=(-2.0, 2.0),
        ),
    )


def arithmetic(name: str, glsl: str, alpha: bool = False) -> tuple[Binary, ...]:
    return (
        Binary(f"{name}.Tensor", glsl, alpha=alpha),
        Binary(f"{name}.Scalar", glsl, scalar="b", alpha=alpha),
    )


def rounded_division(mode: str, glsl: str) -> tuple[Binary, ...]:
    keywords = (("rounding_mode", mode),)
    return (
        Binary("div.Tensor_mode", glsl, keywords=keywords),
        Binary("div.Scalar_mode", glsl, scalar="b", keywords=keywords),
    )


def logical(name: str, bitwise: str, glsl: str) -> tuple[Binary, ...]:
    return (
        Binary(f"{name}.default", glsl, operands=(FLOAT32, BOOL), result=BOOL),
        Binary(f"{bitwise}.Tensor", glsl, operands=(BOOL,), result=BOOL),
    )


def integer_comparison(name: str, glsl: str) -> tuple[Binary, ...]:
    return (
        Binary(f"{name}.Tensor", glsl, operands=OF_INTEGERS, result=BOOL, domain=SMALL),
        Binary(f"{name}.Scalar", glsl, scalar="b", operands=OF_INTEGERS, result=BOOL, domain=SMALL),
    )


def integer_function(
    name: str, glsl: str, alpha: bool = False, keywords: Keywords = ()
) -> tuple[Binary, ...]:
    suffix = "_mode" if keywords else ""
    of = {"alpha": alpha, "keywords": keywords, "operands": OF_INTEGERS, "result": INT32}
    return (
        Binary(f"{name}.Tensor{suffix}", glsl, **of),  # type: ignore[arg-type]
        Binary(f"{name}.Scalar{suffix}", glsl, scalar="b", **of),  # type: ignore[arg-type]
    )


OF_INTEGERS = (INT32,)
SMALL = (-3.0, 3.0)
MODES_NONE: Keywords = (("rounding_mode", None),)
UP_TO_ONE = (-1.0, 1.0)
POSITIVE = (1e-3, 50.0)
NEAR_ONE = (0.9, 1.1)
MANY_PERIODS = (-1e4, 1e4)

UNARY: tuple[Unary, ...] = (
    Unary("abs.default", "abs(x)"),
    Unary("acos.default", "acos_of(x)", domain=UP_TO_ONE),
    Unary("acosh.default", "acosh_of(x)", domain=(1.0, 50.0)),
    Unary("asin.default", "asin_of(x)", domain=UP_TO_ONE),
    Unary("asinh.default", "asinh_of(x)"),
    Unary("atan.default", "atan_of(x)"),
    Unary("atanh.default", "atanh_of(x)", domain=UP_TO_ONE),
    Unary("bitwise_not.default", "is_zero(x)", operands=(BOOL,), result=BOOL),
    Unary("ceil.default", "ceil_of(x)"),
    Unary(
        "clamp.default",
        "clamp_of(x, alpha, beta)",
        parameters=(("min", -math.inf), ("max", math.inf)),
    ),
    Unary("cos.default", "cos_of(x)", domain=MANY_PERIODS),
    Unary("cosh.default", "cosh_of(x)"),
    Unary(
        "elu.default",
        "elu_of(x, alpha, beta, gamma)",
        parameters=(("alpha", 1.0), ("scale", 1.0), ("input_scale", 1.0)),
    ),
    Unary("erf.default", "erf_of(x)", domain=(-4.0, 4.0)),
    Unary("erfc.default", "erfc_of(x)", domain=(-4.0, 4.0)),
    Unary("exp.default", "exp_of(x)"),
    Unary("exp2.default", "exp2_of(x)"),
    Unary("expm1.default", "expm1_of(x)"),
    Unary("floor.default", "floor_of(x)"),
    Unary("gelu.default", "gelu_of(x)", keywords=(("approximate", "none"),)),
    Unary(
        "gelu.default", "zero_times_infinity(x, gelu_tanh(x))", keywords=(("approximate", "tanh"),)
    ),
    Unary("hardsigmoid.default", "hardsigmoid(x)"),
    Unary("hardswish.default", "zero_times_infinity(x, hardswish(x))"),
    Unary(
        "hardtanh.default",
        "clamp_of(x, alpha, beta)",
        parameters=(("min_val", -1.0), ("max_val", 1.0)),
    ),
    Unary("isinf.default", "is_inf(x)", result=BOOL),
    Unary("isnan.default", "is_nan(x)", result=BOOL),
    Unary("leaky_relu.default", "leaky_relu(x, alpha)", parameters=(("negative_slope", 0.01),)),
    Unary("log.default", "log_of(x)", domain=POSITIVE),
    Unary("log10.default", "log10_of(x)", domain=POSITIVE),
    Unary("log1p.default", "log1p_of(x)", domain=(-0.999, 50.0)),
    Unary("log2.default", "log2_of(x)", domain=POSITIVE),
    Unary("logical_not.default", "is_zero(x)", operands=(FLOAT32, BOOL), result=BOOL),
    Unary("neg.default", "-x"),
    Unary("reciprocal.default", "divide(vec4(1.0), x)", domain=(0.1, 50.0)),
    Unary("relu.default", "max(x, vec4(0.0))"),
    Unary("relu6.default", "clamp(x, vec4(0.0), vec4(6.0))"),
    Unary("round.decimals", "round_decimals(x, alpha)", parameters=(("decimals", None),)),
    Unary("round.default", "round_of(x)"),
    Unary("rsqrt.default", "rsqrt_of(x)", domain=POSITIVE),
    Unary("sigmoid.default", "sigmoid(x)"),
    Unary("sign.default", "sign_of(x)", keeps_nan=False),
    Unary("signbit.default", "sign_bit(x)", result=BOOL),
    Unary("silu.default", "zero_times_infinity(x, silu_of(x))"),
    Unary("sin.default", "sin_of(x)", domain=MANY_PERIODS),
    Unary("sinh.default", "sinh_of(x)"),
    Unary("sqrt.default", "sqrt_of(x)", domain=POSITIVE),
    Unary("tan.default", "tan_of(x)", domain=MANY_PERIODS),
    Unary("tanh.default", "tanh_of(x)"),
    Unary(
        "threshold.default",
        "mix(vec4(beta), x, greaterThan(x, vec4(alpha)))",
        parameters=(("threshold", None), ("value", None)),
    ),
    Unary("trunc.default", "trunc_of(x)"),
)

BINARY: tuple[Binary, ...] = (
    *arithmetic("add", "a + alpha * b", alpha=True),
    *arithmetic("sub", "a - alpha * b", alpha=True),
    *arithmetic("mul", "a * b"),
    *arithmetic("div", "divide(a, b)"),
    Binary("div.Tensor_mode", "divide(a, b)", keywords=MODES_NONE),
    Binary("div.Scalar_mode", "divide(a, b)", scalar="b", keywords=MODES_NONE),
    *rounded_division("floor", "divide_floor(a, b)"),
    *rounded_division("trunc", "divide_trunc(a, b)"),
    Binary("floor_divide.default", "divide_floor(a, b)"),
    *arithmetic("fmod", "fmod_of(a, b)"),
    *arithmetic("remainder", "remainder_of(a, b)"),
    Binary("atan2.default", "atan2_of(a, b)"),
    Binary("maximum.default", "max_of(a, b)"),
    Binary("minimum.default", "min_of(a, b)"),
    Binary("pow.Tensor_Tensor", "pow_of(a, b)", domain=(0.1, 4.0)),
    Binary("pow.Tensor_Scalar", "pow_of(a, b)", scalar="b", domain=(0.1, 4.0)),
    Binary("pow.Scalar", "pow_of(a, b)", scalar="a", domain=(0.1, 4.0)),
    *comparison("eq", "is_equal(a, b)"),
    *comparison("ne", "not(is_equal(a, b))"),
    *comparison("lt", "is_less(a, b)"),
    *comparison("le", "is_at_most(a, b)"),
    *comparison("gt", "is_less(b, a)"),
    *comparison("ge", "is_at_most(b, a)"),
    *logical("logical_and", "bitwise_and", "both(a, b)"),
    *logical("logical_or", "bitwise_or", "either(a, b)"),
    *logical("logical_xor", "bitwise_xor", "one_of(a, b)"),
)


# Of bool alone, where other dtypes have rows of their own. PyTorch adds bools as truth values.
BOOL_UNARY: tuple[Unary, ...] = (
    Unary("sign.default", "not(is_zero(x))", operands=(BOOL,), result=BOOL),
)

BOOL_BINARY: tuple[Binary, ...] = tuple(
    Binary(aten, glsl, scalar, alpha, operands=(BOOL,), result=BOOL)
    for aten, glsl, scalar, alpha in (
        ("add.Tensor", "either(a, vec4(both(vec4(alpha), b)))", "", True),
        ("add.Scalar", "either(a, vec4(both(vec4(alpha), b)))", "b", True),
        ("mul.Tensor", "both(a, b)", "", False),
        ("mul.Scalar", "both(a, b)", "b", False),
        ("maximum.default", "either(a, b)", "", False),
        ("minimum.default", "both(a, b)", "", False),
        ("bitwise_and.Scalar", "both(a, b)", "b", False),
        ("bitwise_or.Scalar", "either(a, b)", "b", False),
        ("bitwise_xor.Scalar", "one_of(a, b)", "b", False),
    )
)


def integer_unary(name: str, glsl: str, parameters: Parameters = (), result: str = INT32) -> Unary:
    return Unary(f"{name}.default", glsl, parameters, operands=OF_INTEGERS, result=result)


INTEGER_UNARY: tuple[Unary, ...] = (
    integer_unary("abs", "abs(x)"),
    integer_unary("bitwise_not", "~x"),
    integer_unary(
        "clamp",
        "clamp_of(x, alpha, beta)",
        parameters=(("min", -2147483648.0), ("max", 2147483647.0)),
    ),
    *(integer_unary(name, "x") for name in ("ceil", "floor", "round", "trunc")),
    *(integer_unary(name, "bvec4(false)", result=BOOL) for name in ("isinf", "isnan")),
    integer_unary("logical_not", "is_zero(x)", result=BOOL),
    integer_unary("neg", "-x"),
    integer_unary("relu", "max(x, ivec4(0))"),
    integer_unary("sign", "sign(x)"),
)

INTEGER_BINARY: tuple[Binary, ...] = (
    *integer_function("add", "a + alpha * b", alpha=True),
    *integer_function("sub", "a - alpha * b", alpha=True),
    *integer_function("mul", "a * b"),
    *integer_function("div", "divide_floor(a, b)", keywords=(("rounding_mode", "floor"),)),
    *integer_function("div", "divide_trunc(a, b)", keywords=(("rounding_mode", "trunc"),)),
    Binary("floor_divide.default", "divide_floor(a, b)", operands=OF_INTEGERS, result=INT32),
    *integer_function("fmod", "fmod_of(a, b)"),
    *integer_function("remainder", "remainder_of(a, b)"),
    *(
        Binary(aten, glsl, operands=OF_INTEGERS, result=INT32)
        for aten, glsl in (
            ("maximum.default", "max(a, b)"),
            ("minimum.default", "min(a, b)"),
        )
    ),
    *(
        Binary(f"pow.{kind}", "pow_of(a, b)", scalar, operands=OF_INTEGERS, result=INT32)
        for kind, scalar in (("Tensor_Tensor", ""), ("Tensor_Scalar", "b"), ("Scalar", "a"))
    ),
    *integer_function("bitwise_and", "a & b"),
    *integer_function("bitwise_or", "a | b"),
    *integer_function("bitwise_xor", "a ^ b"),
    *integer_comparison("eq", "equal(a, b)"),
    *integer_comparison("ne", "notEqual(a, b)"),
    *integer_comparison("lt", "lessThan(a, b)"),
    *integer_comparison("le", "lessThanEqual(a, b)"),
    *integer_comparison("gt", "lessThan(b, a)"),
    *integer_comparison("ge", "lessThanEqual(b, a)"),
    *(
        Binary(f"{name}.default", glsl, operands=OF_INTEGERS, result=BOOL, domain=SMALL)
        for name, glsl in (
            ("logical_and", "both(a, b)"),
            ("logical_or", "either(a, b)"),
            ("logical_xor", "one_of(a, b)"),
        )
    ),
)

TERNARY: tuple[Ternary, ...] = (Ternary("where.self", "mix(c, b, notEqual(a, vec4(0.0)))"),)

LISTED = ("dim", "keepdim", "dtype")
REDUCTIONS: tuple[Reduction, ...] = (
    Reduction("amax.default", -math.inf, "max_of(a, b)", arguments=("dim", "keepdim")),
    Reduction("amin.default", math.inf, "min_of(a, b)", arguments=("dim", "keepdim")),
    Reduction("max.default", -math.inf, "max_of(a, b)"),
    Reduction("min.default", math.inf, "min_of(a, b)"),
    Reduction("sum.dim_IntList", 0.0, "a + b", compensated=True, arguments=LISTED),
    Reduction("sum.default", 0.0, "a + b", compensated=True, arguments=("dtype",)),
    Reduction("mean.dim", 0.0, "a + b", "x / count", compensated=True, arguments=LISTED),
    Reduction("mean.default", 0.0, "a + b", "x / count", compensated=True, arguments=("dtype",)),
    Reduction("prod.default", 1.0, "a * b", arguments=("dtype",), domain=NEAR_ONE),
    Reduction("prod.dim_int", 1.0, "a * b", arguments=LISTED, domain=NEAR_ONE),
)


def integer_reduction(
    aten: str, start: float, combine: str, arguments: tuple[str, ...] = ()
) -> Reduction:
    return Reduction(aten, start, combine, arguments=arguments, operands=OF_INTEGERS)


LEAST, MOST = -2147483648.0, 2147483647.0
INTEGER_REDUCTIONS: tuple[Reduction, ...] = (
    integer_reduction("amax.default", LEAST, "max(a, b)", ("dim", "keepdim")),
    integer_reduction("amin.default", MOST, "min(a, b)", ("dim", "keepdim")),
    integer_reduction("max.default", LEAST, "max(a, b)"),
    integer_reduction("min.default", MOST, "min(a, b)"),
    integer_reduction("sum.dim_IntList", 0.0, "a + b", LISTED),
    integer_reduction("sum.default", 0.0, "a + b", ("dtype",)),
    integer_reduction("prod.default", 1.0, "a * b", ("dtype",)),
    integer_reduction("prod.dim_int", 1.0, "a * b", LISTED),
)

Row = Unary | Binary | Ternary | Reduction
ALL_UNARY = (*UNARY, *BOOL_UNARY, *INTEGER_UNARY)
ALL_BINARY = (*BINARY, *BOOL_BINARY, *INTEGER_BINARY)
ALL_REDUCTIONS = (*REDUCTIONS, *INTEGER_REDUCTIONS)
ROWS: tuple[Row, ...] = (*ALL_UNARY, *ALL_BINARY, *TERNARY, *ALL_REDUCTIONS)
