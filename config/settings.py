"""The settings of a gateway, each with its type, default, bounds and meaning.

To add a setting, add a field to a class in this module; ``scripts/settings_table.py`` then updates
the documentation.
"""

import re
from datetime import UTC, datetime, time
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Literal, TypeAlias
from uuid import UUID

import attrs

from config.declaration import setting, settings_in
from config.oidc_providers import NO_PROVIDERS, OidcProviders

# prefixes of Stripe's keys for real payments, with which earnings are worth money
LIVE_KEYS: Final = ("sk_live_", "rk_live_")
Network: TypeAlias = IPv4Network | IPv6Network


# name of a farm that its settings do not name
UNNAMED: Final = "RenderTrust"
ORIGINS_MAX: Final = 100
_ORIGIN: Final = re.compile(
    r"(https?)://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?"
)
_JOB_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,93}")
_NO_PLUGINS: Final = frozenset({"render", "video", "preflight", "check", "check_batch"})
_USUAL_PORTS: Final = {"http": "80", "https": "443"}


def is_origin(text: str) -> bool:
    """Return True if a browser could send this text as the ``Origin`` of a page."""
    found = _ORIGIN.fullmatch(text) if len(text) <= 300 else None
    if found is None:
        return False
    port = found[2] or "1"
    return int(port) <= 65_535 and port != _USUAL_PORTS[found[1]]


@attrs.frozen
class Farm:
    name: str = setting("", "name of the farm in mails and on pages; empty: RenderTrust")


@attrs.frozen
class Server:
    host: str = setting("127.0.0.1", "address to listen on", production="0.0.0.0")  # noqa: S104
    port: int = setting(0, "0: 8000, or the next free port", (0, 65_535), production=8000)
    public_url: str = setting(
        "", "address for clients, such as that of the TLS proxy; empty: http://host:port"
    )
    trusted_proxies: str = setting(
        "", "comma-separated addresses and networks whose X-Forwarded-For and -Proto count"
    )
    header_seconds: float = setting(8.0, "deadline for the request line and headers", (0.1, 600))
    body_seconds: float = setting(
        7.5, "deadline for the request body; limits slow-loris clients", (0.1, 3600)
    )
    write_seconds: float = setting(
        30.0, "a client that reads nothing of a response for this long is disconnected", (0.1, 3600)
    )
    keepalive_seconds: float = setting(
        75.0, "lifetime of an idle connection; a proxy's own should be shorter", (1, 3600)
    )
    connections: int = setting(
        20_000,
        "maximum number of connections; fewer if the process may open fewer files",
        (10, 1_000_000),
    )
    connections_per_address: int = setting(
        500,
        "connections from one address, or its requests in flight through a trusted proxy;"
        " without node sockets",
        (1, 1_000_000),
        development=20_000,
    )
    sockets_per_address: int = setting(
        2000, "node sockets from one address", (1, 1_000_000), development=20_000
    )
    insecure_development: bool = setting(
        False, "serve other machines in development, in which nodes need not prove their keys"
    )
    wait_seconds: float = setting(
        30.0, "how long a start waits for an external database, Redis or store", (0.1, 600)
    )

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
class Cors:
    """Access of web applications on other origins to the API."""

    origins: str = setting(
        "",
        "comma-separated origins, like https://app.example.org, whose pages may call the API with"
        " a token; see [Web applications](#web-applications)",
    )

    def allowed(self) -> frozenset[str]:
        """Return the origins. Raises ValueError."""
        names = [name.strip() for name in self.origins.split(",") if name.strip()]
        if len(names) > ORIGINS_MAX:
            raise ValueError(f"has {len(names)} origins; at most {ORIGINS_MAX} are allowed")
        for name in names:
            if not is_origin(name):
                raise ValueError(
                    f"has {name[:80]!r}; write each origin as browsers send it: scheme, host in"
                    " lower case, and a port unless it is the usual one, like"
                    " https://app.example.org"
                )
        return frozenset(names)


