"""The list of renderers: versions of Blender with the wheels that make each of them.

A gateway hands out the list as a signed note (``rendertrust.note``) by the key of its log. The
note's first line distinguishes it from all other texts that the key signs, and its second line is
the list as JSON. A node installs no other renderers.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import attrs
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import note
from rendertrust.blender_version import UNKNOWN, BlenderVersion, parse
from rendertrust.note import NoteRefused, Verifier

NAME: Final = "renderers.json"
SIGNED_NAME: Final = "renderers.note"  # as a gateway hands it out
VERSION: Final = "rendertrust-renderers-v1"
RELEASES_MAX: Final = 16
WHEELS_MAX: Final = 64
SIZE_MAX: Final = 2**40
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?", re.ASCII)
_WHEEL_VERSION: Final = re.compile(r"[0-9][0-9A-Za-z.+!]{0,63}", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BUILD: Final = re.compile(r"[0-9a-z]{1,64}", re.ASCII)
_PYTHON: Final = re.compile(r"3\.[1-9][0-9]?", re.ASCII)
_PATCH: Final = re.compile(r"[2-9]\.[0-9]{1,2}\.[0-9]{1,3}", re.ASCII)


@attrs.frozen
class RendererWheel:
    """A wheel by its package, version, and SHA-256 in hexadecimal."""

    name: str = attrs.field(validator=attrs.validators.matches_re(_NAME))
    version: str = attrs.field(validator=attrs.validators.matches_re(_WHEEL_VERSION))
    sha256: str = attrs.field(validator=attrs.validators.matches_re(_SHA256))

    @property
    def requirement(self) -> str:
        """Return the line for pip, which installs nothing with another hash."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


def _is_size(_instance: object, _attribute: "attrs.Attribute[int]", value: int) -> None:
    if type(value) is not int or not 0 < value <= SIZE_MAX:
        raise ValueError("size must be a number of bytes")


@attrs.frozen(kw_only=True)
class RendererRelease:
    """A version of Blender with its patch, like ``4.5.15``.

    ``build``: the commit of its source. ``python``: the version of CPython that its module needs.
    ``size``: bytes on disk. ``wheels``: everything that is installed.
    """

    version: str = attrs.field(validator=attrs.validators.matches_re(_PATCH))
    build: str = attrs.field(validator=attrs.validators.matches_re(_BUILD))
    python: str = attrs.field(validator=attrs.validators.matches_re(_PYTHON))
    size: int = attrs.field(validator=_is_size)
    wheels: tuple[RendererWheel, ...]

    @property
    def line(self) -> BlenderVersion:
        """Return the version without the patch, like (4, 5)."""
        return parse(self.version)


RendererList = tuple[RendererRelease, ...]


def encode(releases: Iterable[RendererRelease]) -> str:
    """Return the list as JSON, one version a line, which ``decode`` reads."""
    lines = [orjson.dumps(attrs.asdict(each)).decode() for each in releases]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def decode(text: str | bytes) -> RendererList:
    """Return the list in a JSON text. Raises ValueError."""
    try:
        members: Any = orjson.loads(text)
        found = tuple(_release(each) for each in members[: RELEASES_MAX + 1])
    except (TypeError, KeyError) as fault:
        raise ValueError(f"the list of renderers is malformed: {fault}") from fault
    if not isinstance(members, list) or len(found) > RELEASES_MAX:
        raise ValueError(f"the list of renderers must have at most {RELEASES_MAX} versions")
    if UNKNOWN in (lines := [each.line for each in found]) or len(set(lines)) != len(lines):
        raise ValueError("the list of renderers must name each version once")
    return found


def sign(releases: Iterable[RendererRelease], origin: str, *keys: Ed25519PrivateKey) -> str:
    """Return the list as a note, signed by ``keys``, each under ``origin`` as its name."""
    return note.sign(_text(tuple(releases)), origin, *keys)


def read(signed: str, verifier: Verifier) -> RendererList | NoteRefused:
    """Return the list that ``verifier`` signed, or why it is refused. Never raises."""
    text = note.read(signed, verifier)
    if isinstance(text, NoteRefused):
        return text
    version, _, rest = text.partition("\n")
    if version != VERSION:
        return NoteRefused("the signed text is not a list of renderers")
    try:
        return decode(rest)
    except ValueError as fault:
        return NoteRefused(str(fault)[:300])


def _text(releases: RendererList) -> str:
    return f"{VERSION}\n{orjson.dumps([attrs.asdict(each) for each in releases]).decode()}\n"


def _release(members: Any) -> RendererRelease:
    wheels = members["wheels"]
    if not isinstance(wheels, list) or not 0 < len(wheels) <= WHEELS_MAX:
        raise ValueError(f"a renderer must have 1 to {WHEELS_MAX} wheels")
    return RendererRelease(
        version=members["version"],
        build=members["build"],
        python=members["python"],
        size=members["size"],
        wheels=tuple(RendererWheel(one["name"], one["version"], one["sha256"]) for one in wheels),
    )
