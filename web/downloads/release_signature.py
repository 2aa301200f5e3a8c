"""The release key of this checkout, and the signature of its wheel.

`scripts/release` writes both files when it makes a release. A checkout that changed since has the
key, and no signature of its wheel.
"""

from functools import cache
from pathlib import Path
from typing import Final

import attrs

from rendertrust import release
from rendertrust.note import NoteRefused
from web.downloads.wheel import CHECKOUT, Wheel

KEY_FILE: Final = "web/downloads/release-key.txt"
STATEMENT_FILE: Final = "web/downloads/release-statement.txt"


@attrs.frozen
class ReleaseSignature:
    """A release key, and the statement that it signed for a wheel; None for what is not there."""

    key: str | None = None
    statement: str | None = None


@cache
def release_signature(wheel: Wheel, checkout: Path = CHECKOUT) -> ReleaseSignature:
    """Return the signature of a checkout's wheel."""
    key = _text(checkout / KEY_FILE)
    if key is None or release.why_no_key(key.strip()) is not None:
        return ReleaseSignature()
    key, signed = key.strip(), _text(checkout / STATEMENT_FILE)
    found = None if signed is None else release.read(signed, key)
    if found is None or isinstance(found, NoteRefused):
        return ReleaseSignature(key)
    is_own = (found.wheel, found.sha256) == (wheel.name, wheel.sha256)
    return ReleaseSignature(key, signed if is_own else None)


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
