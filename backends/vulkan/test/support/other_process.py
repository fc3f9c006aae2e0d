"""A process that runs lowered programs one after another, in an environment of its own.

Run as a script, this file is that process: it reads a folder a line, runs `model.pte` there on the
tensors of `inputs.pt` twice, writes `outputs.pt`, and answers with a line: "done", or the error.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO

import torch

_ANSWER = "other_process: "  # logs may stand between


class OtherProcess:
    """Started at the first program, and again after one that it died of."""

    def __init__(self, environment: Mapping[str, str], stderr: TextIO) -> None:
        self._environment = os.environ | dict(environment)
        self._process: subprocess.Popen[str] | None = None
        self._stderr = stderr

    def run(
        self, pte: bytes, inputs: Sequence[torch.Tensor], folder: Path
    ) -> tuple[list[torch.Tensor], str]:
        """Outputs of a program, and what was written to stderr meanwhile.

        Raises:
            RuntimeError: with the error, or what the process wrote before it died.
        """
        (folder / "model.pte").write_bytes(pte)
        torch.save(list(inputs), folder / "inputs.pt")
        process = self._started()
        begin = self._stderr.seek(0, os.SEEK_END)
        assert process.stdin is not None and process.stdout is not None
        print(folder, file=process.stdin, flush=True)
        answer = next((line for line in process.stdout if line.startswith(_ANSWER)), "")
        if not answer:
            process.wait()
            self._process = None
        self._stderr.seek(begin)
        said = self._stderr.read()
        outcome = answer.removeprefix(_ANSWER).strip() or f"ended with {process.returncode}"
        if outcome != "done":
            raise RuntimeError(f"{outcome}\n{said}")
        return torch.load(folder / "outputs.pt"), said

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                text=True,
            )
        return self._process


@contextmanager
def other_process(environment: Mapping[str, str]) -> Iterator[OtherProcess]:
    with TemporaryFile("w+", errors="replace") as stderr:
        process = OtherProcess(environment, stderr)
        yield process
        process.close()


def _serve() -> None:
    from executorch.runtime import Runtime

    import executorch_vulkan  # noqa: F401

    for line in sys.stdin:
        folder = Path(line.strip())
        try:
            program = Runtime.get().load_program((folder / "model.pte").read_bytes())
            method = program.load_method("forward")
            inputs = torch.load(folder / "inputs.pt")
            method.execute(inputs)
            torch.save([one.clone() for one in method.execute(inputs)], folder / "outputs.pt")
            answer = "done"
        except Exception as error:
            answer = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(f"{_ANSWER}{answer}", flush=True)


if __name__ == "__main__":
    _serve()
