"""What a gateway answers, as frozen values. Amounts are strings with four decimals; times are UTC.

Fields that a newer gateway adds are ignored; the fields that are not in the reference itself have
a default, so an older or another gateway is understood too.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from rendertrust.api.nodes import LooseTiles, Reputation

ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@attrs.frozen
class Tokens:
    """What a login gives; single-use is the refresh token."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    token_type: str = "bearer"  # noqa: S105 - the scheme, no secret


@attrs.frozen
class User:
    id: str
    email: str
    name: str
    is_active: bool


@attrs.frozen
class Registered:
    """A new account, logged in."""

    user: User
    tokens: Tokens


@attrs.frozen
class ApiKey:
    """A key for programs; ``hint`` is how it ends. ``last_used_at`` is right to some minutes."""

    id: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


@attrs.frozen
class CreatedApiKey(ApiKey):
    """With the key itself, which is shown this once."""

    key: str = attrs.field(repr=False, kw_only=True)


@attrs.frozen
class ApiKeys:
    """Newest first; ``count`` is how many there are, not how many are here."""

    keys: tuple[ApiKey, ...]
    count: int
    next: str | None = None


@attrs.frozen
class Session:
    """A login; ``refreshed_at`` is when its tokens were issued, ``current``: the one that asks."""

    sid: str
    client: str
    current: bool
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime

    @property
    def id(self) -> str:
        """Its name among others."""
        return self.sid


@attrs.frozen
class Sessions:
    """The one used last first; ``count`` is how many there are, not how many are here."""

    sessions: tuple[Session, ...]
    count: int
    next: str | None = None


@attrs.frozen
class Balance:
    """``balance`` is booked, ``held`` of it is set aside for open jobs, ``available`` the rest."""

    balance: str
    user_id: str
    held: str | None = None
    available: str | None = None


@attrs.frozen
class Entry:
    """One movement of credits: ``amount`` is above 0, ``direction`` is CREDIT or DEBIT."""

    id: str
    amount: str
    direction: str
    source: str
    reference_id: str | None
    balance_after: str
    description: str | None
    created_at: datetime
    entry_id: int | None = None


@attrs.frozen
class History:
    """Newest first; ``count`` is how many there are, not how many are here."""

    entries: tuple[Entry, ...]
    count: int
    next: str | None = None


@attrs.frozen
class Offer:
    """Something that can be bought; ``amount`` is in the currency's smallest unit: cents of usd."""

    sku: str
    title: str
    credits: str
    amount: int
    currency: str


@attrs.frozen
class Offers:
    """The cheapest first."""

    skus: tuple[Offer, ...]


@attrs.frozen
class Checkout:
    """Where a purchase is paid, in a browser."""

    url: str


@attrs.frozen
class Opening:
    """An entry's private part, and the salt that it is hashed with."""

    salt: str
    private: str


@attrs.frozen
class EntryProof:
    """Where an entry stands in the log; ``docs/PROOF.md`` says how it is verified."""

    entry_id: int
    merkle_root: str
    proof_hashes: tuple[str, ...]
    directions: tuple[str, ...]
    anchor_tx_hash: str | None
    block_number: int | None
    leaf: str
    leaf_hash: str
    leaf_index: int
    tree_size: int
    checkpoint: str
    verifier: str
    opening: Opening | None = None
    chain_id: int | None = None
    contract: str | None = None
    anchor: str | None = None  # the gateway's note on what these and the transaction say


@attrs.frozen
class ReceiptFile:
    """What was done for a charge, signed; ``docs/PROOF.md`` says how it is verified.

    ``proof`` is None until the entry that pays is in the log, and where it cost nothing.
    ``withdrawn``: it was found wrong since; the ``entry_id`` that gave the charge back, and more.
    """

    format: str
    receipt: dict[str, Any]
    signature: str
    entry_id: int | None
    proof: EntryProof | None
    withdrawn: dict[str, Any] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """As the gateway gave it: strict readers know no ``withdrawn`` where there is none."""
        members = {each.name: getattr(self, each.name) for each in attrs.fields(type(self))}
        return {name: one for name, one in members.items() if name != "withdrawn" or one}