@attrs.frozen
class Database:
    url: str = setting("", "postgresql://… of the application's role", secret=True)
    owner_url: str = setting(
        "", "postgresql://… of the role that owns the schema; empty: url", secret=True
    )
    connections: int = setting(
        16, "maximum number of the gateway's database connections", (4, 1000)
    )


@attrs.frozen
class Redis:
    url: str = setting("", "redis://, rediss:// or unix://…", secret=True)


@attrs.frozen
class Objects:
    url: str = setting("", "https://… of any S3 store; the bucket must exist")
    access_key: str = setting("", "access key of the store at url", secret=True)
    secret_key: str = setting("", "secret key of the store at url", secret=True)
    bucket: str = setting("rendertrust", "bucket of uploads and results")
    region: str = setting("us-east-1", "region in presigned URLs")
    public_url: str = setting("", "address in presigned URLs; empty: the Host that the caller used")


@attrs.frozen
class Jwt:
    secret: str = setting(
        "", "HS256, at least 32 bytes; empty in development: made in the data folder", secret=True
    )
    previous: str = setting("", "a secret that stays valid during rotation", secret=True)
    issuer: str = setting("rendertrust", "issuer (iss) of all tokens")
    audience: str = setting("rendertrust", "audience (aud) of users' tokens")
    node_audience: str = setting("rendertrust-nodes", "audience (aud) of nodes' tokens")
    access_minutes: int = setting(30, "lifetime of an access token", (1, 1440))
    refresh_days: int = setting(7, "lifetime of an unused login", (1, 365))
    node_hours: float = setting(
        24.0, "lifetime of a node's token; renewed over the socket at half of it", (0.001, 8760)
    )


@attrs.frozen
class Accounts:
    registration: Literal["open", "invite", "closed"] = setting(
        "open",
        "who may open an account: open (anybody), invite (by invitation) or closed (only admins)",
    )
    admin_second_factor: bool = setting(
        True,
        "admins need a second factor; without one, they sign in only as far as setting one up",
        development=False,
    )


@attrs.frozen
class Sharing:
    """Public links to verified pictures."""

    enabled: bool = setting(
        False, "creators may make public links to their verified pictures; off: no link works"
    )
    links_max: int = setting(100, "links that a user may have at once", (1, 10_000))


@attrs.frozen
class Oidc:
    """Sign-in with OpenID Connect."""

    providers: OidcProviders = setting(  # noqa: RUF009 - a field; ruff knows no subclass of tuple
        NO_PROVIDERS,
        "providers of OpenID Connect, as tables [[oidc.providers]] or in the variable as JSON; see"
        " [Sign-in with OpenID Connect](#sign-in-with-openid-connect)",
    )


@attrs.frozen
class Credits:
    starter: str = setting("0", "credits that a new account gets", development="100")


@attrs.frozen
class Proof:
    """The log: its name, its keys, and how often it is signed."""

    origin: str = setting("", "name of a new log, like farm.example/log; empty: generated")
    key: str = setting(
        "",
        "key that signs checkpoints, 64 hexadecimal digits; empty: made in the data folder",
        secret=True,
    )
    previous_key: str = setting(
        "", "previous key, which signs, too, during a rotation", secret=True
    )
    checkpoint_transfers: int = setting(
        10_000, "sign a checkpoint after this many transfers", (1, 1_000_000)
    )
    checkpoint_seconds: float = setting(
        10.0, "sign a checkpoint after this time, if there is a new transfer", (0.1, 86_400)
    )


@attrs.frozen
class Earnings:
    """Operators' shares of charges, and the dispute window before they mature."""

    share_percent: int = setting(
        70, "percent of a verified unit's charge that its node's owner gets; rounded down", (0, 100)
    )
    dispute_hours: float = setting(
        168.0, "dispute window of a unit; its share is not payable before its end", (0, 8760)
    )
    sweep_seconds: float = setting(5.0, "how often matured earnings are released", (0.1, 3600))
    payout_minimum: float = setting(
        0.0, "credits that a payout of money has at least; operators may choose more", (0, 1e9)
    )


