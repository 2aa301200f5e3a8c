"""The settings of a gateway: defaults < environment's file < the file given < RENDERTRUST_*."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import typed_settings as ts
from typed_settings.exceptions import TsError

Network: TypeAlias = IPv4Network | IPv6Network

PREFIX = "RENDERTRUST_"
ENVIRONMENTS = ("development", "production")


class SettingsError(Exception):
    """The settings are not usable; the text is one line that says which and why."""


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
class Proof:
    """The log: its name, its key, and how often it is signed."""

    origin: str
    key: str = attrs.field(repr=False)
    previous_key: str = attrs.field(repr=False)
    checkpoint_entries: int
    checkpoint_seconds: float


@attrs.frozen
class Earnings:
    """What operators get of a charge, in percent; how long it may be disputed before."""

    share_percent: int
    dispute_hours: float
    sweep_seconds: float


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
class Results:
    require_object: bool


@attrs.frozen
class Payloads:
    external_buckets: str

    def allows(self, bucket: str) -> bool:
        """May a payload lie in this bucket, which is not ours?"""
        names = {name.strip() for name in self.external_buckets.split(",")}
        return "*" in names or bucket in names


@attrs.frozen
class Limits:
    """Requests per 60 s, from ``login`` on: up to ``object`` per address, then per user or node."""

    shared: bool
    subjects: int
    open_jobs: int
    login: int
    refresh: int
    register: int
    node: int
    probe: int
    socket: int
    object: int
    read: int
    write: int
    dispatch: int


@attrs.frozen
class Logs:
    level: str
    access: bool


@attrs.frozen
class Settings:
    environment: str
    data: str
    server: Server
    database: Database
    redis: Redis
    objects: Objects
    jwt: Jwt
    credits: Credits
    proof: Proof
    earnings: Earnings
    nodes: Nodes
    leases: Leases
    results: Results
    payloads: Payloads
    limits: Limits
    logs: Logs

    @property
    def production(self) -> bool:
        return self.environment == "production"


def load(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings from all sources; ``overrides`` (nested, from the command line) win.

    Raises SettingsError for an unknown key, a wrong type, an unreadable file, or a production
    whose secrets or trust settings would not hold.
    """
    environment = _environment(file, overrides or {})
    try:
        settings = ts.load_settings(Settings, _loaders(environment, file, overrides or {}))
    except TsError as error:
        raise SettingsError(_line(error)) from error
    _refuse_unknown_variables()
    _refuse_out_of_bounds(settings)
    if settings.production:
        _refuse_weak(settings)
    return settings


def _environment(file: Path | None, overrides: Mapping[str, Any]) -> str:
    """Which of the two environments: it decides which file of defaults applies."""
    named = overrides.get("environment") or os.environ.get(PREFIX + "ENVIRONMENT")
    if not named and file is not None:
        named = _read(file).get("environment")
    if not named:
        named = "development"
    if named not in ENVIRONMENTS:
        raise SettingsError(f"environment is {named!r}; it must be development or production")
    return str(named)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error


def _loaders(environment: str, file: Path | None, overrides: Mapping[str, Any]) -> list[Any]:
    folder = Path(str(resources.files("config")))
    files = [folder / "defaults.toml", folder / f"{environment}.toml", *([file] if file else [])]
    return [
        ts.FileLoader({"*.toml": ts.TomlFormat(section=None)}, [f"!{path}" for path in files]),
        ts.EnvLoader(PREFIX),
        ts.loaders.DictLoader({**overrides, "environment": environment}),
    ]


def _options() -> Iterator[tuple[str, type[Any]]]:
    """The sections of the settings, by name."""
    for section in attrs.fields(Settings):
        if section.type is not None and attrs.has(section.type):
            yield section.name, section.type


def _refuse_unknown_variables() -> None:
    """A misspelt RENDERTRUST_DATABASE_… must not be silently without effect."""
    prefixes = tuple(f"{PREFIX}{name}_".upper() for name, _ in _options())
    known = {
        f"{PREFIX}{name}_{option.name}".upper()
        for name, section in _options()
        for option in attrs.fields(section)
    }
    for name in sorted(os.environ):
        if name.startswith(prefixes) and name not in known:
            raise SettingsError(f"{name} is no setting")


