"""Timing of refused logins, and the effect of eight logins at once on the loop.

    python -m bench.login [--tries 200] [--rounds 5]

Three kinds of refused logins take turns on one connection: a wrong password, an unknown e-mail
address, and the right password of a deactivated account. Goal: medians within 5 % of each other.
Then eight passwords are hashed at once in a process that measures its loop's stalls. Goal: the
longest stall is at most 25 ms.
"""

import argparse
import asyncio
import time
from statistics import median, quantiles
from typing import Final

import aiohttp

from bench.probe import Table, machine
from supervisors.engines.offline_postgres import kept_endpoint
from tests.support.api_clients import Creator
from tests.support.databases import execute
from tests.support.gateway_process import Gateway, running_gateway
from web.identity.passwords import Passwords

RIGHT: Final = "securepassword123"
AT_ONCE: Final = 8
TURN_SECONDS: Final = 0.001


async def refusals(gateway: Gateway, tries: int) -> dict[str, list[float]]:
    """Return the milliseconds of each refused login, by the reason of the refusal."""
    async with aiohttp.ClientSession() as http:
        for email in ("known@example.org", "inactive@example.org"):
            await Creator(http, gateway.url, email).register()
        endpoint = kept_endpoint(gateway.data)
        assert endpoint is not None
        away = "UPDATE users SET is_active = false WHERE email = 'inactive@example.org'"
        await execute(endpoint.owner_dsn, away)
        kinds = {
            "wrong password": ("known@example.org", "another password"),
            "unknown e-mail": ("unknown@example.org", "another password"),
            "inactive account": ("inactive@example.org", RIGHT),
        }
        found: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(tries):
            for kind, credentials in kinds.items():
                found[kind].append(await time_of_refusal(http, gateway.url, credentials))
    return found


async def time_of_refusal(
    http: aiohttp.ClientSession, url: str, credentials: tuple[str, str]
) -> float:
    """Return the milliseconds until a login is refused."""
    body = dict(zip(("email", "password"), credentials, strict=True))
    began = time.perf_counter()
    async with http.post(f"{url}/api/v1/auth/login", json=body) as answer:
        await answer.read()
        assert answer.status == 401, answer.status
    return (time.perf_counter() - began) * 1e3


async def stall() -> tuple[float, float]:
    """Return in ms the longest stall of the loop, and the time to check all eight passwords."""
    passwords = Passwords()
    kept = await passwords.hash(RIGHT)
    longest = 0.0

    async def turn() -> None:
        nonlocal longest
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TURN_SECONDS)
            longest = max(longest, time.perf_counter() - began - TURN_SECONDS)

    turning = asyncio.create_task(turn())
    await asyncio.sleep(0.1)
    longest, began = 0.0, time.perf_counter()
    fits = await asyncio.gather(*(passwords.matches(RIGHT, kept) for _ in range(AT_ONCE)))
    took = time.perf_counter() - began
    turning.cancel()
    passwords.close()
    assert all(fits)
    return longest * 1e3, took * 1e3


async def main(options: argparse.Namespace) -> None:
    print(machine())
    async with running_gateway() as gateway:
        found = await refusals(gateway, options.tries)
    first = median(found["wrong password"])
    table = Table("refused because of", "tries", "median ms", "p90 ms", "to the first")
    for kind, times in found.items():
        middle = median(times)
        cells = (f"{middle:.2f}", f"{quantiles(times, n=10)[8]:.2f}", f"{middle / first - 1:+.1%}")
        table.add(kind, str(len(times)), *cells)
    table.print()
    stalls = [await stall() for _ in range(options.rounds)]
    table = Table("eight at once", "rounds", "median ms", "worst ms")
    for name, values in zip(("longest stall", "all done"), zip(*stalls, strict=True), strict=True):
        table.add(name, str(len(values)), f"{median(values):.1f}", f"{max(values):.1f}")
    table.print()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args()))
