"""The build's shader compiler, for tests that read or change shaders."""

from __future__ import annotations

import re
import sys
from types import ModuleType

from linear_fixture import BUILD, ROOT, built

GLSL = ROOT / "backends/vulkan/runtime/graph/ops/glsl"
INCLUDES = (f"-I{GLSL}", f"-I{BUILD / 'generated'}")


def compiler() -> ModuleType:
    """compile_kernels.py, whose modules find each other by their folder."""
    if str(GLSL) not in sys.path:
        sys.path.insert(0, str(GLSL))
    import compile_kernels

    return compile_kernels


def glslang() -> tuple[str, ...]:
    """The command that the build had."""
    cache = built("CMakeCache.txt").read_text()
    for name in ("ETVK_GLSLANG", "ETVK_FOUND_GLSLANG"):
        if found := re.search(rf"^{name}:\w+=(.+)$", cache, re.M):
            return compiler().split_command(found[1])
    raise AssertionError("the build does not say which glslang it had")
