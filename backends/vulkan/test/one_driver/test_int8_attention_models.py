"""Models with attention between int8 tensors: which ops it becomes, and right to a step."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from executorch_vulkan.program import read_delegates
from programs import load
from quantized_graphs import Grid
from whole_models import Function, check_close, drawn, listed, lowered, pte_of, whole

Q, K, V = Grid(0.02, 3), Grid(0.025, -9), Grid(0.03, 20)
OUT, OTHER = Grid(0.02, -5), Grid(0.05, 7)
ON_INT8 = ["quantize_per_tensor"] * 3 + ["q8ta_attention", "dequantize_per_tensor"]
Attention = Callable[..., torch.Tensor]


def ops_of(function: Attention, *grids: Grid | None, shape: tuple[int, ...]) -> list[str]:
    """As `ops_with`, of three inputs of this shape."""
    inputs = [drawn(shape, seed=seed) for seed in range(3)]
    return ops_with(function, *grids, inputs=inputs)


def ops_with(function: Attention, *grids: Grid | None, inputs: list[torch.Tensor]) -> list[str]:
    """The ops of one delegate, whose results are on these grids and right."""
    module = Function(function)
    program = whole(lowered(module, inputs))
    method = load(pte := pte_of(program))
    wanted = listed(module(*inputs))
    for actual, expected, grid in zip(method.execute(inputs), wanted, grids, strict=True):
        if grid is None:
            check_close(actual, expected.double())
            continue
        steps = ((actual - expected) / grid.scale).abs().round()
        assert int(steps.max()) <= 1
        assert int(steps.sum()) <= max(1, 0.01 * steps.numel())
    del pte
    [delegate] = read_delegates(program)
    return [name.split(".")[1] for name in delegate.op_names]


def rounded(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> list[torch.Tensor]:
    return [Q.round_trip(q), K.round_trip(k), V.round_trip(v)]


def heads(x: torch.Tensor, grid: Grid, between: Grid | None = None) -> torch.Tensor:
    """[N, L, 16] to [N, 2, L, 8], each step of it quantized as XNNPACK's quantizer does."""
    x = grid.round_trip(grid.round_trip(x).view(2, -1, 2, 8))
    return (between or grid).round_trip(x.transpose(1, 2))


def test_on_int8_to_int8() -> None:
    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return OUT.round_trip(F.scaled_dot_product_attention(*rounded(q, k, v)))

    assert ops_of(function, OUT, shape=(2, 3, 7, 8)) == ON_INT8


