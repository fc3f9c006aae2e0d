"""List the Vulkan devices of this machine, and which one programs run on."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict

from ..runtime.loader import Device, devices

NAME = "devices"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def call(options: argparse.Namespace) -> None:
    found = devices()
    if options.json:
        print(json.dumps([asdict(device) for device in found], indent=2))
        return
    require_some(found)
    for device in found:
        fields = {key: value for key, value in asdict(device).items() if key != "selected"}
        print(f"{'*' if device.selected else ' '} {fields.pop('name')}")
        for key, value in fields.items():
            text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
            print(f"    {key.replace('_', ' '):13} {text}")


def selected() -> Device:
    """The device that programs run on.

    Raises:
        RuntimeError: where there is none.
    """
    found = devices()
    require_some(found)
    for device in found:
        if device.selected:
            return device
    names = ", ".join(device.name for device in found)
    raise RuntimeError(f"ETVK_DEVICE={os.environ.get('ETVK_DEVICE')} is none of: {names}")


def require_some(found: list[Device]) -> None:
    if not found:
        raise RuntimeError(
            "no Vulkan device was found; install a driver (on Debian and Ubuntu the package "
            "mesa-vulkan-drivers, or that of the GPU's vendor)"
        )
