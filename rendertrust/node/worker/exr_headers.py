"""Headers of OpenEXR files, read before anything decodes the picture.

The file is untrusted. Only its header is read (OpenEXR file layout, "Header"); the decoded picture
cannot be larger than the window and channels in it.
"""

import struct
from typing import Any

MAGIC = b"\x76\x2f\x31\x01"
OTHER_KINDS, PARTS = 0x0A00, 0x1000  # version flags: tiled or deep; several parts
PARTS_MAX = 256
NAME_MAX = 255
ATTRIBUTES_MAX = 256
VALUE_MAX = 1 << 16
CHANNELS_MAX = 512
Head = dict[str, bytes]


class NoHeader(Exception):
    """The header is invalid; the text says why."""


def window_of(path: str) -> tuple[int, int, int]:
    """Return width, height and the number of channels of all parts of an OpenEXR file.

    Raises OSError, and NoHeader for another file.
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
    """Return True for a multi-part file of scan lines, and the header of each part.

    Raises NoHeader.
    """
    if file.read(4) != MAGIC:
        raise NoHeader("it is not an OpenEXR file")
    (version,) = struct.unpack("<I", _read(file, 4))
    if version & OTHER_KINDS:
        raise NoHeader("it is a tiled or deep OpenEXR file")
    if not version & PARTS:
        return False, [attributes_of(file)]
    found: list[Head] = []
    while head := attributes_of(file):
        if head.get("type") != b"scanlineimage":
            raise NoHeader("one of its parts is tiled or deep")
        found.append(head)
        if len(found) > PARTS_MAX:
            raise NoHeader("it has too many parts")
    return True, found


def channels_of(path: str) -> list[str]:
    """Return the sorted channel names of all parts. Raises OSError, NoHeader."""
    with open(path, "rb") as file:
        _, heads = heads_of(file)
    return sorted(name for head in heads for name in names_in(head.get("channels", b"")))


def window_in(found: Head) -> tuple[int, int, int]:
    """Return width, height and the number of channels from a header. Raises NoHeader."""
    box, channels = found.get("dataWindow", b""), found.get("channels", b"")
    if len(box) != 16 or not channels:
        raise NoHeader("it has no window or no channels")
    left, top, right, bottom = struct.unpack("<iiii", box)
    count = len(names_in(channels))
    if right < left or bottom < top or count > CHANNELS_MAX:
        raise NoHeader("its window or channels are invalid")
    return right - left + 1, bottom - top + 1, count


def attributes_of(file: Any) -> Head:
    """Read the attributes of the header at the file's position. Raises NoHeader."""
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
    """Parse channel names: each is a name, a zero and 16 bytes, then a final zero. NoHeader."""
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
        raise NoHeader("it is truncated")
    return found
