"""JSON documents of any size that are expensive to parse."""

from collections.abc import Callable, Mapping
from typing import Final


def repeated(part: str, size: int) -> str:
    """Return the part repeated as often as fits into ``size`` characters."""
    return part * (size // len(part))


def _many(part: bytes, size: int) -> bytes:
    return part * (size // len(part))


def _keys(size: int) -> bytes:
    """Return keys too long for a parser's cache of keys, which would favour small documents."""
    return b",".join(b'"%072x":1' % number for number in range(size // 77))


# Document shapes; each uses members that make it look like a real body or relay frame.
SHAPES: Final[Mapping[str, Callable[[int], bytes]]] = {
    "an unclosed string": lambda size: b'{"a":[' + b"[]," * 70 + b'"' + _many(b'\\"', size),
    "backslashes": lambda size: b'{"a":[' + b"[]," * 70 + b'"' + b"\\" * size,
    "open arrays": lambda size: b'{"a":' + b"[" * size,
    "empty arrays": lambda size: b'{"type":"pong","a":[' + _many(b"[],", size) + b"1]}",
    "empty objects": lambda size: b'{"type":"pong","a":[' + _many(b"{},", size) + b"1]}",
    "empty strings": lambda size: b'{"type":"pong","a":[' + _many(b'"",', size) + b"1]}",
    "numbers": lambda size: b'{"type":"pong","a":[' + _many(b"1,", size) + b"1]}",
    "digits": lambda size: b'{"type":"pong","a":' + b"1" * size + b"}",
    "decimals": lambda size: b'{"type":"pong","a":1.' + b"1" * size + b"}",
    "unknown keys": lambda size: b'{"type":"pong",' + _keys(size) + b"}",
    "a first key that comes again": lambda size: b'{"a":1,' + _keys(size) + b',"a":2}',
    "a last key that comes again": lambda size: b"{" + _keys(size) + b',"z":1,"z":2}',
    "one key alone": lambda size: b"{" + _many(b'"a":1,', size) + b'"a":1}',
    "a long key above many": lambda size: (
        b'{"' + b"k" * (size // 2) + b'":[' + _many(b'"",', size // 2) + b"1]}"
    ),
    "a long key above what cannot be stored": lambda size: (
        b'{"' + b"k" * (size // 2) + b'":[' + _many(b'"\\u0000",', size // 2) + b"1]}"
    ),
    "long keys in each other": lambda size: (
        (b'{"' + b"k" * (size // 60) + b'":') * 60 + b"1" + b"}" * 60
    ),
    "escapes": lambda size: b'{"type":"' + _many(b"\\ud800", size) + b'"}',
    "blanks": lambda size: b'{"type":"pong"' + b" " * size + b"}",
    "no text": lambda size: b'{"a":"' + b"\xff" * size,
}
