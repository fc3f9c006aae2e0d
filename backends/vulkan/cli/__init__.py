"""`python -m executorch_vulkan`: one file a command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import check, devices, explain, inspect, profile, run

_COMMANDS = (devices, check, run, profile, explain, inspect)
# What ExecuTorch, the loader and the files that a user names raise; all else is our own mistake.
_EXPECTED = (OSError, RuntimeError, ValueError, TypeError, ImportError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; or 1, with one line on stderr where it can't be done; or 130 where the user stopped it.
        argparse ends the process with 2 for wrong arguments.
    """
    parser = argparse.ArgumentParser(
        prog="executorch_vulkan", description="Programs of ExecuTorch on Vulkan devices."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        summary = (module.__doc__ or "").split("\n")[0]
        command = commands.add_parser(module.NAME, help=summary, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(call=module.call)
    options = parser.parse_args(arguments)
    try:
        options.call(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as of `| head`; what is left to write goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _EXPECTED as error:
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"executorch_vulkan {options.command}: {text}", file=sys.stderr)
        return 1
    return 0
