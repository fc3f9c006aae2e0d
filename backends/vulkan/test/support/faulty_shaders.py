"""Shaders of the kernel table with a fault put in, which a pretended Vulkan loader takes for the
right ones: the library under test knows nothing of it.
"""

from __future__ import annotations

from pathlib import Path

from linear_fixture import built
from shader_compiler import GLSL, INCLUDES, compiler, glslang

# What a fault does to a linear kernel with an int8 output, where its first thread is done.
_ADD_ONE = "y_out[0] = (y_out[0] & ~0xffu) | ((y_out[0] + 1u) & 0xffu);"
_COUNT = "atomicAdd(counter[p.N | 3u], 1u)"
FAULTS = {
    "adds one to some outputs": _ADD_ONE,
    "wrong only every third run": f"if ({_COUNT} % 3u == 2u) {{ {_ADD_ONE} }}",
    "wrong only with a residual": f"if (RESIDUAL != 0) {{ {_ADD_ONE} }}",
}
# Behind the bias of a number of channels that is no multiple of four is room for a count.
_COUNTER = "layout(set = 0, binding = 5) buffer Counter { uint counter[]; };"


def write_faulty(row_name: str, fault: str, folder: Path) -> None:
    """Puts NAME.right and NAME.wrong into `folder`, for PRETEND_SHADERS.

    Args:
        row_name: of the kernel table.
        fault: GLSL statements for the first thread of the first workgroup, after main().
    """
    build = compiler()
    kernel = next(one for one in build.KERNELS if one.name == row_name)
    source = (GLSL / kernel.shader).read_text()
    assert source.count("void main()") == 1
    source = source.replace("void main()", "void right_main()")
    counter = _COUNTER if "counter[" in fault else ""
    first = "gl_GlobalInvocationID == uvec3(0)"
    wrong = folder / f"{row_name}.comp"
    wrong.write_text(
        f"{source}\n{counter}\nvoid main() {{ right_main(); if ({first}) {{ {fault} }} }}\n"
    )
    command = [*glslang(), *build.GLSLANG_FLAGS, *INCLUDES, *build.definitions(kernel)]
    failed = build.run_tool(kernel, [*command, "-o", str(folder / f"{row_name}.wrong"), str(wrong)])
    assert not failed, failed
    right = built(f"generated/spirv/{row_name}.spv").read_bytes()
    (folder / f"{row_name}.right").write_bytes(right)
