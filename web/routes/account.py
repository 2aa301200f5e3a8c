"""The caller's own account: mails, the buyer on invoices, export and deletion."""

from collections.abc import AsyncIterator, Collection
from typing import Final, Literal, TypeAlias, get_args
from uuid import UUID

import attrs
import structlog
from aiohttp import web

from rendertrust import money
from rendertrust.api.accounts import AccountExport, OwnAccount
from rendertrust.api.refusal_code import RefusalCode
from sql.account_deletion import Obstacles
from sql.account_export import SECTIONS
from sql.users import UserRow
from web.gateway import Gateway
from web.http.operations import TOKEN_REFUSED, Call, Operations
from web.http.problem import Problem
from web.http.responses import encode, from_row
from web.money.invoice_terms import InvoiceAddress
from web.money.payout_accounts import own_account as own_payout_account
from web.openapi.examples import reference as examples
from web.routes.admin import factor_refusal
from web.routes.auth import PASSWORD_INCORRECT, Done, PasswordGuess

operations = Operations()
log = structlog.get_logger("account")
PASSWORD_BYTES: Final = 32  # of the unknown password of a deleted account

# The mails that a user may switch off.
Notice: TypeAlias = Literal[
    "job.completed",
    "job.failed",
    "job.paused",
    "node.offline",
    "node.failing",
    "dispute.opened",
    "dispute.decided",
    "payout.paid",
    "payout.rejected",
]
NOTICES: tuple[Notice, ...] = get_args(Notice)


@attrs.frozen
class AccountChange:
    """``mails``: the kinds of mail that you want; all others are switched off. ``invoice_to``: the
    lines of your name and address on invoices; empty: your name and your address of mail.
    """

    mails: list[Notice] | None = None
    invoice_to: InvoiceAddress | None = None


@operations.get(
    "/api/v1/auth/account",
    example=examples.OWN_ACCOUNT,
)
async def show(call: Call) -> OwnAccount | Problem:
    """Get your account."""
    return await _own(call.gateway, call.caller)


@operations.patch(
    "/api/v1/auth/account",
    request_example=examples.ACCOUNT_CHANGE,
    example=examples.OWN_ACCOUNT,
)
async def change(call: Call[AccountChange]) -> OwnAccount | Problem:
    """Choose which mails you get, and to whom your invoices are addressed.

    Mails about your password and your address are always sent.
    """
    if call.body.mails is not None:
        await choose_mails(call.gateway, call.caller, call.body.mails)
    if call.body.invoice_to is not None:
        await call.gateway.tables.users.set_invoice_to(call.caller, call.body.invoice_to.strip())
    return await _own(call.gateway, call.caller)


@operations.get(
    "/api/v1/auth/account/export",
    answers={200: AccountExport},
    refusals={403: "The second factor was not given in the last ten minutes"},
    rate="login",
    example=examples.ACCOUNT_EXPORT,
)
async def export(call: Call) -> web.Response | Problem:
    """Get everything that the gateway stores of you, as JSON.

    It has no secrets, and not the pictures. It is read while it is sent, so it may end early if the
    gateway fails: then it is no valid JSON. If you have a second factor, you must have given it in
    this session in the last ten minutes.
    """
    refused = await factor_refusal(call)
    if refused is not None:
        return refused
    account = await _own(call.gateway, call.caller)
    if isinstance(account, Problem):
        return account
    body = exported(call.gateway, account, call.base or call.gateway.url())
    headers = {"Content-Disposition": 'attachment; filename="rendertrust-account.json"'}
    return web.Response(body=body, content_type="application/json", headers=headers)


async def exported(gateway: Gateway, account: OwnAccount, base: str) -> AsyncIterator[bytes]:
    """Yield an ``AccountExport`` in pieces, because a user may have a million entries."""
    payout_account = await own_payout_account(gateway, UUID(account.id))
    head = {
        "exported_at": gateway.ports.clock.now(),
        "gateway": base,
        "account": account,
        "payout_account": payout_account,
    }
    yield encode(head)[:-1]
    for section in SECTIONS:
        yield f',\n"{section}": ['.encode()
        before = b"\n"
        async for page in gateway.tables.account_export.pages(section, UUID(account.id)):
            yield before + b",\n".join(encode(item) for item in page)
            before = b",\n"
        yield b"]"
    yield b"}\n"


