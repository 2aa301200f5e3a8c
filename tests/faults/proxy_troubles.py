"""Faults of the connection to an engine."""

from tests.faults.proxy import Proxy


async def silent(proxy: Proxy) -> None:
    proxy.hush()


async def away(proxy: Proxy) -> None:
    await proxy.down()


async def resetting(proxy: Proxy) -> None:
    proxy.resets = True
    proxy.break_off()
