"""The Chain port without the cost of importing web3, which is loaded at the first use."""

import asyncio
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.ports import Anchored, Bid, ChainState, Mined, Signed
from config.loader import SettingsError
from config.settings import Chain as ChainSettings
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.remote import RemoteEngine

if TYPE_CHECKING:
    from supervisors.engines.chain_web3 import Web3Chain

_KEY: Final = re.compile(r"(0x)?[0-9a-fA-F]{64}")


class EvmChain:
    """The Chain port over the EVM chain at ``endpoint``, which may be replaced at any time."""

    def __init__(self, endpoint: CurrentEndpoint[ChainEndpoint], *, fee_cap_gwei: float) -> None:
        self._endpoint, self._cap = endpoint, fee_cap_gwei
        self._made: Web3Chain | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            await self._made.close()

    async def _real(self) -> "Web3Chain":
        if self._made is None:
            module = await asyncio.to_thread(import_module, "supervisors.engines.chain_web3")
            return self._kept(module.Web3Chain)
        return self._made

    def _kept(self, make: "type[Web3Chain]") -> "Web3Chain":
        """Return the instance that all callers share who waited for the import."""
        if self._made is None:
            self._made = make(self._endpoint, fee_cap_gwei=self._cap)
        return self._made

    async def state(self) -> ChainState:
        return await (await self._real()).state()

    async def bid(self, raised: int = 0) -> Bid:
        return await (await self._real()).bid(raised)

    async def sign_deploy(self, nonce: int, bid: Bid) -> Signed:
        return await (await self._real()).sign_deploy(nonce, bid)

    async def sign_anchor(
        self, contract: str, anchor: Anchored, previous: bytes, nonce: int, bid: Bid
    ) -> Signed:
        return await (await self._real()).sign_anchor(contract, anchor, previous, nonce, bid)

    async def send(self, raw: bytes) -> None:
        await (await self._real()).send(raw)

    async def mined(self, name: str) -> Mined | None:
        return await (await self._real()).mined(name)

    async def contract_by(self, nonce: int) -> str | None:
        return await (await self._real()).contract_by(nonce)

    async def newest(self, contract: str) -> Anchored | None:
        return await (await self._real()).newest(contract)

    async def root_at(self, contract: str, size: int) -> bytes | None:
        return await (await self._real()).root_at(contract, size)

    async def is_kept(self, mined: Mined) -> bool:
        return await (await self._real()).is_kept(mined)


def remote_chain(given: ChainSettings) -> ChainEndpoint:
    """Return the configured chain. Raises SettingsError for an invalid key."""
    key = given.key
    if given.key_file:
        try:
            key = Path(given.key_file).read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise SettingsError(f"chain.key_file cannot be read: {error}") from error
    if not _KEY.fullmatch(key):
        raise SettingsError("chain.key must be 64 hexadecimal digits")
    return ChainEndpoint(given.url, given.chain_id, key)


class KnownChain(RemoteEngine[ChainEndpoint]):
    """A remote chain. The gateway does not wait for the chain, and works without it."""

    def __init__(self, endpoint: ChainEndpoint) -> None:
        super().__init__("chain", endpoint.url, endpoint, _nothing_wrong)


async def _nothing_wrong(_: ChainEndpoint) -> str | None:
    return None
