"""What kind of file a result is, by how it begins: whoever made it need not be believed."""

from typing import Final

HEAD_BYTES: Final = 18
# The first bytes of the formats that Blender writes, of archives, and of JSON.
_BEGINNINGS: Final = {
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


def suffix_of(head: bytes) -> str:
    """The suffix for a file that begins with ``head``; '' when the kind is not known."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    if head[4:8] == b"ftyp":
        return ".mp4"
    if _is_targa(head):
        return ".tga"
    known = (suffix for start, suffix in _BEGINNINGS.items() if head.startswith(start))
    return next(known, "")


def _is_targa(head: bytes) -> bool:
    """By its whole head, as there is no mark at its beginning: no name, no palette, from the lower
    left corner, and a size, as Blender writes it.
    """
    plain = len(head) >= HEAD_BYTES and head[:2] == b"\0\0" and not any(head[3:12])
    kinds, depths = (2, 3, 10, 11), (8, 24, 32)
    return plain and head[2] in kinds and head[16] in depths and any(head[12:14])
