"""Files that a user names."""

from __future__ import annotations

from pathlib import Path


def require_file(path: Path, option: str = "") -> None:
    """Raises FileNotFoundError naming the option, if there is one, and the path that is none."""
    if not path.is_file():
        raise FileNotFoundError(f"{option} {path} is no file".lstrip())
