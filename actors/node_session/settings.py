"""Settings of node sessions, and the identity of a session's node."""

from datetime import datetime
from uuid import UUID

import attrs

from actors.ledger.messages import SUSPENSE, operator_account
from config.settings import DEFAULTS, Earnings, Leases
from rendertrust.receipt import OFF
from sql.nodes import NOTHING_SAID, StandingRecord


@attrs.frozen
class NodeSessionSettings:
    """``bucket`` is ours; ``require_object``: a result without our object fails its unit."""

    bucket: str
    require_object: bool = False
    earnings: Earnings = DEFAULTS.earnings
    leases: Leases = DEFAULTS.leases
    hello_seconds: float = 2.0
    ready_seconds: float = 3.0  # at least, between two reports of changed hellos to the Scheduler
    announce_seconds: float = 5.0
    ping_seconds: float = 30.0
    pong_seconds: float = 90.0  # without one the socket is closed
    seen_seconds: float = 45.0  # how often a pong is noted in the database
    first_lease_seconds: float = 2.0
    answer_seconds: float = 10.0  # for the Ledger's answer to a commit; then it is sent again
    retry_seconds: float = 1.0  # doubled up to
    retry_seconds_most: float = 15.0
    look_seconds: float = 300.0  # at what a result names; then it is looked at again
    url_seconds: int = 3600
    part_bytes: int = 64 << 20  # what is longer may come in parts of so many
    begun_most: int = 8  # undertakings for parts that a node may cause for one attempt
    send_seconds: float = 10.0  # a peer that does not take a frame in this time is closed
    close_seconds: float = 2.0
    token_share: float = 0.5  # of a token's life, after which its node is sent another
    verified_types: frozenset[str] = frozenset()  # of work that waits for a verdict
    unverified_why: str = OFF  # where none of the gateway's work does
    require_evidence: bool = True  # else nodes that deliver none are paid for unverified work
    pays_unverified: bool = True  # whether nodes are paid for unverified work
    own: frozenset[UUID] = frozenset()  # nodes of the gateway's, whose word is enough
    result_bytes_most: int = 16 * 2**30  # of one object: evidence is large
    runtime_seconds_most: float = 6 * 3600.0  # of one attempt
    still_seconds: float = 1800.0  # without any progress; what is fetched and sent may take more
    expected_times: float = 20.0  # as long as half of its job's others took; 0: never mind
    quote_start_seconds: float = 60.0  # to begin with a scene, which no quote has in it
    flood_seconds: float = 10.0
    flood_frames: int = 2000


@attrs.frozen
class NodeIdentity:
    """Node of a session. ``verified``: it proved its key; only then its owner earns.

    ``base`` is scheme and host under which it reached us; None: what the settings say.
    """

    id: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    verified: bool
    base: str | None = None
    standing: StandingRecord = NOTHING_SAID
    token_expires: datetime | None = None  # of the token that it came with
    key: bytes | None = None  # its public key, by which it signs its work

    @property
    def account(self) -> str:
        """The account that earns by its work."""
        return SUSPENSE if self.owner is None else operator_account(self.owner)
