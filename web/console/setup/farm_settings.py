"""Settings of a production gateway, from the assistant's answers."""

import os
import tempfile
import threading
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from config.data_folder import FILE
from config.loader import SECRETS, SettingsError
from config.settings import Settings
from config.settings_text import ChosenValue, settings_text
from supervisors.engines.secret import sync_folder
from web.console.setup.answers import FarmForm, ServicesForm, SetupAnswers
from web.console.setup.offer import SetupPlace

HEAD: Final = (
    "Settings of this gateway that differ from production's defaults.\n"
    "All settings: docs/OPERATIONS.md. A change needs a restart."
)
SECRETS_HEAD: Final = "Secrets of this gateway. Only its user may read this file."
HTTP_PORT: Final = 80
# Settings are loaded by one thread at a time: the loader parses Python, and in CPython 3.11 two
# threads that do so at once get a SystemError.
LOADING: Final = threading.Lock()


@attrs.frozen
class FarmFiles:
    """The texts of both files, and the settings that a gateway reads from them."""

    public: str
    secrets: str = attrs.field(repr=False)
    settings: Settings


def farm_files(answers: SetupAnswers, place: SetupPlace) -> FarmFiles:
    """Return the settings files of the answers.

    Raises SettingsError if a gateway would refuse them.
    """
    values = values_of(answers, place)
    try:
        public = settings_text((each for each in values if not each.is_secret), HEAD)
        secrets = settings_text((each for each in values if each.is_secret), SECRETS_HEAD)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="rendertrust-setup-") as folder:
        file = Path(folder) / FILE
        write_new(file, public)
        write_new(file.with_name(SECRETS), secrets)
        try:
            with LOADING:
                return FarmFiles(public, secrets, place.load(file))
        except SettingsError as error:
            raise SettingsError(str(error).replace(f"{folder}/", "")) from error


def values_of(answers: SetupAnswers, place: SetupPlace) -> list[ChosenValue]:
    """Return the values of all settings that the answers decide."""
    farm, services = answers.farm, answers.services
    assert farm is not None, "the first page was answered"
    assert services is not None, "the third page was answered"
    kind, sells = farm.farm_kind, services.payments == "stripe"
    why = "new users' credits" if kind.starter != "0" else ""
    return [
        ChosenValue("environment", "production"),
        ChosenValue("payments", services.payments, "nothing is for sale"),
        ChosenValue("farm.name", farm.name),
        *_server(farm, place),
        ChosenValue("jwt.secret", answers.jwt_secret, "signs the tokens of users and nodes"),
        ChosenValue("accounts.registration", kind.registration, "who may open an account"),
        ChosenValue("credits.starter", "0" if sells else kind.starter, why),
        ChosenValue("stripe.secret_key", services.stripe_key),
        ChosenValue("stripe.webhook_secret", services.stripe_secret),
        *_chain(services),
        *_verification(place),
        ChosenValue("mail.url", services.mail_url),
        ChosenValue("mail.sender", services.mail_sender),
        ChosenValue("backup.folder", services.backup, "rendertrust backup writes here"),
    ]


def _server(farm: FarmForm, place: SetupPlace) -> list[ChosenValue]:
    """Return where the gateway listens: behind a proxy with TLS on this machine, or directly."""
    parts = urlsplit(farm.address)
    public = ChosenValue("server.public_url", farm.address, "the address for browsers and nodes")
    if parts.scheme == "https":
        return [
            ChosenValue("server.host", "127.0.0.1", "the proxy with TLS is on this machine"),
            ChosenValue("server.port", place.port),
            public,
            ChosenValue("server.trusted_proxies", "127.0.0.1", "it names the clients' addresses"),
        ]
    port = ChosenValue("server.port", parts.port or HTTP_PORT)
    if is_this_machine(parts.hostname or ""):
        return [ChosenValue("server.host", "127.0.0.1"), port, public]
    return [port, public]


def is_this_machine(host: str) -> bool:
    """Return True if a host name means this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _chain(services: ServicesForm) -> list[ChosenValue]:
    if services.chain == "embedded":
        return [ChosenValue("chain.url", "embedded", "a test chain on this machine", open=True)]
    if services.chain == "none":
        return []
    return [
        ChosenValue("chain.url", services.chain_url),
        ChosenValue("chain.chain_id", int(services.chain_id)),
        ChosenValue("chain.key", services.chain_key, "pays for the anchors"),
    ]


def _verification(place: SetupPlace) -> list[ChosenValue]:
    if not place.unverifiable:
        return []
    said = "this machine could not verify results at the set-up; see docs/OPERATIONS.md, Checks"
    return [ChosenValue("verification.enabled", False, said)]


def write_new(path: Path, text: str) -> None:
    """Write a new file with mode 0600, whole or not at all. Raises OSError, FileExistsError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.link(fresh, path)  # unlike a rename, a link replaces no file
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)
