"""References to objects: ``s3://bucket/key``."""

import re

import attrs

_REFERENCE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,62})/([^\x00-\x1f\x7f]+)", re.ASCII)


@attrs.frozen
class ObjectReference:
    """A bucket and a key in it."""

    bucket: str
    key: str


def place_of(reference: str) -> ObjectReference | None:
    """Parse ``s3://bucket/key``; None if it is no such reference."""
    found = _REFERENCE.fullmatch(reference)
    return None if found is None else ObjectReference(found[1], found[2])
