"""Tests of ``rendertrust serve`` as a process: several at once, orderly stops, and refusals in one
line.
"""

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE
from uuid import UUID

import aiohttp
import pytest

from sql.migrate import migrations
from tests.support import programs
from tests.support.engines import engine_folder
from tests.support.gateway_process import ForkedGateway, Gateway, none_alive_in
from tests.support.lent_engines import LentEngines
from tests.support.until import until

REFUSED_WITHIN = 60.0


async def run_refused(*words: str, **settings: str) -> tuple[int, str]:
    """Run a ``serve`` that must not start; return its exit code and what it prints for people."""
    env = os.environ | settings
    code, out, err = await programs.call("serve", *words, env=env, within=REFUSED_WITHIN)
    assert out == ""
    # The log is JSON lines; the other lines are for people.
    said = [line for line in err.splitlines() if not line.startswith("{")]
    return code, "\n".join(said)


async def test_two_gateways_without_port_flags_run_side_by_side_and_stop_in_order(
    http: aiohttp.ClientSession,
) -> None:
    """SIGTERM and SIGINT both end the gateways with exit code 0, together with their engines."""
    with engine_folder() as folder:
        gateways = [Gateway(folder / "one"), Gateway(folder / "two")]
        await asyncio.gather(*(gateway.start() for gateway in gateways))
        assert gateways[0].port != gateways[1].port
        for gateway in gateways:
            async with http.get(f"{gateway.url}/api/v1/health/ready") as answer:
                assert (await answer.json())["status"] == "ready"
        one, two = gateways
        assert two.process is not None
        two.process.send_signal(signal.SIGINT)
        assert [await one.stop(), await two.ended()] == [0, 0]
        await none_alive_in(folder)


def warnings_of(gateway: Gateway) -> list[str]:
    """Return the settings that the gateway warned about at its starts."""
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    return [line["setting"] for line in lines if "setting" in line]


async def test_it_says_at_its_start_what_is_not_checked(lent_engines: LentEngines) -> None:
    with lent_engines.lend() as engines, engine_folder() as folder:
        gateway = ForkedGateway(folder / "data", **engines)
        await gateway.start()
        assert await gateway.stop() == 0
        assert warnings_of(gateway) == ["verification.enabled"]
        exposed = {
            "RENDERTRUST_SERVER_HOST": "0.0.0.0",
            "RENDERTRUST_SERVER_INSECURE_DEVELOPMENT": "true",
        }
        checked = {
            "RENDERTRUST_VERIFICATION_ENABLED": "true",
            "RENDERTRUST_VERIFICATION_EMBEDDED": "false",
        }
        await gateway.start(**checked, **exposed)
        assert await gateway.stop() == 0
        told = ["server.insecure_development", "verification.own_nodes"]
        assert warnings_of(gateway) == ["verification.enabled", *told]
        own = {"RENDERTRUST_VERIFICATION_OWN_NODES": str(UUID(int=1))}
        await gateway.start(**checked, **own)
        assert await gateway.stop() == 0
        assert len(warnings_of(gateway)) == 3


async def test_it_prints_the_address_of_a_page_and_one_line_for_all_migrations(
    http: aiohttp.ClientSession,
) -> None:
    with engine_folder() as folder:
        data, off = folder / "data", {"RENDERTRUST_VERIFICATION_ENABLED": "false"}
        words = ("rendertrust", "serve", "--data", str(data))
        process = await programs.start(*words, env=os.environ | off, stdout=PIPE, stderr=PIPE)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            said = (await process.stdout.readline()).decode()
        name, _, url = said.strip().partition(" ")
        assert (name, url.rpartition("/")[2]) == ("Console:", "console")
        async with asyncio.timeout(60):
            blank, offer, end = [(await process.stdout.readline()).decode() for _ in range(3)]
        assert (blank, end) == ("\n", "\n"), "it stands out from the log"
        link = f"Set up this farm: {url.removesuffix('/console')}/setup?token=rts_"
        assert offer.startswith(link)
        for address in (url, url.removesuffix("/console") + "/"):
            async with http.get(address) as answer:
                assert (answer.status, answer.content_type) == (200, "text/html"), address
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert out == b""
        lines = [json.loads(line) for line in err.splitlines()]
        migrated = [line for line in lines if line["logger"] == "sql.migrate"]
        assert [line["event"] for line in migrated] == [
            f"migrated the database to {migrations()[-1].name} ({len(migrations())} migrations)"
        ]


async def test_a_signal_while_it_starts_stops_it_and_leaves_nothing() -> None:
    with engine_folder() as folder:
        data = folder / "data"
        words = ("rendertrust", "serve", "--data", str(data))
        process = await programs.start(*words, env=os.environ, stdout=PIPE, stderr=PIPE)
        await until((data / "postgres").exists)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
        assert (process.returncode, out) == (0, b"")
        await none_alive_in(data)


async def test_a_data_folder_in_use_is_told_in_one_line(gateway: Gateway) -> None:
    code, said = await run_refused("--data", str(gateway.data))
    assert code == 1
    assert "is in use by another gateway" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"RENDERTRUST_ENVIRONMENT": "production"}, "production refuses to start: jwt.secret"),
        ({"RENDERTRUST_SERVER_PORT": "x"}, "server.port"),
        ({"RENDERTRUST_SERVER_PROT": "1"}, "RENDERTRUST_SERVER_PROT is not a setting"),
        ({"RENDERTRUST_CREDITS_STARTER": "lots"}, "credits.starter"),
    ],
)
async def test_settings_that_are_wrong_are_a_wrong_use(settings: dict[str, str], said: str) -> None:
    with engine_folder() as folder:
        code, found = await run_refused("--data", str(folder / "data"), **settings)
    assert code == 2
    assert said in found