@attrs.frozen
class Audit:
    """Times of the audit: new entries every ``every_seconds``, all entries each night."""

    every_seconds: float = setting(60.0, "how often new rows of the books are checked", (0.1, 3600))
    night: str = setting("03:00", "time of the nightly check of all books; UTC")

    def time(self) -> time:
        """Return the time of day in UTC. Raises ValueError."""
        return datetime.strptime(self.night, "%H:%M").replace(tzinfo=UTC).time()


@attrs.frozen
class Stripe:
    secret_key: str = setting(
        "", "sk_… or rk_…; empty in development: a Stripe stand-in on this machine", secret=True
    )
    webhook_secret: str = setting(
        "", "whsec_… of the endpoint /api/v1/webhooks/stripe", secret=True
    )
    url: str = setting("", "base address of Stripe's API; empty: Stripe's default")
    return_url: str = setting("", "where buyers return to; empty: a page of the gateway")


@attrs.frozen
class Invoices:
    """Invoices of purchases. An issued invoice keeps the values with which it was issued."""

    seller: str = setting(
        "",
        "name and address of the seller, its lines separated by semicolons, with a tax number if"
        " needed; empty: no invoices",
    )
    prefix: str = setting("", "text before the numbers of invoices, such as RT-")
    tax_percent: float = setting(
        0.0, "tax that the prices of credits include; 0: invoices have no line for it", (0, 99.99)
    )
    tax_name: str = setting("VAT", "name of that tax on invoices")
    note: str = setting("", "a line at the end of invoices, such as why there is no tax")

    def seller_lines(self) -> tuple[str, ...]:
        """Return the lines of the seller's name and address."""
        parts = self.seller.replace("\n", ";").split(";")
        return tuple(part.strip() for part in parts if part.strip())


@attrs.frozen
class Chain:
    """Anchoring of checkpoints: chain, key and interval."""

    url: str = setting(
        "", 'JSON-RPC of the EVM chain for anchors, or "embedded"; empty: none', secret=True
    )
    chain_id: int = setting(
        0, "expected id of the chain; a chain with another id is not used", (0, 2**63 - 1)
    )
    key: str = setting(
        "", "key that signs transactions, 64 hexadecimal digits; or use key_file", secret=True
    )
    key_file: str = setting("", "file with that key, readable by the gateway only")
    fee_cap_gwei: float = setting(100.0, "maximum fee for a unit of gas", (0.001, 1_000_000))
    anchor_seconds: float = setting(300.0, "minimum time between two anchors", (0, 604_800))
    confirmations: int = setting(
        12, "blocks until an anchor counts; an embedded chain needs one", (1, 10_000)
    )

    @property
    def embedded(self) -> bool:
        """Return True if the gateway runs the chain."""
        return self.url == "embedded"


@attrs.frozen
class Nodes:
    require_proof: bool = setting(
        True, "nodes get no work before POST /nodes/verify", development=False
    )


@attrs.frozen
class Leases:
    """Leases of units, and how often they are renewed and swept; in seconds."""

    seconds: float = setting(60.0, "a node that is silent for this long loses its unit", (1, 3600))
    renew_seconds: float = setting(
        15.0, "how often leases are renewed; at most half of leases.seconds", (0.1, 1200)
    )
    unsent_seconds: float = setting(
        45.0, "an assigned node that does not connect for this long loses its unit, too", (1, 3600)
    )
    grace_seconds: float = setting(
        35.0,
        "how long nodes may take to reconnect after a start; they try at least every 30 s",
        (0.1, 600),
    )
    sweep_seconds: float = setting(
        5.0, "how often the gateway looks for expired leases", (0.1, 600)
    )


@attrs.frozen
class Scheduling:
    """Speculation: when a straggler gets a second attempt."""

    straggler_times: float = setting(
        2.0,
        "an idle node duplicates a unit after this many times its usual duration; 0: never",
        (0, 1000),
    )
    straggler_seconds: float = setting(
        10.0, "minimum runtime before a unit is duplicated", (0.1, 86_400)
    )


