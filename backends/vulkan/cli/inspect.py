"""Show what is in a program (MODEL.pte): delegates, their ops and constants, and ops on the CPU."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from executorch.exir._serialize._program import deserialize_pte_binary
from executorch.exir.schema import (
    DataLocation,
    DelegateCall,
    ExecutionPlan,
    KernelCall,
    TensorShapeDynamism,
)

from ..program import TensorValue, read_blob
from .dtypes import DTYPES, dtype_name
from .files import require_file

NAME = "inspect"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="MODEL.pte")
    parser.add_argument("--json", action="store_true", help="print JSON")


def call(options: argparse.Namespace) -> None:
    require_file(options.model)
    data = options.model.read_bytes()
    try:
        file = deserialize_pte_binary(data)
        methods = [describe_method(plan, file) for plan in file.program.execution_plan]
    except Exception as error:  # of many kinds, by what the file is instead
        what = str(error) or type(error).__name__
        raise ValueError(f"{options.model} is no program of ExecuTorch: {what}") from error
    print(json.dumps(methods, indent=2) if options.json else "\n\n".join(map(_text, methods)))


def describe_method(plan: ExecutionPlan, file: Any) -> dict[str, Any]:
    """A method's inputs, outputs, delegates and CPU ops, as JSON can hold them."""
    calls = [instruction.instr_args for chain in plan.chains for instruction in chain.instructions]
    cpu_ops: Counter[str] = Counter()
    for call in calls:
        if isinstance(call, KernelCall):
            op = plan.operators[call.op_index]
            cpu_ops[f"{op.name}.{op.overload}" if op.overload else op.name] += 1
    order = [call.delegate_index for call in calls if isinstance(call, DelegateCall)]
    return {
        "method": plan.name,
        "inputs": [_value(plan, index) for index in plan.inputs],
        "outputs": [_value(plan, index) for index in plan.outputs],
        "delegates": [_delegate(plan.delegates[index], file) for index in order],
        "cpu_ops": dict(cpu_ops.most_common()),
    }


def _value(plan: ExecutionPlan, index: int) -> dict[str, Any]:
    value = plan.values[index].val
    if not hasattr(value, "sizes"):
        return {"type": type(value).__name__}
    dtype = DTYPES.get(value.scalar_type)
    return {
        "type": value.scalar_type.name.lower() if dtype is None else dtype_name(dtype),
        "sizes": list(value.sizes),
        "is_dynamic": value.shape_dynamism != TensorShapeDynamism.STATIC,
    }


def _delegate(delegate: Any, file: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"backend": delegate.id}
    if delegate.id != "VulkanBackend" or delegate.processed.location != DataLocation.INLINE:
        return made
    blob = bytes(file.program.backend_delegate_data[delegate.processed.index].data)
    chain = read_blob(blob, {}).chain
    constants = {
        argument.id: argument.constant_bytes
        for op in chain
        for argument in op.args
        if isinstance(argument, TensorValue) and argument.constant_bytes
    }
    return made | {
        "ops": dict(Counter(op.name for op in chain).most_common()),
        "constants": len(constants),
        "constant_bytes": sum(constants.values()),
        "blob_bytes": len(blob),
    }


def _text(method: dict[str, Any]) -> str:
    lines = [f"method {method['method']}"]
    for kind in ("inputs", "outputs"):
        for index, value in enumerate(method[kind]):
            at_most = "at most " if value.get("is_dynamic") else ""
            sizes = f" {at_most}{value['sizes']}" if "sizes" in value else ""
            lines.append(f"  {kind[:-1]} {index}  {value['type']}{sizes}")
    for index, delegate in enumerate(method["delegates"]):
        lines.append(f"  delegate {index}  {delegate['backend']}")
        if "ops" in delegate:
            lines.append(
                f"    {delegate['constants']} constants of {delegate['constant_bytes']} bytes, a "
                f"blob of {delegate['blob_bytes']}"
            )
            lines += [f"    {count:4} {name}" for name, count in delegate["ops"].items()]
    if method["cpu_ops"]:
        lines.append("  on the CPU")
        lines += [f"    {count:4} {name}" for name, count in method["cpu_ops"].items()]
    return "\n".join(lines)
