"""Which tests run, and how pytest finds the package.

pytest imports the `__init__.py` of every folder above a test. For backends/vulkan that would be a
module `vulkan` beside the installed `executorch_vulkan`, with every op registered twice.
"""

import gc
import os
from pathlib import Path

import pytest

# Every test has pipelines of its own, and on CPU drivers a check costs as much as compiling one, so
# only the tests of the self-check have it. Nor may tests write to the user's cache.
os.environ.setdefault("ETVK_SELF_CHECK", "off")

PACKAGE = Path(__file__).parent / "backends" / "vulkan"


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if path == PACKAGE:
        return pytest.Dir.from_parent(parent, path=path)
    return None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all",
        action="store_true",
        help="run the tests marked `all` too: other drivers, every kernel row, more random models",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # A worker takes neighbours, so that what it has lowered for one test serves the next.
    items.sort(key=_place)
    if config.getoption("--all"):
        return
    left_out = [item for item in items if item.get_closest_marker("all")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("all")]


def pytest_collection_finish() -> None:
    """Where tests run, which with workers is not where they are started."""
    from quick_exports import make_exports_quick

    make_exports_quick()
    # A lowering makes very many objects. To look for garbage among them as often as Python does,
    # and among those of modules too, takes an eighth of its time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20)


def _place(item: pytest.Item) -> tuple[int, str]:
    """Long tests first, so that no worker is left alone with one; both kinds by model."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if item.get_closest_marker("long"):
        name = parameters.get("name")
        return 0, name if isinstance(name, str) else ""
    name = getattr(parameters.get("case"), "name", None)
    return (1, name) if isinstance(name, str) else (2, "")