@attrs.frozen
class Results:
    require_object: bool = setting(
        True, "a result without its object in the store fails the unit", development=False
    )
    require_evidence: bool = setting(
        True,
        "results without evidence are invalid, otherwise unverified; always on with a live Stripe"
        " key",
        development=False,
    )


@attrs.frozen
class Verification:
    """Verification of rendered frames, and its verifiers.

    ``embedded``: the gateway runs a verifier with ``threads`` and ``memory_gib``; 0 is half of the
    machine. ``own_nodes``: further verifiers.
    """

    enabled: bool = setting(True, "frames wait for a verdict before anybody is charged or paid")
    embedded: bool = setting(True, "the gateway runs a verifier on this machine")
    threads: int = setting(
        0, "threads of the embedded verifier; 0: half of the processors, at least one", (0, 1024)
    )
    memory_gib: int = setting(
        0, "memory of the embedded verifier, at least 2; 0: half of the machine's", (0, 65_536)
    )
    renderers_gib: int = setting(
        0, "disk of the embedded verifier for versions of Blender; 0: installs none", (0, 65_536)
    )
    least_odds: float = setting(
        0.05, "minimum probability of comparing a known node's result", (0, 1)
    )
    wait_seconds: float = setting(
        300.0,
        "how long a result waits for a verifier with its node's Blender build, then it is"
        " unverifiable; or for another creator's check, then that gives way",
        (0.1, 86_400),
    )
    check_seconds: float = setting(
        900.0,
        "time limit of a check, plus the unit's own time; then the check is repeated",
        (0.1, 86_400),
    )
    own_nodes: str = setting("", "comma-separated ids of more verifiers; they also measure scenes")
    plugins: str = setting(
        "inference",
        "comma-separated job types whose results wait until a plugin on a verifier checks them",
    )

    def own(self) -> frozenset[UUID]:
        """Return the ids of ``own_nodes``. Raises ValueError."""
        names = (name.strip() for name in self.own_nodes.split(","))
        return frozenset(UUID(name) for name in names if name)

    def job_types(self) -> frozenset[str]:
        """Return the job types that ``plugins`` names. Raises ValueError."""
        names = frozenset(name.strip() for name in self.plugins.split(",")) - {""}
        for name in sorted(names):
            if name in _NO_PLUGINS:
                raise ValueError(f"must name job types of plugins, which {name} is not")
            if not _JOB_TYPE.fullmatch(name):
                raise ValueError(f"must name job types, which {name[:100]!r} is not")
        return names


@attrs.frozen
class Payloads:
    external_buckets: str = setting(
        "", 'comma-separated buckets of payloads that are not uploads; "*": any', development="*"
    )

    def allows(self, bucket: str) -> bool:
        """Return True if payloads may be in this external bucket."""
        names = {name.strip() for name in self.external_buckets.split(",")}
        return "*" in names or bucket in names


@attrs.frozen
class Preflight:
    """Limit of preflights per user and hour."""

    per_hour: int = setting(60, "free preflights of one user in an hour", (0, 1_000_000))


@attrs.frozen
class Pricing:
    """Pricing of frames.

    The price in the price table pays for a reference frame: ``frame_seconds`` of a verifier's work
    or, for scenes that cannot be measured, ``frame_width`` x ``frame_height`` pixels with
    ``frame_samples`` samples. With ``frame_seconds`` 0 every frame costs that price. Frames that a
    connected verifier could measure are refused until it has; with ``look_first``, also frames
    that none can measure now. ``currency``: the currency in which prices are also shown.
    """

    frame_seconds: int = setting(
        60,
        "seconds of a verifier's work that the table's price of a frame buys; 0: all frames cost"
        " the same",
        (0, 86_400),
    )
    frame_width: int = setting(
        1920, "width of the reference frame, which the table's price of a frame buys", (4, 16_384)
    )
    frame_height: int = setting(1080, "height of the reference frame", (4, 16_384))
    frame_samples: int = setting(128, "samples per pixel of the reference frame", (1, 65_536))
    frame_base_percent: int = setting(
        5,
        "percent of the price of a frame that does not depend on its pixels and samples, if it was"
        " not measured",
        (0, 100),
    )
    look_first: bool = setting(
        False, "refuse frames whose scene was not measured, even while no verifier is connected"
    )
    currency: str = setting(
        "usd", "currency in which prices are also shown, by the cheapest package in it"
    )


