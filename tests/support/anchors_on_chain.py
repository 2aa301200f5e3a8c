"""Reader of the anchors that a contract on a chain holds."""

from typing import Any, Final

from actors.ports.chain import ChainUnavailable
from supervisors.engines.chain_web3 import Web3Chain

ATTEMPTS: Final = 5  # on a busy machine, a real node may not answer in the product's time


async def anchors_on(chain: Web3Chain, contract: str) -> list[tuple[int, bytes, str]]:
    """Return size, root and transaction of each anchor, from events of the contract in order."""
    for left in reversed(range(ATTEMPTS)):
        try:
            return await _read(chain, contract)
        except ChainUnavailable:
            if not left:
                raise
    raise AssertionError


async def _read(chain: Web3Chain, contract: str) -> list[tuple[int, bytes, str]]:
    async with chain.asking() as (web3, _):
        there: Any = web3.eth.contract(address=contract, abi=chain.artefact["abi"])  # type: ignore[call-overload]
        found = await there.events.Anchored.get_logs(from_block=0)
    return [
        (
            int(one["args"]["size"]),
            bytes(one["args"]["root"]),
            str(one["transactionHash"].to_0x_hex()),
        )
        for one in found
    ]
