"""Files that a user names."""

from __future__ import annotations

import os
from pathlib import Path


def require_file(path: Path, option: str = "") -> None:
    """Raises FileNotFoundError naming the option, if there is one, and the path that is none."""
    if not path.is_file():
        raise FileNotFoundError(f"{option} {path} is no file".lstrip())


def require_writable(path: Path | None, option: str) -> None:
    """Before the work whose result goes to `path`, if one is given.

    Raises:
        OSError: naming the option and the path where nothing can be written.
    """
    if path is None:
        return
    if path.is_dir():
        raise IsADirectoryError(f"{option} {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{option} {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise PermissionError(f"{option} {path} may not be written by this user")
