"""The node as a systemd user service."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rendertrust.node import program_folder

NAME: Final = "rendertrust-node.service"
CONTROL_SECONDS: Final = 30  # how long systemctl may take
STOP_SECONDS: Final = 30  # seconds beyond the time in which running units may finish

_UNIT: Final = """\
# Written by `rendertrust node install`, which overwrites this file.
[Unit]
Description=RenderTrust node
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart={command}
Environment=PYTHONUNBUFFERED=1
UMask=0077
# A drained node exits successfully and stays down; failures that may pass are retried.
Restart=on-failure
RestartSec=15
# Not joined, shut out, replaced, another gateway: the operator must act first.
RestartPreventExitStatus={final}
# The agent ends its workers itself and returns their units.
KillMode=mixed
TimeoutStopSec={stop}
CPUWeight=20
IOWeight=20
OOMPolicy=continue
{memory}
[Install]
WantedBy=default.target
"""


def unit(
    words: Sequence[str],
    *,
    finish_seconds: float = 0.0,
    memory: int | None = None,
    final: Sequence[int] = (),
) -> str:
    """Return the systemd unit for ``rendertrust node run`` with these arguments.

    ``memory``: limit in bytes, enforced by the kernel. ``final``: exit codes after which systemd
    does not restart the node.
    """
    installed = program_folder.installed()
    python = [sys.executable, "-m", "rendertrust"]
    program = python if installed is None else [str(installed.program)]  # also after an update
    command = [*program, "node", "run", *words]
    return _UNIT.format(
        command=" ".join(map(quoted, command)),
        stop=int(finish_seconds) + STOP_SECONDS,
        final=" ".join(map(str, final)),
        memory="" if memory is None else f"MemoryMax={memory}\n",
    )


def quoted(word: str) -> str:
    """Quote an argument for systemd. Raises ValueError for control characters."""
    if any(ord(character) < 32 for character in word):
        raise ValueError(f"{word!r} has a character that a systemd unit cannot contain")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def folder() -> Path:
    """Return the folder of the user's systemd units."""
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "systemd" / "user"


def control(*words: str) -> str | None:
    """Run ``systemctl --user`` with these words; return why it failed, or None."""
    command = ["systemctl", "--user", *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=CONTROL_SECONDS, check=False
        )
    except FileNotFoundError:
        return "there is no systemctl"
    except (OSError, subprocess.TimeoutExpired) as fault:
        return type(fault).__name__
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1][:300] if lines else f"systemctl ended with {done.returncode}"


def write(text: str, place: Path) -> Path:
    """Write the systemd unit to the folder ``place``, which is created if missing.

    Return the path of the unit file.
    """
    place.mkdir(parents=True, exist_ok=True)
    path = place / NAME
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(path)
    return path
