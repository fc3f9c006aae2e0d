"""Print every requirement that pyproject.toml states: to build, to run and to develop.

With the name of a dependency group, print those of that group alone.
Lets pip install them ahead of the package itself, which is then built without isolation.
"""

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:  # pip carries the same parser
    from pip._vendor import tomli as tomllib


def main(path: str, group: str | None = None) -> None:
    pyproject = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    if group is not None:
        print("\n".join(pyproject["dependency-groups"][group]))
        return
    requirements = [
        *pyproject["build-system"]["requires"],
        *pyproject["project"]["dependencies"],
        *pyproject["dependency-groups"]["dev"],
    ]
    print("\n".join(sorted(set(requirements))))


if __name__ == "__main__":
    main(*sys.argv[1:])
