"""Joining a gateway: once per node, and again whenever its token is no longer taken."""

import asyncio
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import attrs

from rendertrust import identity
from rendertrust.node import machine, plugins, registration
from rendertrust.node.settings import Settings
from rendertrust.node.state import Enrolment, StateFolder

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)


@attrs.frozen(kw_only=True)
class Joined:
    """The gateway knows this node now; ``not_offered`` says why for each kind of work left out.

    ``owner`` is the id of the user who earns, where the gateway says who that is. ``running``: an
    agent runs on the state folder, and goes on as it was enrolled before.
    """

    node_id: str
    name: str
    url: str
    owned: bool
    owner: str | None
    running: bool
    proven: bool
    capabilities: tuple[str, ...]
    not_offered: Mapping[str, str]


@attrs.frozen(kw_only=True)
class JoinRefused:
    """Why this node did not join; ``code`` is an HTTP status, None when nobody answered."""

    reason: str
    code: int | None = None


async def join(
    url: str,
    *,
    name: str | None = None,
    state: Path | None = None,
    token: str | None = None,
    unsafe_no_sandbox: bool = False,
    metadata: Mapping[str, object] | None = None,
) -> Joined | JoinRefused:
    """Make the key (once), try out what this machine can do, register and prove the key.

    ``token`` is a user's access token: the node then belongs to that user.
    """
    address = normal_url(url)
    if address is None:
        return JoinRefused(reason=f"not an http or https URL: {url}")
    folder = StateFolder(state) if state else StateFolder()
    folder.make()
    try:
        key = identity.load_or_create_key(folder.key)
    except ValueError as fault:
        return JoinRefused(reason=str(fault))
    offer = await plugins.offer(folder, Settings(unsafe_no_sandbox=unsafe_no_sandbox))
    named = name or platform.node() or "node"
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        answer = await registration.register(
            session,
            address,
            key,
            name=named,
            capabilities=sorted(offer.plugins),
            metadata={**machine.facts(), **(metadata or {})},
            user_token=token,
        )
    if isinstance(answer, registration.Rejected):
        return JoinRefused(reason=answer.reason, code=answer.code)
    enrolment = Enrolment(
        url=address,
        node_id=answer.node_id,
        name=named,
        token=answer.token,
        capabilities=tuple(sorted(offer.plugins)),
        owned=answer.owner is not None or token is not None,
        proven=answer.proven,
    )
    await asyncio.to_thread(folder.enrol, enrolment)
    members = attrs.asdict(enrolment, filter=lambda field, _: field.name != "token")
    runs = folder.is_locked()
    return Joined(**members, owner=answer.owner, running=runs, not_offered=offer.not_offered)


def normal_url(url: str) -> str | None:
    """``url`` without a trailing slash, query and so on; None when it is no http(s) URL."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


@attrs.define
class Login:
    """The token in use, and how to get another when the gateway takes it no longer."""

    folder: StateFolder
    enrolment: Enrolment
    session: aiohttp.ClientSession
    capabilities: tuple[str, ...]
    _one_at_a_time: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    @property
    def headers(self) -> Mapping[str, str]:
        """What authenticates a request."""
        return {"Authorization": f"Bearer {self.enrolment.token}"}

    async def take(self, token: str) -> None:
        """Use ``token``, which the gateway sent, from now on."""
        self.enrolment = attrs.evolve(self.enrolment, token=token)
        await asyncio.to_thread(self.folder.enrol, self.enrolment)

    async def renew(self, *, instead_of: str) -> registration.Rejected | None:
        """Prove the key anew, unless ``instead_of`` was replaced meanwhile; None when it worked."""
        async with self._one_at_a_time:
            if self.enrolment.token != instead_of:
                return None
            answer = await registration.register(
                self.session,
                self.enrolment.url,
                identity.load_key(self.folder.key),
                name=self.enrolment.name,
                capabilities=self.capabilities,
                metadata=machine.facts(),
            )
            if isinstance(answer, registration.Rejected):
                return answer
            self.enrolment = attrs.evolve(
                self.enrolment,
                node_id=answer.node_id,
                token=answer.token,
                proven=answer.proven,
                owned=self.enrolment.owned or answer.owner is not None,
                capabilities=self.capabilities,
            )
            await asyncio.to_thread(self.folder.enrol, self.enrolment)
            return None
