"""The node as a service of a user's own: a unit of systemd."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

NAME: Final = "rendertrust-node.service"
STOP_SECONDS: Final = 30  # beside what the node may take to finish what runs

_UNIT: Final = """\
# Written by `rendertrust node install`; written anew when that is called again.
[Unit]
Description=RenderTrust node
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart={command}
Environment=PYTHONUNBUFFERED=1
UMask=0077
# Drained, it ends well and stays away; what may mend itself is tried again.
Restart=on-failure
RestartSec=15
# Not joined, shut out, replaced, another gateway: somebody has to act first.
RestartPreventExitStatus={final}
# The agent ends its workers itself, and gives back what runs.
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
    """The unit that runs ``rendertrust node run`` with these words. ``memory``: bytes for all of
    it, kept by the kernel. ``final``: exit codes after which it is not started again.
    """
    command = [sys.executable, "-m", "rendertrust", "node", "run", *words]
    return _UNIT.format(
        command=" ".join(map(quoted, command)),
        stop=int(finish_seconds) + STOP_SECONDS,
        final=" ".join(map(str, final)),
        memory="" if memory is None else f"MemoryMax={memory}\n",
    )


def quoted(word: str) -> str:
    """A word of a command line, as systemd reads it. Raises ValueError for what none can be."""
    if any(ord(character) < 32 for character in word):
        raise ValueError(f"{word!r} has a character that a unit cannot hold")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def folder() -> Path:
    """Where a user's own units are."""
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "systemd" / "user"


def write(text: str, place: Path) -> Path:
    """Put the unit into ``place``, which is made; gives its path."""
    place.mkdir(parents=True, exist_ok=True)
    path = place / NAME
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(path)
    return path