@attrs.frozen
class LogCheckpoint:
    """How large the log is, and its root; ``checkpoint`` is the signed note, by ``verifier``."""

    origin: str
    size: int
    root: str
    time: datetime
    checkpoint: str
    verifier: str
    anchor: str | None = None  # the note on the newest anchor, which may be of fewer leaves


@attrs.frozen
class Placed:
    """A submitted job. ``node_id`` is None while it waits for a node."""

    job_id: str
    node_id: str | None
    status: str


@attrs.frozen
class Job:
    """A job. ``progress`` is 0 to 1 or unknown; ``price`` was held, ``charged`` was taken of it.

    ``done`` of its ``units`` are complete, ``failed`` for good. ``paused`` says by whom: its
    ``owner``, or at the ``cap``, which is ``max_credits``; ``stopped`` waits for the checks of what
    was delivered. ``eta_seconds``: when all is done, as its own units went; None until enough of
    them are. ``reference_seconds``: the work of its frames, as a machine of the gateway's own
    measured it, where its price follows that.
    """

    id: str
    node_id: str | None
    job_type: str
    payload_ref: str
    status: str
    result_ref: str | None
    error_message: str | None
    retry_count: int
    queued_at: datetime | None
    dispatched_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    price: str | None = None
    charged: str | None = None
    progress: float | None = None
    retry_of: str | None = None
    units: int = 1
    done: int = 0
    failed: int = 0
    priority: str = "normal"
    max_credits: str | None = None
    paused: str | None = None
    eta_seconds: float | None = None
    pool: str = "any"
    reference_seconds: float | None = None
    loose_tiles: LooseTiles | None = None  # not in lists
    given_back: int | None = None  # units that were found wrong later; not in lists

    @property
    def ended(self) -> bool:
        """Nothing will change any more."""
        return self.status in ENDED


@attrs.frozen
class JobList:
    """Newest first; ``count`` is how many match, not how many are here."""

    jobs: tuple[Job, ...]
    count: int
    next: str | None = None


@attrs.frozen
class Node:
    """A node. ``status`` is how alive it is, ``standing`` what people say: whether it may work.

    ``current_load`` is 0 (idle) to 1. ``checkable`` False: no verifier of the gateway that is
    connected can compare what it renders.
    """

    id: str
    owner_id: str | None
    name: str
    capabilities: tuple[str, ...]
    status: str
    standing: str
    standing_reason: str
    standing_at: datetime | None
    current_load: float
    verified_at: datetime | None
    seen_at: datetime | None
    created_at: datetime
    reputation: tuple[Reputation, ...] = ()
    checkable: bool | None = None


@attrs.frozen
class NodeList:
    """Newest first; ``count`` is how many there are, not how many are here."""

    nodes: tuple[Node, ...]
    count: int
    next: str | None = None


@attrs.frozen
class ResultUrl:
    """Where the finished work lies. Whoever has the URL may fetch it for ``expires_in`` s.

    ``size`` and ``sha256`` (hex) are those that the node named when it was done, if it did.
    """

    job_id: str
    download_url: str = attrs.field(repr=False)
    expires_in: int
    size: int | None = None
    sha256: str | None = None


@attrs.frozen
class PutUrl:
    """PUT the content here, with exactly these headers."""

    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    expires_in: int


@attrs.frozen
class PartRange:
    """Parts that follow each other, both ends among them."""

    first: int
    last: int


@attrs.frozen
class Parts:
    """Content in ``count`` parts, numbered from 1, of ``size`` bytes but the last."""

    size: int
    count: int
    arrived: tuple[PartRange, ...] = ()

    def has(self, number: int) -> bool:
        """Whether that part has arrived."""
        return any(some.first <= number <= some.last for some in self.arrived)


@attrs.frozen
class PartUrl:
    """PUT this part here, with exactly these headers."""

    number: int
    size: int
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)


@attrs.frozen
class PartUrls:
    """As many as were asked for."""

    parts: tuple[PartUrl, ...]
    expires_in: int


@attrs.frozen
class Upload:
    """Content that was announced. ``put`` and ``parts`` are None when the gateway has it already.

    ``parts``: it is so long that it can be sent in parts.
    """

    id: str
    payload_ref: str
    sha256: str
    size: int
    filename: str
    status: str
    put: PutUrl | None = None
    parts: Parts | None = None
