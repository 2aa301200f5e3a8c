"""Contents of /metrics, and the bound on the number of series."""

import random
from http import HTTPMethod
from uuid import uuid4

import aiohttp
import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import rendertrust
from sql.database import Database
from tests.support.http_gateway import Face, Headers, serving, settings_for_tests
from tests.support.until import until
from tests.support.whole_gateway import Whole
from web.middleware.request_metrics import STATUSES, labels_of
from web.nodes.relay import PATH

pytestmark = pytest.mark.usefixtures("no_answer_cache")

DEAD = "postgresql://nobody@127.0.0.1:1/nothing"


def series() -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Return the name and labels of every series of this process."""
    families = text_string_to_metric_families(generate_latest().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in families
        for sample in family.samples
    }


async def figures(face: Face) -> dict[str, float]:
    """Return all samples of /metrics by name and labels."""
    async with face.client.get("/metrics") as answer:
        assert answer.status == 200
        lines = (await answer.text()).splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


async def test_300_unknown_paths_methods_and_statuses_add_no_series(face: Face) -> None:
    pick = random.Random(4)
    known = ["/api/v1/jobs", "/health"]  # paths that answer 405 to an unknown method
    methods = [*HTTPMethod, "BREW", "PROPFIND", "x"]

    async def ask(path: str, method: str) -> None:
        async with face.client.request(method, path) as answer:
            assert answer.status >= 400

    await ask("/first", "GET")
    await ask("/health", "DELETE")
    await figures(face)
    before = series()
    for number in range(300):
        method = pick.choice([m for m in methods if m != "CONNECT"])
        await ask(f"/made-up/{number}/{pick.random()}?{pick.random()}", method)
        await ask(known[number % 2], pick.choice(["DELETE", "PATCH", "BREW", f"M{number}"]))
    await figures(face)
    assert series() == before


def test_statuses_that_are_none_are_one_label() -> None:
    labels = {labels_of("GET", "/health", status)[2] for status in range(1000)}
    assert labels == {*STATUSES.values(), "unknown"}
    assert labels_of("GET", "unknown", 404) == labels_of("X", "unknown", 404)


def relay_counts() -> tuple[float, float]:
    """Return how many relay connections were counted, and how many of them were timed."""
    route = {"route": PATH}
    counted = {"method": "GET", "status": "101", **route}
    found = (
        REGISTRY.get_sample_value("rendertrust_requests_total", counted),
        REGISTRY.get_sample_value("rendertrust_request_seconds_count", route),
    )
    return found[0] or 0.0, found[1] or 0.0


async def test_a_socket_is_counted_and_not_timed(
    gateway: Whole, http: aiohttp.ClientSession
) -> None:
    counted, timed = relay_counts()
    path = PATH.replace("{node_id}", str(uuid4()))
    async with http.ws_connect(f"{gateway.url}{path}") as socket:
        assert (await socket.receive()).data == 4001
    await until(lambda: relay_counts() == (counted + 1, timed))


async def test_the_figures_of_the_database_and_what_is_up_are_shown(
    face: Face, user: Headers
) -> None:
    before = await figures(face)
    assert before['rendertrust_jobs{state="QUEUED"}'] == 0
    assert before['rendertrust_jobs{state="PAUSED"}'] == 0, "else the last count would stay"
    assert before['rendertrust_nodes{status="HEALTHY"}'] == 0
    assert before["rendertrust_holds_open"] == before["rendertrust_credits_held"] == 0
    assert before['rendertrust_dependency_up{dependency="redis"}'] == 1
    assert before["rendertrust_database_connections_max"] == 8
    assert before["rendertrust_database_connections"] >= 1
    assert before['rendertrust_actors{actor="StandInLedger"}'] == 1
    assert "process_resident_memory_bytes" in before
    assert "process_open_fds" in before
    (build,) = [name for name in before if name.startswith("rendertrust_build_info")]
    assert before[build] == 1
    assert f'version="{rendertrust.__version__}"' in build
    await face.client.get("/api/v1/credits/balance", headers=user)
    after = await figures(face)
    name = 'rendertrust_requests_total{method="GET",route="/api/v1/credits/balance",status="200"}'
    assert after[name] == before.get(name, 0) + 1
    kind = 'rendertrust_actor_messages_total{actor="StandInScheduler"}'
    body = {"job_type": "echo", "payload_ref": "s3://bucket/key"}
    await face.client.post("/api/v1/jobs/dispatch", json=body, headers=user)
    assert (await figures(face))[kind] == after.get(kind, 0) + 1


async def test_too_many_requests_are_counted_by_route(face: Face) -> None:
    async with serving(face.gateway.database, settings_for_tests(limits={"login": 1})) as other:
        name = 'rendertrust_rate_limited_requests_total{route="/api/v1/auth/login"}'
        before = (await figures(other)).get(name, 0)
        body = {"email": "jane@example.org", "password": "wrong one"}
        for _ in range(3):
            await other.client.post("/api/v1/auth/login", json=body)
        assert (await figures(other))[name] == before + 2


async def test_while_the_database_is_away_the_metrics_say_so_and_are_there(face: Face) -> None:
    async with serving(Database(lambda: DEAD), settings_for_tests()) as other:
        other.gateway.monitoring.probes["database"] = _no
        timeout = aiohttp.ClientTimeout(total=60.0)
        async with other.client.get("/metrics", timeout=timeout) as answer:
            assert answer.status == 200
            assert 'rendertrust_dependency_up{dependency="database"} 0.0' in await answer.text()


async def _no() -> bool:
    return False