@attrs.frozen
class Retention:
    """Days until unused inputs and ended jobs' results are deleted, and a user's quota."""

    inputs_days: int = setting(
        30,
        "days after its last use until an input is deleted, unless an open job, a dispute or a"
        " pending share needs it",
        (2, 36_500),
    )
    results_days: int = setting(
        90,
        "days after the end of a job, or of a refused or late attempt, until its results are"
        " deleted, unless a dispute or a pending share needs them; receipts are kept",
        (2, 36_500),
    )
    quota_gib: int = setting(100, "GiB of inputs that one user may store", (1, 1_000_000))

    @property
    def quota_bytes(self) -> int:
        return self.quota_gib << 30


@attrs.frozen
class Events:
    """Retention of job events, and the limit of a user's event streams."""

    keep_days: int = setting(
        30,
        "days until events of an ended job (except the last) and records of node connections are"
        " deleted",
        (1, 36_500),
    )
    streams: int = setting(30, "open streams of one user at one gateway", (1, 10_000))


@attrs.frozen
class Webhooks:
    """Allowed webhook endpoints, and when a failing endpoint is disabled."""

    private: bool = setting(
        False,
        "allow endpoints in private networks and plain http; never on the internet",
        development=True,
    )
    give_up_days: float = setting(
        3.0, "days in which all deliveries fail until an endpoint is disabled", (0.001, 365)
    )
    keep_days: int = setting(30, "days that deliveries are listed", (3, 36_500))


@attrs.frozen
class Mail:
    """Outgoing mail: the server and the sender. Without a server, no mail is sent."""

    url: str = setting(
        "",
        "mail server: smtp://user:password@host:587 (STARTTLS) or smtps://…; empty: no mail is"
        " sent",
        secret=True,
    )
    sender: str = setting("", "address from which mail is sent, like farm@example.org")


@attrs.frozen
class Downloads:
    """Files that the gateway hands out."""

    extensions: str = setting(
        "",
        "folder with the zips of Blender's extension; empty: extensions in the data folder, where"
        " the gateway builds them, and dist in the checkout",
    )
    build: bool = setting(
        True,
        "build Blender's extension after the start, if no zip is built from the gateway's"
        " sources: that downloads some 90 MB from the package index",
    )
    addons: str = setting("", "folder with the zips of Blender extensions that scenes may use")


@attrs.frozen
class Backup:
    folder: str = setting(
        "", "folder to which rendertrust backup writes if it is called without a file"
    )


@attrs.frozen
class Limits:
    shared: bool = setting(False, "count requests in Redis, together with other gateways")
    subjects: int = setting(
        100_000, "addresses, users and nodes that are counted at once", (100, 10_000_000)
    )
    open_jobs: int = setting(
        1_000, "open jobs of one user", (1, 100_000_000), development=10_000_000
    )
    open_free_jobs: int = setting(
        50, "open jobs of one user that cost nothing", (1, 100_000_000), development=10_000_000
    )
    open_kinds: int = setting(
        50,
        "kinds of nodes that one user's open jobs need: job type, pool and requirements",
        (1, 100_000_000),
        development=10_000_000,
    )
    # Requests per 60 s; the limits below are per address:
    login: int = setting(
        5, "login attempts, successful ones too, and forgotten passwords", (1, 1_000_000)
    )
    refresh: int = setting(3, "refreshing a login", (1, 1_000_000))
    register: int = setting(10, "new accounts", (1, 1_000_000))
    node: int = setting(60, "registering and verifying nodes", (1, 1_000_000))
    probe: int = setting(
        6000, "health, version, metrics, documents", (1, 100_000_000), development=1_000_000
    )
    webhook: int = setting(6000, "Stripe events", (1, 100_000_000), development=1_000_000)
    socket: int = setting(3000, "connecting to the relay", (1, 100_000_000), development=1_000_000)
    object: int = setting(
        12_000,
        "uploads and downloads through the gateway",
        (1, 100_000_000),
        development=10_000_000,
    )
    # The limits below are per user or node, and for anonymous callers per address:
    read: int = setting(
        3000, "requests that change nothing", (1, 100_000_000), development=10_000_000
    )
    write: int = setting(
        1200, "requests that change something", (1, 100_000_000), development=10_000_000
    )
    dispatch: int = setting(1200, "submitting jobs", (1, 100_000_000), development=10_000_000)


