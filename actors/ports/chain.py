"""The chain that holds the anchors."""

from typing import Protocol

from attrs import field, frozen


class ChainUnavailable(Exception):
    """The chain's node is away, too slow, or of another chain: expected, and to be tried again."""


class ChainRefused(Exception):
    """The node does not take a transaction, or it would fail: the text says why."""


@frozen
class ChainState:
    """What a chain is at now. ``nonce``: how many of our transactions are in its blocks."""

    chain_id: int
    sender: str
    block: int
    nonce: int
    private: bool  # it runs beside the gateway: an anchor there proves nothing to outsiders
    balance: int = 0  # what the sender has, in wei


@frozen
class Bid:
    """What a transaction may cost at most, in wei for each gas, and what of it is for the miner."""

    most: int
    tip: int


@frozen
class Signed:
    """A transaction, ready to be sent, as often as is needed. ``contract``: what it would make."""

    hash: str
    raw: bytes = field(repr=False)
    contract: str | None = None


@frozen
class Mined:
    """Where a transaction came to be."""

    block: int
    block_hash: str
    succeeded: bool

    def is_still_at(self, block: int | None, block_hash: str | None) -> bool:
        """Whether that is where it was seen before; None: of the block no hash was kept."""
        same = block_hash is None or block_hash == self.block_hash
        return self.succeeded and self.block == block and same


@frozen
class Anchored:
    """The newest anchor of a contract; size 0 before the first."""

    size: int
    root: bytes


class Chain(Protocol):
    """A chain with the anchor's contract. Methods raise ChainUnavailable while it is away."""

    async def state(self) -> ChainState:
        """Where it is, and where our sender is."""
        ...

    async def bid(self, raised: int = 0) -> Bid:
        """What a transaction should offer now, raised so many times, within the settings' cap."""
        ...

    async def sign_deploy(self, nonce: int, bid: Bid) -> Signed:
        """A transaction that makes the contract, with our sender as its anchorer."""
        ...

    async def sign_anchor(
        self, contract: str, anchor: Anchored, previous: bytes, nonce: int, bid: Bid
    ) -> Signed:
        """A transaction that anchors. Raises ChainRefused where the contract would refuse it."""
        ...

    async def send(self, raw: bytes) -> None:
        """Give it to the chain; one that is there already is no fault. Raises ChainRefused."""
        ...

    async def mined(self, name: str) -> Mined | None:
        """Where the transaction of this hash is, if it is in a block."""
        ...

    async def contract_by(self, nonce: int) -> str | None:
        """The contract that our sender's transaction of this number made, if it made one."""
        ...

    async def newest(self, contract: str) -> Anchored | None:
        """What is anchored there; None: there is no contract."""
        ...

    async def root_at(self, contract: str, size: int) -> bytes | None:
        """The root that was anchored at a size; None where none was."""
        ...

    async def is_kept(self, mined: Mined) -> bool:
        """Whether a kill of the chain's node could not take the block back any more."""
        ...
