"""File types of results by their first bytes, because a node's statements are not trusted."""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

HEAD_BYTES: Final = 18
# The first bytes of the formats that Blender writes, of archives, and of JSON.
BEGINNINGS: Final = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"\x76\x2f\x31\x01": ".exr",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
    b"#?RADIANCE": ".hdr",
    b"BM": ".bmp",
    b"PK\x03\x04": ".zip",
    b"\x1a\x45\xdf\xa3": ".webm",
    b"{": ".json",
}
# Media types of the files that nodes deliver, by suffix. Files with other suffixes have type BYTES.
MEDIA: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".exr": "image/x-exr",
        ".tif": "image/tiff",
        ".tiff": "image/tiff",
        ".tga": "image/x-tga",
        ".hdr": "image/vnd.radiance",
        ".bmp": "image/bmp",
        ".webp": "image/webp",
        ".mp4": "video/mp4",
        ".webm": "video/webm",
        ".zip": "application/zip",
        ".json": "application/json",
    }
)
BYTES: Final = "application/octet-stream"
_PICTURES: Final = "|".join(kind[1:] for kind, media in MEDIA.items() if media[:6] == "image/")
# Frame and suffix of a file in a chunk, as nodes name them: 0001.png, -0003.exr, 0001.noisy.exr.
FRAME_FILE: Final = re.compile(rf"(-?[0-9]{{4,7}})((?:\.noisy)?\.(?:{_PICTURES}))", re.ASCII)


def suffix_of(head: bytes) -> str:
    """Return the suffix for a file that begins with ``head``; '' if its type is unknown."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    if head[4:8] == b"ftyp":
        return ".mp4"
    if _is_targa(head):
        return ".tga"
    known = (suffix for start, suffix in BEGINNINGS.items() if head.startswith(start))
    return next(known, "")


def attachment(name: str) -> str:
    """Return the Content-Disposition of a download with this file name (RFC 6266)."""
    flat = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", flat).strip() or "file"
    told = f'attachment; filename="{plain}"'
    return told if plain == name else f"{told}; filename*=UTF-8''{quote(name, safe='')}"


def _is_targa(head: bytes) -> bool:
    """Recognise TGA, which has no magic number, by the header that Blender writes.

    That header has no name, no palette, the origin in the lower left corner, and a size.
    """
    plain = len(head) >= HEAD_BYTES and head[:2] == b"\0\0" and not any(head[3:12])
    kinds, depths = (2, 3, 10, 11), (8, 24, 32)
    return plain and head[2] in kinds and head[16] in depths and any(head[12:14])
