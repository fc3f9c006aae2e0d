"""Why float ops stay off Vulkan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from executorch.exir import EdgeCompileConfig, to_edge
from torch import nn
from torch.export import Dim

from executorch_vulkan import VulkanPartitioner
from executorch_vulkan.reporting.reasons import noted


class Function(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def reasons(
    function: Callable[..., Any],
    x: torch.Tensor,
    op: str,
    dynamic_shapes: Any = None,
    **options: Any,
) -> list[str]:
    """Of each node that calls `op` and stays outside."""
    exported = torch.export.export(Function(function), (x,), dynamic_shapes=dynamic_shapes)
    config = EdgeCompileConfig(_check_ir_validity=False)
    program = to_edge(exported, compile_config=config).exported_program()
    VulkanPartitioner(**options).partition(program)
    nodes = [n for n in program.graph.nodes if getattr(n.target, "__name__", "") == f"aten.{op}"]
    assert nodes
    return [left_out.reason for node in nodes if (left_out := noted(node)) is not None]


FLOAT = torch.zeros(2, 3)
CASES: dict[str, tuple[Callable[..., Any], torch.Tensor, str, str]] = {
    "half": (torch.exp, FLOAT.half(), "exp.default", "it computes in torch.float16"),
    "double": (lambda x: x.sum(0), FLOAT.double(), "sum.dim_IntList", "in torch.float64"),
    "integers": (
        torch.nn.functional.hardtanh,
        FLOAT.long(),
        "hardtanh.default",
        "is int64, and this op runs here on float32; convert it before",
    ),
    "wide_number": (
        lambda x: x == 2**33,
        FLOAT.long(),
        "eq.Scalar",
        "other is 8589934592; int64 is computed in int32 here; keep values within -2^31..2^31-1",
    ),
    "batch norm": (
        lambda x: torch.nn.functional.batch_norm(x, x[0] * 0, x[0] * 0 + 1),
        FLOAT,
        "_native_batch_norm_legit_no_training.default",
        "its running_mean is computed at run time; make it a parameter or buffer",
    ),
    "resize": (
        lambda x: torch.ops.aten.upsample_bilinear2d.vec(x[None, None], None, False, [2.0, 2.0]),
        FLOAT.half(),
        "upsample_bilinear2d.vec",
        "it computes in torch.float16",
    ),
    "largest of bools": (
        lambda x: (x > 0).amax(),
        FLOAT,
        "amax.default",
        "is bool, and this op runs here on float32; convert it before",
    ),
    "many in order": (
        lambda x: x.sort(-1)[0],
        torch.zeros(2, 2000),
        "sort.default",
        "it wants 2000 elements in order, and 1 to 1024 are found here",
    ),
    "sum_in_double": (
        lambda x: x.sum(0, dtype=torch.float64),
        FLOAT,
        "sum.dim_IntList",
        "it computes in torch.float64",
    ),
    "strided": (torch.exp, FLOAT[:, ::2], "exp.default", "it is not contiguous; call contiguous()"),
    "empty": (torch.exp, torch.zeros(2, 0), "exp.default", "it is empty; leave it out"),
    "subnormal": (
        lambda x: torch.remainder(x, 1e-40),
        FLOAT,
        "remainder.Scalar",
        "other is 1e-40, a subnormal float32, which devices may take for zero",
    ),
    "integer_product": (
        lambda x: x @ x.t(),
        FLOAT.long(),
        "mm.default",
        "is torch.int64, and products run here on float32; convert it before",
    ),
    "factor": (
        lambda x: torch.addmm(x[:, :2], x, x.t(), alpha=0.5),
        FLOAT,
        "addmm.default",
        "alpha is 0.5, of a transposed matrix; multiply the product or addend by it",
    ),
    "permuted_to_itself": (
        lambda x: x[:, :2] @ x.permute(0, 1),
        FLOAT,
        "mm.default",
        "its second matrix is permuted to the order that it has; leave that out",
    ),
    "half_product": (
        lambda x: x @ x.t(),
        FLOAT.half(),
        "mm.default",
        "it computes in torch.float16",
    ),
    "rank": (torch.exp, torch.zeros((1,) * 9), "exp.default", "it has 9 dimensions, more than 8"),
}


@pytest.mark.parametrize("name", CASES)
def test_reason(name: str) -> None:
    function, x, op, reason = CASES[name]
    found = reasons(function, x, op)
    assert found and all(reason in one for one in found), found


def test_a_size_that_is_not_bounded() -> None:
    rows = {0: Dim("rows", min=1)}
    [reason] = reasons(torch.exp, FLOAT, "exp.default", ({0: rows[0]},))
    assert "has no upper bound: give it one with torch.export.Dim(name, max=...)" in reason


def test_a_number_that_is_computed_from_a_size() -> None:
    def power(x: torch.Tensor) -> torch.Tensor:
        return x ** x.shape[0]

    [reason] = reasons(power, FLOAT, "pow.Tensor_Scalar", ({0: Dim("rows", min=2, max=9)},))
    assert "exponent is computed at run time; give aten.pow.Tensor_Scalar a number" in reason


def test_lists_of_the_user() -> None:
    blocked = {"operator_blocklist": [torch.ops.aten.exp.default]}
    assert reasons(torch.exp, FLOAT, "exp.default", **blocked) == [
        "aten.exp.default is in operator_blocklist"
    ]
    # The lists of modules count for what computes.
    allowed = {"nn_module_allowlist": ["Linear"]}
    assert reasons(torch.exp, FLOAT, "exp.default", **allowed) == [
        "its module is not in nn_module_allowlist"
    ]
    assert reasons(torch.exp, FLOAT, "exp.default", nn_module_allowlist=["Function"]) == []
