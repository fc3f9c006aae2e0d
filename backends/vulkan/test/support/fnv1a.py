"""The 64-bit FNV-1a hash, by its definition; the runtime's files and tools use it."""

from __future__ import annotations


def fnv1a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value
