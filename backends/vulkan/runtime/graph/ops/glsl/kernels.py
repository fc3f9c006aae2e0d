"""The one table of compute kernels: every row is a shader, its macros and what it needs to run.

compile_kernels.py turns each row into SPIR-V and a C++ KernelRow; selection, tests and the
benchmark read those rows, so a tile size is written here and nowhere else. A new tile is one
line in the lists at the end. This file compiles nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PATHS = (
    "coopmat",
    "skinny_coopmat",
    "dot4",
    "scalar",
    "gemv_dot4",
    "gemv_scalar",
    "cpu",
    "cpu_shuffle",
    "elementwise",
    "transpose",
    "subgroups",
)
FEATURES = ("dot4", "coopmat", "half_coopmat", "int8_storage", "subgroup_shuffle")
QUAD_BYTES = 16  # operands are read and kept in shared memory 16 bytes along K at a time


class KernelError(ValueError):
    """A row of the table contradicts itself."""


@dataclass(frozen=True)
class Op:
    """What all kernels of one op share; checked against each compiled shader."""

    name: str
    binding_count: int
    push_constant_bytes: int
    macros: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Kernel:
    """One row. tile_*: outputs of one workgroup and bytes along K of one step."""

    op: Op
    path: str
    shader: str
    tile_m: int
    tile_n: int
    tile_k: int
    workgroup_size: int
    macros: tuple[tuple[str, int], ...]
    shared_bytes: int = 0
    subgroup_size: int = 0  # 0: any; with subgroup_shuffle, the device's usual one
    max_m: int = 0  # 0: any M
    features: tuple[str, ...] = ()
    coopmat_shape: tuple[int, int, int] = (0, 0, 0)  # M, N, K of one s8 x s8 -> s32 matrix
    half_shape: tuple[int, int, int] = (0, 0, 0)  # of one float16 x float16 -> float32 matrix
    glslang_extension: str = ""  # row is left out where glslang does not know this one

    @property
    def name(self) -> str:
        tile = f"m{self.tile_m}n{self.tile_n}k{self.tile_k}"
        matrix = "x".join(str(size) for size in self.coopmat_shape if size)
        name = f"{self.op.name}__{self.path}__{tile}__wg{self.workgroup_size}"
        return f"{name}__mat{matrix}__sg{self.subgroup_size}" if matrix else name

    def defines(self) -> list[str]:
        """Macro definitions of this row as command line arguments."""
        tile = {
            "TILE_M": self.tile_m,
            "TILE_N": self.tile_n,
            "TILE_K": self.tile_k,
            "WORKGROUP_SIZE": self.workgroup_size,
        }
        merged = [*tile.items(), *self.op.macros, *self.macros]
        return [f"-D{key}={value}" for key, value in merged]

    def validate(self) -> None:
        """Raises KernelError when fields of the row contradict each other."""

        def need(condition: bool, what: str) -> None:
            if not condition:
                raise KernelError(f"{self.name}: {what}")

        need(self.path in PATHS, f"path must be one of {PATHS}, got {self.path!r}")
        need(set(self.features) <= set(FEATURES), f"features must be of {FEATURES}")
        need(min(self.tile_m, self.tile_n, self.tile_k) >= 1, "tile sizes must be positive")
        need(1 <= self.workgroup_size <= 1024, "workgroup_size must be 1 to 1024")
        need(self.shared_bytes <= 48 * 1024, "more shared memory than any target has")
        need(self.path.endswith("dot4") == ("dot4" in self.features), "dot4 paths need dot4")
        coopmat = self.path.endswith("coopmat")
        need(coopmat == ("coopmat" in self.features), "coopmat paths and feature")
        need(coopmat == all(self.coopmat_shape), "coopmat paths and shape")
        need(("half_coopmat" in self.features) == all(self.half_shape), "half_coopmat and shape")
        need(not coopmat or self.subgroup_size > 0, "coopmat paths need a subgroup size")
        keys = [define.split("=")[0] for define in self.defines()]
        need(len(keys) == len(set(keys)), f"macro defined twice in {keys}")


def divide(value: int, by: int, what: str) -> int:
    """value / by, which must leave no remainder."""
    if by < 1 or value % by != 0:
        raise KernelError(f"{what}: {value} is not divisible by {by}")
    return value // by


def dot4_macros(path: str) -> tuple[tuple[str, int], ...]:
    return (("DOT4", 1),) if path.endswith("dot4") else ()


def dot4_features(path: str) -> tuple[str, ...]:
    return ("dot4",) if path.endswith("dot4") else ()


def tiled(op: Op, path: str, m: int, n: int, k: int, thread_m: int, thread_n: int) -> Kernel:
    """linear_tiled.comp: m x n outputs a workgroup, thread_m x thread_n a thread."""
    divide(thread_n, 4, f"{op.name} {path} thread_n")
    row_quads = divide(k, QUAD_BYTES, f"{op.name} {path} tile_k") | 1
    return Kernel(
        op=op,
        path=path,
        shader="linear/linear_tiled.comp",
        tile_m=m,
        tile_n=n,
        tile_k=k,
        workgroup_size=divide(m, thread_m, "tile_m") * divide(n, thread_n, "tile_n"),
        macros=(("THREAD_M", thread_m), ("THREAD_N", thread_n), *dot4_macros(path)),
        shared_bytes=(m + n) * row_quads * QUAD_BYTES,
        features=dot4_features(path),
    )


@dataclass(frozen=True)
class Matrix:
    """A cooperative matrix s8 x s8 -> s32, M x N x K, of subgroups of this many threads; half_n,
    half_k: of the same device's float16 x float16 -> float32 with as many rows."""

    m: int
    n: int
    k: int
    subgroup_size: int
    half_n: int = 16
    half_k: int = 16


def on_matrices(row: Kernel, matrix: Matrix) -> Kernel:
    """The row with what shaders on cooperative matrices are told and need."""
    return replace(
        row,
        macros=(*row.macros, ("MAT_M", matrix.m), ("MAT_N", matrix.n), ("MAT_K", matrix.k)),
        subgroup_size=matrix.subgroup_size,
        features=("coopmat",),
        coopmat_shape=(matrix.m, matrix.n, matrix.k),
        glslang_extension="GL_KHR_cooperative_matrix",
    )


