"""Load the settings from their defaults, a file, RENDERTRUST_* variables and the command line."""

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import typed_settings as ts
from typed_settings.converters import Converter
from typed_settings.exceptions import TsError

from config.declaration import PREFIX
from config.mail_server import mail_server
from config.oidc_providers import OidcProviders, is_web_address, providers_or_fault
from config.settings import LIVE_KEYS, SETTINGS, Chain, Invoices, Mail, Settings, Verification

NO_VERIFIER = (
    "verification needs a verifier: set verification.embedded or verification.own_nodes, or"
    " switch verification off by verification.enabled = false"
)
ENVIRONMENTS = ("development", "production")
FARM_CHARACTERS_MAX = 60
INVOICE_CHARACTERS = {"seller": 1000, "prefix": 20, "tax_name": 50, "note": 500}
SECRETS = "secrets.toml"  # name of the file of secrets beside a settings file
FREE_MONEY = (
    "credits.starter must be 0: users could turn free credits into money at their own nodes"
)


_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


class SettingsError(Exception):
    """The settings are invalid; the text names the invalid setting and the reason, in one line."""


def load(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Load the settings from all sources. Secrets may be in a file beside ``file``.

    ``overrides`` (nested, from the command line) take precedence. Raises SettingsError for an
    unknown key, a wrong type, a value out of bounds, an unreadable file, or insecure production
    settings.
    """
    environment = _environment(file, overrides or {})
    try:
        loaders = _loaders(environment, file, overrides or {})
        settings = ts.load_settings(Settings, loaders, converter=_converter(Path.cwd()))
    except TsError as error:
        raise SettingsError(_line(error)) from error
    _refuse_unknown_variables()
    _refuse_out_of_bounds(settings)
    if settings.production:
        _refuse_weak(settings)
    elif settings.stripe.secret_key.startswith(LIVE_KEYS) and _grants_credits(settings):
        raise SettingsError(f"stripe.secret_key is live, so {FREE_MONEY}")
    return settings


@cache
def _converter(_: Path) -> Converter:
    """Return a converter of values, which resolves relative paths against the working folder.

    The converter is cached because generating its functions takes most of the loading time.
    """
    converter: Any = ts.default_converter()  # a Converter of cattrs
    converter.register_structure_hook(OidcProviders, _structured_providers)
    return cast("Converter", converter)


def _structured_providers(value: Any, _: Any) -> OidcProviders:
    return providers_or_fault(value)


def _environment(file: Path | None, overrides: Mapping[str, Any]) -> str:
    """Return the environment, development or production, which decides some defaults."""
    named = overrides.get("environment") or os.environ.get(PREFIX + "ENVIRONMENT")
    if not named and file is not None:
        named = read_file(file).get("environment")
    if not named:
        named = "development"
    if named not in ENVIRONMENTS:
        raise SettingsError(f"environment is {named!r}; it must be development or production")
    return str(named)


def read_file(file: Path) -> dict[str, Any]:
    """Read a file of settings. Raises SettingsError."""
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error


def secrets_beside(file: Path | None) -> Path | None:
    """Return the file of secrets beside a settings file, if there is one."""
    beside = None if file is None else file.with_name(SECRETS)
    return beside if beside is not None and is_file(beside) else None


def is_file(path: Path) -> bool:
    """Return True if there is a file, as far as this process may see it."""
    try:
        return path.is_file()
    except OSError:
        return False


def _loaders(environment: str, file: Path | None, overrides: Mapping[str, Any]) -> list[Any]:
    files = [f"!{file}"] if file else []
    if (secrets := secrets_beside(file)) is not None:
        _refuse_open_secrets(secrets)
        files.append(f"!{secrets}")
    return [
        ts.loaders.DictLoader(_defaults_of(environment)),
        ts.FileLoader({"*.toml": ts.TomlFormat(section=None)}, files),
        ts.EnvLoader(PREFIX),
        ts.loaders.DictLoader({**overrides, "environment": environment}),
    ]


def _defaults_of(environment: str) -> dict[str, Any]:
    """Return the defaults of this environment that differ from the general defaults, by section."""
    found = dict[str, Any]()
    for one in SETTINGS:
        if environment in one.declared.by_environment:
            section, _, option = one.name.partition(".")
            found.setdefault(section, {})[option] = one.declared.by_environment[environment]
    return found


def _refuse_open_secrets(file: Path) -> None:
    """Raise SettingsError if everybody can read a file of secrets, or if it has other settings."""
    known = {one.name for one in SETTINGS if one.is_secret} | {"oidc.providers"}
    for section, values in read_file(file).items():
        names = [f"{section}.{name}" for name in values] if isinstance(values, dict) else [section]
        for name in names:
            if name not in known:
                raise SettingsError(f"{file}: {name} is not a secret; set it in the other file")
    if file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise SettingsError(f"{file} can be read or written by all users: chmod 600 {file}")


def _refuse_unknown_variables() -> None:
    """Refuse misspelt variables like RENDERTRUST_DATABASE_…, which would have no effect."""
    sections = {one.name.partition(".")[0] for one in SETTINGS if "." in one.name}
    prefixes = tuple(f"{PREFIX}{section}_".upper() for section in sections)
    known = {one.variable for one in SETTINGS}
    for name in sorted(os.environ):
        if name.startswith(prefixes) and name not in known:
            raise SettingsError(f"{name} is not a setting")


def _refuse_out_of_bounds(settings: Settings) -> None:
    for one in SETTINGS:
        value, bounds = one.of(settings), one.declared.bounds
        if bounds is not None and not bounds[0] <= value <= bounds[1]:
            raise SettingsError(f"{one.name} is {value}; it must be {bounds[0]} to {bounds[1]}")
    try:
        settings.server.proxies()
    except ValueError as error:
        raise SettingsError(f"server.trusted_proxies: {error}") from error
    try:
        settings.audit.time()
    except ValueError as error:
        raise SettingsError("audit.night must be a time of day in UTC, like 03:00") from error
    if settings.leases.renew_seconds * 2 > settings.leases.seconds:
        raise SettingsError("leases.renew_seconds must be at most half of leases.seconds")
    if settings.verification.memory_gib == 1:
        raise SettingsError("verification.memory_gib is 1; Blender needs at least 2")
    _refuse_long_invoices(settings.invoices)
    _refuse_malformed_texts(settings)
    if settings.oidc.providers.fault:
        raise SettingsError(f"oidc.providers {settings.oidc.providers.fault}")
    _refuse_unfinished(settings.chain)
    _refuse_unsendable(settings.mail)
    stripe = settings.stripe
    if stripe.secret_key and not settings.takes_payments:
        raise SettingsError("payments is none, so stripe.secret_key must be empty")
    if bool(stripe.secret_key) != bool(stripe.webhook_secret):
        raise SettingsError("stripe.secret_key and stripe.webhook_secret must be set together")
    if stripe.url and not stripe.secret_key:
        raise SettingsError("stripe.url needs stripe.secret_key")
    if re.search(r"[\s+]", settings.proof.origin) or len(settings.proof.origin) > 255:
        raise SettingsError(
            "proof.origin must not have blanks, plus signs or more than 255 characters"
        )


def _refuse_long_invoices(invoices: Invoices) -> None:
    for option, most in INVOICE_CHARACTERS.items():
        if len(getattr(invoices, option)) > most:
            raise SettingsError(f"invoices.{option} must have at most {most} characters")


def _refuse_malformed_texts(settings: Settings) -> None:
    """Raise SettingsError for a malformed name of the farm, code of a currency, origin, or job
    type.
    """
    name = settings.farm.name
    if not name.isprintable() or len(name) > FARM_CHARACTERS_MAX or name != name.strip():
        raise SettingsError(
            f"farm.name must be one line of at most {FARM_CHARACTERS_MAX} characters"
        )
    if not re.fullmatch("[a-z]{3}", settings.pricing.currency):
        raise SettingsError("pricing.currency must be three lower-case letters, like usd")
    try:
        settings.cors.allowed()
    except ValueError as error:
        raise SettingsError(f"cors.origins {error}") from error
    try:
        settings.verification.job_types()
    except ValueError as error:
        raise SettingsError(f"verification.plugins {error}") from error


def _refuse_unfinished(chain: Chain) -> None:
    """Raise SettingsError unless an external chain has an http(s) URL, its id and one key."""
    if not chain.url or chain.embedded:
        return
    if not is_http_url(chain.url):
        raise SettingsError('chain.url must be an http(s) URL, "embedded", or empty')
    if chain.chain_id <= 0:
        raise SettingsError("chain.url needs chain.chain_id")
    if bool(chain.key) == bool(chain.key_file):
        raise SettingsError("chain.url needs exactly one of chain.key and chain.key_file")


def is_http_url(text: str) -> bool:
    """Return True for an http or https URL with a host, and without blanks and fragment."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and " " not in text and "#" not in text
    return plain and parts.scheme in {"http", "https"} and bool(host) and port != 0


def _refuse_unsendable(mail: Mail) -> None:
    """Raise SettingsError unless the mail server and the sender are valid, or both are empty."""
    if bool(mail.url) != bool(mail.sender):
        raise SettingsError("mail.url and mail.sender must be set together")
    if not mail.url:
        return
    try:
        mail_server(mail.url)
    except ValueError as error:
        raise SettingsError(f"mail.url {error}") from error
    if not _ADDRESS.fullmatch(mail.sender):
        raise SettingsError("mail.sender must be an address like farm@example.org")


def _refuse_weak(settings: Settings) -> None:
    """Refuse settings that are insecure in production."""
    faults = [
        (_weak(settings.jwt.secret), "jwt.secret must have at least 32 random bytes"),
        (
            bool(settings.jwt.previous) and _weak(settings.jwt.previous),
            "jwt.previous must have at least 32 random bytes",
        ),
        (
            bool(settings.objects.url)
            and not (settings.objects.access_key and settings.objects.secret_key),
            "objects.url needs objects.access_key and objects.secret_key",
        ),
        (
            settings.takes_payments and not _is_stripes(settings.stripe.secret_key, "sk_", "rk_"),
            'stripe.secret_key must be set: Stripe\'s sk_… or rk_…; or payments = "none"',
        ),
        (
            settings.takes_payments and not _is_stripes(settings.stripe.webhook_secret, "whsec_"),
            "stripe.webhook_secret must be set: the endpoint's whsec_…",
        ),
        (not settings.nodes.require_proof, "nodes.require_proof must be on"),
        (not settings.results.require_object, "results.require_object must be on"),
        (not settings.results.require_evidence, "results.require_evidence must be on"),
        (bool(settings.payloads.external_buckets), "payloads.external_buckets must be empty"),
        (settings.webhooks.private, "webhooks.private must be off"),
        (_lacks_verifier(settings.verification), NO_VERIFIER),
        (
            bool(settings.mail.url) and not settings.server.public_url,
            "mail.url needs server.public_url, as mails contain links",
        ),
        (settings.takes_payments and _grants_credits(settings), FREE_MONEY),
        (
            bool(settings.oidc.providers) and not settings.server.public_url,
            "oidc.providers needs server.public_url, as providers send users back to it",
        ),
        (
            not all(
                is_web_address(each.issuer, loopback=False) for each in settings.oidc.providers
            ),
            "oidc.providers must have https:// issuers",
        ),
    ]
    wrong = [text for broken, text in faults if broken]
    if wrong:
        raise SettingsError("production refuses to start: " + "; ".join(wrong))


def _grants_credits(settings: Settings) -> bool:
    """Return True if new users get credits."""
    return settings.credits.starter.strip("0.") != ""


def refuse_exposed(settings: Settings) -> None:
    """Raise SettingsError if a gateway in development would serve other machines
    unintentionally.
    """
    server = settings.server
    if settings.production or server.loopback or server.insecure_development:
        return
    raise SettingsError(
        f"development does not serve other machines, but server.host is {server.host!r}: anyone"
        " who reaches it gets free credits, and nodes need no proof of their key. Use"
        ' environment = "production", or accept this with --insecure-development'
    )


def _lacks_verifier(given: Verification) -> bool:
    return given.enabled and not (given.embedded or given.own_nodes.strip())


def _weak(secret: str) -> bool:
    """Return True if the secret is too short or typed by hand, like ``change-me-change-me-…``."""
    return len(secret.encode()) < 32 or len(set(secret)) < 12


def _is_stripes(secret: str, *prefixes: str) -> bool:
    """Return True if the text looks like a secret from Stripe."""
    return secret.startswith(prefixes) and len(secret) >= 24 and len(set(secret)) >= 12


def _line(error: BaseException) -> str:
    """Return a settings error with its causes on one line."""
    if isinstance(error, BaseExceptionGroup):
        notes = getattr(error, "__notes__", [])
        return "; ".join(_line(inner) for inner in error.exceptions) + "".join(notes)
    text = " ".join(str(error).split())
    notes = " ".join(str(note) for note in getattr(error, "__notes__", []))
    cause = error.__cause__
    parts = [text, notes, _line(cause) if cause is not None else ""]
    return ": ".join(part for part in parts if part)