def test_masks_and_written_forms() -> None:
    causal = torch.ones(7, 7, dtype=torch.bool).tril()

    def masked(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return OUT.round_trip(F.scaled_dot_product_attention(*rounded(q, k, v), attn_mask=causal))

    def written(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = rounded(q, k, v)
        scores = (q @ k.transpose(-2, -1) / 3).masked_fill(~causal, -1e9)
        return OUT.round_trip(scores.softmax(-1) @ v)

    for function in (masked, written):
        ops = ops_of(function, OUT, shape=(2, 3, 7, 8))
        assert ops.count("q8ta_attention") == 1 and ops.count("dequantize_per_tensor") == 1


def joined(y: torch.Tensor, grid: Grid | None) -> torch.Tensor:
    y = y.transpose(1, 2).reshape(2, -1, 16)
    return y if grid is None else grid.round_trip(y)


def test_through_moves_of_int8() -> None:
    """Permutes in front of it and behind it are its own; only views are left."""

    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        operands = (heads(q, Q), heads(k, K), heads(v, V))
        return joined(F.scaled_dot_product_attention(*operands), OUT)

    ops = ops_of(function, OUT, shape=(2, 7, 16))
    assert ops.count("q8ta_attention") == 1 and "permute_copy" not in ops
    assert ops.count("quantize_per_tensor") == 3 and ops.count("dequantize_per_tensor") == 1


def test_moves_of_its_int8_result() -> None:
    """The permute is the order in which it writes, where nothing else reads what it gives."""

    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        y = F.scaled_dot_product_attention(heads(q, Q), heads(k, K), heads(v, V))
        return joined(OUT.round_trip(y), OUT)

    def read_twice(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> list[torch.Tensor]:
        y = OUT.round_trip(F.scaled_dot_product_attention(*rounded(q, k, v)))
        return [OUT.round_trip(y.transpose(1, 2)), y]

    def vectors_moved(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        y = OUT.round_trip(F.scaled_dot_product_attention(*rounded(q, k, v)))
        return OUT.round_trip(y.transpose(2, 3))

    ops = ops_of(function, OUT, shape=(2, 7, 16))
    assert sorted(op for op in ops if op != "view_copy") == sorted(ON_INT8)
    ops = ops_of(read_twice, OUT, OUT, shape=(2, 3, 7, 8))
    assert ops.count("q8ta_attention") == ops.count("permute_copy") == 1
    ops = ops_of(vectors_moved, OUT, shape=(2, 3, 7, 8))
    assert ops.count("q8ta_attention") == ops.count("permute_copy") == 1


def test_rows_of_its_int8_result_viewed_as_one_dimension() -> None:
    """As GPT-2's, with a quantize in front of the permute or behind it."""

    def behind(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        y = joined(F.scaled_dot_product_attention(heads(q, Q), heads(k, K), heads(v, V)), OUT)
        return OUT.round_trip(y.view(-1, 16))

    def in_front(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        y = F.scaled_dot_product_attention(heads(q, Q), heads(k, K), heads(v, V))
        return OUT.round_trip(joined(OUT.round_trip(y), OUT).view(-1, 16))

    for function in (behind, in_front):
        ops = ops_of(function, OUT, shape=(2, 7, 16))
        assert sorted(op for op in ops if op != "view_copy") == sorted(ON_INT8)


def check_moves(split: Callable[[torch.Tensor, Grid], torch.Tensor], *left: str) -> None:
    """q, k and v are int8 whatever stands between them and their last quantize."""

    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        y = F.scaled_dot_product_attention(split(q, Q), split(k, K), split(v, V))
        return joined(y, OUT)

    ops = ops_of(function, OUT, shape=(2, 7, 16))
    assert sorted(op for op in ops if op != "view_copy") == sorted([*ON_INT8, *left])


def test_behind_views_of_the_dequantized() -> None:
    check_moves(lambda x, grid: grid.round_trip(x).unflatten(2, (2, 8)).transpose(1, 2))


def test_behind_other_moves_of_the_dequantized() -> None:
    """These are done in int8."""

    def doubled(x: torch.Tensor, grid: Grid) -> torch.Tensor:
        x = grid.round_trip(x)
        return torch.cat([x[:, 4:], x], 1).unflatten(2, (2, 8)).transpose(1, 2)

    check_moves(doubled, *["slice_copy"] * 3, *["cat"] * 3)


def test_behind_roundings_between_all_moves() -> None:
    """Keys and values for every second head: they are not repeated, not even in int8."""

    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        def repeated(x: torch.Tensor, grid: Grid) -> torch.Tensor:
            x = grid.round_trip(heads(x, grid)[:, :, None])
            x = grid.round_trip(x.expand(-1, -1, 2, -1, -1))
            return grid.round_trip(x.reshape(2, 4, -1, 8))

        q = Q.round_trip(Q.round_trip(q).view(2, -1, 4, 8)).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, repeated(k, K), repeated(v, V))
        return OUT.round_trip(y.transpose(1, 2).reshape(2, -1, 32))

    inputs = [drawn((2, 7, 32)), drawn((2, 9, 16), seed=1), drawn((2, 9, 16), seed=2)]
    ops = ops_with(function, OUT, inputs=inputs)
    assert sorted(op for op in ops if op != "view_copy") == sorted(ON_INT8)


def test_a_factor_in_front_of_the_heads() -> None:
    """One that multiplies q is a factor of the scores; v's is computed."""

    def scaled(of_q: float, of_v: float) -> Attention:
        def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            q, k, v = rounded(q, k, v)
            parts = (one.unflatten(2, (2, 8)).transpose(1, 2) for one in (q * of_q, k, v * of_v))
            return joined(F.scaled_dot_product_attention(*parts, scale=1.0), OUT)

        return function

    ops = ops_of(scaled(0.3, 1.0), OUT, shape=(2, 7, 16))
    assert sorted(op for op in ops if op != "view_copy") == sorted(ON_INT8)
    ops = ops_of(scaled(0.3, 0.5), OUT, shape=(2, 7, 16))
    assert ops.count("q8ta_attention") == 1


def test_a_function_in_front_of_the_heads_is_no_factor() -> None:
    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = rounded(q, k, v)
        parts = (one.unflatten(2, (2, 8)).transpose(1, 2) for one in (q.abs(), k, v))
        return joined(F.scaled_dot_product_attention(*parts), OUT)

    assert ops_of(function, OUT, shape=(2, 7, 16)).count("q8ta_attention") == 1


def test_a_move_to_another_grid_is_rounded() -> None:
    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        operands = (heads(q, Q), heads(k, K, OTHER), heads(v, V))
        return joined(F.scaled_dot_product_attention(*operands), OUT)

    ops = ops_of(function, OUT, shape=(2, 7, 16))
    assert ops.count("q8ta_attention") == 1 and ops.count("q8ta_table") == 1


def test_a_range_that_clamps_is_kept() -> None:
    narrow = Grid(K.scale, K.zero_point, -60, 60)

    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        operands = (heads(q, Q), heads(k, K, narrow), heads(v, V))
        return joined(F.scaled_dot_product_attention(*operands), OUT)

    assert ops_of(function, OUT, shape=(2, 7, 16)).count("q8ta_attention") == 1


def test_results_in_float_or_on_two_grids() -> None:
    """Of two grids, it is computed once in float32."""

    def in_float(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(*rounded(q, k, v))

    def on_two(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> list[torch.Tensor]:
        y = in_float(q, k, v)
        return [OUT.round_trip(y), OTHER.round_trip(y)]

    ops = ops_of(in_float, None, shape=(2, 3, 7, 8))
    assert ops == ["quantize_per_tensor"] * 3 + ["q8ta_attention"]
    ops = ops_of(on_two, OUT, OTHER, shape=(2, 3, 7, 8))  # type: ignore[arg-type]
    assert ops.count("q8ta_attention") == 1 and ops.count("quantize_per_tensor") == 5


def test_one_operand_in_float() -> None:
    """Then all are, and the result is quantized where it is made."""

    def function(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return OUT.round_trip(F.scaled_dot_product_attention(Q.round_trip(q), K.round_trip(k), v))

    ops = ops_of(function, OUT, shape=(2, 3, 7, 8))
    assert ops.count("q8ta_attention") == 1
    assert ops.count("quantize_per_tensor") == 2 and ops.count("q8ta_dequantize") == 2
