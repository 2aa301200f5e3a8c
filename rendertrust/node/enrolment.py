"""Joining a gateway: once per node, and again whenever its token is no longer taken."""

import asyncio
import contextlib
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import identity
from rendertrust.node import gateway_key, machine_facts, plugins, registration
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.self_test import SelfTestResult, self_test
from rendertrust.node.state_folder import Enrolment, StateFolder
from rendertrust.sessions import http_session

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
CHANGED: Final = 409  # it answered, and is another one than before
REVOKED: Final = 403
RUNS: Final = "an agent runs here with the key of before"


@attrs.frozen(kw_only=True)
class Joined:
    """The gateway knows this node now; ``not_offered`` says why for each kind of work left out.

    ``owner`` is the id of the user who earns, where the gateway says who that is. ``running``: an
    agent runs on the state folder, and goes on as it was enrolled before. ``figures`` are of the
    benchmark; ``has_sandbox`` is False where strangers' scenes are not kept from this machine.
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
    figures: Mapping[str, float] = attrs.field(factory=dict[str, float])
    has_sandbox: bool = True


@attrs.frozen(kw_only=True)
class JoinRefused:
    """Why this node did not join; ``code`` is an HTTP status, None when nobody answered.

    ``remedy``: what to do about it, where that is known.
    """

    reason: str
    code: int | None = None
    remedy: str = ""


async def join(
    url: str,
    *,
    name: str | None = None,
    state: Path | None = None,
    token: str | None = None,
    unsafe_no_sandbox: bool = False,
    metadata: Mapping[str, object] | None = None,
    accept_new_key: bool = False,
    new_key: bool = False,
) -> Joined | JoinRefused:
    """Make the key (once), try out and measure what this machine can do, register, prove the key.

    ``token`` is a user's access token: the node then belongs to that user. A gateway that was
    joined before must have the key of then, unless ``accept_new_key``. Without a ``name`` it keeps
    the one that it has, or is called as the machine. ``new_key``: become another node, by another
    key than that which is here; no agent may run on the state folder.
    """
    folder = StateFolder(state) if state else StateFolder()
    shown = await _shown(url, folder, accept_new_key=accept_new_key)
    if isinstance(shown, JoinRefused):
        return shown
    key = _key(folder, new_key=new_key)
    if isinstance(key, JoinRefused):
        return key
    unsafe = unsafe_no_sandbox or folder.accepts_no_sandbox
    offer, tested = await _tried(folder, AgentSettings(unsafe_no_sandbox=unsafe))
    shown = await _looked(shown)  # it took a while, and there is a login to lose
    if isinstance(shown, JoinRefused):
        return shown
    told = {**machine_facts.facts(), "benchmark": dict(tested.figures), **(metadata or {})}
    asked = _Asked(shown, name or _kept_name(folder), offer, told, token)
    enrolled = await _enrol(asked, key)
    if isinstance(enrolled, JoinRefused):
        return enrolled
    enrolment, owner = enrolled
    if new_key:
        before = folder.enrolment()
        folder.change_key(key, "before" if before is None else before.node_id)
    await asyncio.to_thread(folder.enrol, enrolment)
    left_out = ("token", "gateway_key")
    members = attrs.asdict(enrolment, filter=lambda field, _: field.name not in left_out)
    return Joined(
        **members,
        owner=owner,
        running=folder.is_locked(),
        not_offered=offer.not_offered,
        figures=tested.figures,
        has_sandbox=offer.has_sandbox,
    )


def _key(folder: StateFolder, *, new_key: bool) -> Ed25519PrivateKey | JoinRefused:
    """The key that is here, made on first use; or another one, which is not kept yet."""
    if new_key and folder.is_locked():
        return JoinRefused(
            reason=RUNS, code=CHANGED, remedy="Stop it first: rendertrust node drain"
        )
    folder.make()
    try:
        return identity.generate_key() if new_key else identity.load_or_create_key(folder.key)
    except ValueError as fault:
        return JoinRefused(reason=str(fault))


async def why_not(
    url: str, state: Path | None = None, *, accept_new_key: bool = False
) -> JoinRefused | None:
    """Why this node would not join there, as far as can be told without telling anything: nobody
    answers, or it is another gateway than before. None: it may be tried.
    """
    folder = StateFolder(state) if state else StateFolder()
    shown = await _shown(url, folder, accept_new_key=accept_new_key)
    return shown if isinstance(shown, JoinRefused) else None


@attrs.frozen
class _Gateway:
    """A gateway that answers at its URL, and the key that it shows."""

    url: str
    key: str | None


async def _shown(url: str, folder: StateFolder, *, accept_new_key: bool) -> _Gateway | JoinRefused:
    """Look whether there is a gateway, and the one of before."""
    address = normal_url(url)
    if address is None:
        return JoinRefused(reason=f"not an http or https URL: {url}")
    known = _Gateway(address, None) if accept_new_key else _known(folder, address)
    return await _looked(known)


async def _looked(known: _Gateway) -> _Gateway | JoinRefused:
    address = known.url
    async with http_session(timeout=TIMEOUT) as session:
        shown = await gateway_key.ask(session, address, known.key)
        if not isinstance(shown, gateway_key.KeyKnown):
            is_other = isinstance(shown, gateway_key.KeyChanged)
            return JoinRefused(reason=shown.reason, code=CHANGED if is_other else None)
        if shown.key is None and not await gateway_key.is_gateway(session, address):
            return JoinRefused(reason=f"no gateway answers at {address}: is that its address?")
    return _Gateway(address, shown.key)


@attrs.frozen
class _Asked:
    """Which gateway is asked to take which node."""

    gateway: _Gateway
    name: str
    offer: plugins.PluginOffer
    metadata: Mapping[str, object]
    user_token: str | None = attrs.field(repr=False)


async def _enrol(
    asked: _Asked, key: Ed25519PrivateKey
) -> tuple[Enrolment, str | None] | JoinRefused:
    """Register there; also gives the owner."""
    capabilities = tuple(sorted(asked.offer.plugins))
    async with http_session(timeout=TIMEOUT) as session:
        answer = await registration.register(
            session,
            asked.gateway.url,
            key,
            name=asked.name,
            capabilities=capabilities,
            metadata=asked.metadata,
            user_token=asked.user_token,
        )
    if isinstance(answer, registration.NodeRejected):
        remedy = another_node(asked.gateway.url) if answer.code == REVOKED else ""
        return JoinRefused(reason=answer.reason, code=answer.code, remedy=remedy)
    enrolment = Enrolment(
        url=asked.gateway.url,
        node_id=answer.node_id,
        name=asked.name,
        token=answer.token,
        capabilities=capabilities,
        owned=answer.owner is not None or asked.user_token is not None,
        proven=answer.proven,
        gateway_key=asked.gateway.key,
    )
    return enrolment, answer.owner


async def _tried(
    folder: StateFolder, settings: AgentSettings
) -> tuple[plugins.PluginOffer, SelfTestResult]:
    """What this machine can do, less what failed when it was done."""
    offer = await plugins.offer(folder, settings)
    tested = await self_test(offer, folder.work, settings.threads_each)
    able = {kind: plugin for kind, plugin in offer.plugins.items() if kind not in tested.faults}
    unable = {**offer.not_offered, **tested.faults}
    return attrs.evolve(offer, plugins=able, not_offered=unable), tested


def another_node(url: str) -> str:
    """The way on for who gave his node up: it never works again, nor does its key."""
    return (
        f"To make this machine another node, with a new key: rendertrust node join {url} --new-key"
    )


def _kept_name(folder: StateFolder) -> str:
    before = folder.enrolment()
    return (before and before.name) or platform.node() or "node"


def _known(folder: StateFolder, url: str) -> _Gateway:
    before = folder.enrolment()
    if before is None or before.url != url:
        return _Gateway(url, None)
    return _Gateway(url, before.gateway_key)


def normal_url(url: str) -> str | None:
    """``url`` without a trailing slash, query and so on; None when it is no http(s) URL."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


