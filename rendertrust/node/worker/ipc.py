"""Messages of the worker, as JSON lines on its original standard output.

{"event": "ready", "blender": "5.2.3", "build": "e13b728c6880"}
{"event": "progress", "progress": 0.25, "remaining": 9.3, "detail": "Sample 16/64"}
{"event": "frame", "frame": 12, "file": "0012.png", "seconds": 3.1}
{"event": "done", "file": "frame.png", "seconds": 3.1, …}
{"event": "failed", "failure": "scene", "error": "…"}
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

SAID_MAX = 1 << 20  # bytes of Blender's output that are kept
CYCLES_SAMPLE = re.compile(r"Sample (\d+)/(\d+)")
CYCLES_TILE = re.compile(r"Rendered (\d+)/(\d+) Tiles")
MEMORY = re.compile(r"(?:Mem|Peak): ?(\d+(?:\.\d+)?)([KMGT])")
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
REMAINING = re.compile(r"Remaining: (?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
EEVEE_SAMPLE = re.compile(r"Rendering (\d+) / (\d+) samples")
# Blender's messages for scenes that no node can render. Any other error may be caused by this
# machine: a build without a denoiser, too little memory, a full disk, or a Blender that is older
# than the file.
SCENES_FAULT = re.compile(
    r"no camera|no render output|no active view|layers are disabled", re.IGNORECASE
)
Say = Callable[..., None]


class SceneError(Exception):
    """No node can render the scene or order; the message is for the creator."""


class MachineError(Exception):
    """Blender failed on this machine. Another machine may succeed."""


class MissingCapability(MachineError):
    """The scene needs ``what``, which this machine lacks."""

    def __init__(self, what: str, words: str) -> None:
        super().__init__(words)
        self.what = what


@contextmanager
def overheard() -> Generator[list[str]]:
    """Keep what is printed inside this context, and print it afterwards.

    The yielded list then has the start of it as its only member.
    """
    heard = list[str]()
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        sys.stderr.flush()
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        try:
            yield heard
        finally:
            sys.stdout.flush()
            for stream in (1, 2):
                os.dup2(kept, stream)
            file.seek(0)
            said = file.read(SAID_MAX)
            os.write(2, said)
            os.close(kept)
            heard.append(said.decode("utf-8", "replace"))


def speaker(pipe: int) -> Say:
    """Return a function that writes a line to ``pipe``.

    The function ends the process if the agent has closed the pipe. It raises ValueError for NaN and
    infinity, because they are not JSON, and the agent would ignore the line.
    """

    def say(event: str, **members: Any) -> None:
        line = json.dumps({"event": event, **members}, allow_nan=False).encode() + b"\n"
        try:
            while line:
                line = line[os.write(pipe, line) :]
        except BrokenPipeError:
            os._exit(1)

    return say


def take_standard_output() -> int:
    """Send what Blender prints to stdout to stderr instead.

    Return a descriptor of the original standard output.
    """
    sys.stdout.flush()
    pipe = os.dup(1)
    os.dup2(2, 1)
    os.set_inheritable(pipe, False)
    return pipe


def share_of(text: str) -> float | None:
    """Parse a message of Blender, and return the completed share of the render.

    Return None if the message has no numbers.
    """
    if found := EEVEE_SAMPLE.search(text):
        return int(found[1]) / max(int(found[2]), 1)
    found = CYCLES_SAMPLE.search(text)
    if not found:
        return None
    sample = int(found[1]) / max(int(found[2]), 1)
    if tile := CYCLES_TILE.search(text):
        # While Blender writes a tile, the number of tiles already counts it, but the samples do
        # not.
        return min((int(tile[1]) + sample) / max(int(tile[2]), 1), 1.0)
    return sample


def memory_of(text: str) -> int:
    """Return the bytes that a message of Cycles counts at most; 0 if it names none.

    Blender's own memory does not count, which older versions name with the frame's number.
    """
    of_cycles = "|".join(part for part in text.split("|") if not part.startswith("Fra:"))
    sizes = (float(size) * UNITS[unit] for size, unit in MEMORY.findall(of_cycles))
    return round(max(sizes, default=0.0))


def remaining_of(text: str) -> float | None:
    """Return the remaining seconds from a message of Blender; None if the message names no time."""
    found = REMAINING.search(text)
    if not found:
        return None
    return int(found[1] or 0) * 3600 + int(found[2]) * 60 + float(found[3])


def blamed(told: str) -> SceneError | MachineError:
    """Return a SceneError if Blender's message blames the scene, otherwise a MachineError."""
    return SceneError(told) if SCENES_FAULT.search(told) else MachineError(told)


def one_line(fault: BaseException) -> str:
    """Return an error's message without Blender's prefix and line breaks."""
    text = " ".join(str(fault).split())
    return text.removeprefix("Error: ")[:400] or type(fault).__name__


class Progress:
    """Progress over all renders of the order; reported when the progress grows.

    If there are several renders, ``label`` precedes Blender's message.
    """

    def __init__(self, say: Say, renders: int) -> None:
        self._say, self._renders = say, max(renders, 1)
        self._begun, self._told, self._label = 0, 0.0, ""
        self.peak_bytes = 0  # the most memory that Cycles counted

    def watch(self, bpy: Any) -> None:
        """Subscribe to Blender's messages on renders."""
        bpy.app.handlers.render_stats.append(self._hear)

    def next(self, label: str = "") -> None:
        """Record that the next render begins."""
        self._begun += 1
        self._label = f"{label}: " if label and self._renders > 1 else ""

    def _hear(self, text: Any, *_: Any) -> None:
        if isinstance(text, str):
            self.peak_bytes = max(self.peak_bytes, memory_of(text))
        share = share_of(text) if isinstance(text, str) else None
        if share is None:
            return
        # Additional renders of an order, such as reading a pass, count as part of the last render.
        total = min((max(self._begun, 1) - 1 + share) / self._renders, 1.0)
        if total <= self._told:
            return
        self._told = total
        left, after = remaining_of(text), self._renders - self._begun
        # If more renders follow, the total remaining time is unknown.
        remaining = left if after <= 0 else None
        detail = self._label + text.split("|")[-1].strip()
        self._say("progress", progress=round(total, 4), remaining=remaining, detail=detail)
