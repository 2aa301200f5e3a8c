"""The layout of a zip of stored files, which is known before any file is read.

Files are stored uncompressed, one after the other, followed by their directory (APPNOTE.TXT 6.3.10,
§4.3). Sizes above 4 GiB are written as ZIP64. All lengths and offsets follow from names and sizes,
so a download can resume anywhere; only the checksums have to be computed.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

STORED_VERSION, ZIP64_VERSION = 20, 45
_UTF8: Final = 0x800
_DATE: Final = 33  # 1980-01-01, so that the same files make the same zip
_MODE: Final = 0o100644 << 16
_MOST: Final = 0xFFFFFFFF
_LOCAL: Final = struct.Struct("<IHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<IHHHHHHIIIHHHHHII")
_END: Final = struct.Struct("<IHHHHIIH")
_END64: Final = struct.Struct("<IQHHIIQQQQ")
_LOCATOR: Final = struct.Struct("<IIQI")


@attrs.frozen
class ZipMember:
    """A file of the zip: ``size`` bytes of the object ``key``, from ``start`` on."""

    name: str
    key: str
    start: int
    size: int
    crc: int | None = None  # CRC-32, if known

    @property
    def is_large(self) -> bool:
        """True if the member needs ZIP64."""
        return self.size >= _MOST


@attrs.frozen
class ZipLayout:
    """``offsets``: where the members' headers begin; the members end at ``directory``."""

    members: tuple[ZipMember, ...]
    offsets: tuple[int, ...]
    directory: int

    @property
    def size(self) -> int:
        """The bytes of the whole zip."""
        nothing = dict.fromkeys(range(len(self.members)), 0)
        return self.directory + len(self.ending(nothing))

    def head(self, index: int, crc: int) -> bytes:
        """Return the header of a member."""
        member = self.members[index]
        name = member.name.encode()
        extra = struct.pack("<HHQQ", 1, 16, member.size, member.size) if member.is_large else b""
        size = _MOST if member.is_large else member.size
        version = ZIP64_VERSION if member.is_large else STORED_VERSION
        fields = (0x04034B50, version, _UTF8, 0, 0, _DATE, crc, size, size, len(name), len(extra))
        return _LOCAL.pack(*fields) + name + extra

    def ending(self, crcs: Mapping[int, int]) -> bytes:
        """Return the directory and its end records."""
        entries = b"".join(self._entry(index, crcs[index]) for index in range(len(self.members)))
        count, size = len(self.members), len(entries)
        is_large = self.directory >= _MOST or count >= 0xFFFF
        plain = (0xFFFF, 0xFFFF, _MOST, _MOST) if is_large else (count, count, size, self.directory)
        end = _END.pack(0x06054B50, 0, 0, *plain, 0)
        if not is_large:
            return entries + end
        numbers = (0x06064B50, 44, ZIP64_VERSION, ZIP64_VERSION, 0, 0, count, count, size)
        locator = _LOCATOR.pack(0x07064B50, 0, self.directory + size, 1)
        return entries + _END64.pack(*numbers, self.directory) + locator + end

    def _entry(self, index: int, crc: int) -> bytes:
        member, offset = self.members[index], self.offsets[index]
        name, extra = member.name.encode(), b""
        if member.is_large:
            extra += struct.pack("<QQ", member.size, member.size)
        if offset >= _MOST:
            extra += struct.pack("<Q", offset)
        version = ZIP64_VERSION if extra else STORED_VERSION
        extra = struct.pack("<HH", 1, len(extra)) + extra if extra else b""
        size = _MOST if member.is_large else member.size
        made = (0x02014B50, 0x0300 | version, version, _UTF8, 0, 0, _DATE, crc, size, size)
        rest = (len(name), len(extra), 0, 0, 0, _MODE, min(offset, _MOST))
        return _CENTRAL.pack(*made, *rest) + name + extra


def laid_out(members: Sequence[ZipMember]) -> ZipLayout:
    """Return the layout of a zip with these members, in this order."""
    empty = ZipLayout((*members,), (), 0)
    offsets, at = list[int](), 0
    for index, member in enumerate(members):
        offsets.append(at)
        at += len(empty.head(index, 0)) + member.size
    return ZipLayout((*members,), (*offsets,), at)


# ── zips that nodes make of a chunk ──────────────────────────────────────────────────────────────

TAIL_BYTES: Final = 32 * 1024
ENTRIES_MAX: Final = 128


class NotABundle(ValueError):
    """Error: the object is not a zip of frames in the form that nodes make."""


def members_of(tail: bytes, size: int, key: str) -> list[ZipMember]:
    """Return the files of a stored zip of ``size`` bytes, from its last bytes. Raises NotABundle.

    A node wrote the zip, so everything that differs from our nodes' format is refused. There are no
    gaps between members, so the directory shows where the bytes of each member begin.
    """
    try:
        return _strictly(tail, size, key)
    except (struct.error, UnicodeDecodeError, IndexError) as fault:
        raise NotABundle(str(fault)) from fault


def _strictly(tail: bytes, size: int, key: str) -> list[ZipMember]:
    signature, _, _, here, count, length, directory, comment = _END.unpack(tail[-_END.size :])
    at = len(tail) - _END.size - length
    if (signature, here, comment) != (0x06054B50, count, 0) or not 0 < count <= ENTRIES_MAX:
        raise NotABundle("the end record of the zip is unexpected")
    if at < 0 or directory + length + _END.size != size:
        raise NotABundle("the directory of the zip is not at its end")
    found, place = list[ZipMember](), 0
    for _ in range(count):
        entry = _CENTRAL.unpack_from(tail, at)
        crc, packed, plain, named, extra, remark = entry[7:13]
        name = tail[at + _CENTRAL.size : at + _CENTRAL.size + named].decode("ascii")
        if entry[0] != 0x02014B50 or entry[3] != 0 or entry[4] != 0 or packed != plain:
            raise NotABundle("a file in the zip is compressed")
        if (extra, remark, entry[16]) != (0, 0, place):
            raise NotABundle("the files of the zip do not follow each other")
        begin = place + _LOCAL.size + named
        found.append(ZipMember(name, key, begin, plain, crc))
        place, at = begin + plain, at + _CENTRAL.size + named
    if place != directory:
        raise NotABundle("the zip has bytes that belong to no file")
    return found
