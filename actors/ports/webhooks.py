"""The outside that is told what happens: whatever listens at an address that a user wrote down."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

import attrs


@attrs.frozen
class Letter:
    """What to post where; ``user``: whose endpoint it is, if that is known."""

    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    user: UUID | None = None


@attrs.frozen
class Answered:
    """Somebody answered, well or not; a redirect is an answer, and is not followed."""

    status: int


@attrs.frozen
class NotSent:
    """Nobody answered, or nobody may be asked there; the reason is for the endpoint's owner."""

    reason: str


class Post(Protocol):
    """Posts to addresses that strangers chose."""

    async def send(self, letters: Sequence[Letter]) -> Sequence[Answered | NotSent]:
        """All at once; what became of each, in their order, within some ten seconds.

        Never raises for what is wrong outside. Only https, and no address of a private network,
        unless it was made for that; what a name means is looked up once, and that is where the
        connection goes.
        """
        ...
