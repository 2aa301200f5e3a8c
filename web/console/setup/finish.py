"""The end of the first run: the first admin is made, the settings are written, and they sign in."""

import asyncio
import tomllib
from collections.abc import Mapping, Sequence
from http.cookies import Morsel
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs
import structlog
from aiohttp import web

from config.data_folder import FILE
from config.loader import SECRETS, SettingsError
from sql.audit_log import Act
from sql.login_sessions import LoginState
from sql.users import NewUser, NotCreated
from web.console.page_responses import SIGN_IN
from web.console.registry import ROOT
from web.console.second_step import SecondStep, Step
from web.console.session_start import begun, new_session
from web.console.setup.answers import SetupAnswers
from web.console.setup.farm_settings import FarmFiles, farm_files, is_this_machine, write_new
from web.console.setup.offer import OpenOffer, SetupPlace
from web.gateway import Gateway
from web.http.listener import CannotListen, ListenAddress, bind
from web.http.problem import Fault
from web.http.responses import REQUEST_ID
from web.identity.roles import UserRole

RESTART_SECONDS: Final = 1.0  # after the last page was sent
TAKEN: Final = Fault("email", "duplicate", "already has an account that is not an admin's")
OTHERS: Final = (
    "Other accounts exist already, with credits that cost nothing, but could be paid out as money."
    " Choose another kind of farm, or start again with an empty data folder"
)
NOT_READY: Final = "These answers do not make a gateway that starts"
log = structlog.get_logger("setup")


@attrs.frozen
class SetupReview:
    """Contents of the last page before its button. ``fault``: why nothing can be done, or ''.

    ``file``: where the settings go, or the present file, if ``by_hand``.
    """

    fault: str
    file: Path
    by_hand: bool
    text: str
    secrets: Sequence[str]  # names of settings
    facts: Sequence[tuple[str, str]]
    warnings: Sequence[str]


@attrs.frozen
class SetupDone:
    """Outcome of the set-up. ``by_hand``: why the settings were not written, or ''.

    ``there``: the page on which the admin goes on; ``cookies``: the start of their sign-in.
    ``moves``: the gateway that starts again does not listen on this page's port. ``others``: the
    number of accounts that existed before.
    """

    farm: str
    address: str
    port: int
    is_proxied: bool
    moves: bool
    others: int
    file: Path
    by_hand: str
    text: str
    secrets: str = attrs.field(repr=False)
    there: str
    cookies: Mapping[str, Morsel[str]] = attrs.field(repr=False)


class SetupFinish:
    """Applies the assistant's answers."""

    def __init__(self, gateway: Gateway, factor: SecondStep) -> None:
        self._gateway, self._factor = gateway, factor

    async def review(self, found: OpenOffer) -> SetupReview:
        """Return what would be done now."""
        place, fault, files = found.place, "", None
        try:
            files = await asyncio.to_thread(farm_files, found.answers, place)
        except SettingsError as error:
            fault = f"{NOT_READY}: {error}"
        except OSError as error:
            fault = f"{NOT_READY}: {error.strerror}"
        fault = fault or (await self._refusal(found, files) if files else "")
        others = await self._gateway.tables.users.count("")
        return SetupReview(
            fault=fault,
            file=place.file or place.folder / FILE,
            by_hand=place.file is not None,
            text="" if files is None else files.public,
            secrets=[] if files is None else names_in(files.secrets),
            facts=facts_of(found.answers),
            warnings=warnings_of(found.answers, place, 0 if fault else others),
        )

    async def apply(self, request: web.Request, found: OpenOffer) -> SetupDone | list[Fault]:
        """Make the admin, write the files, and end the offer; return faults if nothing was done."""
        gateway, answers, place = self._gateway, found.answers, found.place
        admin, farm = answers.admin, answers.farm
        assert admin is not None, "the second page was answered"
        assert farm is not None, "the first page was answered"
        try:
            files = await asyncio.to_thread(farm_files, answers, place)
        except (SettingsError, OSError) as error:
            return [Fault("", "value", f"{NOT_READY}: {error}")]
        if fault := await self._refusal(found, files):
            return [Fault("", "value", fault)]
        others = await gateway.tables.users.count("")
        user = gateway.ports.random.uuid()
        new = NewUser(user, admin.email, admin.name, admin.password_hash, UserRole.ADMIN.value)
        now, target = gateway.ports.clock.now(), f"user:{user}"
        details = {"role": new.role}
        act = Act(
            now, None, "setup", "user.create", target, "first run", request[REQUEST_ID], details
        )
        made = await gateway.tables.administration.create_first_admin(new, act)
        if made is NotCreated.EMAIL_TAKEN:
            return [TAKEN]
        gateway.console.setup.close()
        if made is NotCreated.ADMIN_EXISTS:
            return [Fault("", "value", "The farm has an admin already: nothing was done")]
        by_hand = await asyncio.to_thread(written, files, answers, place)
        checked = LoginState(user, admin.password_hash, new.role)
        there, cookies = await self._signed_in(request, checked, files, restarts=not by_hand)
        log.info("the farm is set up", by_hand=by_hand or None)
        if not by_hand:
            asyncio.get_running_loop().call_later(RESTART_SECONDS, place.restart)
        return SetupDone(
            farm=farm.name,
            address=farm.address,
            port=files.settings.server.port or place.port,
            is_proxied=farm.address.startswith("https:"),
            moves=files.settings.server.port != place.port,
            others=others,
            file=place.file or place.folder / FILE,
            by_hand=by_hand,
            text=files.public,
            secrets=files.secrets if by_hand else "",
            there=there,
            cookies=cookies,
        )

    async def _refusal(self, found: OpenOffer, files: FarmFiles) -> str:
        """Return why the gateway could not start, or not with these accounts; '' if it can."""
        server = files.settings.server
        if server.port != found.place.port:  # this process has the other port
            try:
                bind(ListenAddress(server.host, server.port)).close()
            except CannotListen as error:
                return f"{NOT_READY}: {error}"
        services = found.answers.services
        sells = services is not None and services.payments == "stripe"
        return OTHERS if sells and await self._gateway.tables.users.count("") else ""

    async def _signed_in(
        self, request: web.Request, checked: LoginState, files: FarmFiles, *, restarts: bool
    ) -> tuple[str, Mapping[str, Morsel[str]]]:
        """Sign the admin in as far as possible: to the set-up of a second factor if the settings
        need one, which outlives a restart; otherwise into the console, unless the gateway restarts
        with a new key for sessions.
        """
        gateway = self._gateway
        if restarts:
            needed = files.settings.accounts.admin_second_factor
            step = Step.SET_UP if needed else None
        else:
            step = await self._factor.needed(checked)
        if step is not None:
            answer = await self._factor.begin(request, checked, step, ROOT)
            return answer.headers["Location"], answer.cookies
        if restarts:
            return SIGN_IN, {}
        token, family = new_session(gateway, request, checked.user, UserRole.ADMIN)
        if not await gateway.tables.sessions.open(checked, family, gateway.ports.clock.now()):
            return SIGN_IN, {}
        return ROOT, begun(gateway, request, web.Response(), token).cookies


