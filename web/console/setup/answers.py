"""The assistant's questions and their answers: forms, rules of their values, and kinds of farms."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

import attrs
from msgspec import Meta

from config.loader import FARM_CHARACTERS_MAX, is_http_url
from config.mail_server import mail_server
from web.http.converter import Email
from web.http.problem import Fault
from web.http.public_host import is_host
from web.routes.auth import Name, Password

Kind: TypeAlias = Literal["studio", "community", "paid"]
MailChoice: TypeAlias = Literal["none", "server"]
ChainChoice: TypeAlias = Literal["none", "embedded", "rpc"]
Payments: TypeAlias = Literal["none", "stripe"]
Text: TypeAlias = Annotated[str, Meta(max_length=300)]
_KEY: Final = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_DIGITS: Final = re.compile(r"[1-9][0-9]{0,17}")
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
)
ADDRESS_FORM: Final = "must be like https://farm.example.org, without a path"
ONE_LINE: Final = "must be one line without control characters"
KEY_LEAST, KEY_VARIETY = 24, 12  # as the loader wants Stripe's keys


@attrs.frozen
class FarmKind:
    """A kind of farm, and the settings that it decides."""

    title: str
    said: str
    registration: str
    payments: Payments
    starter: str  # credits of new users, where nothing is for sale


KINDS: Final[Mapping[Kind, FarmKind]] = {
    "studio": FarmKind(
        "Private studio",
        "For your own people: new accounts need an invitation. Visitors see the name and a link to"
        " sign in. Nothing is for sale; each new user gets 1,000 credits, and admins give more.",
        "invite",
        "none",
        "1000",
    ),
    "community": FarmKind(
        "Community",
        "Everybody may open an account and add machines. Visitors see how many machines are"
        " online and the price of a frame. Nothing is for sale; each new user gets 100"
        " credits, and earns more with machines.",
        "open",
        "none",
        "100",
    ),
    "paid": FarmKind(
        "Paid farm",
        "Everybody may open an account, and buys credits with money at Stripe. New users get no"
        " credits. Owners of machines take their earnings as credits or as money.",
        "open",
        "stripe",
        "0",
    ),
}


def chosen(choices: Any) -> Meta:
    """Return the limits of a text that must be one of the choices of a ``Literal``."""
    known = get_args(choices)
    return Meta(pattern=f"^({'|'.join(known)})$", description=f"one of {', '.join(known)}")


@attrs.frozen
class FarmForm:
    """First page: what the farm is, its name, and its public address."""

    name: Annotated[str, Meta(min_length=1, max_length=FARM_CHARACTERS_MAX)]
    address: Annotated[str, Meta(min_length=1, max_length=255)]
    kind: Annotated[str, chosen(Kind)] = "studio"

    @property
    def farm_kind(self) -> FarmKind:
        return next(known for name, known in KINDS.items() if name == self.kind)


@attrs.frozen
class AdminForm:
    """Second page: the first admin."""

    name: Name
    email: Email
    password: Password = attrs.field(repr=False)


@attrs.frozen
class FirstAdmin:
    """The first admin, with the hash of the password."""

    name: str
    email: str
    password_hash: str = attrs.field(repr=False)


@attrs.frozen
class ServicesForm:
    """Third page: mail, backups, chain and payments. Secrets that are left empty stay as they
    are.
    """

    mail: Annotated[str, chosen(MailChoice)] = "none"
    mail_url: Text = attrs.field(default="", repr=False)
    mail_sender: Text = ""
    backup: Text = ""
    chain: Annotated[str, chosen(ChainChoice)] = "none"
    chain_url: Text = attrs.field(default="", repr=False)
    chain_id: Text = ""
    chain_key: Text = attrs.field(default="", repr=False)
    payments: Annotated[str, chosen(Payments)] = "none"
    stripe_key: Text = attrs.field(default="", repr=False)
    stripe_secret: Text = attrs.field(default="", repr=False)


# Fields that no page shows again.
SECRETS: Final = ("mail_url", "chain_url", "chain_key", "stripe_key", "stripe_secret")


@attrs.define
class SetupAnswers:
    """The answers so far. ``jwt_secret``: the key that will sign tokens."""

    jwt_secret: str = attrs.field(repr=False)
    farm: FarmForm | None = None
    admin: FirstAdmin | None = None
    services: ServicesForm | None = None


def farm_of(form: FarmForm) -> FarmForm | list[Fault]:
    """Return the first page's answers in their canonical form, or their faults."""
    name, address = form.name.strip(), public_address(form.address)
    faults = [] if name and name.isprintable() else [Fault("name", "value", ONE_LINE)]
    if address is None:
        faults.append(Fault("address", "value", ADDRESS_FORM))
    if faults or address is None:
        return faults
    return attrs.evolve(form, name=name, address=address)


