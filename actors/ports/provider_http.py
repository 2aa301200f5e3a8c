"""Port for requests to providers of OpenID Connect."""

from collections.abc import Mapping
from typing import Protocol

import attrs


@attrs.frozen
class ProviderRequest:
    """A request to a provider: a GET, or a POST of ``form``.

    ``authorization``: the header of that name, or ''.
    """

    url: str
    form: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    authorization: str = attrs.field(default="", repr=False)


@attrs.frozen
class ProviderAnswer:
    """The provider's answer; redirects are not followed."""

    status: int
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class ProviderUnreachable:
    """There was no complete answer, or the address is forbidden; ``reason`` is for the log."""

    reason: str


class ProviderHttp(Protocol):
    """Sends requests to providers that the settings name."""

    async def send(self, request: ProviderRequest) -> ProviderAnswer | ProviderUnreachable:
        """Send a request, and return the answer within some five seconds. Nothing is raised.

        An answer of more than 256 KiB counts as none. Only https is used, and plain http to this
        machine if the implementation was created to permit it.
        """
        ...
