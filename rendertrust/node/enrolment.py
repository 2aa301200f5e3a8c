"""Joining a gateway: the first registration of a node, and the renewal of its token."""

import asyncio
import contextlib
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import node_key, note, release
from rendertrust.http_session import http_session
from rendertrust.join_code import PinnedCode
from rendertrust.node import gateway_key, machine_facts, plugins, registration
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.renderer_list_updates import ListSource
from rendertrust.node.self_test import SelfTestResult, self_test
from rendertrust.node.state_folder import BlenderChoice, Enrolment, StateFolder
from rendertrust.node.update_notice import handed_out

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
CHANGED: Final = 409  # the gateway's key has changed, or an agent runs with the old key
REVOKED: Final = 403
CODE_INVALID: Final = 401
LOG_BEGINS: Final = "A new gateway shows its key within a minute: try again."
OTHER_GATEWAY: Final = (
    "Copy the whole line from the page Add a machine again. If it is refused again, somebody else "
    "answers at this address, or the gateway has changed one of its keys since the code was made."
)
NEW_LINE: Final = "Copy a new line from {}/console/fleet/add, and run it within 15 minutes."
RUNS: Final = "an agent is running here with the old key"


@attrs.frozen(kw_only=True)
class Joined:
    """The node has joined. ``not_offered``: the reason for each kind of work that is not offered.

    ``owner``: the operator's id; None if the gateway does not name the operator. ``code_owner``:
    the user whose join code was used; None without a code. ``running``: an agent is running on the
    state folder and still has the earlier enrolment. ``figures``: results of the benchmark.
    ``release_key``: the key that signs updates of this node; None without one. ``has_sandbox`` is
    False if scenes can reach this machine's files and network.
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
    release_key: str | None = None
    code_owner: str | None = None


@attrs.frozen(kw_only=True)
class JoinRefused:
    """The reason why this node did not join. ``code``: an HTTP status; None without a response.

    ``remedy`` tells the operator what to do; '' if unknown.
    """

    reason: str
    code: int | None = None
    remedy: str = ""


def _former_id(folder: StateFolder) -> str:
    """Return the id under which the machine has joined, or a word if it has not."""
    before = folder.enrolment()
    return "before" if before is None else before.node_id


async def join(
    url: str,
    *,
    name: str | None = None,
    state: Path | None = None,
    token: str | None = None,
    code: PinnedCode | None = None,
    unsafe_no_sandbox: bool = False,
    metadata: Mapping[str, object] | None = None,
    accept_new_key: bool = False,
    new_key: bool = False,
    blenders: BlenderChoice | None = None,
    narrate: Callable[[str], None] | None = None,
) -> Joined | JoinRefused:
    """Create the node's key (once), test and measure the machine, register, and prove the key.

    ``token``: an access token of the user who will own the node; ``code``: a join code of theirs
    instead. ``accept_new_key``: accept that the gateway's key has changed since the node joined.
    ``name`` defaults to the earlier name, then to the host name. ``new_key``: become another node
    with a new key; no agent may be running on the state folder. ``blenders``: those besides the
    node's own; None: as chosen before. ``narrate`` is told which are installed.
    """
    folder = StateFolder(state) if state else StateFolder()
    shown = await _shown(url, folder, accept_new_key=accept_new_key, code=code)
    if isinstance(shown, JoinRefused):
        return shown
    if isinstance(key := _key(folder, new_key=new_key), JoinRefused):
        return key
    offer, tested = await _tested(folder, shown, blenders, narrate, is_unsafe=unsafe_no_sandbox)
    # check the gateway's key again before the token is sent
    if isinstance(shown := await _looked(shown), JoinRefused):
        return shown
    told = {**machine_facts.facts(), "benchmark": dict(tested.figures), **(metadata or {})}
    asked = _Asked(shown, name or _kept_name(folder), offer, told, token)
    if isinstance(enrolled := await _enrol(asked, key), JoinRefused):
        return enrolled
    enrolment, registered = enrolled
    if new_key:
        folder.change_key(key, _former_id(folder))
    await asyncio.to_thread(folder.enrol, enrolment)
    return Joined(
        **_members(enrolment),
        release_key=await _release_key(folder, shown),
        owner=registered.owner,
        code_owner=registered.code_owner,
        running=folder.is_locked(),
        not_offered=offer.not_offered,
        figures=tested.figures,
        has_sandbox=offer.has_sandbox,
    )


async def _tested(
    folder: StateFolder,
    shown: "_Gateway",
    blenders: BlenderChoice | None,
    narrate: Callable[[str], None] | None,
    *,
    is_unsafe: bool,
) -> tuple[plugins.PluginOffer, SelfTestResult]:
    """Store which Blenders are chosen, and test the machine with them. Where an agent runs,
    nothing is installed.
    """
    if blenders is not None:
        folder.choose_blenders(blenders)
    settings = AgentSettings.for_test(folder)
    if is_unsafe:
        settings = attrs.evolve(settings, unsafe_no_sandbox=True)
    source = None if folder.is_locked() else ListSource(shown.url, shown.key)
    return await tested_offer(folder, settings, source, narrate)


def _members(enrolment: Enrolment) -> dict[str, Any]:
    """Return what ``Joined`` shows of an enrolment."""
    left_out = ("token", "gateway_key")
    return attrs.asdict(enrolment, filter=lambda field, _: field.name not in left_out)


def _key(folder: StateFolder, *, new_key: bool) -> Ed25519PrivateKey | JoinRefused:
    """Return the node's key, which is created on first use.

    With ``new_key``, return a new key that is not stored yet.
    """
    if new_key and folder.is_locked():
        return JoinRefused(
            reason=RUNS, code=CHANGED, remedy="Stop it first: rendertrust node drain"
        )
    folder.make()
    try:
        return node_key.generate_key() if new_key else node_key.load_or_create_key(folder.key)
    except ValueError as fault:
        return JoinRefused(reason=str(fault))


async def why_not(
    url: str, state: Path | None = None, *, accept_new_key: bool = False
) -> JoinRefused | None:
    """Return why the node cannot join: the gateway does not respond, or its key has changed.

    The request tells the gateway nothing about the node. Return None if the node may try to join.
    """
    folder = StateFolder(state) if state else StateFolder()
    shown = await _shown(url, folder, accept_new_key=accept_new_key)
    return shown if isinstance(shown, JoinRefused) else None


@attrs.frozen
class _Gateway:
    """A gateway's URL, and the key that the gateway must show or has shown.

    ``code``: a join code, which names the gateway's key and its ``release_key``.
    """

    url: str
    key: str | None
    code: PinnedCode | None = None
    release_key: str | None = None


async def _shown(
    url: str, folder: StateFolder, *, accept_new_key: bool, code: PinnedCode | None = None
) -> _Gateway | JoinRefused:
    """Check that a gateway responds, and that it accepts the join code if there is one.

    If the node joined this gateway before, check that the gateway's key is the same.
    """
    address = normal_url(url)
    if address is None:
        return JoinRefused(reason=f"not an http or https URL: {url}")
    known = _Gateway(address, None) if accept_new_key else _known(folder, address)
    looked = await _looked(attrs.evolve(known, code=code))
    return looked if isinstance(looked, JoinRefused) else await _refused_code(looked) or looked


async def _looked(known: _Gateway) -> _Gateway | JoinRefused:
    address = known.url
    async with http_session(timeout=TIMEOUT) as session:
        shown = await gateway_key.ask(session, address, known.key)
        if not isinstance(shown, gateway_key.KeyKnown):
            is_other = isinstance(shown, gateway_key.KeyChanged)
            return JoinRefused(reason=shown.reason, code=CHANGED if is_other else None)
        if shown.key is None and not await gateway_key.is_gateway(session, address):
            return JoinRefused(reason=f"no gateway responds at {address}; is the address right?")
        released = await _shown_release_key(session, address)
    looked = _Gateway(address, shown.key, known.code, released)
    return _code_refusal(looked) or looked


async def _refused_code(known: _Gateway) -> JoinRefused | None:
    """Return why the gateway refuses the join code, before the machine is tested; None without a
    code, or if the code is valid.
    """
    if known.code is None:
        return None
    async with http_session(timeout=TIMEOUT) as session:
        found = await registration.check_code(session, known.url, known.code.text)
    if found is None:
        return None
    remedy = NEW_LINE.format(known.url) if found.code == CODE_INVALID else ""
    return JoinRefused(reason=found.reason, code=found.code, remedy=remedy)


def _code_refusal(shown: _Gateway) -> JoinRefused | None:
    """Return why the code must not be sent to a gateway with these keys; None if it may."""
    code, address = shown.code, shown.url
    if code is None:
        return None
    if shown.key is None:
        return JoinRefused(reason=f"{address} does not show its key yet", remedy=LOG_BEGINS)
    key = note.read_verifier(shown.key)
    if isinstance(key, note.NoteRefused) or not code.is_for(key.public_key, shown.release_key):
        reason = f"the code is for another gateway than {address}, so it was not sent"
        return JoinRefused(reason=reason, code=CHANGED, remedy=OTHER_GATEWAY)
    return None


@attrs.frozen
class _Asked:
    """A request to join: the gateway, and the node's name, offer and metadata."""

    gateway: _Gateway
    name: str
    offer: plugins.PluginOffer
    metadata: Mapping[str, object]
    user_token: str | None = attrs.field(repr=False)


