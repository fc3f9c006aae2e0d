"""The one table of activations that kernels can apply: for the shaders, the C++ side and Python.

A row's index is its code: compile_kernels.py makes the macros ACTIVATION_NAME of it for
activations.glsl, which has one line a row, and the list of names that C++ checks. Python calls the
aten op of the row as the exact meaning. A new activation is one line here and one there; append
it, so that codes stay. This file imports no torch: the build runs it without.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Activation:
    """One elementwise float32 function of an operand and at most two float parameters.

    parameters: names in the aten op's schema and their defaults; the shader has them as `alpha` and
        `beta`, in this order, 0.0 where there is none.
    keywords: arguments of the aten op that are fixed for this row.
    """

    name: str
    aten: str = ""  # in torch.ops.aten; "" for none
    parameters: tuple[tuple[str, float], ...] = ()
    keywords: tuple[tuple[str, str], ...] = ()


ACTIVATIONS: tuple[Activation, ...] = (
    Activation("none"),
    Activation("clamp", "clamp.default", (("min", -math.inf), ("max", math.inf))),
    Activation("leaky_relu", "leaky_relu.default", (("negative_slope", 0.01),)),
    Activation("sigmoid", "sigmoid.default"),
    Activation("tanh", "tanh.default"),
    Activation("silu", "silu.default"),
    Activation("hardswish", "hardswish.default"),
    Activation("hardsigmoid", "hardsigmoid.default"),
    Activation("gelu", "gelu.default", keywords=(("approximate", "none"),)),
    Activation("gelu_tanh", "gelu.default", keywords=(("approximate", "tanh"),)),
    Activation("elu", "elu.default", (("alpha", 1.0),)),
)
