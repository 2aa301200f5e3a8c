"""Hostile inputs of any size, for each parser that reads untrusted data."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from multidict import MultiDict

from config.redaction import redact
from rendertrust import checkpoint, frame_range, manifest, note, strict_json
from rendertrust.node.worker.formats import bounds, image_headers, picture_digest
from rendertrust.node.worker.formats.bounds import NoPixels
from rendertrust.node.worker.formats.exr import MAGIC, channels_of, window_of
from rendertrust.node.worker.formats.png import SIGNATURE
from rendertrust.protocol import FRAME_BYTES_MAX, decode_from_gateway, decode_from_node
from tests.fuzz.documents import SHAPES, repeated
from tests.support.plans import in_frames
from web.http import json_document
from web.http.body import read_body
from web.http.converter import Email, structure, structure_query
from web.jobs.job_filter import CHARACTERS_MAX, filter_of
from web.jobs.unit_plan import UNITS_MAX, split_into_units
from web.objects.multipart_uploads import missing, parts_sha256
from web.objects.zip_layout import ENTRIES_MAX, NotABundle, members_of

SEED: Final = 20_261_129
NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)
MIB: Final = 1 << 20
KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OURS: Final = note.verifier_of("gateway", KEY)


@attrs.frozen
class Case:
    """Inputs that make a parser work hard; ``largest`` is the largest size to try."""

    label: str
    make: Callable[[int], Any]
    run: Callable[[Any], object]
    largest: int


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────


def _of_json(_: Path) -> Iterator[Case]:
    for name, make in SHAPES.items():
        yield Case(f"body, {name}", make, _read_request, MIB // 4)
        yield Case(f"file, {name}", make, strict_json.read_document, MIB // 4)


def _read_request(raw: bytes) -> object:
    found = json_document.parse(raw)
    return read_body(found, None) if isinstance(found, dict) else found


# ── frames and units ─────────────────────────────────────────────────────────────────────────────


def _of_frames(_: Path) -> Iterator[Case]:
    texts: Mapping[str, Callable[[int], str]] = {
        "single": lambda size: ",".join(map(str, range(size // 7))),
        "one large range again": lambda size: repeated("1-99999,", size) + "1",
        "ranges of hundreds": lambda size: repeated("1-300,", size) + "1",
        "steps": lambda size: repeated("1-9000x30,", size) + "1",
        "blanks": lambda size: " " * size,
        "digits": lambda size: "1" * size,
        "minus signs": lambda size: "-" * size,
    }
    for name, make in texts.items():
        yield Case(f"frames, {name}", make, _parsed, frame_range.TEXT_MAX - 8)
    yield Case("units", _as_range, _units_of(None), UNITS_MAX)
    for tiles in (None, "1x1", "6x8"):
        yield Case(
            f"too many units, tiles {tiles}",
            _as_range,
            _units_of(tiles),
            frame_range.FRAMES_MAX - 1,
        )


def _as_range(size: int) -> str:
    return f"1-{size}"


def _parsed(text: str) -> object:
    try:
        return frame_range.canonical(frame_range.parse(text))
    except frame_range.FrameRangeError as fault:
        return fault


def _units_of(tiles: str | None) -> Callable[[str], object]:
    size: dict[str, Any] = {"width": 640, "height": 480}
    return lambda frames: split_into_units(in_frames(frames, tiles=tiles, **size), lambda _: 1)


# ── filters, addresses, texts ────────────────────────────────────────────────────────────────────


@attrs.frozen
class Addressed:
    email: Email


@attrs.frozen
class Numbered:
    number: int


def _of_words(_: Path) -> Iterator[Case]:
    filters: Mapping[str, Callable[[int], str]] = {
        "quotation marks": lambda size: '"' * size,
        "an open quotation mark": lambda size: 'a:"' + "x " * (size // 2),
        "words": lambda size: repeated("error:x ", size),
        "blanks": lambda size: " " * (size - 1) + '"',
        "colons": lambda size: ":" * size,
        "states": lambda size: "status:" + repeated("failed,", size),
    }
    for name, make in filters.items():
        yield Case(f"filter, {name}", make, lambda text: filter_of(text, NOW), CHARACTERS_MAX - 20)
    addresses: Mapping[str, Callable[[int], str]] = {
        "dots": lambda size: "a" + ".a" * (size // 2) + "@example.org",
        "labels": lambda size: "a@" + "a." * (size // 2) + "org",
        "at signs": lambda size: "@" * size,
        "quoted": lambda size: '"' + "\\a" * (size // 2) + '"@example.org',
        "letters of other scripts": lambda size: "ß" * size + "@" + "ü" * 60 + ".de",
    }
    for name, make in addresses.items():
        yield Case(f"e-mail, {name}", make, lambda text: structure({"email": text}, Addressed), 240)
    integers: Mapping[str, Callable[[int], str]] = {
        "zeros": lambda size: "0" * size,
        "zeros and a letter": lambda size: "0" * size + "x",
        "digits": lambda size: "1" * size,
        "minus signs": lambda size: "-" * size,
    }
    for name, make in integers.items():
        yield Case(f"integer, {name}", make, _read_integer, MIB // 4)
    texts: Mapping[str, Callable[[int], str]] = {
        "quotation marks": lambda size: repeated('token="', size),
        "escapes": lambda size: 'password: "' + "\\" * size,
        "addresses": lambda size: repeated("a://b:", size),
        "tokens": lambda size: repeated("eyJ", size),
        "keys": lambda size: repeated("-----BEGIN PRIVATE KEY-----", size),
        "bearers": lambda size: repeated("bearer ", size),
    }
    for name, make in texts.items():
        yield Case(f"log text, {name}", make, redact, 64 << 10)


def _read_integer(text: str) -> object:
    """Parse an integer as queries, paths and forms of the console do."""
    return structure_query(MultiDict(number=text), Numbered)


# ── checkpoints ──────────────────────────────────────────────────────────────────────────────────


def _of_notes(_: Path) -> Iterator[Case]:
    signed = note.sign("gateway\n0\nx\n", OURS.name, KEY).rpartition("\n\n")[2]
    notes: Mapping[str, Callable[[int], str]] = {
        "lines": lambda size: "\n" * size,
        "signatures of ours": lambda size: "gateway\n0\nx\n\n" + repeated(signed, size),
        "signatures of nobody": lambda size: "a\n\n" + repeated("— a AAAA\n", size),
        "dashes": lambda size: "a\n\n" + "— " * (size // 4),
        "base64": lambda size: "a\n\n— gateway " + "A" * size + "\n",
        "an origin": lambda size: "x" * size + "\n",
    }
    for name, make in notes.items():
        most = note.NOTE_CHARACTERS_MAX - 100
        yield Case(f"checkpoint, {name}", make, lambda text: checkpoint.read(text, OURS), most)
    yield Case("verifier key", lambda size: "a+" * (size // 2), note.read_verifier, 64 << 10)


# ── relay frames ────────────────────────────────────────────────────────────────────────────────


def _of_relay(_: Path) -> Iterator[Case]:
    most = FRAME_BYTES_MAX - 1_024
    for name, make in SHAPES.items():
        yield Case(f"relay, {name}", make, _decoded, most)
    members: Mapping[str, Callable[[int], bytes]] = {
        "a hello of many": lambda size: (
            b'{"type":"hello","running":[' + _items(b"{}", size) + b"]}"
        ),
        "a long status": lambda size: b'{"type":"job_status","status":"' + b"x" * size + b'"}',
        "a result": lambda size: b'{"type":"job_result","work":[' + _items(b"1", size) + b"]}",
    }
    for name, make in members.items():
        yield Case(f"relay, {name}", make, _decoded, most)


def _decoded(frame: bytes) -> object:
    return decode_from_node(frame), decode_from_gateway(frame)


def _items(one: bytes, size: int) -> bytes:
    return b",".join([one] * (size // (len(one) + 1)))


# ── manifests, parts ─────────────────────────────────────────────────────────────────────────────


def _of_manifests(_: Path) -> Iterator[Case]:
    entry = '"%s":{"sha256":"' + "0" * 64 + '","size":1,"upload":"' + "0" * 36 + '"}'

    def listed(name: str) -> Callable[[int], bytes]:
        def make(size: int) -> bytes:
            many = size // (len(entry) + len(name % 0))
            files = ",".join(entry % (name % number) for number in range(max(many, 1)))
            return ('{"version":1,"scene":"x","files":{' + files + "}}").encode()

        return make

    for name in ("f%07d.png", "a/" * 30 + "%07d", "%07d" + "x" * 240, "\\u0390" * 40 + "%07d"):
        label = f"manifest, {name[:12]}"
        yield Case(label, listed(name), _listed, manifest.BYTES_MAX // 4)


def _listed(raw: bytes) -> object:
    try:
        return manifest.read(raw, "upload")
    except manifest.ManifestError as fault:
        return fault


def _of_parts(_: Path) -> Iterator[Case]:
    def numbers(size: int) -> list[int]:
        return random.Random(SEED).sample(range(1, 2 * size), size)

    yield Case("multipart, numbers", numbers, lambda there: missing(there, 2 * len(there)), 2_048)
    yield Case("multipart, hashes", lambda size: [b"x" * 32] * (size // 32), parts_sha256, MIB // 4)


# ── zips ─────────────────────────────────────────────────────────────────────────────────────────


def _of_zips(folder: Path) -> Iterator[Case]:
    def file_of(make: Callable[[int], bytes], name: str) -> Callable[[int], Path]:
        def write(size: int) -> Path:
            path = folder / f"{name} {size}.zip"
            path.write_bytes(make(size))
            return path

        return write

    zips: Mapping[str, Callable[[int], bytes]] = {
        "entries": lambda size: _directory(size // 46, size // 46 * 46),
        "entries that are not said": lambda size: _directory(1, size // 46 * 46),
        "an end record again": lambda size: b"PK\x05\x06" * (size // 4),
        "zeros": bytes,
    }
    for name, make in zips.items():
        yield Case(f"zip, {name}", file_of(make, name), _opened, MIB)
        yield Case(f"zip for an archive, {name}", make, _members, MIB)
    yield Case("zip, pictures", file_of(_bundle, "pictures"), _hashed, MIB // 2)
    yield Case("zip for an archive, pictures", _bundle, _members, 16 << 10)


def _directory(count: int, size: int) -> bytes:
    entries = b"PK\x01\x02".ljust(46, b"\0") * (size // 46)
    count = min(count, 0xFFFF)
    return entries + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, 0, 0)


def _opened(path: Path) -> object:
    try:
        with bounds.open_zip(path, MIB) as packed:
            return len(packed.infolist())
    except zipfile.BadZipFile as fault:
        return fault


def _bundle(size: int) -> bytes:
    made, picture = io.BytesIO(), _png(64, 1)
    with zipfile.ZipFile(made, "w") as packed:
        for number in range(size // (len(picture) + 100)):
            packed.writestr(f"{number:04}.png", picture)
    return made.getvalue()


def _members(raw: bytes) -> object:
    try:
        return members_of(raw[-64 * ENTRIES_MAX :], len(raw), "key")
    except NotABundle as fault:
        return fault


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────


def _of_pictures(folder: Path) -> Iterator[Case]:
    yield from _files(folder, ".png", _PNGS, MIB // 2)
    yield from _files(folder, ".exr", _EXRS, 64 << 10)
    yield from _files(folder, ".jpg", _JPEGS, 256 << 10)
    yield from _files(folder, ".tif", _TIFFS, 64 << 10)


def _files(
    folder: Path, suffix: str, makers: Mapping[str, Callable[[int], bytes]], largest: int
) -> Iterator[Case]:
    for name, make in makers.items():

        def write(
            size: int, make: Callable[[int], bytes] = make, name: str = name
        ) -> tuple[str, str]:
            path = folder / f"{name} {size}{suffix}"
            path.write_bytes(make(size))
            return str(path), suffix

        yield Case(f"{suffix[1:]}, {name}", write, _read_picture, largest)


def _read_picture(file: tuple[str, str]) -> object:
    """Read the picture's header and content with every reader that there is."""
    path, suffix = file
    found: list[object] = []
    readers: list[Callable[[], object]] = [
        lambda: image_headers.size_of(path, suffix),
        lambda: picture_digest.of_file(path),
    ]
    if suffix == ".exr":
        readers += [lambda: window_of(path), lambda: channels_of(path)]
    for read in readers:
        try:
            found.append(read())
        except (NoPixels, struct.error, ValueError) as fault:
            found.append(str(fault))
    return found


