"""Response models for share links: public links to verified pictures."""

from datetime import datetime

import attrs

from rendertrust.value_types import Id


@attrs.frozen
class ShareLink:
    """A public link to the picture of a unit."""

    id: Id
    job_id: Id
    unit: int
    created_at: datetime
    expires_at: datetime


@attrs.frozen
class CreatedShareLink(ShareLink):
    """A share link with its address, which is shown only once."""

    link: str = attrs.field(repr=False, kw_only=True)


@attrs.frozen
class ShareLinks:
    """A page of share links that have not expired, newest first. ``count``: the number of all."""

    links: tuple[ShareLink, ...]
    count: int
