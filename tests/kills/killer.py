"""The gateway that dies, and is there again."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

import aiohttp

from tests.kills.plan import ENGINES, GATEWAY, Kill
from tests.support.gateway_process import Gateway, alive_in, children_of
from tests.support.until import until

BACK_SECONDS: Final = 600.0


async def kill(gateway: Gateway, planned: Kill) -> None:
    """SIGKILL to the victim, and wait until all is ready again."""
    if planned.victim in ENGINES:
        await _kill_engine(gateway, ENGINES[planned.victim])
    else:
        await (gateway.kill() if planned.victim == GATEWAY else gateway.kill_group())
        if planned.again is not None:
            await gateway.launch()
            await asyncio.sleep(planned.again)
            await gateway.kill_group()
        await until(lambda: not alive_in(gateway.data), within=BACK_SECONDS)
        await gateway.start()
    await until(lambda: is_ready(gateway), within=BACK_SECONDS)


async def _kill_engine(gateway: Gateway, program: str) -> None:
    before = engine_of(gateway, program)
    assert before, f"{program} does not run"
    os.kill(before, signal.SIGKILL)
    await until(lambda: engine_of(gateway, program) not in (0, before), within=BACK_SECONDS)


def engine_of(gateway: Gateway, program: str) -> int:
    """The engine's process: the child of a tether, which is a child of the gateway; 0: none."""
    assert gateway.process is not None
    tree = children_of()
    for tether in tree.get(gateway.process.pid, []):
        for engine in tree.get(tether, []):
            if name_of(engine) == program:
                return engine
    return 0


def name_of(process: int) -> str:
    """Of its program; '' when it has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


async def is_ready(gateway: Gateway) -> bool:
    """Whether everything that it depends on is there, as it says itself."""
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{gateway.url}/api/v1/health/ready") as answer,
        ):
            return bool((await answer.json())["status"] == "ready")
    except aiohttp.ClientError:
        return False