@attrs.frozen
class Deletion:
    """The caller's password, by which they confirm that the account shall be deleted."""

    password: PasswordGuess = attrs.field(repr=False)


@operations.post(
    "/api/v1/auth/account/delete",
    refusals={
        403: "The password is incorrect, or the second factor was not given in ten minutes",
        409: "Something must be settled first, such as an open job: `detail` says what",
    },
    rate="login",
    request_example=examples.ACCOUNT_DELETION,
    example=examples.ACCOUNT_DELETED,
)
async def delete(call: Call[Deletion]) -> Done | Problem:
    """Delete your account for good; your name, address, sessions, keys and webhooks are erased.

    Entries of the ledger and receipts stay, without your name; invoices stay as they are, as the
    seller must keep them. The address can register again, as a
    new account. Refused while jobs are open, or bought credits, unpaid earnings or open disputes
    are left. If you have a second factor, you must have given it in this session in the last ten
    minutes.
    """
    refused = await factor_refusal(call)
    if refused is not None:
        return refused
    return await delete_account(call.gateway, call.caller, call.body.password)


async def delete_account(gateway: Gateway, user: UUID, password: str) -> Done | Problem:
    """Delete a user's account, given their password."""
    row = await gateway.tables.users.by_id(user)
    if row is None or row.password_hash is None:
        return TOKEN_REFUSED
    if not await gateway.identity.passwords.matches(password, row.password_hash):
        return PASSWORD_INCORRECT
    return await erase_account(gateway, user, row.password_hash)


async def erase_account(gateway: Gateway, user: UUID, password_hash: str) -> Done | Problem:
    """Delete the account of a user who has confirmed who they are."""
    unknown = gateway.ports.random.token(PASSWORD_BYTES).hex()
    unusable = await gateway.identity.passwords.hash(unknown)
    deleted = await gateway.tables.account_deletion.delete(
        *(user, password_hash, unusable, gateway.ports.clock.now())
    )
    if deleted is None:
        return PASSWORD_INCORRECT  # it was changed while it was checked
    if isinstance(deleted, Obstacles):
        said = "; ".join(unsettled(deleted))
        return Problem(
            409, f"The account cannot be deleted yet: {said}", code=RefusalCode.ACCOUNT_UNSETTLED
        )
    gateway.identity.revocations.add(*deleted.sessions, *deleted.keys)
    gateway.identity.revocations.changed(user)
    log.info("account deleted", user=str(user))
    return Done("The account was deleted")


def unsettled(found: Obstacles) -> list[str]:
    """Return what must be settled before an account can be deleted, in words."""
    sums = (
        (found.held, "{} held for jobs"),
        (found.bought, "{} bought or earned, and not spent"),
        (found.debt, "{} owed"),
        (found.unpaid, "{} of earnings not paid out"),
    )
    counts = (
        (found.open_jobs, "job", "still open"),
        (found.open_purchases, "purchase", "not finished, which expires within a day"),
        (found.at_work, "unit", "at your nodes or being verified"),
        (found.disputes, "dispute", "still open"),
        (found.last_owner, "organisation", "without another owner"),
    )
    words = [text.format(money.credit_count(amount)) for amount, text in sums if amount]
    words += [
        f"{number} {noun if number == 1 else noun + 's'} {text}"
        for number, noun, text in counts
        if number
    ]
    return [*words, *(["you are the last admin"] if found.is_last_admin else [])]


async def choose_mails(gateway: Gateway, user: UUID, wanted: Collection[str]) -> None:
    """Switch off all mails that a user does not want."""
    off = [kind for kind in NOTICES if kind not in wanted]
    await gateway.tables.users.set_mails_off(user, off)


async def _own(gateway: Gateway, user: UUID) -> OwnAccount | Problem:
    row = await gateway.tables.users.by_id(user)
    return TOKEN_REFUSED if row is None else own_account(row)


def own_account(row: UserRow) -> OwnAccount:
    """Return an account as its user sees it."""
    return from_row(OwnAccount, row, mails=mails_of(row))


def mails_of(row: UserRow) -> tuple[Notice, ...]:
    """Return the kinds of mail that a user gets, besides those about the account's security."""
    return tuple(kind for kind in NOTICES if kind not in row.mails_off)
