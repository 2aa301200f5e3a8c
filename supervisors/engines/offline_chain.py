"""The chain for a command: the chain of a running gateway, or an embedded chain that is started for
the command.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from config.settings import Chain as ChainSettings
from supervisors.engines.anvil import ChainEndpoint, EmbeddedAnvil, chain_id_at, endpoint_of
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.engine_account import engine_account
from supervisors.engines.free_ports import LOOPBACK, read_ports
from supervisors.engines.lazy_chain import EvmChain, remote_chain


@asynccontextmanager
async def offline_chain(given: ChainSettings, data: Path) -> AsyncGenerator[EvmChain]:
    """Yield the port over the configured chain; a chain must be configured.

    Raises SettingsError, and EngineError if an embedded chain neither runs nor starts.
    """
    if not given.embedded:
        async with _port(given, remote_chain(given)) as chain:
            yield chain
        return
    running = await _running(data)
    if running is not None:
        async with _port(given, running) as chain:
            yield chain
        return
    engine = EmbeddedAnvil(data, account=engine_account())
    endpoint = await engine.start()
    try:
        async with _port(given, endpoint) as chain:
            yield chain
    finally:
        await engine.stop()


def has_run(given: ChainSettings, data: Path) -> bool:
    """Return True if there is a chain; an embedded chain exists once its gateway has run."""
    return bool(given.url) and (not given.embedded or (data / EmbeddedAnvil.name).is_dir())


@asynccontextmanager
async def _port(given: ChainSettings, endpoint: ChainEndpoint) -> AsyncGenerator[EvmChain]:
    chain = EvmChain(CurrentEndpoint(endpoint), fee_cap_gwei=given.fee_cap_gwei)
    try:
        yield chain
    finally:
        await chain.close()


async def _running(data: Path) -> ChainEndpoint | None:
    """Return the endpoint of the embedded chain if a gateway runs it.

    Another EVM node on its port has another chain id.
    """
    folder = data / EmbeddedAnvil.name
    port = read_ports(folder / "ports").get("chain", 0)
    try:
        endpoint = endpoint_of(folder, f"http://{LOOPBACK}:{port}")
    except FileNotFoundError:
        return None
    return endpoint if await chain_id_at(endpoint.url) == endpoint.chain_id else None
