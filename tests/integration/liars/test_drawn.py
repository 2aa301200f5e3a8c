"""Before a delivery is settled, nobody can find out whether it was drawn for a comparison."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import UUID

import aiohttp
import attrs
import pytest

from actors.ledger.commands import checks
from actors.node_session.sampling import Sampling
from actors.verifier.settings import VerifierSettings
from rendertrust.protocol import Ack, encode
from rendertrust.testing import FakeNode
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.liars.test_liars import WITHIN, Farm, delivers
from tests.support.databases import connected
from tests.support.draws import uncovered
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Person
from tests.support.until import until
from tests.support.whole_gateway import whole

LOOKS: Final = 5
STREAM: Final = "text/event-stream"
# Paths whose answers have totals over all users.
OF_ALL: Final = ("/metrics", "/health/ready", "/ledger/checkpoint", "/ledger/epochs")
# Ids, times and random values, which differ between two runs of the same steps.
_NAMES: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CHANCE: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:?\d\d)?"
    r"|entry_id\\*\": *\d+|[0-9a-f]{16,}"
    r"|[A-Za-z0-9+/_-]{40,}=*|X-Amz-[A-Za-z]+=[^&\"]+|until=[\d.]+|\b\d+\.\d{3,}\b"
)


@attrs.define
class Farms:
    """A farm whose next delivery is drawn or not, as the test chooses."""

    farm: Farm
    drawn: bool = True


@pytest.fixture
async def farms(
    database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Farms]:
    """Run a farm whose own verifier is offline but may return, so that deliveries wait for it."""
    verifying = VerifierSettings(look_seconds=0.1, own=frozenset({UUID(int=7)}))
    running = whole(
        database,
        settings_for_tests(credits={"starter": "100"}, verification={"enabled": "true"}),
        verifying=verifying,
        require_object=True,
        verified_types=frozenset({"render"}),
    )
    async with (
        running as gateway,
        aiohttp.ClientSession() as http,
        AsyncExitStack() as stack,
        connected(database.owner_dsn) as owner,
    ):
        found = Farms(Farm(gateway, http, Person(http, gateway.url), owner, stack))

        async def draw(*_: Any) -> tuple[float, float]:
            return 0.5 - found.drawn / 4, 0.5

        monkeypatch.setattr(Sampling, "draw", draw)
        monkeypatch.setattr(checks, "covered_odds", uncovered)
        yield found


def normalised(told: Any, names: dict[str, str]) -> Any:
    """Return an answer with ids numbered in order of appearance, and without times and random
    values.
    """
    text = told if isinstance(told, str) else json.dumps(told, default=str, sort_keys=True)
    text = re.sub(r"[0-9a-f-]{36}@example\.org", "somebody", text)
    text = re.sub(r"(\\r\\n)[0-9]+,", r"\1…,", text)  # numbers of entries in a statement
    text = _NAMES.sub(lambda found: names.setdefault(found[0], f"name {len(names)}"), text)
    return _CHANCE.sub("…", text)


async def wait_for_looks(farm: Farm) -> None:
    """Wait until the Verifier has looked a few times at the waiting deliveries."""

    def handled() -> int:
        parts = {part.name: part.statistics for part in farm.gateway.tree.vital()}
        figures = parts["verifier"]
        assert figures is not None
        return figures.handled

    before = handled()
    await until(lambda: handled() >= before + LOOKS, within=WITHIN)


async def read(farm: Farm, person: Person, path: str) -> tuple[int, str]:
    """Read a path, again while the gateway is busy (503); return the status and the text."""

    async def answered() -> tuple[int, str] | None:
        url = f"{farm.gateway.url}{path}"
        async with farm.http.get(url, headers=person.headers) as answer:
            text = await answer.text()
            return None if answer.status == 503 else (answer.status, text)

    found = await until(answered)
    assert found is not None
    return found


async def asked(farm: Farm, paths: list[str], known: dict[str, str]) -> dict[str, Any]:
    """Return all answers that the creator and the node's owner get at these paths."""
    found: dict[str, Any] = {}
    for who, person in (("creator", farm.jane), ("owner", farm.operators["eve"])):
        for path in paths:
            full = path.format(**known)
            found[f"{who} {path}"] = await read(farm, person, full)
    return found


async def paths_of(farm: Farm, known: dict[str, str]) -> list[str]:
    """Return all paths that can be read with these ids, except streams."""

    async def read() -> Any:
        async with farm.http.get(f"{farm.gateway.url}/openapi.json") as answer:
            return await answer.json() if answer.status == 200 else None

    document = await until(read)
    found = []
    for path, item in document["paths"].items():
        content = item.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if path.endswith(OF_ALL) or STREAM in content:
            continue
        if set(re.findall(r"{(\w+)}", path)) <= known.keys():
            found += [path] if "get" in item else []
    return sorted(found)


async def observe_delivery(farms: Farms, *, drawn: bool) -> dict[str, Any]:
    """Deliver a unit, and return all answers, events and relay frames until the unit is settled."""
    farm = farms.farm
    farms.drawn = drawn
    farm.operators.clear()
    farm.jane = Person(farm.http, farm.gateway.url)
    await farm.jane.register()
    node: FakeNode = await farm.liar(delivers)

    async def is_noted() -> bool:
        found = "SELECT EXISTS (SELECT FROM node_connections WHERE node_id = $1)"
        return bool(await farm.owner.fetchval(found, UUID(str(node.node_id))))

    await until(is_noted)  # the gateway notes connections a little later
    job = await farm.place()
    await node.next(Ack, within=WITHIN)
    await wait_for_looks(farm)
    stands = "SELECT drawn, state FROM checks WHERE job_id = $1"
    row = await farm.owner.fetchrow(stands, job)
    assert row is not None
    assert tuple(row) == (drawn, "PENDING")
    known = {"job_id": job, "node_id": str(node.node_id), "unit": "0", "attempt": "1"}
    names: dict[str, str] = {}
    frames = [encode(frame) for frame in node.received]
    events = await farm.owner.fetch("SELECT * FROM job_events WHERE job_id = $1 ORDER BY 1", job)
    found = {"frames": frames, "events": [dict(row) for row in events]}
    paths = await paths_of(farm, known)
    answers = await asked(farm, paths, known)
    await node.disconnect()
    return {name: normalised(told, names) for name, told in [*found.items(), *answers.items()]}


async def test_nothing_differs_before_the_settlement_by_whether_it_was_drawn(farms: Farms) -> None:
    """The node's relay frames, all answers to owner and creator, and all events are the same."""
    one = await observe_delivery(farms, drawn=True)
    other = await observe_delivery(farms, drawn=False)
    assert len(one) > 30, sorted(one)
    assert sum("(200" in told or told.startswith("[200") for told in one.values()) > 15
    differing = {name: (one[name], other[name]) for name in one if one[name] != other[name]}
    assert differing == {}