# Smallest and largest value of each number.
_BOUNDS = {
    "server.port": (0, 65_535),
    "server.header_seconds": (0.1, 600),
    "server.body_seconds": (0.1, 3_600),
    "server.write_seconds": (0.1, 3_600),
    "server.keepalive_seconds": (1, 3_600),
    "server.wait_seconds": (0.1, 600),
    "server.connections": (10, 1_000_000),
    "server.connections_per_address": (1, 1_000_000),
    "server.sockets_per_address": (1, 1_000_000),
    "database.connections": (4, 1_000),
    "jwt.access_minutes": (1, 1_440),
    "jwt.refresh_days": (1, 365),
    "jwt.node_hours": (0.001, 8_760),
    "proof.checkpoint_entries": (1, 1_000_000),
    "proof.checkpoint_seconds": (0.1, 86_400),
    "earnings.share_percent": (0, 100),
    "earnings.dispute_hours": (0, 8_760),
    "earnings.sweep_seconds": (0.1, 3_600),
    "leases.seconds": (1, 3_600),
    "leases.renew_seconds": (0.1, 1_200),
    "leases.unsent_seconds": (1, 3_600),
    "leases.grace_seconds": (0.1, 600),
    "leases.sweep_seconds": (0.1, 600),
    "limits.subjects": (100, 10_000_000),
    "limits.open_jobs": (1, 100_000_000),
    "limits.login": (1, 1_000_000),
    "limits.refresh": (1, 1_000_000),
    "limits.register": (1, 1_000_000),
    "limits.node": (1, 1_000_000),
    "limits.probe": (1, 100_000_000),
    "limits.socket": (1, 100_000_000),
    "limits.object": (1, 100_000_000),
    "limits.read": (1, 100_000_000),
    "limits.write": (1, 100_000_000),
    "limits.dispatch": (1, 100_000_000),
}


def _refuse_out_of_bounds(settings: Settings) -> None:
    for name, (low, high) in _BOUNDS.items():
        section, option = name.split(".")
        value = getattr(getattr(settings, section), option)
        if not low <= value <= high:
            raise SettingsError(f"{name} is {value}; it must be {low} to {high}")
    try:
        settings.server.proxies()
    except ValueError as error:
        raise SettingsError(f"server.trusted_proxies: {error}") from error
    if settings.leases.renew_seconds * 2 > settings.leases.seconds:
        raise SettingsError("leases.renew_seconds must be at most half of leases.seconds")
    if re.search(r"[\s+]", settings.proof.origin) or len(settings.proof.origin) > 255:
        raise SettingsError("proof.origin has blanks or a plus sign, or more than 255 characters")


def _refuse_weak(settings: Settings) -> None:
    """What production does not start with."""
    faults = [
        (_weak(settings.jwt.secret), "jwt.secret must have at least 32 bytes, not of a pattern"),
        (
            bool(settings.jwt.previous) and _weak(settings.jwt.previous),
            "jwt.previous must have at least 32 bytes, not of a pattern",
        ),
        (
            bool(settings.objects.url)
            and not (settings.objects.access_key and settings.objects.secret_key),
            "objects.access_key and objects.secret_key must be set beside objects.url",
        ),
        (not settings.nodes.require_proof, "nodes.require_proof must be on"),
        (not settings.results.require_object, "results.require_object must be on"),
        (bool(settings.payloads.external_buckets), "payloads.external_buckets must be empty"),
    ]
    wrong = [text for broken, text in faults if broken]
    if wrong:
        raise SettingsError("production refuses to start: " + "; ".join(wrong))


def _weak(secret: str) -> bool:
    """Too short, or typed by hand: ``change-me-change-me-…`` has few different letters."""
    return len(secret.encode()) < 32 or len(set(secret)) < 12


def _line(error: BaseException) -> str:
    """A settings error and all that caused it, on one line."""
    if isinstance(error, BaseExceptionGroup):
        notes = getattr(error, "__notes__", [])
        return "; ".join(_line(inner) for inner in error.exceptions) + "".join(notes)
    text = " ".join(str(error).split())
    notes = " ".join(str(note) for note in getattr(error, "__notes__", []))
    cause = error.__cause__
    parts = [text, notes, _line(cause) if cause is not None else ""]
    return ": ".join(part for part in parts if part)
