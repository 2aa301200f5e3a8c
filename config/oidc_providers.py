"""The providers of OpenID Connect that ``oidc.providers`` declares."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import attrs

from config.mail_server import is_here

ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
# Roles that groups may be mapped to, the most powerful last.
ROLES: Final = ("user", "operator", "auditor", "admin")
TEXT_MAX: Final = 500
NAME_MAX: Final = 40
PROVIDERS_MAX: Final = 10
FORM: Final = "must be tables [[oidc.providers]], or in the variable a JSON list of objects"


@attrs.frozen
class OidcProvider:
    """A provider of OpenID Connect.

    ``id`` is part of the redirect URI, ``name`` is what people read. ``roles``: the role of each
    group in the claim ``groups_claim``; without it, the provider decides no roles. ``own_factor``:
    the provider asks for a second factor itself, so the gateway does not at sign-in.
    """

    id: str
    issuer: str
    client_id: str
    client_secret: str = attrs.field(repr=False)
    name: str = ""
    scopes: str = "openid email profile"
    groups_claim: str = "groups"
    roles: Mapping[str, str] = attrs.field(factory=dict[str, str])
    own_factor: bool = False

    @property
    def label(self) -> str:
        """Return the name for people."""
        return self.name or self.id


class OidcProviders(tuple[OidcProvider, ...]):
    """All providers. As text, it has their names and issuers, and no secrets.

    ``fault``: why the setting is invalid; there are no providers then.
    """

    fault: str = ""

    def __str__(self) -> str:
        return ", ".join(f"{each.label} ({each.issuer})" for each in self)

    def by_id(self, id_: str) -> OidcProvider | None:
        return next((each for each in self if each.id == id_), None)

    def by_issuer(self, issuer: str) -> OidcProvider | None:
        return next((each for each in self if each.issuer == issuer), None)


NO_PROVIDERS: Final = OidcProviders()


def providers_of(value: Any) -> OidcProviders:
    """Return the providers of tables, or of JSON. Raises ValueError, whose text has no secret."""
    if isinstance(value, OidcProviders):
        return value
    if isinstance(value, str):
        value = _parsed(value) if value.strip() else []
    if not isinstance(value, Sequence) or not all(isinstance(each, Mapping) for each in value):
        raise ValueError(FORM)
    found = OidcProviders(_provider(table, place) for place, table in enumerate(value, 1))
    if len(found) > PROVIDERS_MAX:
        raise ValueError(f"must have at most {PROVIDERS_MAX} providers")
    for what in ("id", "issuer"):
        values = [getattr(each, what) for each in found]
        if len(set(values)) < len(values):
            raise ValueError(f"must not have the same {what} twice")
    return found


def providers_or_fault(value: Any) -> OidcProviders:
    """Return the providers, or none with a fault: the errors of the loader repeat values."""
    try:
        return providers_of(value)
    except ValueError as error:
        none = OidcProviders()
        none.fault = str(error)
        return none


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError(FORM) from None  # the error's text may repeat a secret


def _provider(table: Mapping[str, Any], place: int) -> OidcProvider:
    try:
        return _checked(table)
    except ValueError as error:
        named = table.get("id")
        raise ValueError(f"{named if isinstance(named, str) else place}: {error}") from None


def _checked(table: Mapping[str, Any]) -> OidcProvider:
    fields = {field.name: field for field in attrs.fields(OidcProvider)}
    if unknown := sorted(map(str, table.keys() - fields.keys())):
        raise ValueError(f"{unknown[0]} is not known")
    for name, field in fields.items():
        if field.default is attrs.NOTHING and not table.get(name):
            raise ValueError(f"{name} is missing")
    for name, value in table.items():
        _refuse_other_type(name, value)
    provider = OidcProvider(**table)
    _refuse_invalid(provider)
    return provider


def _refuse_other_type(name: str, value: Any) -> None:
    if name == "own_factor":
        if not isinstance(value, bool):
            raise ValueError("own_factor must be true or false")
    elif name == "roles":
        is_table = isinstance(value, Mapping)
        if not is_table or not all(isinstance(group, str) for group in value):
            raise ValueError("roles must be a table of groups with a role each")
        if any(role not in ROLES for role in value.values()):
            raise ValueError(f"roles must be {', '.join(ROLES[:-1])} or {ROLES[-1]}")
    elif not isinstance(value, str) or len(value) > TEXT_MAX or not value.isprintable():
        raise ValueError(f"{name} must be a text of at most {TEXT_MAX} characters")


def _refuse_invalid(provider: OidcProvider) -> None:
    if not ID.fullmatch(provider.id):
        raise ValueError("id must have 1 to 32 small letters, digits and dashes")
    if len(provider.name) > NAME_MAX:
        raise ValueError(f"name must have at most {NAME_MAX} characters")
    if not is_web_address(provider.issuer, loopback=True) or "?" in provider.issuer:
        raise ValueError("issuer must be an https:// URL without user, query or fragment")
    scopes = provider.scopes.split(" ")
    if "openid" not in scopes or not all(SCOPE.fullmatch(each) for each in scopes):
        raise ValueError("scopes must be words with one blank between them, among them openid")


def is_web_address(text: str, *, loopback: bool) -> bool:
    """Return True for an https URL without user and fragment; with ``loopback`` also for plain http
    to this machine.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if not text.isascii() or not text.isprintable() or " " in text or port == 0:
        return False
    if parts.username is not None or parts.password is not None or parts.fragment:
        return False
    return bool(parts.hostname) and _is_safe(parts, loopback=loopback)


def _is_safe(parts: SplitResult, *, loopback: bool) -> bool:
    if parts.scheme == "https":
        return True
    return loopback and parts.scheme == "http" and is_here(parts.hostname or "")
