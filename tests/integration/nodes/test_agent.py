"""The real agent at a real gateway: renewal of its token, drain, and revocation."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import attrs
import pytest

from rendertrust.node import agent, enrolment
from rendertrust.node.state_folder import StateFolder
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock, SystemRandom
from tests.integration.node.conftest import QUICK
from tests.support.api_clients import Creator
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole
from web.identity.tokens import Tokens, TokenType

SOON = 60.0
# Node tokens that are valid for ten seconds, as a busy machine may pause for some seconds.
SHORT = {"node_hours": 10 / 3600}


@pytest.fixture(autouse=True)
def _no_blender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rendertrust.node.blender_discovery.find", lambda: None)


@attrs.frozen
class Running:
    """An agent under test: its state folder, its messages and its task."""

    folder: StateFolder
    told: list[str]
    task: "asyncio.Task[agent.AgentExit]"

    @property
    def token(self) -> str:
        """The token that the agent would use after a restart."""
        kept = self.folder.enrolment()
        assert kept is not None
        return kept.token

    def connected(self) -> bool:
        return any(line.startswith("connected to") for line in self.told)

    def is_connected(self) -> bool:
        """Return True if the agent's last message on its connection says that it is connected."""
        connections = [line for line in self.told if line.startswith("connect")]
        return bool(connections) and connections[-1].startswith("connected to")

    async def ended(self) -> agent.AgentExit:
        async with asyncio.timeout(SOON):
            return await asyncio.shield(self.task)


async def joined(site: Whole, folder: Path, owner: Creator | None = None) -> str:
    """Join a node to the gateway, and return its id."""
    token = None if owner is None else owner.token
    answer = await enrolment.join(site.url, name="box", state=folder, token=token)
    assert isinstance(answer, enrolment.Joined), answer
    assert (answer.owned, answer.running) == (owner is not None, False)
    return answer.node_id


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Running]:
    """Run an agent, connected, until the block ends."""
    told: list[str] = []
    stop = asyncio.Event()
    work = agent.run(folder, settings=QUICK, narrator=told.append, stop=stop)
    run = Running(StateFolder(folder), told, asyncio.ensure_future(work))
    try:
        await until(run.connected, within=SOON)
        yield run
    finally:
        stop.set()
        await asyncio.wait((run.task,), timeout=SOON)


async def test_a_token_is_renewed_before_it_ends_and_nobody_notices(
    database: PostgresEndpoint, tmp_path: Path
) -> None:
    async with whole(database, settings_for_tests(jwt=SHORT)) as site:
        node = UUID(await joined(site, tmp_path))
        async with running(tmp_path) as run:
            tokens = {run.token}
            first = await site.gateway.identity.tokens.verify(run.token, TokenType.NODE)
            assert first is not None

            async def twice_renewed() -> bool:
                tokens.add(run.token)
                return len(tokens) > 2 and site.gateway.ports.clock.now() > first.expires

            await until(twice_renewed, within=SOON)
            now = site.gateway.ports.clock.now()

            async def heard_of() -> bool:
                """Return True once a heartbeat with the newest token has arrived."""
                row = await site.gateway.tables.nodes.shown(node)
                return row is not None and row.seen_at is not None and row.seen_at > now

            await until(heard_of, within=SOON)
            assert "got a new token" not in run.told
            assert not any("closed" in line for line in run.told)


async def test_a_node_whose_token_has_expired_proves_its_key_again_by_itself(
    database: PostgresEndpoint, tmp_path: Path
) -> None:
    settings = settings_for_tests()
    async with whole(database, settings) as site:
        node = await joined(site, tmp_path)
        past = Tokens(attrs.evolve(settings.jwt, node_hours=-1.0), SystemClock(), SystemRandom())
        expired, _ = past.issue(TokenType.NODE, UUID(node), UUID(node))
        folder = StateFolder(tmp_path)
        kept = folder.enrolment()
        assert kept is not None
        folder.enrol(attrs.evolve(kept, token=expired))
        async with running(tmp_path) as run:
            await until(lambda: run.token != expired, within=SOON)
            await until(run.is_connected, within=SOON)
            found = StateFolder(tmp_path).enrolment()
            assert found is not None
            # The log may have begun meanwhile, and with it the gateway's key exists.
            assert attrs.evolve(found, gateway_key=None) == attrs.evolve(
                kept, token=run.token, gateway_key=None
            )


async def test_an_agent_that_is_told_to_drain_says_so_and_ends(
    site: Whole, jane: Creator, tmp_path: Path
) -> None:
    node = await joined(site, tmp_path, jane)
    async with running(tmp_path) as run:
        status, _ = await jane.call("POST", f"/nodes/{node}/drain")
        assert status == 200
        assert await run.ended() == agent.AgentExit(reason="drained", ok=True)
    found = agent.status(tmp_path)
    assert isinstance(found, agent.Status)
    assert (found.running, found.draining) == (False, True)


async def test_an_agent_that_is_revoked_ends_and_says_why(
    site: Whole, jane: Creator, tmp_path: Path
) -> None:
    node = await joined(site, tmp_path, jane)
    async with running(tmp_path) as run:
        status, _ = await jane.call("POST", f"/nodes/{node}/revoke")
        assert status == 200
        ended = await run.ended()
    assert not ended.ok
    assert ended.reason.startswith("the gateway has excluded this node: The node was revoked")
    assert f"rendertrust node join {site.url} --new-key" in ended.reason


async def test_who_gave_his_node_up_comes_back_with_another_key(
    site: Whole, jane: Creator, tmp_path: Path
) -> None:
    before = await joined(site, tmp_path, jane)
    key = (tmp_path / "key.pem").read_bytes()
    assert (await jane.call("POST", f"/nodes/{before}/revoke"))[0] == 200
    refused = await enrolment.join(site.url, state=tmp_path, token=jane.token)
    assert isinstance(refused, enrolment.JoinRefused)
    assert (refused.code, "--new-key" in refused.remedy) == (403, True)
    again = await enrolment.join(site.url, state=tmp_path, token=jane.token, new_key=True)
    assert isinstance(again, enrolment.Joined), again
    assert (again.name, again.owned, again.node_id != before) == ("box", True, True)
    assert (tmp_path / f"key-{before}.pem").read_bytes() == key, "the old key is kept, too"
    async with running(tmp_path) as run:
        there = await enrolment.join(site.url, state=tmp_path, new_key=True)
        assert isinstance(there, enrolment.JoinRefused)
        assert "an agent is running here" in there.reason
        kept = run.folder.enrolment()
        assert kept is not None
        assert kept.node_id == again.node_id
