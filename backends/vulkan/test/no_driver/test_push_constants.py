"""Push constants are written in C++ and in GLSL: both have the same names at the same places."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from linear_fixture import BUILD, ROOT
from shader_compiler import GLSL, INCLUDES, compiler, glslang

BYTES = {"int8_t": 1, "uint16_t": 2, "uint32_t": 4, "int32_t": 4, "float": 4}
BYTES |= {"uint": 4, "int": 4, "uvec2": 8, "Bits": 4}
STRUCT = re.compile(r"\bstruct (\w+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}\s*;", re.DOTALL)
BLOCK = re.compile(r"layout\s*\(push_constant\)\s*uniform\s+\w+\s*\{(.*?)\}", re.DOTALL)
DECLARATION = re.compile(r"(\w+) ([^;{}]+);")
DECLARED = re.compile(r"(\w+)(?:\[([\w -]+)\])?(?: = [^,]+)?$")
CONSTANT = re.compile(r"constexpr \w+ (k\w+) = (\d+);")
GLSL_NUMBER = re.compile(r"const uint (\w+)\s*= (\d+)u?;")
GLSL_TYPES = {"uint32_t": "uint", "int32_t": "int"}
SPIRV = BUILD / "generated/spirv"
ANY_TYPE = "Bits"  # what C++ calls a number whose type depends on the operands


@dataclass(frozen=True)
class Member:
    offset: int
    name: str
    type: str


class Structs:
    """Of one language's text. Numbers: of names in sizes of arrays."""

    def __init__(self, text: str, numbers: dict[str, int]) -> None:
        self._bodies = {one[1]: one[2] for one in STRUCT.finditer(text)}
        self._numbers = numbers

    def names(self) -> list[str]:
        return list(self._bodies)

    def members(self, name: str) -> list[Member]:
        return list(self._walk(self._bodies[name], 0))

    def of_block(self, body: str) -> list[Member]:
        return list(self._walk(body, 0))

    def _walk(self, body: str, offset: int) -> Iterator[Member]:
        # An anonymous pair in an array is what GLSL has as uvec2.
        body = re.sub(r"struct\s*\{[^{}]*\}", "uvec2", " ".join(body.split()))
        for type_name, names in DECLARATION.findall(body):
            for declared in names.split(", "):
                found = DECLARED.match(declared)
                assert found, f"cannot read {type_name} {declared!r}"
                count = self._number(found[2]) if found[2] else 1
                if type_name in self._bodies:
                    yield from (inner := list(self._walk(self._bodies[type_name], offset)))
                    offset = inner[-1].offset + BYTES[inner[-1].type]
                    continue
                for at in range(count):
                    yield Member(offset, f"{found[1]}[{at}]" if found[2] else found[1], type_name)
                    offset += BYTES[type_name]

    def _number(self, text: str) -> int:
        terms = text.replace("-", "+ -").replace("- ", "-").split("+")
        return sum(self._value(term.strip()) for term in terms)

    def _value(self, term: str) -> int:
        name = term.removeprefix("-")
        value = int(name) if name.isdigit() else self._numbers[name]
        return -value if term.startswith("-") else value


@cache
def cpp_structs() -> Structs:
    headers = sorted((ROOT / "backends/vulkan/runtime").rglob("*.h"))
    text = re.sub(r"//[^\n]*", "", "\n".join(one.read_text() for one in headers))
    return Structs(text, {name: int(value) for name, value in CONSTANT.findall(text)})


def glsl_members(row: Any) -> list[Member]:
    """Of the shader of a row of the table, with its macros."""
    command = [*glslang(), "-E", *INCLUDES, *compiler().definitions(row), str(GLSL / row.shader)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    block = BLOCK.search(text)
    assert block, f"{row.shader} has no push constants"
    numbers = {name: int(value) for name, value in GLSL_NUMBER.findall(text)}
    return Structs(text, numbers).of_block(block[1])


def is_same(cpp: list[Member], glsl: list[Member]) -> bool:
    """Names and types; of what C++ packs into a word, only where it is."""
    packed = {one.offset // 4 * 4 for one in cpp if BYTES[one.type] < 4}
    whole = [one for one in cpp if one.offset // 4 * 4 not in packed]
    wanted = [one for one in glsl if one.offset not in packed]
    return (
        packed <= {one.offset for one in glsl if one.type == "uint"}
        and [(one.offset, one.name) for one in whole] == [(one.offset, one.name) for one in wanted]
        and all(
            one.type == ANY_TYPE or GLSL_TYPES.get(one.type, one.type) == other.type
            for one, other in zip(whole, wanted, strict=True)
        )
    )


def test_every_shader_has_a_struct_of_its_names() -> None:
    structs = cpp_structs()
    pushes = {name: structs.members(name) for name in structs.names() if name.endswith("Push")}
    met = set()
    # A glslang that does not know a row's extensions leaves the row out.
    made = [row for row in compiler().KERNELS if (SPIRV / f"{row.name}.spv").is_file()]
    for row in {(row.shader, row.op): row for row in made}.values():
        members = glsl_members(row)
        found = [name for name, own in pushes.items() if is_same(own, members)]
        assert found, f"{row.op.name}, {row.shader}: no struct has {members}"
        met.update(found)
    parts = {"GridPush", "PackedGridPush", "NormGridsPush"}
    assert met == pushes.keys() - parts


@pytest.mark.parametrize(
    "glsl",
    [
        "uint b; uint a; float c;",
        "uint a; uint b; int c;",
        "uint a; uint b;",
        "uint a; uint b; float d;",
    ],
)
def test_what_differs(glsl: str) -> None:
    cpp = Structs("struct OnePush { uint32_t a, b; float c; };", {}).members("OnePush")
    assert is_same(cpp, Structs("", {}).of_block("uint a; uint b; float c;"))
    assert not is_same(cpp, Structs("", {}).of_block(glsl))
