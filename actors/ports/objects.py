"""Port of the object store."""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import field, frozen

_REFERENCE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,62})/([^\x00-\x1f\x7f]+)", re.ASCII)


@frozen
class ObjectReference:
    """A bucket, and a key in it."""

    bucket: str
    key: str


def place_of(reference: str) -> ObjectReference | None:
    """Parse ``s3://bucket/key``; None if the text is no such reference."""
    found = _REFERENCE.fullmatch(reference)
    return None if found is None else ObjectReference(found[1], found[2])


class ObjectsUnavailable(Exception):
    """The object store is down, too slow, or refuses the gateway's key; try again later."""


class ObjectMissing(LookupError):
    """There is no object under this key."""


class ObjectTooLarge(ValueError):
    """The object is larger than the caller allows."""


class PartsRefused(ValueError):
    """The store refuses to complete a multipart upload, as a part does not match its SHA-256."""


@frozen
class PresignedPut:
    """A presigned upload of one object; all ``headers`` are signed and must be sent."""

    url: str = field(repr=False)
    headers: Mapping[str, str]


@frozen
class ObjectInfo:
    """An object's metadata; ``sha256`` is known if the object was uploaded with it.

    ``parts_sha256``, for a multipart upload: the SHA-256 over the parts' SHA-256s in order.
    ``encoding``: its Content-Encoding; a client may decode such an object.
    """

    key: str
    size: int
    sha256: bytes | None
    parts_sha256: bytes | None = None
    encoding: str | None = None


@frozen
class Part:
    """An uploaded part, with the tag that the store assigned.

    ``sha256`` comes from the uploader; the store has compared it with the content.
    """

    number: int  # counts from 1
    size: int
    tag: str
    sha256: bytes | None = None


class Objects(Protocol):
    """The object store, with one bucket.

    Methods raise ObjectsUnavailable while the store is down.
    """

    async def presign_get(
        self,
        key: str,
        *,
        within: int = 3600,
        bucket: str | None = None,
        base: str | None = None,
        name: str | None = None,
    ) -> str:
        """Return a URL that reads ``key`` for ``within`` seconds (at most 86,400).

        The store is not contacted. ``name``: the file name under which browsers save the object.
        ``bucket``: another bucket, in which a node that sends no hello
        has stored its result. ``base``: scheme and host by which the caller reaches the gateway,
        and through the gateway the store. If ``base`` is None, the address in the settings is used.
        Raises ValueError if ``base`` is not an address.
        """
        ...

    async def presign_put(
        self,
        key: str,
        *,
        within: int = 3600,
        size: int | None = None,
        sha256: bytes | None = None,
        once: bool = True,
        base: str | None = None,
    ) -> PresignedPut:
        """Return a presigned upload of ``key`` that is valid for ``within`` seconds.

        The store is not contacted. ``once``: a second upload is refused with 412. ``size`` and
        ``sha256``: other content is refused with 403 or 400.
        """
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """Return the metadata of ``key``; None if there is no object."""
        ...

    async def put(self, key: str, data: bytes) -> None:
        """Store ``data`` with its SHA-256, replacing an existing object."""
        ...

    async def get(self, key: str, *, at_most: int = 64 * 1024 * 1024) -> bytes:
        """Return the object's bytes.

        Raises ObjectMissing, and ObjectTooLarge above ``at_most`` bytes.
        """
        ...

    async def piece(self, key: str, start: int, size: int) -> bytes:
        """Return ``size`` bytes from offset ``start``; fewer at the end of the object.

        ``start`` must lie within the object. Raises ObjectMissing.
        """
        ...

    async def delete(self, key: str) -> None:
        """Delete the object; no effect if there is none."""
        ...

    async def begin_multipart(self, key: str) -> str:
        """Begin a multipart upload and return its id.

        Each part of the object but the last must have at least 5 MiB. The object appears when the
        upload is completed.
        """
        ...

    async def presign_part(
        self,
        key: str,
        multipart: str,
        number: int,
        *,
        size: int,
        sha256: bytes,
        within: int = 3600,
        base: str | None = None,
    ) -> PresignedPut:
        """Return a presigned upload of one part, which may replace an earlier upload of that part.

        The store is not contacted.
        """
        ...

    async def parts_of(self, key: str, multipart: str) -> Sequence[Part]:
        """Return the uploaded parts, by number.

        Raises ObjectMissing if the upload was completed, aborted or never begun.
        """
        ...

    async def complete_multipart(self, key: str, multipart: str, parts: Sequence[Part]) -> None:
        """Assemble the object from these parts, each of which has a ``sha256``; an existing object
        is replaced.

        Raises ObjectMissing like ``parts_of``. Raises PartsRefused if a part does not match or is
        too small.
        """
        ...

    async def abort_multipart(self, key: str, multipart: str) -> None:
        """Abort a multipart upload and discard its parts; no effect if there is no such upload."""
        ...

    async def check(self) -> None:
        """Raise ObjectsUnavailable unless a signed request succeeds within 2 s."""
        ...
