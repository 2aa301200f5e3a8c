"""A user's storage quota, and how to get below it."""

from typing import Protocol
from uuid import UUID

from web.gateway import Gateway
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode

GIB = 1 << 30


class AnnouncedContent(Protocol):
    """Content that is announced."""

    @property
    def sha256(self) -> str: ...

    @property
    def size(self) -> int: ...


async def too_much(gateway: Gateway, user: UUID, content: AnnouncedContent) -> Problem | None:
    """Return why it may not be uploaded; None if there is room. Content counts once per user."""
    known = await gateway.tables.uploads.by_content(user, bytes.fromhex(content.sha256))
    if known is not None and known.completed_at is not None:
        return None
    kept = await gateway.tables.retention.usage(
        user, gateway.ports.clock.now(), None if known is None else known.id
    )
    quota = gateway.settings.retention.quota_bytes
    if kept.used + content.size <= quota:
        return None
    days = gateway.settings.retention.inputs_days
    return Problem(
        413,
        f"You keep {_gib(kept.used)} of {_gib(quota)}, and this is {_gib(content.size)}. Delete"
        " what you do not need: GET /api/v1/uploads lists it, DELETE /api/v1/uploads/{id} removes"
        f" it; what is not used for {days} days goes by itself",
        code=RefusalCode.QUOTA_EXCEEDED,
    )


def _gib(size: int) -> str:
    return f"{size / GIB:.2f} GiB"