def public_address(text: str) -> str | None:
    """Return scheme and host of an address; None if it is not one, or names more than that."""
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not host or more or not is_host(parts.netloc):
        return None
    return f"{parts.scheme}://{parts.netloc.lower()}"


def services_of(form: ServicesForm, before: ServicesForm | None) -> ServicesForm | list[Fault]:
    """Return the third page's answers, or their faults.

    Empty secrets are replaced by those given ``before``; fields of services that are not wanted are
    dropped.
    """
    kept = {name: getattr(form, name).strip() or getattr(before, name, "") for name in SECRETS}
    stripped = {n: getattr(form, n).strip() for n in ("mail_sender", "backup", "chain_id")}
    whole = attrs.evolve(form, **kept, **stripped)
    faults = [
        Fault(field.name, "value", ONE_LINE)
        for field in attrs.fields(ServicesForm)
        if not getattr(whole, field.name).isprintable()
    ]
    if faults:
        return faults
    faults = [*mail_faults(whole), *backup_faults(whole), *chain_faults(whole)]
    faults += stripe_faults(whole)
    return faults or _wanted(whole)


def _wanted(form: ServicesForm) -> ServicesForm:
    """Return the form without the fields of services that are not wanted."""
    unwanted = dict[str, str]()
    if form.mail == "none":
        unwanted |= {"mail_url": "", "mail_sender": ""}
    if form.chain != "rpc":
        unwanted |= {"chain_url": "", "chain_id": "", "chain_key": ""}
    if form.payments == "none":
        unwanted |= {"stripe_key": "", "stripe_secret": ""}
    return attrs.evolve(form, **unwanted)


def mail_faults(form: ServicesForm) -> list[Fault]:
    """Return the faults of the mail server and the sender."""
    if form.mail == "none":
        return []
    faults = list[Fault]()
    try:
        mail_server(form.mail_url)
    except ValueError as error:
        faults.append(Fault("mail_url", "value", str(error)))
    if not _ADDRESS.fullmatch(form.mail_sender):
        faults.append(Fault("mail_sender", "value", "must be an address like farm@example.org"))
    return faults


def backup_faults(form: ServicesForm) -> list[Fault]:
    """Return the fault of the folder for backups. A missing folder is made at the end."""
    if not form.backup:
        return []
    folder = Path(form.backup)
    if not folder.is_absolute():
        return [Fault("backup", "value", "must be an absolute path like /backup/farm")]
    if not may_write_in(folder):
        said = "is not a folder in which the gateway may write"
        return [Fault("backup", "value", said)]
    return []


def may_write_in(folder: Path) -> bool:
    """Return True if the folder exists, or can be made, and the gateway may write into it."""
    there = folder
    try:
        folder.stat()
    except FileNotFoundError:
        there = folder.parent
    except OSError:  # for example, a name that is too long
        return False
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def chain_faults(form: ServicesForm) -> list[Fault]:
    """Return the faults of the chain's address, id and key."""
    if form.chain != "rpc":
        return []
    faults = list[Fault]()
    if not is_http_url(form.chain_url):
        said = "must be like https://rpc.example.org"
        faults.append(Fault("chain_url", "value", said))
    if not _DIGITS.fullmatch(form.chain_id):
        faults.append(Fault("chain_id", "value", "must be a number like 1"))
    if not _KEY.fullmatch(form.chain_key):
        faults.append(Fault("chain_key", "value", "must be 64 hexadecimal digits"))
    return faults


def stripe_faults(form: ServicesForm) -> list[Fault]:
    """Return the faults of Stripe's keys."""
    if form.payments == "none":
        return []
    wanted = (
        ("stripe_key", ("sk_", "rk_"), "must be a key of Stripe: sk_… or rk_…"),
        ("stripe_secret", ("whsec_",), "must be the secret of Stripe's endpoint: whsec_…"),
    )
    faults = list[Fault]()
    for name, prefixes, said in wanted:
        text = getattr(form, name)
        is_long = len(text) >= KEY_LEAST and len(set(text)) >= KEY_VARIETY
        if not text.startswith(prefixes) or not is_long:
            faults.append(Fault(name, "value", said))
    return faults