@attrs.define
class NodeLogin:
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

    async def _keep(self) -> None:
        """A full disk: it is known as long as the agent runs, and proved anew at the next start."""
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self.folder.enrol, self.enrolment)

    async def take(self, token: str) -> None:
        """Use ``token``, which the gateway sent, from now on."""
        self.enrolment = attrs.evolve(self.enrolment, token=token)
        await self._keep()

    async def check_gateway(self) -> gateway_key.Answer:
        """Whether the gateway is the one that was joined; its key is kept, the first one too."""
        before = self.enrolment
        answer = await gateway_key.ask(self.session, before.url, before.gateway_key)
        if isinstance(answer, gateway_key.KeyKnown):
            now = attrs.evolve(self.enrolment, gateway_key=answer.key)
            if now != self.enrolment:
                self.enrolment = now
                await self._keep()
        return answer

    async def renew(self, *, instead_of: str) -> registration.NodeRejected | None:
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
                metadata=machine_facts.facts(),
            )
            if isinstance(answer, registration.NodeRejected):
                return answer
            self.enrolment = attrs.evolve(
                self.enrolment,
                node_id=answer.node_id,
                token=answer.token,
                proven=answer.proven,
                owned=self.enrolment.owned or answer.owner is not None,
                capabilities=self.capabilities,
            )
            await self._keep()
            return None
