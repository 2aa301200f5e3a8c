"""Port that sends webhooks to users' endpoints."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

import attrs


@attrs.frozen
class Letter:
    """A webhook request to send; ``user``: the owner of the endpoint, if known."""

    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    user: UUID | None = None


@attrs.frozen
class Answered:
    """The HTTP status with which the endpoint answered; redirects are not followed."""

    status: int


@attrs.frozen
class NotSent:
    """There was no answer, or the address is forbidden.

    The reason is shown to the endpoint's owner.
    """

    reason: str


class Post(Protocol):
    """Sends webhooks to addresses that users have chosen and that may be hostile."""

    async def send(self, letters: Sequence[Letter]) -> Sequence[Answered | NotSent]:
        """Send all requests in parallel; return their outcomes in order, within some ten seconds.

        Errors of endpoints and networks are returned as NotSent, not raised. Only https and public
        addresses are used, unless the implementation was created to permit any address. A host name
        is resolved once, and the connection goes to that address.
        """
        ...