async def _enrol(
    asked: _Asked, key: Ed25519PrivateKey
) -> tuple[Enrolment, registration.NodeRegistered] | JoinRefused:
    """Register the node; return the enrolment and the gateway's answer."""
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
            code=None if asked.gateway.code is None else asked.gateway.code.text,
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
    return enrolment, answer


async def tested_offer(
    folder: StateFolder,
    settings: AgentSettings,
    source: ListSource | None,
    narrate: Callable[[str], None] | None,
) -> tuple[plugins.PluginOffer, SelfTestResult]:
    """Return the plugins that pass the self-test, and the results of the self-test.

    ``source`` and ``narrate``: as of ``plugins.offer``.
    """
    offer = await plugins.offer(folder, settings, source=source, narrate=narrate)
    tested = await self_test(offer, folder.work, settings.threads_each)
    able = {kind: plugin for kind, plugin in offer.plugins.items() if kind not in tested.faults}
    unable = {**offer.not_offered, **tested.faults}
    return attrs.evolve(offer, plugins=able, not_offered=unable), tested


def another_node(url: str) -> str:
    """Return the advice for a removed node, whose id and key cannot be used again."""
    return (
        f"To make this machine another node, with a new key: rendertrust node join {url} --new-key"
    )


async def _shown_release_key(session: aiohttp.ClientSession, url: str) -> str | None:
    """Return the release key that a gateway shows; None if it shows none."""
    shown = (await handed_out(session, url)).get("release_key")
    return shown if isinstance(shown, str) and release.why_no_key(shown) is None else None


