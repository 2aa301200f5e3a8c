"""The mail server that ``mail.url`` names: its address, its encryption and its credentials."""

import re
from enum import Enum
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import attrs

PORTS: Final = {"smtp": 587, "smtps": 465}
FORMS: Final = "must be smtp://user:password@host:587 or smtps://user:password@host:465"
NOT_VISIBLE: Final = re.compile(r"[^\x21-\x7e]")


class Encryption(Enum):
    """Encryption of the connection. The server's certificate is verified, unless it is ``OFF``."""

    STARTTLS = "starttls"  # plain at first; without TLS nothing is sent
    IMPLICIT = "implicit"  # TLS from the first byte
    OFF = "off"


@attrs.frozen
class MailServer:
    host: str
    port: int
    encryption: Encryption
    user: str = attrs.field(default="", repr=False)
    password: str = attrs.field(default="", repr=False)


def mail_server(url: str) -> MailServer:
    """Return the mail server of a URL. Raises ValueError, whose text does not repeat the URL.

    ``smtps://`` uses TLS from the start, ``smtp://`` by STARTTLS. Without TLS are only servers on
    this machine, and those with ``?tls=off``, which must not get a password over the network.
    """
    parts, port = _parts_of(url)
    host = parts.hostname or ""
    tls = dict(parse_qsl(parts.query, keep_blank_values=True))
    wrong = parts.path not in ("", "/") or parts.fragment or tls.keys() - {"tls"}
    if parts.scheme not in PORTS or not host or wrong or NOT_VISIBLE.search(url):
        raise ValueError(FORMS)
    encryption = _encryption(parts.scheme, tls.get("tls"), here=is_here(host))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise ValueError("must have both a user and a password, or neither")
    if user and encryption is Encryption.OFF and not is_here(host):
        raise ValueError("must not send a password without TLS: remove tls=off")
    return MailServer(host, port or PORTS[parts.scheme], encryption, user, password)


def is_here(host: str) -> bool:
    """Return True if the host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parts_of(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        raise ValueError(FORMS) from None  # the error's text may repeat the password


def _encryption(scheme: str, wanted: str | None, *, here: bool) -> Encryption:
    if scheme == "smtps":
        if wanted is not None:
            raise ValueError("must not have tls= with smtps://")
        return Encryption.IMPLICIT
    if wanted is None:
        return Encryption.OFF if here else Encryption.STARTTLS
    try:
        return {"starttls": Encryption.STARTTLS, "off": Encryption.OFF}[wanted]
    except KeyError:
        raise ValueError("must have tls=starttls or tls=off, or no tls=") from None
