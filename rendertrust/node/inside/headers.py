"""How large an OpenEXR file says that its picture is: read before anything unpacks it.

The file is a stranger's. Only its head is looked at (OpenEXR file layout, "Header"); what follows
cannot be larger than the window and the channels that the head names.
"""

import struct
from typing import Any

MAGIC = b"\x76\x2f\x31\x01"
NAME_MAX = 255
ATTRIBUTES_MAX = 256
VALUE_MAX = 1 << 16
CHANNELS_MAX = 512


class NoHeader(Exception):
    """The text says why."""


def window_of(path: str) -> tuple[int, int, int]:
    """Width, height and the number of channels of an OpenEXR file of one part.

    OSError; NoHeader for another file.
    """
    with open(path, "rb") as file:
        if file.read(4) != MAGIC:
            raise NoHeader("it is no OpenEXR file")
        (flags,) = struct.unpack("<I", _read(file, 4))
        if flags & 0x1000:
            raise NoHeader("it has several parts")
        return window_in(attributes_of(file))


def window_in(found: dict[str, bytes]) -> tuple[int, int, int]:
    """Width, height and the number of channels by a head's attributes. NoHeader."""
    box, channels = found.get("dataWindow", b""), found.get("channels", b"")
    if len(box) != 16 or not channels:
        raise NoHeader("it names no window, or no channels")
    left, top, right, bottom = struct.unpack("<iiii", box)
    count = _channels(channels)
    if right < left or bottom < top or count > CHANNELS_MAX:
        raise NoHeader("its window or its channels make no sense")
    return right - left + 1, bottom - top + 1, count


def attributes_of(file: Any) -> dict[str, bytes]:
    """What a head says, from behind the version on. NoHeader."""
    found: dict[str, bytes] = {}
    for _ in range(ATTRIBUTES_MAX):
        name = _text(file)
        if not name:
            return found
        _text(file)
        (size,) = struct.unpack("<I", _read(file, 4))
        if size > VALUE_MAX:
            raise NoHeader("one of its attributes is too long")
        found[name] = _read(file, size)
    raise NoHeader("it has too many attributes")


def _channels(value: bytes) -> int:
    """How many there are: a name, a zero, and sixteen bytes each; a zero at the end."""
    count, place = 0, 0
    while place < len(value) and value[place]:
        place = value.find(b"\0", place) + 17
        if place < 17:
            raise NoHeader("its channels cannot be read")
        count += 1
    return count


def _text(file: Any) -> str:
    found = bytearray()
    while (byte := _read(file, 1)) != b"\0":
        found += byte
        if len(found) > NAME_MAX:
            raise NoHeader("one of its names is too long")
    return found.decode("latin-1")


def _read(file: Any, size: int) -> bytes:
    found: bytes = file.read(size)
    if len(found) != size:
        raise NoHeader("it breaks off")
    return found