def written(files: FarmFiles, answers: SetupAnswers, place: SetupPlace) -> str:
    """Write the files and make the folder of backups; return why it is to be done by hand, or ''.

    The settings are written last, as the secrets count only beside them.
    """
    if place.file is not None:
        return f"{place.file} exists, and is not overwritten"
    services, file = answers.services, place.folder / FILE
    try:
        if services is not None and services.backup:
            Path(services.backup).mkdir(mode=0o700, exist_ok=True)
        secrets = file.with_name(SECRETS)
        write_new(secrets, files.secrets)
        try:
            write_new(file, files.public)
        except OSError:
            secrets.unlink(missing_ok=True)
            raise
    except FileExistsError:
        return f"{file} or {SECRETS} beside it exists, and is not overwritten"
    except OSError as error:
        return f"The settings could not be written: {error.strerror}"
    return ""


def account_count(count: int) -> str:
    """Return a number of accounts as the beginning of a sentence."""
    return "1 account exists" if count == 1 else f"{count} accounts exist"


def names_in(text: str) -> list[str]:
    """Return the names of the settings in a settings file."""
    return [f"{section}.{name}" for section, given in tomllib.loads(text).items() for name in given]


def facts_of(answers: SetupAnswers) -> list[tuple[str, str]]:
    """Return the answers in words, with their labels."""
    farm, admin, services = answers.farm, answers.admin, answers.services
    assert farm is not None
    assert admin is not None
    assert services is not None
    chains = {
        "none": "none: the log is signed, and anchored nowhere",
        "embedded": "a test chain on this machine, which proves nothing to others",
        "rpc": f"the chain with the id {services.chain_id}",
    }
    sends = (
        f"from {services.mail_sender}"
        if services.mail == "server"
        else ("none: you hand out links for forgotten passwords")
    )
    backup = services.backup or "no folder: rendertrust backup asks for a file"
    sells = "by Stripe" if services.payments == "stripe" else "none: nothing is for sale"
    return [
        ("Farm", f"{farm.name}, {farm.farm_kind.title.lower()}"),
        ("Address", farm.address),
        ("First admin", f"{admin.name}, {admin.email}"),
        ("Mail", sends),
        ("Backups", backup),
        ("Chain", chains[services.chain]),
        ("Payments", sells),
    ]


def warnings_of(answers: SetupAnswers, place: SetupPlace, others: int) -> list[str]:
    """Return the risks of the answers in words. ``others``: the number of present accounts."""
    assert answers.farm is not None
    assert answers.services is not None
    warnings, parts = list[str](), urlsplit(answers.farm.address)
    if parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
        warnings.append(
            "Browsers reach the farm by plain http: others on the network can read passwords and"
            " take over sessions. Put a proxy with TLS in front, and give its https address."
        )
    if is_this_machine(parts.hostname or ""):
        warnings.append(
            f"Only browsers and nodes on this machine reach the farm at {answers.farm.address}. If"
            " others are to use it, go back and give the address at which they reach it."
        )
    if others:
        warnings.append(
            f"{account_count(others)} already, from before the set-up. After the set-up, open"
            " the page Users, and deactivate the accounts that you do not know."
        )
    if place.unverifiable:
        warnings.append(
            f"This machine cannot verify results: {place.unverifiable}. Results are not checked,"
            " and nodes are not paid for them, until you set up a verifier."
        )
    if answers.services.payments == "none" and answers.farm.farm_kind.payments == "stripe":
        warnings.append("Without Stripe, credits cannot be bought; admins give them.")
    return warnings
