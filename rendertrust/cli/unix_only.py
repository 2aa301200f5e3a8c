"""Refusal of commands that need Linux or macOS, on Windows."""

import sys
from typing import Final

from rendertrust.cli import exit_codes
from rendertrust.cli.command_exit import CommandExit, Exit

INSTALL_WSL: Final = (
    "Install WSL2 (wsl --install), and run the command in its Linux shell. Commands that need no "
    "Blender run on Windows, too."
)


def is_windows() -> bool:
    return sys.platform == "win32"


def refuse_on_windows(what: str) -> None:
    """Raise CommandExit on Windows; ``what`` begins the sentence: ``Nodes run``."""
    if is_windows():
        said = f"{what} on Linux and macOS, and on Windows in WSL2"
        raise CommandExit(Exit(exit_codes.FAILURE, "unsupported_system", said, INSTALL_WSL))