def coopmat(
    op: Op, matrix: Matrix, m: int, n: int, k: int, warps: tuple[int, int, int], parts: int = 1
) -> Kernel:
    """linear_coopmat.comp: m x n outputs a workgroup; warps: subgroups along M, N and K; parts: of
    a step along K, in shared memory one after the other."""
    warps_m, warps_n, warps_k = warps
    count = warps_m * warps_n * warps_k
    workgroup_size = count * matrix.subgroup_size
    warp_m, warp_n = divide(m, warps_m, "tile_m"), divide(n, warps_n, "tile_n")
    if parts not in (1, 2):
        raise KernelError(f"{op.name} coopmat: parts must be 1 or 2, got {parts}")
    divide(warp_m, matrix.m * parts, "rows of a subgroup")
    divide(warp_n, matrix.n * parts, "columns of a subgroup")
    divide(matrix.subgroup_size, divide(warp_n, 4, "columns"), "subgroup by groups of columns")
    divide(divide(k, parts, "tile_k"), matrix.k * warps_k, "part of tile_k")
    divide(matrix.k, QUAD_BYTES, "K of a matrix")
    at_once = divide(workgroup_size, divide(k, QUAD_BYTES, "tile_k"), "threads by quads of a line")
    for rows, block in ((m, matrix.m), (n, matrix.n)):
        divide(rows // parts, at_once, "lines of a tile by those of one load")
        divide(max(at_once, block), min(at_once, block), "lines of one load by rows of a matrix")
    lines = (m + n) // parts * (k + QUAD_BYTES)
    strips = count * matrix.m * (4 * warp_n + QUAD_BYTES)
    row = Kernel(
        op=op,
        path="coopmat",
        shader="linear/linear_coopmat.comp",
        tile_m=m,
        tile_n=n,
        tile_k=k,
        workgroup_size=workgroup_size,
        macros=(
            ("WARPS_M", warps_m),
            ("WARPS_N", warps_n),
            ("WARPS_K", warps_k),
            ("PARTS", parts),
        ),
        shared_bytes=max(lines, strips),
    )
    return on_matrices(row, matrix)


def attention_strips(
    op: Op,
    shader: str,
    matrix: Matrix,
    n: int,
    vector: int,
    warps: tuple[int, int],
    q_row: int,
    position: int,
) -> Kernel:
    """attention_strips.glsl: warps: blocks of matrix.m rows a workgroup, and subgroups of each; n
    positions at a time, vectors up to `vector`. In groups of 16 bytes of shared memory, q has q_row
    a row, and k and v have `position` together for each position."""
    what = f"{op.name} coopmat"
    warps_m, warps_n = warps
    m = warps_m * matrix.m
    divide(n, matrix.half_n * warps_n, f"{what} positions by columns of a block's matrices")
    divide(n, matrix.half_k, f"{what} positions by K of a float16 matrix")
    round_n = min(n, vector)
    divide(round_n, matrix.half_n * warps_n, f"{what} columns of a strip")
    divide(vector, round_n, f"{what} vector by columns of a strip")
    own_rows = divide(matrix.m, warps_n, f"{what} rows of a block")
    divide(max(own_rows, matrix.subgroup_size), min(own_rows, matrix.subgroup_size), what)
    team = max(1, matrix.subgroup_size // own_rows)
    divide(n, 8 * team, f"{what} positions by threads of a row")
    strips = m * (n // 4 + 1)
    row = Kernel(
        op=op,
        path="coopmat",
        shader=f"attention/{shader}",
        tile_m=m,
        tile_n=n,
        tile_k=vector,
        workgroup_size=warps_m * warps_n * matrix.subgroup_size,
        macros=(
            ("WARPS_M", warps_m),
            ("WARPS_N", warps_n),
            ("OUT_N", matrix.half_n),
            ("OUT_K", matrix.half_k),
        ),
        shared_bytes=16 * max(n * position + strips, m * q_row),
    )
    row = on_matrices(row, matrix)
    return replace(
        row,
        features=(*row.features, "half_coopmat", "subgroup_shuffle"),
        half_shape=(matrix.m, matrix.half_n, matrix.half_k),
    )


def attention_coopmat(
    matrix: Matrix, n: int, vector: int, warps_m: int, warps_n: int = 1
) -> Kernel:
    """attention_coopmat.comp, as attention_strips() has it."""
    what = "q8ta_attention coopmat"
    quads = divide(vector, QUAD_BYTES, f"{what} vector")
    divide(vector, matrix.k, f"{what} vector by K of a matrix")
    divide(n, matrix.n * warps_n, f"{what} positions by columns of a block's matrices")
    k_row, v_row = quads + 1, 2 * quads + 1
    shader = "attention_coopmat.comp"
    warps = (warps_m, warps_n)
    return attention_strips(Q8TA_ATTENTION, shader, matrix, n, vector, warps, k_row, k_row + v_row)


def attention_float_coopmat(
    matrix: Matrix, n: int, vector: int, warps_m: int, warps_n: int = 1
) -> Kernel:
    """attention_float_coopmat.comp, as attention_strips() has it. Its rows need the int8 matrix as
    well, which every device with one of float16 has."""
    what = "float_attention coopmat"
    groups = 2 * divide(vector, 8, f"{what} vector")
    divide(vector, matrix.half_k, f"{what} vector by K of a float16 matrix")
    divide(matrix.subgroup_size, groups, f"{what} subgroup by groups of a vector")
    halves_row = groups + 1
    warps = (warps_m, warps_n)
    row = attention_strips(
        FLOAT_ATTENTION,
        "attention_float_coopmat.comp",
        matrix,
        n,
        vector,
        warps,
        halves_row,
        2 * halves_row,
    )
    for rows in (row.tile_m, n):
        divide(rows * groups, row.workgroup_size, f"{what} groups of a tile by threads")
    if warps_m * warps_n * matrix.m * matrix.half_n // 4 > 2 * n * halves_row:
        raise KernelError(f"{what}: no room for {row.tile_m} rows of sums in {n} positions")
    return replace(row, shared_bytes=row.shared_bytes + 16 * warps_m * warps_n)


def skinny(op: Op, matrix: Matrix, n: int, warps: int, piece: int) -> Kernel:
    """linear_skinny.comp: matrix.m x n outputs a workgroup, whose subgroups walk pieces of `piece`
    bytes along K."""
    workgroup_size = warps * matrix.subgroup_size
    quads = divide(piece, QUAD_BYTES, "piece")
    groups = divide(n, 4, "columns")
    divide(n, matrix.n, "tile_n")
    divide(piece, matrix.k, "piece")
    divide(matrix.k, QUAD_BYTES, "K of a matrix")
    divide(workgroup_size, groups, "threads by groups of columns")
    rows_at_once = divide(matrix.subgroup_size, quads, "subgroup by quads of a piece")
    divide(matrix.m, rows_at_once, "rows of x by those of one load")
    divide(matrix.n, rows_at_once, "rows of w by those of one load")
    part = max((matrix.m + matrix.n) * (quads + 1), matrix.m * (groups + 1))
    row = Kernel(
        op=op,
        path="skinny_coopmat",
        shader="linear/linear_skinny.comp",
        tile_m=matrix.m,
        tile_n=n,
        tile_k=warps * piece,
        workgroup_size=workgroup_size,
        macros=(("WARPS", warps),),
        shared_bytes=warps * part * QUAD_BYTES,
        max_m=matrix.m,
    )
    return on_matrices(row, matrix)


def gemv(op: Op, path: str, m: int, n: int, threads_k: int) -> Kernel:
    """linear_gemv.comp: threads_k threads share the K loop of four columns and m rows."""
    if threads_k & (threads_k - 1):
        raise KernelError(f"{op.name} {path}: threads_k must be a power of two, got {threads_k}")
    workgroup_size = divide(n, 4, f"{op.name} {path} tile_n") * threads_k
    return Kernel(
        op=op,
        path=path,
        shader="linear/linear_gemv.comp",
        tile_m=m,
        tile_n=n,
        tile_k=threads_k * QUAD_BYTES,
        workgroup_size=workgroup_size,
        macros=(("THREADS_K", threads_k), *dot4_macros(path)),
        shared_bytes=m * workgroup_size * 16,
        max_m=m,
        features=dot4_features(path),
    )


def cpu(op: Op, m: int, threads: int, step_words: int, shuffle: bool = False) -> Kernel:
    """linear_cpu.comp: no shared memory; m x 4 outputs a thread, step_words words along K in one
    piece of straight code. With shuffle the workgroup is one subgroup of exactly `threads`."""
    divide(4, step_words, f"{op.name} cpu words of a quad")
    return Kernel(
        op=op,
        path="cpu_shuffle" if shuffle else "cpu",
        shader="linear/linear_cpu.comp",
        tile_m=m,
        tile_n=4 * threads,
        tile_k=QUAD_BYTES,
        workgroup_size=threads,
        macros=(("STEP_WORDS", step_words), *((("SHUFFLE", 1),) if shuffle else ())),
        subgroup_size=threads if shuffle else 0,
        features=("subgroup_shuffle",) if shuffle else (),
    )


def depthwise(op: Op, pixels: int, workgroup_size: int) -> Kernel:
    """depthwise.comp: four channels of `pixels` outputs a thread."""
    return Kernel(
        op=op,
        path="elementwise",
        shader="convolution/depthwise.comp",
        tile_m=pixels,
        tile_n=4 * workgroup_size,
        tile_k=1,
        workgroup_size=workgroup_size,
        macros=(),
    )


def elementwise(
    op: Op,
    shader: str,
    workgroup_size: int,
    per_thread: int,
    macros: tuple[tuple[str, int], ...] = (),
    shared_bytes: int = 0,
) -> Kernel:
    """Grid-stride shaders over a flat tensor; tile_n is what one pass of a workgroup covers."""
    return Kernel(
        op=op,
        path="elementwise",
        shader=shader,
        tile_m=1,
        tile_n=workgroup_size * per_thread,
        tile_k=1,
        workgroup_size=workgroup_size,
        macros=macros,
        shared_bytes=shared_bytes,
    )


def flat(op: Op, shader: str) -> list[Kernel]:
    """A word per pass of a thread for CPUs and small tensors, and four for large ones on GPUs."""
    return [elementwise(op, shader, 64, 4), elementwise(op, shader, 128, 16)]


def table(op: Op) -> list[Kernel]:
    """q8ta_table.comp, with the table in shared memory for large tensors on GPUs."""
    large = elementwise(
        *(op, "elementwise/q8ta_table.comp", 128, 32),
        macros=(("SHARED_TABLE", 1),),
        shared_bytes=256 * 4,
    )
    return [elementwise(op, "elementwise/q8ta_table.comp", 64, 4), large]


def copy(op: Op, workgroup_size: int, per_thread: int) -> Kernel:
    """strided_copy.comp; what one pass covers is counted in its units."""
    return elementwise(op, "moves/strided_copy.comp", workgroup_size, per_thread)


def gather(op: Op, workgroup_size: int, per_thread: int) -> Kernel:
    """gather.comp; what one pass covers is counted in its units, or in bytes."""
    return elementwise(op, "moves/gather.comp", workgroup_size, per_thread)


def put(name: str, element_bytes: int) -> Op:
    """The op of gather.comp with a tensor to write to."""
    return Op(name, 4, 104, macros=(("ELEMENT_BYTES", element_bytes), ("WITH_BASE", 1)))


def inset(op: Op, workgroup_size: int, per_thread: int) -> Kernel:
    """inset.comp; what one pass covers is counted in its units, or in bytes."""
    return elementwise(op, "moves/inset.comp", workgroup_size, per_thread)


def transpose(op: Op, element_bytes: int, m: int, n: int, workgroup_size: int) -> Kernel:
    """transpose.comp: tiles of m rows and n columns of y."""
    divide(m * n, workgroup_size, f"{op.name} elements of a tile")
    divide(m, 4, f"{op.name} tile_m")
    divide(n, 4, f"{op.name} tile_n")
    line_words = m if element_bytes == 4 else m // 4 + 1
    return Kernel(
        op=op,
        path="transpose",
        shader="moves/transpose.comp",
        tile_m=m,
        tile_n=n,
        tile_k=1,
        workgroup_size=workgroup_size,
        macros=(),
        shared_bytes=n * (line_words | 1) * 4,
    )


def mean(op: Op, workgroup_size: int, steps: int) -> Kernel:
    """q8ta_mean.comp; tile_n is what a workgroup makes where one thread makes a word of y, steps
    the words of x that a thread has in flight."""
    return Kernel(
        op=op,
        path="elementwise",
        shader="reduce/q8ta_mean.comp",
        tile_m=1,
        tile_n=workgroup_size * 4,
        tile_k=1,
        workgroup_size=workgroup_size,
        macros=(("STEPS", steps),),
        shared_bytes=workgroup_size * 16,
    )


def reduce(op: Op, workgroup_size: int, steps: int, parts: int) -> Kernel:
    """reduce.comp; as mean(), and tile_k is into how many parts at most the elements of a result
    are divided, where there are fewer results than a device has threads."""
    return Kernel(
        op=op,
        path="elementwise",
        shader="reduce/reduce.comp",
        tile_m=1,
        tile_n=workgroup_size * 4,
        tile_k=parts,
        workgroup_size=workgroup_size,
        macros=(("STEPS", steps),),
        shared_bytes=workgroup_size * 32,
    )


INTEGER_REDUCTION = (("CASES_INTEGER_REDUCTION", 1), ("INTEGERS", 1))


def pools() -> list[Kernel]:
    """pool.comp for each type, an element or a word at a time."""
    floats, words = ("FLOAT_ELEMENTS", 1), ("WHOLE_WORDS", 1)
    shader = "pool/pool.comp"
    return [
        elementwise(Op("pool", 3, 76, (floats,)), shader, 64, 1),
        elementwise(Op("pool_words", 3, 76, (floats, words)), shader, 64, 4),
        elementwise(Op("q8ta_pool", 3, 96), shader, 64, 4),
        elementwise(Op("q8ta_pool_words", 3, 96, (words,)), shader, 64, 4),
    ]


def quantize_rows() -> list[Kernel]:
    """quantize_rows.comp: a row of x a workgroup, or all of it for all of them; tile_n is what one
    reads at a time."""
    return [
        replace(
            elementwise(Op(name, 3, 24), "linear/quantize_rows.comp", workgroup_size, 4),
            shared_bytes=workgroup_size * 8,
        )
        for name, workgroup_size in (("quantize_rows", 64), ("quantize_long_rows", 256))
    ]


def any_of(op: Op, workgroup_size: int, steps: int) -> Kernel:
    """any.comp; as mean()."""
    return replace(mean(op, workgroup_size, steps), shader="reduce/any.comp")


def normalize(workgroup_size: int, steps: int) -> Kernel:
    """normalize.comp; as mean(), and tile_n is what a pass reads where one thread has four rows."""
    return Kernel(
        op=Op("normalize", 4, 128),
        path="elementwise",
        shader="reduce/normalize.comp",
        tile_m=1,
        tile_n=workgroup_size * 4,
        tile_k=1,
        workgroup_size=workgroup_size,
        macros=(("STEPS", steps),),
        shared_bytes=workgroup_size * 32,
    )


ROW_GROUPS = 8  # of four elements of a row that a lane keeps, at most


def rows_in_registers(op: Op, shader: str, rows: int, lanes: int) -> Kernel:
    """`rows` rows a workgroup, each of `lanes` threads; tile_n is the longest row, tile_k the
    lanes."""
    if lanes & (lanes - 1):
        raise KernelError(f"{op.name}: lanes must be a power of two, got {lanes}")
    workgroup_size = rows * lanes
    return Kernel(
        op=op,
        path="subgroups",
        shader=shader,
        tile_m=rows,
        tile_n=4 * lanes * ROW_GROUPS,
        tile_k=lanes,
        workgroup_size=workgroup_size,
        macros=(("LANES", lanes), ("MAX_GROUPS", ROW_GROUPS)),
        shared_bytes=2 * workgroup_size * 8,
        features=("subgroup_shuffle",),
    )


def normalize_rows(rows: int, lanes: int) -> Kernel:
    op = Op("normalize_rows", 6, 32, macros=(("ROUNDS", 0),))
    return rows_in_registers(op, "reduce/normalize_rows.comp", rows, lanes)


def normalize_and_round_rows(rows: int, lanes: int) -> Kernel:
    op = Op("normalize_and_round_rows", 7, 44, macros=(("ROUNDS", 1),))
    return rows_in_registers(op, "reduce/normalize_rows.comp", rows, lanes)


def quantize_whole_rows(rows: int, lanes: int) -> Kernel:
    return rows_in_registers(
        Op("quantize_whole_rows", 2, 24), "linear/quantize_whole_rows.comp", rows, lanes
    )


def arg_extreme(workgroup_size: int) -> Kernel:
    """arg_extreme.comp; a workgroup takes one row at a time."""
    return Kernel(
        op=Op("arg_extreme", 2, 88),
        path="elementwise",
        shader="reduce/arg_extreme.comp",
        tile_m=1,
        tile_n=1,
        tile_k=1,
        workgroup_size=workgroup_size,
        macros=(),
        shared_bytes=workgroup_size * 8,
    )


def scan(workgroup_size: int, steps: int) -> Kernel:
    """scan.comp; tile_n is what a pass writes, tile_k the neighbours that a thread adds up."""
    return Kernel(
        op=Op("scan", 2, 20),
        path="elementwise",
        shader="reduce/scan.comp",
        tile_m=1,
        tile_n=workgroup_size * steps,
        tile_k=steps,
        workgroup_size=workgroup_size,
        macros=(("STEPS", steps),),
        shared_bytes=workgroup_size * 8,
    )


def table_elementwise() -> list[Kernel]:
    """unary.comp and broadcast.comp for each combination of types that elementwise.py has."""
    x_bool, y_bool = ("X_BOOL", 1), ("Y_BOOL", 1)
    of_bools = (("A_BOOL", 1), ("B_BOOL", 1))
    integers = ("INTEGERS", 1)
    unary = (
        Op("unary", 2, 16, (("CASES_UNARY_FLOAT32", 1),)),
        Op("unary_to_bool", 2, 16, (("CASES_UNARY_BOOL", 1), y_bool)),
        Op("unary_of_bool", 2, 16, (("CASES_UNARY_BOOL", 1), x_bool, y_bool)),
        Op("unary_of_int", 2, 16, (("CASES_INTEGER_UNARY_INT32", 1), integers)),
        Op("unary_int_to_bool", 2, 16, (("CASES_INTEGER_UNARY_BOOL", 1), integers, y_bool)),
    )
    two = ("OPERANDS", 2)
    where = (("OPERANDS", 3), ("CASES_TERNARY", 1), ("A_BOOL", 1), integers)
    broadcast = (
        Op("binary", 3, 108, (two, ("CASES_BINARY_FLOAT32", 1))),
        Op("binary_to_bool", 3, 108, (two, ("CASES_BINARY_BOOL", 1), y_bool)),
        Op("binary_of_bool", 3, 108, (two, ("CASES_BINARY_BOOL", 1), y_bool, *of_bools)),
        Op("binary_of_int", 3, 108, (two, ("CASES_INTEGER_BINARY_INT32", 1), integers)),
        Op("binary_int_to_bool", 3, 108, (two, ("CASES_INTEGER_BINARY_BOOL", 1), integers, y_bool)),
        Op("where", 4, 128, where),
        Op("where_bytes", 4, 128, (*where, ("Y_BYTES", 1))),
    )
    rows = [row for op in unary for row in flat(op, "elementwise/unary.comp")]
    for op in broadcast:
        whole = replace(op, name=f"{op.name}_words", macros=(*op.macros, ("WHOLE_WORDS", 1)))
        rows += flat(op, "elementwise/broadcast.comp") + flat(whole, "elementwise/broadcast.comp")
    return rows


# Of matrices, and of windows over an image.
PRODUCT_OPS = (
    Op("matmul", binding_count=4, push_constant_bytes=100),
    Op("conv2d", 4, 80, macros=(("CONVOLUTION", 1),)),
)


def matmul_tiled(op: Op, m: int, n: int, k: int, thread_m: int) -> Kernel:
    """matmul_tiled.comp: m x n outputs a workgroup, thread_m x 4 a thread."""
    for size in (m, n, k, thread_m):
        divide(size, 4, f"{op.name} tile")
    return Kernel(
        op=op,
        path="scalar",
        shader="matmul/matmul_tiled.comp",
        tile_m=m,
        tile_n=n,
        tile_k=k,
        workgroup_size=divide(m, thread_m, "tile_m") * divide(n, 4, "tile_n"),
        macros=(("THREAD_M", thread_m),),
        shared_bytes=k * (m // 4 + 1 + n // 4 + 1) * 16,
    )


def matmul_gemv(op: Op, m: int, n: int, threads_k: int) -> Kernel:
    """matmul_gemv.comp: threads_k threads share the K loop of four columns and m rows."""
    if threads_k & (threads_k - 1):
        raise KernelError(f"{op.name} gemv: threads_k must be a power of two, got {threads_k}")
    workgroup_size = divide(n, 4, f"{op.name} gemv tile_n") * threads_k
    return Kernel(
        op=op,
        path="gemv_scalar",
        shader="matmul/matmul_gemv.comp",
        tile_m=m,
        tile_n=n,
        tile_k=threads_k * 4,
        workgroup_size=workgroup_size,
        macros=(("THREADS_K", threads_k),),
        shared_bytes=m * workgroup_size * 16,
        max_m=m,
    )


def matmul_cpu(op: Op, m: int, threads: int) -> Kernel:
    """matmul_cpu.comp: no shared memory; m x 4 outputs a thread."""
    return Kernel(
        op=op,
        path="cpu",
        shader="matmul/matmul_cpu.comp",
        tile_m=m,
        tile_n=4 * threads,
        tile_k=4,
        workgroup_size=threads,
        macros=(),
    )


ATTENTION = Op("attention", binding_count=5, push_constant_bytes=128)
ATTENTION_GROUPS = 64  # of four elements in a head's vector, at most
Q8TA_ATTENTION = replace(ATTENTION, name="q8ta_attention")  # of int8 only
FLOAT_ATTENTION = replace(ATTENTION, name="float_attention")  # of float32 only


def attention(path: str, m: int, n: int, workgroup_size: int, block_m: int) -> Kernel:
    """attention.comp: m rows a workgroup, n positions at a time; a thread sums up block_m rows."""
    divide(workgroup_size, m, "attention threads by rows")
    divide(m, block_m, "attention rows by those of a thread")
    return Kernel(
        op=ATTENTION,
        path=path,
        shader="attention/attention.comp",
        tile_m=m,
        tile_n=n,
        tile_k=4 * ATTENTION_GROUPS,
        workgroup_size=workgroup_size,
        macros=(("BLOCK_M", block_m), ("MAX_GROUPS", ATTENTION_GROUPS)),
        shared_bytes=m * (2 * ATTENTION_GROUPS * 16 + n * 4 + 3 * 4) + workgroup_size * 4,
        max_m=1 if m == 1 else 0,
    )


def attention_tiled(m: int, n: int, vector: int, workgroup_size: int) -> Kernel:
    """attention_tiled.comp: m rows a workgroup, n positions at a time, vectors up to `vector`."""
    divide(m * n // 4, workgroup_size, "groups of scores by threads")
    groups = vector // 4
    divide(m * groups, workgroup_size, "groups of a tile of y by threads")
    divide(n * groups, workgroup_size, "groups of a tile of k by threads")
    rows, block_m = m * n // 4 // workgroup_size, m * groups // workgroup_size
    k_groups, weight_groups = n * (groups + 1), m * (n // 4) + m // block_m
    return Kernel(
        op=ATTENTION,
        path="scalar",
        shader="attention/attention_tiled.comp",
        tile_m=m,
        tile_n=n,
        tile_k=vector,
        workgroup_size=workgroup_size,
        macros=(("MAX_GROUPS", groups),),
        shared_bytes=16 * (m * groups + m // rows + max(k_groups, weight_groups) + n * groups)
        + m * n
        + 4 * m,
    )


# What drivers list for s8 x s8 -> s32, and f16 x f16 -> f32.
NVIDIA = Matrix(16, 16, 32, subgroup_size=32)
AMD = Matrix(16, 16, 16, subgroup_size=32)  # RDNA 3 and later
AMD_64 = Matrix(16, 16, 16, subgroup_size=64)  # drivers that give no choice
INTEL_XE2 = Matrix(8, 16, 32, subgroup_size=16)
INTEL_XE = Matrix(8, 8, 32, subgroup_size=8)
# Mesa's lavapipe takes any multiple of 8 x 8 x 8: there, the matrices of GPUs are tested.
LAVAPIPE = replace(NVIDIA, subgroup_size=8)
LAVAPIPE_AMD = replace(AMD, subgroup_size=8)
LAVAPIPE_XE2 = replace(INTEL_XE2, subgroup_size=8)
LAVAPIPE_SMALL = Matrix(8, 8, 16, subgroup_size=8, half_n=8, half_k=8)

LINEAR_OPS = (
    Op("q8ta_linear", binding_count=8, push_constant_bytes=72),
    Op("linear_q8ta_q8csw", 7, 72, macros=(("OUTPUT_FLOAT", 1),)),
)


WINDOW = ("CONVOLUTION", 1)
CONVOLUTION_OPS = (
    Op("q8ta_conv2d", 8, 124, macros=(WINDOW,)),
    Op("conv2d_q8ta_q8csw", 7, 124, macros=(WINDOW, ("OUTPUT_FLOAT", 1))),
)
DEPTHWISE_OPS = (
    Op("q8ta_conv2d_dw", 8, 124, macros=(WINDOW,)),
    Op("conv2d_dw_q8ta_q8csw", 7, 124, macros=(WINDOW, ("OUTPUT_FLOAT", 1))),
    Op("conv2d_dw", 4, 80, macros=(WINDOW, ("FLOAT_ELEMENTS", 1))),
)


def tiled_kernels(op: Op) -> list[Kernel]:
    """Tiles in shared memory without matrices."""
    rows = []
    for path in ("dot4", "scalar"):
        rows += [
            #                  m    n   k  thread
            tiled(op, path, 128, 128, 32, 8, 8),
            tiled(op, path, 64, 64, 32, 8, 4),
            tiled(op, path, 32, 32, 64, 4, 4),
            tiled(op, path, 16, 64, 32, 4, 4),
        ]
    return rows


def cpu_kernels(op: Op) -> list[Kernel]:
    return [
        #       m  threads  step_words
        cpu(op, 1, 8, 4),
        cpu(op, 8, 8, 1),
        cpu(op, 4, 8, 4, shuffle=True),
        cpu(op, 16, 8, 4, shuffle=True),
        cpu(op, 4, 4, 1, shuffle=True),
        cpu(op, 16, 4, 1, shuffle=True),
    ]


def coopmat_kernels(op: Op) -> list[Kernel]:
    """Tiles on cooperative matrices."""
    return [
        #                     m    n    k    warps      parts
        # Two workgroups share a multiprocessor of NVIDIA's driver 580 only up to 24 KiB each.
        coopmat(op, NVIDIA, 128, 128, 128, (2, 2, 1), parts=2),
        coopmat(op, NVIDIA, 128, 128, 128, (2, 4, 1)),
        coopmat(op, NVIDIA, 64, 128, 128, (2, 4, 1)),
        # Many rows of short K, as pointwise convolutions have them.
        coopmat(op, NVIDIA, 128, 128, 64, (2, 2, 1)),
        coopmat(op, NVIDIA, 128, 64, 64, (4, 1, 1)),
        coopmat(op, NVIDIA, 128, 32, 64, (4, 1, 1)),
        coopmat(op, NVIDIA, 64, 64, 64, (2, 2, 1)),
        coopmat(op, NVIDIA, 64, 64, 256, (2, 2, 2)),
        coopmat(op, NVIDIA, 64, 32, 256, (2, 1, 4)),
        coopmat(op, NVIDIA, 32, 32, 256, (1, 1, 8)),
        coopmat(op, NVIDIA, 16, 16, 256, (1, 1, 8)),
        # Not measured: no such GPU was at hand. Tested on lavapipe, in the sizes below.
        coopmat(op, AMD, 128, 128, 128, (2, 4, 1), parts=2),
        coopmat(op, AMD, 64, 64, 128, (2, 2, 1)),
        coopmat(op, AMD, 32, 32, 128, (1, 1, 4)),
        coopmat(op, AMD_64, 128, 128, 128, (2, 2, 1), parts=2),
        coopmat(op, AMD_64, 64, 64, 128, (2, 2, 1)),
        coopmat(op, AMD_64, 32, 32, 128, (1, 1, 4)),
        coopmat(op, INTEL_XE2, 128, 128, 128, (4, 4, 1), parts=2),
        coopmat(op, INTEL_XE2, 64, 64, 128, (4, 2, 1), parts=2),
        coopmat(op, INTEL_XE2, 32, 32, 128, (1, 1, 4)),
        coopmat(op, INTEL_XE, 64, 64, 64, (4, 4, 1)),
        coopmat(op, INTEL_XE, 32, 32, 64, (2, 2, 1), parts=2),
        # For tests: on CPUs the rows without shared memory are faster. Small, for lavapipe compiles
        # large ones for half a minute.
        coopmat(op, LAVAPIPE, 16, 32, 128, (1, 1, 4)),
        coopmat(op, LAVAPIPE_AMD, 32, 16, 128, (1, 1, 4)),
        coopmat(op, LAVAPIPE_XE2, 16, 32, 128, (1, 1, 4)),
    ]


def convolution_kernels(op: Op) -> list[Kernel]:
    """Of windows as a matrix product; the order carries no meaning."""
    return tiled_kernels(op) + coopmat_kernels(op) + cpu_kernels(op)


def depthwise_kernels(op: Op) -> list[Kernel]:
    """The least of a pass first, as elementwise rows."""
    return [depthwise(op, 1, 64), depthwise(op, 4, 128)]


def linear_kernels(op: Op) -> list[Kernel]:
    """All tiles of one linear op; the order carries no meaning."""
    rows = tiled_kernels(op) + coopmat_kernels(op) + cpu_kernels(op)
    rows += [
        #                   n warps piece
        skinny(op, NVIDIA, 64, 8, 128),
        skinny(op, LAVAPIPE_XE2, 32, 4, 64),
    ]
    for path in ("gemv_dot4", "gemv_scalar"):
        rows += [
            #              m  n  threads_k
            gemv(op, path, 1, 4, 128),
            gemv(op, path, 1, 8, 32),
            gemv(op, path, 4, 8, 32),
            gemv(op, path, 16, 4, 32),
        ]
    return rows


def matmul_kernels(op: Op) -> list[Kernel]:
    """Of float32 products; the order carries no meaning."""
    return [
        #                 m    n   k  thread_m
        matmul_tiled(op, 128, 64, 16, 8),
        matmul_tiled(op, 64, 64, 16, 8),
        matmul_tiled(op, 32, 32, 32, 4),
        #                m   n  threads_k
        matmul_gemv(op, 1, 32, 16),
        matmul_gemv(op, 1, 8, 64),
        matmul_gemv(op, 4, 32, 16),
        matmul_gemv(op, 8, 16, 16),
        #              m  threads
        matmul_cpu(op, 1, 8),
        matmul_cpu(op, 4, 8),
    ]


def attention_kernels() -> list[Kernel]:
    return [
        #                        m    n  threads block_m
        attention("scalar", 8, 128, 128, 2),
        attention("scalar", 4, 64, 64, 2),
        #                m   n  vector threads
        attention_tiled(64, 32, 64, 256),
        attention_tiled(32, 32, 64, 128),
        attention_tiled(16, 32, 64, 128),
        attention_tiled(64, 32, 32, 128),
        attention_tiled(16, 64, 32, 128),
        attention_tiled(32, 16, 128, 128),
        attention("gemv_scalar", 1, 256, 64, 1),
        attention("cpu", 4, 32, 8, 4),
    ]


def attention_coopmat_kernels() -> list[Kernel]:
    """Of int8 on cooperative matrices. None is timed yet."""
    return [
        #                          n  vector warps
        # 16 KiB: three workgroups share a multiprocessor of NVIDIA's driver 580.
        attention_coopmat(NVIDIA, 32, 64, 4),
        attention_coopmat(NVIDIA, 64, 64, 1, 4),
        attention_coopmat(NVIDIA, 32, 32, 4),
        attention_coopmat(NVIDIA, 64, 32, 1, 2),
        attention_coopmat(NVIDIA, 32, 128, 4),
        attention_coopmat(NVIDIA, 64, 128, 1, 4),
        attention_coopmat(NVIDIA, 32, 256, 2, 2),
        attention_coopmat(AMD, 32, 64, 4),
        attention_coopmat(AMD, 64, 128, 1, 4),
        attention_coopmat(AMD_64, 32, 64, 4),
        attention_coopmat(AMD_64, 64, 128, 1, 2),
        attention_coopmat(INTEL_XE2, 32, 64, 4),
        attention_coopmat(INTEL_XE2, 64, 128, 1, 4),
        # For tests; lavapipe compiles larger ones for a minute.
        attention_coopmat(LAVAPIPE_SMALL, 16, 16, 2),
        attention_coopmat(LAVAPIPE_SMALL, 16, 32, 2, 2),
        attention_coopmat(LAVAPIPE_AMD, 16, 16, 1),
    ]


def attention_float_coopmat_kernels() -> list[Kernel]:
    """Of float32 on cooperative matrices of float16. Only NVIDIA's are timed."""
    return [
        #                                n  vector warps
        attention_float_coopmat(NVIDIA, 16, 32, 4),
        attention_float_coopmat(NVIDIA, 16, 64, 4),
        attention_float_coopmat(NVIDIA, 32, 128, 2, 2),
        attention_float_coopmat(AMD, 32, 64, 4),
        attention_float_coopmat(AMD_64, 32, 64, 4),
        attention_float_coopmat(INTEL_XE2, 16, 64, 4),
        # For tests; lavapipe compiles larger ones for a minute.
        attention_float_coopmat(LAVAPIPE_SMALL, 16, 16, 2),
        attention_float_coopmat(LAVAPIPE_SMALL, 16, 32, 2, 2),
        attention_float_coopmat(LAVAPIPE_AMD, 16, 16, 1),
    ]


KERNELS: tuple[Kernel, ...] = (
    *(kernel for op in LINEAR_OPS for kernel in linear_kernels(op)),
    *quantize_rows(),
    *flat(Op("dequantize_rows", 2, 8), "linear/dequantize_rows.comp"),
    #                rows lanes
    quantize_whole_rows(16, 8),
    quantize_whole_rows(8, 16),
    quantize_whole_rows(4, 32),
    quantize_whole_rows(2, 64),
    quantize_whole_rows(1, 128),
    *(kernel for op in CONVOLUTION_OPS for kernel in convolution_kernels(op)),
    *(kernel for op in DEPTHWISE_OPS for kernel in depthwise_kernels(op)),
    *flat(Op("quantize_per_tensor", 2, 20), "elementwise/quantize_per_tensor.comp"),
    *flat(Op("dequantize_per_tensor", 2, 12), "elementwise/dequantize_per_tensor.comp"),
    *flat(Op("convert", 2, 4), "elementwise/convert.comp"),
    *flat(Op("progression", 1, 12), "elementwise/progression.comp"),
    *table(Op("q8ta_table", 3, 4)),
    *table(Op("q8ta_table_float", 3, 4, macros=(("OUTPUT_FLOAT", 1),))),
    *flat(Op("q8ta_binary", 3, 128), "elementwise/q8ta_binary.comp"),
    *flat(
        Op("q8ta_binary_words", 3, 128, macros=(("WHOLE_WORDS", 1),)),
        "elementwise/q8ta_binary.comp",
    ),
    elementwise(
        Op("q8ta_binary_groups", 3, 128, macros=(("WHOLE_GROUPS", 1),)),
        *("elementwise/q8ta_binary.comp", 128, 32),
    ),
    *table_elementwise(),
    *flat(Op("channel_affine", 5, 28), "normalize/channel_affine.comp"),
    *flat(
        Op("q8ta_channel_affine", 5, 28, macros=(("INT8", 1),)),
        "normalize/channel_affine.comp",
    ),
    *flat(Op("upsample_bytes", 2, 64, (("ELEMENT_BYTES", 1),)), "resample/upsample.comp"),
    *flat(Op("upsample_words", 2, 64, (("ELEMENT_BYTES", 4),)), "resample/upsample.comp"),
    *(kernel for op in PRODUCT_OPS for kernel in matmul_kernels(op)),
    *attention_kernels(),
    *attention_coopmat_kernels(),
    *attention_float_coopmat_kernels(),
    copy(Op("strided_copy_bytes", 2, 88, macros=(("ELEMENT_BYTES", 1),)), 64, 1),
    copy(Op("strided_copy_words", 2, 88, macros=(("ELEMENT_BYTES", 4),)), 64, 1),
    copy(Op("strided_copy_words", 2, 88, macros=(("ELEMENT_BYTES", 4),)), 128, 4),
    copy(Op("strided_copy_groups", 2, 88, macros=(("ELEMENT_BYTES", 16),)), 256, 1),
    gather(Op("gather_bytes", 3, 104, macros=(("ELEMENT_BYTES", 1),)), 64, 4),
    gather(Op("gather_words", 3, 104, macros=(("ELEMENT_BYTES", 4),)), 64, 1),
    gather(Op("gather_words", 3, 104, macros=(("ELEMENT_BYTES", 4),)), 128, 4),
    gather(Op("gather_groups", 3, 104, macros=(("ELEMENT_BYTES", 16),)), 64, 1),
    gather(Op("gather_groups", 3, 104, macros=(("ELEMENT_BYTES", 16),)), 128, 4),
    gather(put("scatter_bytes", 1), 64, 4),
    gather(put("scatter_words", 4), 64, 1),
    gather(put("scatter_words", 4), 128, 4),
    gather(put("scatter_groups", 16), 64, 1),
    gather(put("scatter_groups", 16), 128, 4),
    elementwise(Op("rotary", 4, 24), "elementwise/rotary.comp", 64, 1),
    elementwise(Op("rotary", 4, 24), "elementwise/rotary.comp", 128, 4),
    elementwise(Op("accumulate", 4, 120), "moves/accumulate.comp", 64, 1),
    elementwise(
        Op("accumulate_int", 4, 120, macros=(("INTEGERS", 1),)), "moves/accumulate.comp", 64, 1
    ),
    elementwise(Op("scatter_map", 2, 104), "moves/scatter_map.comp", 64, 1),
    elementwise(Op("put_words", 4, 104, macros=(("ELEMENT_BYTES", 4),)), "moves/put.comp", 64, 1),
    elementwise(Op("put_groups", 4, 104, macros=(("ELEMENT_BYTES", 16),)), "moves/put.comp", 64, 1),
    inset(Op("inset_bytes", 3, 124, macros=(("ELEMENT_BYTES", 1),)), 64, 4),
    inset(Op("inset_words", 3, 124, macros=(("ELEMENT_BYTES", 4),)), 64, 1),
    inset(Op("inset_words", 3, 124, macros=(("ELEMENT_BYTES", 4),)), 128, 4),
    inset(Op("inset_groups", 3, 124, macros=(("ELEMENT_BYTES", 16),)), 64, 1),
    inset(Op("inset_groups", 3, 124, macros=(("ELEMENT_BYTES", 16),)), 128, 4),
    transpose(Op("transpose_bytes", 2, 104, macros=(("ELEMENT_BYTES", 1),)), 1, 128, 64, 256),
    transpose(Op("transpose_words", 2, 104, macros=(("ELEMENT_BYTES", 4),)), 4, 32, 32, 256),
    mean(Op("q8ta_mean", 2, 100), 64, 1),
    mean(Op("q8ta_mean", 2, 100), 256, 16),
    mean(Op("q8ta_mean", 2, 100), 512, 16),
    arg_extreme(32),
    arg_extreme(256),
    #    threads steps
    scan(64, 1),
    scan(256, 4),
    #          threads steps parts
    reduce(Op("reduce", 2, 80, (("CASES_REDUCTION", 1),)), 64, 1, 1),
    reduce(Op("reduce", 2, 80, (("CASES_REDUCTION", 1),)), 256, 8, 256),
    reduce(Op("reduce_of_int", 2, 80, INTEGER_REDUCTION), 64, 1, 1),
    reduce(Op("reduce_of_int", 2, 80, INTEGER_REDUCTION), 256, 8, 256),
    *pools(),
    any_of(Op("any", 2, 72), 64, 1),
    any_of(Op("any", 2, 72), 256, 8),
    any_of(Op("any_of_float", 2, 72, macros=(("X_FLOAT", 1),)), 64, 1),
    any_of(Op("any_of_float", 2, 72, macros=(("X_FLOAT", 1),)), 256, 8),
    #         threads steps
    normalize(64, 1),
    normalize(256, 4),
    #           rows lanes
    normalize_rows(16, 8),
    normalize_rows(8, 16),
    normalize_rows(4, 32),
    normalize_rows(2, 64),
    normalize_rows(1, 128),
    normalize_rows(1, 256),
    normalize_and_round_rows(16, 8),
    normalize_and_round_rows(8, 16),
    normalize_and_round_rows(4, 32),
    normalize_and_round_rows(2, 64),
    normalize_and_round_rows(1, 128),
)


def validate(kernels: tuple[Kernel, ...]) -> None:
    """Checks every row, and that names are unique."""
    seen: set[str] = set()
    for kernel in kernels:
        kernel.validate()
        if kernel.name in seen:
            raise KernelError(f"{kernel.name}: two rows have this name")
        seen.add(kernel.name)
