"""The sections of the settings, as they stand in ``defaults.toml``."""

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
        """Whether only programs of this machine reach the host that is listened on."""
        try:
            address = ip_address(self.host)
        except ValueError:
            return self.host == "localhost"
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback

    def proxies(self) -> tuple[Network, ...]:
        """The networks whose ``X-Forwarded-*`` count. Raises ValueError where one is none."""
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
    """The log: its name, its key, and how often it is signed."""

    origin: str
    key: str = attrs.field(repr=False)
    previous_key: str = attrs.field(repr=False)
    checkpoint_entries: int
    checkpoint_seconds: float


@attrs.frozen
class Chain:
    """Where checkpoints are anchored, with which key, and how often."""

    url: str = attrs.field(repr=False)  # providers put keys into it
    chain_id: int
    key: str = attrs.field(repr=False)
    key_file: str
    fee_cap_gwei: float
    anchor_seconds: float
    confirmations: int

    @property
    def embedded(self) -> bool:
        """Whether the chain is a node of the gateway's own."""
        return self.url == "embedded"


@attrs.frozen
class Earnings:
    """What operators get of a charge, in percent; how long it may be disputed before."""

    share_percent: int
    dispute_hours: float
    sweep_seconds: float


@attrs.frozen
class Audit:
    """When the books are gone over: what is new each so many seconds, all of it each night."""

    every_seconds: float
    night: str

    def time(self) -> time:
        """The time of day in UTC. Raises ValueError where it is none."""
        return datetime.strptime(self.night, "%H:%M").replace(tzinfo=UTC).time()


@attrs.frozen
class Nodes:
    require_proof: bool


@attrs.frozen
class Leases:
    """Seconds: how long a unit stays with a node that says nothing, and when that is looked at."""

    seconds: float
    renew_seconds: float
    unsent_seconds: float
    grace_seconds: float
    sweep_seconds: float


@attrs.frozen
class Scheduling:
    """When a unit takes so much longer than its job's others that a second node tries it, too."""

    straggler_times: float
    straggler_seconds: float


@attrs.frozen
class Results:
    require_object: bool
    require_evidence: bool


@attrs.frozen
class Verification:
    """Whether rendered frames wait for a verdict, and who gives it.

    ``embedded``: a verifier that the gateway runs itself, with ``threads`` and ``memory_gib``; 0 is
    half of the machine's. ``own_nodes``: further ones.
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
        """Their ids. Raises ValueError where one is none."""
        names = (name.strip() for name in self.own_nodes.split(","))
        return frozenset(UUID(name) for name in names if name)


@attrs.frozen
class Payloads:
    external_buckets: str

    def allows(self, bucket: str) -> bool:
        """May a payload lie in this bucket, which is not ours?"""
        names = {name.strip() for name in self.external_buckets.split(",")}
        return "*" in names or bucket in names


@attrs.frozen
class Preflight:
    """How many scenes nodes look into for one user, within an hour."""

    per_hour: int


@attrs.frozen
class Pricing:
    """For how many seconds of work the table's price of a frame pays, on a machine of the
    gateway's own (0: every frame costs that price); whether frames must be measured before.
    """

    frame_seconds: int
    look_first: bool


@attrs.frozen
class Retention:
    """Days after which inputs (unused) and results (ended) go, and what a user may keep."""

    inputs_days: int
    results_days: int
    quota_gib: int

    @property
    def quota_bytes(self) -> int:
        return self.quota_gib << 30


@attrs.frozen
class Events:
    """For how long it is kept what happened to a job; how many streams of it a user may have."""

    keep_days: int
    streams: int


@attrs.frozen
class Webhooks:
    """Whom endpoints may be, and when they are given up."""

    private: bool
    give_up_days: float
    keep_days: int


@attrs.frozen
class Limits:
    """Requests per 60 s, from ``login`` on: up to ``object`` per address, then per user or node."""

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
