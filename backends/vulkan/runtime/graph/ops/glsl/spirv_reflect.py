"""Reads from a SPIR-V module what the kernel table declares too: bindings, push constants,
workgroup size and shared memory. Understands what our compute shaders use, no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

MAGIC = 0x07230203
OP_EXECUTION_MODE = 16
OP_TYPE_INT, OP_TYPE_FLOAT, OP_TYPE_VECTOR = 21, 22, 23
OP_TYPE_ARRAY, OP_TYPE_STRUCT, OP_TYPE_POINTER = 28, 30, 32
OP_CONSTANT, OP_VARIABLE = 43, 59
OP_DECORATE, OP_MEMBER_DECORATE = 71, 72
MODE_LOCAL_SIZE = 17
DECORATION_NON_WRITABLE, DECORATION_BINDING, DECORATION_OFFSET = 24, 33, 35
STORAGE_WORKGROUP, STORAGE_PUSH_CONSTANT = 4, 9


@dataclass(frozen=True)
class Module:
    bindings: list[int]  # sorted, each once
    written_bindings: list[int]  # of these, those that some declaration does not call readonly
    push_constant_bytes: int
    local_size: tuple[int, ...]
    shared_bytes: int


@dataclass
class _Tables:
    """Declarations by result id."""

    types: dict[int, tuple[int, list[int]]] = field(default_factory=dict)
    constants: dict[int, int] = field(default_factory=dict)
    offsets: dict[int, dict[int, int]] = field(default_factory=dict)

    def size(self, type_id: int) -> int:
        """Bytes of a type; arrays and vectors tightly packed, structs by their member offsets."""
        opcode, args = self.types[type_id]
        if opcode in (OP_TYPE_INT, OP_TYPE_FLOAT):
            return args[0] // 8
        if opcode == OP_TYPE_VECTOR:
            return self.size(args[0]) * args[1]
        if opcode == OP_TYPE_ARRAY:
            return self.size(args[0]) * self.constants[args[1]]
        if opcode == OP_TYPE_STRUCT:
            last = len(args) - 1
            return self.offsets[type_id][last] + self.size(args[last])
        raise ValueError(f"size of SPIR-V type opcode {opcode} is not known here")


def reflect(words: Sequence[int]) -> Module:
    """Raises ValueError for anything that is not a SPIR-V module of the kind we compile."""
    if len(words) < 5 or words[0] != MAGIC:
        raise ValueError("not a SPIR-V module")
    tables = _Tables()
    bindings: dict[int, int] = {}  # by variable
    read_only: set[int] = set()  # structs with a member that is not writable
    variables: dict[int, tuple[int, int]] = {}  # storage class, pointer type
    local_size: tuple[int, ...] = ()
    at = 5
    while at < len(words):
        count, opcode = words[at] >> 16, words[at] & 0xFFFF
        if count == 0 or at + count > len(words):
            raise ValueError(f"broken SPIR-V instruction at word {at}")
        args = list(words[at + 1 : at + count])
        at += count
        if OP_TYPE_INT <= opcode <= OP_TYPE_POINTER:
            tables.types[args[0]] = (opcode, args[1:])
        elif opcode == OP_CONSTANT:
            tables.constants[args[1]] = args[2]
        elif opcode == OP_VARIABLE:
            variables[args[1]] = (args[2], args[0])
        elif opcode == OP_EXECUTION_MODE and args[1] == MODE_LOCAL_SIZE:
            local_size = tuple(args[2:5])
        elif opcode == OP_DECORATE and args[1] == DECORATION_BINDING:
            bindings[args[0]] = args[2]
        elif opcode == OP_MEMBER_DECORATE and args[2] == DECORATION_OFFSET:
            tables.offsets.setdefault(args[0], {})[args[1]] = args[3]
        elif opcode == OP_MEMBER_DECORATE and args[2] == DECORATION_NON_WRITABLE:
            read_only.add(args[0])

    def pointed_at(variable: int) -> int:
        return tables.types[variables[variable][1]][1][1]

    def bytes_in(storage_class: int) -> int:
        return sum(
            tables.size(pointed_at(variable))
            for variable, (storage, _) in variables.items()
            if storage == storage_class
        )

    return Module(
        bindings=sorted(set(bindings.values())),
        written_bindings=sorted(
            {binding for name, binding in bindings.items() if pointed_at(name) not in read_only}
        ),
        push_constant_bytes=bytes_in(STORAGE_PUSH_CONSTANT),
        local_size=local_size,
        shared_bytes=bytes_in(STORAGE_WORKGROUP),
    )
