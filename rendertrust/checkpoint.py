"""Checkpoints: the size and root of a log at one time, signed by the log's gateway.

The text is a C2SP tlog-checkpoint: origin, size, root in base64, and one extension line with the
time. The origin names the log and, after the first epoch, also the epoch.
"""

import base64
import re
from datetime import UTC, datetime
from typing import Final

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import note
from rendertrust.merkle import SIZE_MAX
from rendertrust.note import NoteRefused, Verifier

_TEXT: Final = re.compile(
    r"(?P<origin>[^\s+]{1,255})\n"
    r"(?P<size>0|[1-9][0-9]{0,18})\n"
    r"(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"time (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)\n",
    re.ASCII,
)
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


@attrs.frozen
class Checkpoint:
    """Size and root of a log at one time.

    ``root``: 32 bytes, over the first ``size`` leaves. ``time``: UTC, whole seconds.
    """

    origin: str
    size: int
    root: bytes
    time: datetime

    @property
    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode()
        time = self.time.astimezone(UTC).strftime(_TIME)
        return f"{self.origin}\n{self.size}\n{root}\ntime {time}\n"


def sign(checkpoint: Checkpoint, *keys: Ed25519PrivateKey) -> str:
    """Return the note signed by ``keys``, each under the log's origin as its name."""
    return note.sign(checkpoint.text, checkpoint.origin, *keys)


def read(signed: str, verifier: Verifier) -> Checkpoint | NoteRefused:
    """Return the checkpoint that ``verifier`` signed, or why the note is refused. Never raises."""
    text = note.read(signed, verifier)
    if isinstance(text, NoteRefused):
        return text
    found = _TEXT.fullmatch(text)
    if found is None:
        return NoteRefused("the note is not a checkpoint")
    try:
        time = datetime.strptime(found["time"], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return NoteRefused("the checkpoint's time is invalid")
    size, root = int(found["size"]), base64.b64decode(found["root"])
    checkpoint = Checkpoint(found["origin"], size, root, time)
    if checkpoint.origin != verifier.name or size > SIZE_MAX or checkpoint.text != text:
        return NoteRefused("the checkpoint is not in canonical form, or belongs to another log")
    return checkpoint
