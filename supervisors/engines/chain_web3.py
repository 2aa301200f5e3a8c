"""The Chain port over JSON-RPC with web3.

Import this module in a thread, as the import takes half a second.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
from eth_account import Account
from web3 import AsyncWeb3
from web3.exceptions import (
    BadFunctionCallOutput,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import Nonce, RPCEndpoint, RPCResponse
from web3.utils.address import get_create_address

from actors.ports import (
    Anchored,
    Bid,
    ChainRefused,
    ChainState,
    ChainUnavailable,
    Mined,
    Signed,
)
from rendertrust import merkle
from supervisors.engines.anvil import SAVE_SECONDS, ChainEndpoint
from supervisors.engines.current_endpoint import CurrentEndpoint, NotStarted

ARTEFACT: Final = Path(__file__).resolve().parents[2] / "contracts" / "LedgerAnchor.json"
CALL_SECONDS: Final = 5.0
GAS_MARGIN: Final = 1.2
ANCHOR_GAS_MIN: Final = 100_000  # gas limit; an anchor takes 56,975, and unused gas costs nothing
RAISE: Final = 1.25  # factor of each new bid; a replacement must offer at least a tenth more
HEADERS: Final = {"Content-Type": "application/json"}
RAISES_MAX: Final = 64  # raises that count: a factor of a million; the fee cap applies earlier
ANSWER_BYTES_MAX: Final = 64 << 20  # maximum size of a response of the chain's node
FUNDS_WEI: Final = 10**24  # balance to which an embedded chain's account is topped up
# Errors that the chain's nodes return for a transaction that is known or mined already.
KNOWN: Final = ("already known", "already imported", "known transaction")
_AWAY: Final = (aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError)
# Errors that web3 raises for a malformed answer.
_NONSENSE: Final = (
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
    UnicodeDecodeError,
)
EMPTY: Final = merkle.root([])


class Web3Chain:
    """The Chain port with web3, safe for concurrent use. Connections are opened on demand."""

    def __init__(self, endpoint: CurrentEndpoint[ChainEndpoint], *, fee_cap_gwei: float) -> None:
        self._current = endpoint
        self._cap = int(fee_cap_gwei * 10**9)
        self.artefact = json.loads(ARTEFACT.read_text())
        self._made: tuple[_Provider, AsyncWeb3[Any]] | None = None
        self._making = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections."""
        made, self._made = self._made, None
        if made is not None:
            await made[0].disconnect()

    async def state(self) -> ChainState:
        async with self.asking() as (web3, endpoint):
            sender = self._account(endpoint).address
            private = endpoint.state is not None
            if private:
                await self._fund(web3, sender)
            block, nonce = await web3.eth.block_number, await web3.eth.get_transaction_count(sender)
            balance = int(await web3.eth.get_balance(sender))
            return ChainState(endpoint.chain_id, sender, int(block), int(nonce), private, balance)

    async def bid(self, raised: int = 0) -> Bid:
        async with self.asking() as (web3, _):
            block = await web3.eth.get_block("latest")
            base, tip = int(block.get("baseFeePerGas", 0)), int(await web3.eth.max_priority_fee)
            factor = RAISE ** min(raised, RAISES_MAX)
            tip = int(tip * factor)
            most = min(int(2 * base * factor) + tip, self._cap)
            return Bid(most, min(tip, most))

    async def sign_deploy(self, nonce: int, bid: Bid) -> Signed:
        async with self.asking() as (web3, endpoint):
            sender = self._account(endpoint).address
            contract = web3.eth.contract(
                abi=self.artefact["abi"], bytecode=self.artefact["bytecode"]
            )
            data = contract.constructor(sender).data_in_transaction
            signed = await self._signed(web3, endpoint, {"data": data}, nonce, bid)
            return Signed(signed.hash, signed.raw, get_create_address(sender, Nonce(nonce)))

    async def sign_anchor(
        self, contract: str, anchor: Anchored, previous: bytes, nonce: int, bid: Bid
    ) -> Signed:
        async with self.asking() as (web3, endpoint):
            arguments = [anchor.size, anchor.root, previous]
            data = self._contract(web3, contract).encode_abi("anchor", args=arguments)
            call = {"to": contract, "data": data}
            # A node of the chain that lags behind estimates the gas as if there were no contract,
            # so far too low.
            return await self._signed(web3, endpoint, call, nonce, bid, gas_min=ANCHOR_GAS_MIN)

    async def send(self, raw: bytes) -> None:
        async with self.asking() as (web3, _):
            try:
                await web3.eth.send_raw_transaction(raw)
            except Web3RPCError as error:
                known = any(word in str(error).lower() for word in KNOWN)
                if not known and not await self._is_there(web3, raw):
                    raise

    async def mined(self, name: str) -> Mined | None:
        async with self.asking() as (web3, _):
            try:
                found: Any = await web3.eth.get_transaction_receipt(name)  # type: ignore[arg-type]
            except TransactionNotFound:
                return None
            return Mined(
                int(found["blockNumber"]), found["blockHash"].to_0x_hex(), bool(found["status"])
            )

    async def contract_by(self, nonce: int) -> str | None:
        async with self.asking() as (web3, endpoint):
            made = get_create_address(self._account(endpoint).address, Nonce(nonce))
            return str(made) if await web3.eth.get_code(made) else None

    async def newest(self, contract: str) -> Anchored | None:
        async with self.asking() as (web3, _):
            there = self._contract(web3, contract)
            try:
                size = int(await there.functions.size().call())
                # Anchors never change, so it does no harm if a new anchor arrives between the two
                # calls.
                root = bytes(await there.functions.rootAt(size).call()) if size else EMPTY
            except BadFunctionCallOutput:
                return None
            if not any(root):
                raise ChainUnavailable("the node answered from two different blocks")
            return Anchored(size, root)

    async def root_at(self, contract: str, size: int) -> bytes | None:
        async with self.asking() as (web3, _):
            try:
                root = await self._contract(web3, contract).functions.rootAt(size).call()
            except BadFunctionCallOutput:
                return None
            return bytes(root) if any(root) else None

    async def is_kept(self, mined: Mined) -> bool:
        endpoint = self._endpoint()
        if endpoint.state is None:
            return True
        async with self.asking() as (web3, _):
            block = await web3.eth.get_block(mined.block)
        saved = await asyncio.to_thread(_saved_at, endpoint.state)
        # A state is as old as the start of its write, but the file's time is the end of the write.
        return saved > float(block.get("timestamp", 0)) + 1 + SAVE_SECONDS

    # ── inside ───────────────────────────────────────────────────────────────────────────────────

    async def _signed(
        self,
        web3: "AsyncWeb3[Any]",
        endpoint: ChainEndpoint,
        what: Any,
        nonce: int,
        bid: Bid,
        *,
        gas_min: int = 0,
    ) -> Signed:
        account = self._account(endpoint)
        call: Any = {"from": account.address, **what}
        gas = int(await web3.eth.estimate_gas(call) * GAS_MARGIN)
        transaction = {
            **what,
            "chainId": endpoint.chain_id,
            "nonce": nonce,
            "gas": max(gas, gas_min),
            "maxFeePerGas": bid.most,
            "maxPriorityFeePerGas": bid.tip,
            "value": 0,
            "type": 2,
        }
        signed = account.sign_transaction(transaction)
        return Signed(signed.hash.to_0x_hex(), bytes(signed.raw_transaction))

    def _contract(self, web3: "AsyncWeb3[Any]", address: str) -> Any:
        return web3.eth.contract(address=address, abi=self.artefact["abi"])  # type: ignore[call-overload]

    def _account(self, endpoint: ChainEndpoint) -> Any:
        return Account.from_key(endpoint.key)

    async def _is_there(self, web3: "AsyncWeb3[Any]", raw: bytes) -> bool:
        """Return True if the chain's node knows this very transaction.

        For a mined transaction the node answers "nonce too low".
        """
        try:
            await web3.eth.get_transaction(web3.keccak(raw))
        except TransactionNotFound:
            return False
        return True

    async def _fund(self, web3: "AsyncWeb3[Any]", sender: str) -> None:
        """Fund the account of an embedded chain, which has no other source of money."""
        if await web3.eth.get_balance(sender) < FUNDS_WEI // 2:  # type: ignore[arg-type]
            provider: Any = web3.provider
            await provider.make_request("anvil_setBalance", [sender, hex(FUNDS_WEI)])

    def _endpoint(self) -> ChainEndpoint:
        try:
            return self._current.get()
        except NotStarted as error:
            raise ChainUnavailable(str(error)) from None

    @asynccontextmanager
    async def asking(self) -> AsyncGenerator[tuple["AsyncWeb3[Any]", ChainEndpoint]]:
        """Yield a client of the current chain; failures become ChainUnavailable or ChainRefused."""
        endpoint = self._endpoint()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                yield await self._client(endpoint), endpoint
        except _AWAY as error:
            raise ChainUnavailable(type(error).__name__) from error
        except _NONSENSE as error:
            raise ChainUnavailable(f"a malformed answer: {type(error).__name__}") from error
        except (ContractLogicError, Web3RPCError, ValueError) as error:
            raise ChainRefused(str(error)[:300]) from error
        except Web3Exception as error:
            raise ChainUnavailable(f"{type(error).__name__}: {error}"[:300]) from error

    async def _client(self, endpoint: ChainEndpoint) -> "AsyncWeb3[Any]":
        async with self._making:
            if self._made is None or self._made[0].url != endpoint.url:
                await self.close()
                provider = _Provider(endpoint.url)
                self._made = provider, AsyncWeb3(provider)
            web3 = self._made[1]
        found = await _of(web3.eth.chain_id)
        if found != endpoint.chain_id:
            raise ChainUnavailable(f"it is chain {found}, not {endpoint.chain_id}")
        return web3


class _Provider(AsyncJSONBaseProvider):
    """JSON-RPC over HTTP; any call may be cancelled at any time.

    web3's own HTTP provider takes a thread lock for each call. A call that is cancelled while it
    waits for the lock leaves it locked, and then no later call gets an answer.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self._http = aiohttp.ClientSession(response_class=_Bounded)

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = self.encode_rpc_request(method, params)
        async with self._http.post(self.url, data=body, headers=HEADERS) as response:
            response.raise_for_status()
            return self.decode_rpc_response(await response.read())

    async def disconnect(self) -> None:
        """Close the session."""
        await self._http.close()


class _Bounded(aiohttp.ClientResponse):
    """An HTTP response with a limit on its size."""

    async def read(self) -> bytes:
        found = bytearray()
        async for piece in self.content.iter_any():
            found += piece
            if len(found) > ANSWER_BYTES_MAX:
                self.close()
                raise aiohttp.ClientPayloadError("the answer is too long")
        return bytes(found)


async def _of(value: Awaitable[int]) -> int:
    return int(await value)


def _saved_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
