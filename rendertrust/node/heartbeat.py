"""Heartbeats by ``POST /nodes/heartbeat``, beside the socket."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from rendertrust.node.enrolment import TIMEOUT, NodeLogin


async def beat(login: NodeLogin, load: float, metadata: Mapping[str, Any]) -> int | None:
    """Send one; return the HTTP status, None without a response. A 401 renews the token."""
    token = login.enrolment.token
    try:
        async with login.session.post(
            f"{login.enrolment.url}/api/v1/nodes/heartbeat",
            json={"current_load": round(load, 3), "metadata": dict(metadata)},
            headers=login.headers,
            timeout=TIMEOUT,
        ) as response:
            status = response.status
    except (aiohttp.ClientError, TimeoutError):
        return None
    if status == 401:
        await login.renew(instead_of=token)
    return status


async def keep_beating(
    login: NodeLogin,
    seconds: float,
    *,
    load: Callable[[], float],
    metadata: Callable[[], Mapping[str, Any]],
    is_awake: Callable[[], bool] = lambda: True,
    answered: Callable[[], None] = lambda: None,
) -> None:
    """Send one every ``seconds`` while awake, the first at once; a failed one is not repeated."""
    while True:
        if is_awake() and await beat(login, load(), metadata()) is not None:
            answered()
        await asyncio.sleep(seconds)
