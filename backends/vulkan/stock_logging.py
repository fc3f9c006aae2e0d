"""The lines that the stock export code prints for every op, under our own logger at debug level.

Three of its modules set the root logger to INFO when they are imported and log there, and one
prints. So a lowering fills the terminal, and other libraries of the process begin to log as well.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any

logger = logging.getLogger(f"{__package__}.stock")

_LOGGING = (
    "executorch.backends.vulkan._passes.tag_memory_meta_pass",
    "executorch.backends.vulkan.partitioner.vulkan_partitioner",
    "executorch.backends.vulkan.serialization.vulkan_graph_builder",
)
_PRINTING = ("executorch.backends.transforms.addmm_mm_to_linear",)


class _AsDebug(logging.LoggerAdapter):
    """Passes INFO on as DEBUG; warnings and errors keep their level."""

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        super().log(logging.DEBUG if level == logging.INFO else level, msg, *args, **kwargs)


def import_quietly() -> None:
    """Import these modules, let them log to ours, and leave the root logger's level as it was."""
    level = logging.root.level
    for name in _LOGGING:
        importlib.import_module(name).__dict__["logger"] = _AsDebug(logger, {})
    for name in _PRINTING:
        importlib.import_module(name).__dict__["print"] = _debug
    logging.root.setLevel(level)


def _debug(*values: object) -> None:
    logger.debug("%s", " ".join(map(str, values)))