async def _release_key(folder: StateFolder, gateway: _Gateway) -> str | None:
    """Return the gateway's release key. The first one that it shows is stored."""
    known = folder.release_key(gateway.url)
    if known is None and gateway.release_key is not None:
        await asyncio.to_thread(folder.store_release_key, gateway.url, gateway.release_key)
    return known or gateway.release_key


def _kept_name(folder: StateFolder) -> str:
    before = folder.enrolment()
    return (before and before.name) or platform.node() or "node"


def _known(folder: StateFolder, url: str) -> _Gateway:
    before = folder.enrolment()
    if before is None or before.url != url:
        return _Gateway(url, None)
    return _Gateway(url, before.gateway_key)


def normal_url(url: str) -> str | None:
    """Return ``url`` without query and trailing slash; None if ``url`` is not an http(s) URL."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


@attrs.define
class NodeLogin:
    """The node's token: requests with the token, and renewal of the token."""

    folder: StateFolder
    enrolment: Enrolment
    session: aiohttp.ClientSession
    capabilities: tuple[str, ...]
    _one_at_a_time: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers that authenticate a request."""
        return {"Authorization": f"Bearer {self.enrolment.token}"}

    async def _keep(self) -> None:
        """Store the enrolment.

        If the disk is full, the agent's next start may have to prove the key again.
        """
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self.folder.enrol, self.enrolment)

    async def take(self, token: str) -> None:
        """Use ``token``, which the gateway sent."""
        self.enrolment = attrs.evolve(self.enrolment, token=token)
        await self._keep()

    async def beat(self, load: float, metadata: Mapping[str, Any]) -> bool:
        """Send a heartbeat; return True if the gateway responded. Status 401 renews the token."""
        token = self.enrolment.token
        try:
            async with self.session.post(
                f"{self.enrolment.url}/api/v1/nodes/heartbeat",
                json={"current_load": round(load, 3), "metadata": dict(metadata)},
                headers=self.headers,
                timeout=TIMEOUT,
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError):
            return False
        if status == 401:
            await self.renew(instead_of=token)
        return True

    async def check_gateway(self) -> gateway_key.Answer:
        """Check that the gateway has the known key or its successor, and store the key."""
        before = self.enrolment
        answer = await gateway_key.ask(self.session, before.url, before.gateway_key)
        if isinstance(answer, gateway_key.KeyKnown):
            now = attrs.evolve(self.enrolment, gateway_key=answer.key)
            if now != self.enrolment:
                self.enrolment = now
                await self._keep()
        return answer

    async def renew(self, *, instead_of: str) -> registration.NodeRejected | None:
        """Renew the token ``instead_of`` by proving the key, unless it was replaced already.

        Return None if the node has a new token.
        """
        async with self._one_at_a_time:
            if self.enrolment.token != instead_of:
                return None
            answer = await registration.register(
                self.session,
                self.enrolment.url,
                node_key.load_key(self.folder.key),
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
