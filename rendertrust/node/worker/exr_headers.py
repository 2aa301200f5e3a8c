"""How large an OpenEXR file says that its picture is: read before anything unpacks it.

The file is a stranger's. Only its head is looked at (OpenEXR file layout, "Header"); what follows
cannot be larger than the window and the channels that the head names.
"""

import struct
from typing import Any

MAGIC = b"\x76\x2f\x31\x01"
OTHER_KINDS, PARTS = 0x0A00, 0x1000  # flags of the version: tiles or deep; several parts
PARTS_MAX = 256
NAME_MAX = 255
ATTRIBUTES_MAX = 256
VALUE_MAX = 1 << 16
CHANNELS_MAX = 512
Head = dict[str, bytes]


class NoHeader(Exception):
    """The text says why."""


def window_of(path: str) -> tuple[int, int, int]:
    """Width, height and the number of channels of an OpenEXR file, of all its parts.

    OSError; NoHeader for another file.
    """
    with open(path, "rb") as file:
        windows = [window_in(head) for head in heads_of(file)[1]]
    sizes = {window[:2] for window in windows}
    if len(sizes) != 1:
        raise NoHeader("its parts are not all of one size")
    count = sum(window[2] for window in windows)
    if count > CHANNELS_MAX:
        raise NoHeader("it has too many channels")
    return *sizes.pop(), count


def heads_of(file: Any) -> tuple[bool, list[Head]]:
    """Whether a file of scan lines is one of several parts, and the head of each. NoHeader."""
    if file.read(4) != MAGIC:
        raise NoHeader("it is no OpenEXR file")
    (version,) = struct.unpack("<I", _read(file, 4))
    if version & OTHER_KINDS:
        raise NoHeader("it is an OpenEXR file of tiles, or deep")
    if not version & PARTS:
        return False, [attributes_of(file)]
    found: list[Head] = []
    while head := attributes_of(file):
        if head.get("type") != b"scanlineimage":
            raise NoHeader("one of its parts is of tiles, or deep")
        found.append(head)
        if len(found) > PARTS_MAX:
            raise NoHeader("it has too many parts")
    return True, found


def channels_of(path: str) -> list[str]:
    """The names of the channels of all parts, ordered. OSError, NoHeader."""
    with open(path, "rb") as file:
        _, heads = heads_of(file)
    return sorted(name for head in heads for name in names_in(head.get("channels", b"")))


def window_in(found: Head) -> tuple[int, int, int]:
    """Width, height and the number of channels by a head's attributes. NoHeader."""
    box, channels = found.get("dataWindow", b""), found.get("channels", b"")
    if len(box) != 16 or not channels:
        raise NoHeader("it names no window, or no channels")
    left, top, right, bottom = struct.unpack("<iiii", box)
    count = len(names_in(channels))
    if right < left or bottom < top or count > CHANNELS_MAX:
        raise NoHeader("its window or its channels make no sense")
    return right - left + 1, bottom - top + 1, count


def attributes_of(file: Any) -> Head:
    """What a head says, from where it begins. NoHeader."""
    found: Head = {}
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


def names_in(channels: bytes) -> list[str]:
    """Each is a name, a zero, and sixteen bytes; a zero at the end. NoHeader."""
    found: list[str] = []
    place = 0
    while place < len(channels) and channels[place]:
        end = channels.find(b"\0", place)
        if end < 0:
            raise NoHeader("its channels cannot be read")
        found.append(channels[place:end].decode("utf-8", "replace"))
        place = end + 17
    return found


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