def _hashed(path: Path) -> object:
    try:
        return picture_digest.of_file(str(path))
    except NoPixels as fault:
        return fault


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + check


def _png(width: int, height: int, *parts: bytes) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = _chunk(b"IDAT", zlib.compress(bytes(width + 1) * height, 0))
    return SIGNATURE + head + b"".join(parts or (rows,)) + _chunk(b"IEND", b"")


def _rows(width: int, height: int, kind: int) -> bytes:
    row = bytes([kind]) + random.Random(SEED).randbytes(width)
    return zlib.compress(row * height, 0)


def _filtered(kind: int) -> Callable[[int], bytes]:
    return lambda size: _png(
        1_000, size // 1_000, _chunk(b"IDAT", _rows(1_000, size // 1_000, kind))
    )


_PNGS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "one part": lambda size: _png(1_000, size // 1_001),
    "empty parts": lambda size: _png(8, 8, _chunk(b"IDAT", b"") * (size // 12)),
    "parts behind the end": lambda size: _png(
        8, 8, _chunk(b"IDAT", zlib.compress(bytes(72))), _chunk(b"IDAT", b"x") * (size // 13)
    ),
    "other parts": lambda size: _png(8, 8, _chunk(b"tEXt", b"x") * (size // 13)),
    "a long part": lambda size: _png(8, 8, _chunk(b"tEXt", bytes(size))),
    "averages": _filtered(3),
    "predictions": _filtered(4),
}


def _attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
    return name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value


def _exr_head(height: int, channels: bytes, *more: bytes, width: int = 64) -> bytes:
    box = struct.pack("<iiii", 0, 0, width - 1, height - 1)
    parts = (
        _attribute(b"dataWindow", b"box2i", box),
        _attribute(b"channels", b"chlist", channels),
        _attribute(b"compression", b"compression", b"\x02"),
        *more,
    )
    return b"".join(parts) + b"\0"


def _channel(name: bytes) -> bytes:
    return name + b"\0" + struct.pack("<iiii", 2, 0, 1, 1)


def _one_block_for_all(size: int) -> bytes:
    """Return an EXR file whose rows all refer to one block of the largest possible size."""
    rows = min(size // 16, 1 << 16)
    width = max(64, min(size * 64, (1 << 28) // rows, 1 << 16))
    head = MAGIC + struct.pack("<I", 2) + _exr_head(rows, _channel(b"Y") + b"\0", width=width)
    place = len(head) + 8 * rows
    block = zlib.compress(bytes(4 * width), 9)
    return head + struct.pack("<Q", place) * rows + struct.pack("<iI", 0, len(block)) + block


_EXRS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "attributes": lambda size: (
        MAGIC + struct.pack("<I", 2) + _attribute(b"a", b"b", bytes(200)) * (size // 208)
    ),
    "parts": lambda size: (
        MAGIC
        + struct.pack("<I", 2 | 0x1000)
        + (_attribute(b"type", b"string", b"scanlineimage") + b"\0") * (size // 40)
    ),
    "channels": lambda size: (
        MAGIC + struct.pack("<I", 2) + _exr_head(8, _channel(b"c") * min(size // 18, 3_600) + b"\0")
    ),
    "a name without an end": lambda size: MAGIC + struct.pack("<I", 2) + b"x" * size,
    "one block for all rows": _one_block_for_all,
}
_JPEGS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "segments": lambda size: b"\xff\xd8" + b"\xff\xdb\x00\x03x" * (size // 5),
    "filling": lambda size: b"\xff\xd8" + b"\xff" * size,
    "comments": lambda size: b"\xff\xd8" + b"\xff\xfe\x00\x02" * (size // 4),
    "scans": lambda size: (
        b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00"
        + b"\xff\xda\x00\x02x" * (size // 5)
    ),
    "a scan of zeros": lambda size: (
        b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00\xff\xda\x00\x02"
        + b"\xff\x00" * (size // 2)
    ),
}
_TIFFS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "entries": lambda size: b"II*\0" + struct.pack("<IH", 8, 65_535) + bytes(size),
}

# Generators of cases by what is parsed; each takes a folder for its files.
CASES: Final[Mapping[str, Callable[[Path], Iterator[Case]]]] = {
    "JSON": _of_json,
    "frames": _of_frames,
    "filters, addresses and log texts": _of_words,
    "checkpoints": _of_notes,
    "frames of the relay": _of_relay,
    "manifests": _of_manifests,
    "multipart uploads": _of_parts,
    "zips": _of_zips,
    "pictures": _of_pictures,
}
