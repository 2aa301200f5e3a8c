"""Kills of the gateway or an engine, and the wait until all is ready again."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

import aiohttp

from tests.kills.plan import ENGINES, GATEWAY, Kill
from tests.support.gateway_process import Gateway, children_of, none_alive_in
from tests.support.until import until

BACK_SECONDS: Final = 600.0


async def kill(gateway: Gateway, planned: Kill) -> None:
    """Send SIGKILL to the victim, restart the gateway if needed, and wait until all is ready."""
    if planned.victim in ENGINES:
        await _kill_engine(gateway, ENGINES[planned.victim])
    else:
        await (gateway.kill() if planned.victim == GATEWAY else gateway.kill_group())
        if planned.again is not None:
            await gateway.launch()
            await asyncio.sleep(planned.again)
            await gateway.kill_group()
        await none_alive_in(gateway.data, within=BACK_SECONDS)
        await gateway.start()
    await until(lambda: is_ready(gateway), within=BACK_SECONDS)


async def _kill_engine(gateway: Gateway, program: str) -> None:
    before = engine_of(gateway, program)
    assert before, f"{program} does not run"
    os.kill(before, signal.SIGKILL)
    await until(lambda: engine_of(gateway, program) not in (0, before), within=BACK_SECONDS)


def engine_of(gateway: Gateway, program: str) -> int:
    """Return the process id of an engine, or 0; the engine is a child of one of the gateway's
    tethers.
    """
    assert gateway.process is not None
    tree = children_of()
    for tether in tree.get(gateway.process.pid, []):
        for engine in tree.get(tether, []):
            if name_of(engine) == program:
                return engine
    return 0


def name_of(process: int) -> str:
    """Return the name of the process's program; '' if it has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


async def is_ready(gateway: Gateway) -> bool:
    """Return whether the gateway reports that all it depends on is ready."""
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{gateway.url}/api/v1/health/ready") as answer,
        ):
            return bool((await answer.json())["status"] == "ready")
    except aiohttp.ClientError:
        return False
