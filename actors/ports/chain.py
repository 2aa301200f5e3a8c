"""Port of the blockchain to which anchors are written."""

from typing import Protocol

from attrs import field, frozen


class ChainUnavailable(Exception):
    """The chain's node is down, too slow, or on another chain; try again later."""


class ChainRefused(Exception):
    """The chain's node refuses a transaction, or the transaction would fail; the text says why."""


@frozen
class ChainState:
    """The present state of a chain. ``nonce``: the number of the sender's transactions in it."""

    chain_id: int
    sender: str
    block: int
    nonce: int
    private: bool  # an embedded chain, whose anchors prove nothing to outsiders
    balance: int = 0  # the sender's balance in wei


@frozen
class Bid:
    """The maximum fee of a transaction, and the tip in it, in wei per gas."""

    most: int
    tip: int


@frozen
class Signed:
    """A signed transaction; sending it repeatedly is safe.

    ``contract``: the address of the contract that it deploys, if any.
    """

    hash: str
    raw: bytes = field(repr=False)
    contract: str | None = None


@frozen
class Mined:
    """The block of a transaction, and whether the transaction succeeded."""

    block: int
    block_hash: str
    succeeded: bool

    def is_still_at(self, block: int | None, block_hash: str | None) -> bool:
        """Return True if the transaction succeeded and is in this block.

        If ``block_hash`` is None, only the number is compared.
        """
        same = block_hash is None or block_hash == self.block_hash
        return self.succeeded and self.block == block and same


@frozen
class Anchored:
    """An anchor: the size and root hash of the log; size 0 before a contract's first anchor."""

    size: int
    root: bytes


class Chain(Protocol):
    """A chain with the anchor contract. Methods raise ChainUnavailable while the chain is down."""

    async def state(self) -> ChainState:
        """Return the state of the chain and of the gateway's account on it."""
        ...

    async def bid(self, raised: int = 0) -> Bid:
        """Return the fees to offer now, increased ``raised`` times, up to the configured limit."""
        ...

    async def sign_deploy(self, nonce: int, bid: Bid) -> Signed:
        """Sign the deployment of a contract in which only the gateway's account may anchor."""
        ...

    async def sign_anchor(
        self, contract: str, anchor: Anchored, previous: bytes, nonce: int, bid: Bid
    ) -> Signed:
        """Sign an anchor. Raises ChainRefused if the contract would refuse it."""
        ...

    async def send(self, raw: bytes) -> None:
        """Send a transaction; a transaction that the chain already has is accepted.

        Raises ChainRefused.
        """
        ...

    async def mined(self, name: str) -> Mined | None:
        """Return the block of the transaction with this hash; None if the transaction is in no
        block.
        """
        ...

    async def contract_by(self, nonce: int) -> str | None:
        """Return the contract that the gateway's transaction of this number created, if any."""
        ...

    async def newest(self, contract: str) -> Anchored | None:
        """Return the newest anchor of a contract; None if there is no such contract."""
        ...

    async def root_at(self, contract: str, size: int) -> bytes | None:
        """Return the root hash that was anchored for this size of the log, or None."""
        ...

    async def is_kept(self, mined: Mined) -> bool:
        """Return True if the block would survive a kill of the chain's node."""
        ...