@attrs.frozen
class Logs:
    level: str = setting("info", "debug, info, warning or error; reloaded at SIGHUP")
    access: bool = setting(True, "one line per request")


@attrs.frozen
class Settings:
    environment: str = setting("development", "development or production")
    data: str = setting(
        "", "data folder; empty: /var/lib/rendertrust as root, else in the XDG data home"
    )
    payments: Literal["stripe", "none"] = setting(
        "stripe", "stripe, or none: nothing is for sale, and nothing is paid out as money"
    )
    farm: Farm = attrs.field(factory=Farm)
    server: Server = attrs.field(factory=Server)
    cors: Cors = attrs.field(factory=Cors)
    database: Database = attrs.field(factory=Database)
    redis: Redis = attrs.field(factory=Redis)
    objects: Objects = attrs.field(factory=Objects)
    jwt: Jwt = attrs.field(factory=Jwt)
    accounts: Accounts = attrs.field(factory=Accounts)
    sharing: Sharing = attrs.field(factory=Sharing)
    oidc: Oidc = attrs.field(factory=Oidc)
    credits: Credits = attrs.field(factory=Credits)
    proof: Proof = attrs.field(factory=Proof)
    earnings: Earnings = attrs.field(factory=Earnings)
    audit: Audit = attrs.field(factory=Audit)
    stripe: Stripe = attrs.field(factory=Stripe)
    invoices: Invoices = attrs.field(factory=Invoices)
    chain: Chain = attrs.field(factory=Chain)
    nodes: Nodes = attrs.field(factory=Nodes)
    leases: Leases = attrs.field(factory=Leases)
    scheduling: Scheduling = attrs.field(factory=Scheduling)
    results: Results = attrs.field(factory=Results)
    verification: Verification = attrs.field(factory=Verification)
    payloads: Payloads = attrs.field(factory=Payloads)
    preflight: Preflight = attrs.field(factory=Preflight)
    pricing: Pricing = attrs.field(factory=Pricing)
    retention: Retention = attrs.field(factory=Retention)
    events: Events = attrs.field(factory=Events)
    webhooks: Webhooks = attrs.field(factory=Webhooks)
    mail: Mail = attrs.field(factory=Mail)
    downloads: Downloads = attrs.field(factory=Downloads)
    backup: Backup = attrs.field(factory=Backup)
    limits: Limits = attrs.field(factory=Limits)
    logs: Logs = attrs.field(factory=Logs)

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def farm_name(self) -> str:
        """Return the farm's name for people."""
        return self.farm.name or UNNAMED

    @property
    def takes_payments(self) -> bool:
        """Return True if users can buy credits, and get their earnings as money."""
        return self.payments != "none"

    @property
    def is_for_money(self) -> bool:
        """Return True if this gateway sells credits for real money, so earnings are worth money.

        A gateway in production is as strict without payments.
        """
        return self.production or self.stripe.secret_key.startswith(LIVE_KEYS)

    @property
    def asks_for_evidence(self) -> bool:
        """Return True if results without evidence are invalid, as they always are if credits cost
        money; otherwise such results are unverified.
        """
        return self.results.require_evidence or self.is_for_money


SETTINGS: Final = tuple(settings_in(Settings))
DEFAULTS: Final = Settings()
