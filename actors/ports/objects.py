"""The object store."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import field, frozen


class ObjectsUnavailable(Exception):
    """The object store is away, too slow, or refuses our key: expected, and to be tried again."""


class ObjectMissing(LookupError):
    """There is no object under this key."""


class ObjectTooLarge(ValueError):
    """The object is larger than the caller is ready to hold in memory."""


class PartsRefused(ValueError):
    """The store does not make an object of these parts: one of them is other than was said."""


@frozen
class PresignedPut:
    """Where and how to put one object: every one of ``headers`` is signed and must be sent."""

    url: str = field(repr=False)
    headers: Mapping[str, str]


@frozen
class ObjectInfo:
    """What the store knows of an object unread; ``sha256`` where it was put with one.

    ``parts_sha256``, where it came in parts: of their SHA-256s, one after the other. ``encoding``
    is the Content-Encoding that it was put with; a client may decode such an object.
    """

    key: str
    size: int
    sha256: bytes | None
    parts_sha256: bytes | None = None
    encoding: str | None = None


@frozen
class Part:
    """A part that has arrived, under the tag that the store gave it.

    ``sha256`` is what its sender says of it; the store held the body against it.
    """

    number: int  # from 1
    size: int
    tag: str
    sha256: bytes | None = None


class Objects(Protocol):
    """The object store: one bucket. Methods raise ObjectsUnavailable while it is away."""

    async def presign_get(
        self,
        key: str,
        *,
        within: int = 3600,
        bucket: str | None = None,
        base: str | None = None,
    ) -> str:
        """A URL that reads ``key`` for ``within`` seconds (at most 86,400); the store is not asked.

        ``bucket`` is another one than ours, where a node of the plain API put its result. ``base``
        is scheme and host under which the caller reaches us, and the store through us; None: those
        of the settings. Raises ValueError where ``base`` is no address.
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
        """Leave to put ``key`` for ``within`` seconds; the store is not asked.

        ``once``: the second put is refused with 412. ``size`` and ``sha256``: another body is
        refused with 403 or 400.
        """
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """What is under ``key``; None where nothing is."""
        ...

    async def put(self, key: str, data: bytes) -> None:
        """Store ``data`` with its SHA-256, in the place of what was there."""
        ...

    async def get(self, key: str, *, at_most: int = 64 * 1024 * 1024) -> bytes:
        """The object's bytes. Raises ObjectMissing, and ObjectTooLarge above ``at_most`` bytes."""
        ...

    async def piece(self, key: str, start: int, size: int) -> bytes:
        """``size`` bytes of it from ``start`` on, which lies in it; fewer where it ends before.

        Raises ObjectMissing.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove it; nothing happens where nothing is."""
        ...

    async def begin_multipart(self, key: str) -> str:
        """Begin an object that comes in parts; the store's name of the undertaking.

        Each part but the last has 5 MiB at least. Nothing is under ``key`` until it is completed.
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
        """Leave to put one part, also in the place of an earlier one; the store is not asked."""
        ...

    async def parts_of(self, key: str, multipart: str) -> Sequence[Part]:
        """What has arrived, by number. ObjectMissing: completed, aborted, or never begun."""
        ...

    async def complete_multipart(self, key: str, multipart: str, parts: Sequence[Part]) -> None:
        """Make the object of these parts, in the place of what was there; each has a ``sha256``.

        Raises ObjectMissing as ``parts_of``; PartsRefused: one is other than is said here, or too
        small.
        """
        ...

    async def abort_multipart(self, key: str, multipart: str) -> None:
        """Forget its parts; nothing happens where there is no such undertaking."""
        ...

    async def check(self) -> None:
        """Raise ObjectsUnavailable unless a signed request works now, within 2 s."""
        ...
