"""Sections of the settings; ``defaults.toml`` describes their options."""

from datetime import UTC, datetime, time
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from uuid import UUID

import attrs

Network: TypeAlias = IPv4Network | IPv6Network


@attrs.frozen
class Server:
    host: str
    port: int
    public_url: str
    trusted_proxies: str
    header_seconds: float
    body_seconds: float
    write_seconds: float
    keepalive_seconds: float
    wait_seconds: float
    connections: int
    connections_per_address: int
    sockets_per_address: int
    insecure_development: bool

    @property
    def loopback(self) -> bool:
        """Return True if the gateway listens only on this machine."""
        try:
            address = ip_address(self.host)
        except ValueError:
            return self.host == "localhost"
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback

    def proxies(self) -> tuple[Network, ...]:
        """Return the networks whose ``X-Forwarded-*`` headers are trusted. Raises ValueError."""
        return tuple(ip_network(n.strip()) for n in self.trusted_proxies.split(",") if n.strip())


@attrs.frozen
class Database:
    url: str = attrs.field(repr=False)
    owner_url: str = attrs.field(repr=False)
    connections: int


@attrs.frozen
class Redis:
    url: str = attrs.field(repr=False)


@attrs.frozen
class Objects:
    url: str
    access_key: str = attrs.field(repr=False)
    secret_key: str = attrs.field(repr=False)
    bucket: str
    region: str
    public_url: str


@attrs.frozen
class Jwt:
    secret: str = attrs.field(repr=False)
    previous: str = attrs.field(repr=False)
    issuer: str
    audience: str
    node_audience: str
    access_minutes: int
    refresh_days: int
    node_hours: float


@attrs.frozen
class Credits:
    starter: str


@attrs.frozen
class Stripe:
    secret_key: str = attrs.field(repr=False)
    webhook_secret: str = attrs.field(repr=False)
    url: str
    return_url: str


@attrs.frozen
class Proof:
    """The log: its name, its keys, and how often it is signed."""

    origin: str
    key: str = attrs.field(repr=False)
    previous_key: str = attrs.field(repr=False)
    checkpoint_entries: int
    checkpoint_seconds: float


@attrs.frozen
class Chain:
    """Anchoring of checkpoints: chain, key and interval."""

    url: str = attrs.field(repr=False)  # providers put keys into it
    chain_id: int
    key: str = attrs.field(repr=False)
    key_file: str
    fee_cap_gwei: float
    anchor_seconds: float
    confirmations: int

    @property
    def embedded(self) -> bool:
        """Return True if the gateway runs the chain."""
        return self.url == "embedded"


@attrs.frozen
class Earnings:
    """Operators' shares of charges, and the dispute window before they mature."""

    share_percent: int
    dispute_hours: float
    sweep_seconds: float


@attrs.frozen
class Audit:
    """Times of the audit: new entries every few seconds, all entries each night."""

    every_seconds: float
    night: str

    def time(self) -> time:
        """Return the time of day in UTC. Raises ValueError."""
        return datetime.strptime(self.night, "%H:%M").replace(tzinfo=UTC).time()


@attrs.frozen
class Nodes:
    require_proof: bool


@attrs.frozen
class Leases:
    """Leases of units, and how often they are renewed and swept; in seconds."""

    seconds: float
    renew_seconds: float
    unsent_seconds: float
    grace_seconds: float
    sweep_seconds: float


@attrs.frozen
class Scheduling:
    """Speculation: when a straggler gets a second attempt."""

    straggler_times: float
    straggler_seconds: float


@attrs.frozen
class Results:
    require_object: bool
    require_evidence: bool


@attrs.frozen
class Verification:
    """Verification of rendered frames, and its verifiers.

    ``embedded``: the gateway runs a verifier with ``threads`` and ``memory_gib``; 0 is half of the
    machine. ``own_nodes``: further verifiers.
    """

    enabled: bool
    embedded: bool
    threads: int
    memory_gib: int
    least_odds: float
    wait_seconds: float
    check_seconds: float
    own_nodes: str

    def own(self) -> frozenset[UUID]:
        """Return the ids of ``own_nodes``. Raises ValueError."""
        names = (name.strip() for name in self.own_nodes.split(","))
        return frozenset(UUID(name) for name in names if name)


@attrs.frozen
class Payloads:
    external_buckets: str

    def allows(self, bucket: str) -> bool:
        """Return True if payloads may be in this external bucket."""
        names = {name.strip() for name in self.external_buckets.split(",")}
        return "*" in names or bucket in names


@attrs.frozen
class Preflight:
    """Limit of preflights per user and hour."""

    per_hour: int


@attrs.frozen
class Pricing:
    """Pricing of frames.

    ``frame_seconds``: seconds of a verifier's work that the table's price pays for; 0: every frame
    costs that price. ``look_first``: scenes must be measured before frames are accepted.
    """

    frame_seconds: int
    look_first: bool


@attrs.frozen
class Retention:
    """Days until unused inputs and ended jobs' results are deleted, and a user's quota."""

    inputs_days: int
    results_days: int
    quota_gib: int

    @property
    def quota_bytes(self) -> int:
        return self.quota_gib << 30


@attrs.frozen
class Events:
    """Retention of job events, and the limit of a user's event streams."""

    keep_days: int
    streams: int


@attrs.frozen
class Webhooks:
    """Allowed webhook endpoints, and when a failing one is disabled."""

    private: bool
    give_up_days: float
    keep_days: int


@attrs.frozen
class Limits:
    """Limits. From ``login`` on: requests per 60 s, up to ``object`` per address, then per user."""

    shared: bool
    subjects: int
    open_jobs: int
    open_free_jobs: int
    open_kinds: int
    login: int
    refresh: int
    register: int
    node: int
    probe: int
    webhook: int
    socket: int
    object: int
    read: int
    write: int
    dispatch: int


@attrs.frozen
class Logs:
    level: str
    access: bool
