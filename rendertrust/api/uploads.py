"""Response models for uploads."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import attrs

from rendertrust.value_types import Id, Limits


@attrs.frozen
class PutUrl:
    """A URL for a PUT of the content, with exactly these headers."""

    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    expires_in: int


@attrs.frozen
class PartRange:
    """Consecutive parts of an upload, from ``first`` to ``last`` inclusive."""

    first: int
    last: int


@attrs.frozen
class Parts:
    """Content in ``count`` parts, numbered from 1, of ``size`` bytes; the last part may be shorter.

    ``arrived`` parts need not be sent again.
    """

    size: int
    count: int
    arrived: tuple[PartRange, ...]

    def has(self, number: int) -> bool:
        """Return True if the part ``number`` has arrived."""
        return any(some.first <= number <= some.last for some in self.arrived)


@attrs.frozen
class PartUrl:
    """A URL for a PUT of ``size`` bytes of the content, with exactly these headers."""

    number: int
    size: int
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)


@attrs.frozen
class PartUrls:
    """The URLs of the requested parts, in the requested order."""

    parts: tuple[PartUrl, ...]
    expires_in: int


@attrs.frozen
class Upload:
    """An upload. ``put`` and ``parts`` are null if the content is already stored.

    ``payload_ref`` names the content in a job. ``parts`` is present for content above 64 MiB until
    the content is complete. ``parts`` makes the upload resumable. Content above 5 GiB can be sent
    only in ``parts``, and ``put`` is null.
    """

    id: Id
    payload_ref: str
    sha256: str
    size: int
    filename: str
    status: Annotated[str, Limits(enum=("COMPLETED", "PENDING"))]
    created_at: datetime
    completed_at: datetime | None
    put: PutUrl | None = None
    parts: Parts | None = None


@attrs.frozen
class KeptUpload:
    """A stored upload.

    The upload expires at ``expires_at`` unless a job uses the upload before or needs the upload
    then. ``jobs`` is the number of jobs that need the upload: open jobs, and jobs that are disputed
    or in their dispute window. The upload cannot be deleted while a job needs it.
    """

    id: Id
    filename: str
    size: int
    sha256: str
    created_at: datetime
    expires_at: datetime
    jobs: int


@attrs.frozen
class KeptUploads:
    """A page of stored uploads, largest first. ``count`` is the number of all stored uploads.

    ``used``: bytes that count towards the ``quota``; for a day, also those of uploads that were
    announced but not sent.
    """

    uploads: tuple[KeptUpload, ...]
    count: int
    used: int
    quota: int
