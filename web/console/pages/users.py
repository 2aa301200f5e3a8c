"""Users page: list, credits, sessions and API keys. Grants and refunds take two steps."""

import hashlib
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import attrs
from msgspec import Meta

from actors.ledger.messages import IdempotencyKey
from rendertrust import money
from sql.credits import ConsoleEntryRow, EntryFilter, LedgerViews
from sql.page import Page
from sql.users import SORTED_MOST, UserViews
from web.console.pages.account import device_of
from web.console.pages.credits import HOLDS, PURCHASES, bought, held, titles_of
from web.console.pages.invitations import INVITATIONS, invitations_of
from web.console.refund_preview import ALL, PIECE, RefundPreview, refunding
from web.console.registry import SYSTEM, Nav, Pages
from web.console.tables import Column, SortQuery, Table, order_by, sort_of, table
from web.console.value_markup import address
from web.console.view import ADMINS, OVERSEERS, Redirect, Shown, View
from web.http.converter import uuid_of
from web.http.idempotency import OTHER_REQUEST, REPLAYED
from web.http.problem import Fault, Problem, invalid
from web.identity.acting_user import ActingUser
from web.money.credit_adjustments import GRANT, CreditMovement, reference_of
from web.routes.admin import USER_NOT_FOUND, Reason, act_upon
from web.routes.admin_credits import GivenAmount, Refunded, Words, move, refund_unit
from web.routes.keys import KEY_NOT_FOUND
from web.routes.sessions import SESSION_NOT_FOUND

pages = Pages()
ROWS: Final = 50
PATH: Final = "/console/users"
USUAL: Final = "-created"
COLUMNS: Final = (
    Column("User", "name"),
    Column("E-mail", "email"),
    Column("Role", "role"),
    Column("Balance", "balance", "number"),
    Column("Held", "held", "number"),
    Column("Since", "created", "time"),
)
LOGINS: Final = (
    Column("Client", "client"),
    Column("Since", "created_at", "time"),
    Column("Last used", "rotated_at", "time"),
)
KEYS: Final = (
    Column("Key", "name"),
    Column("Created", "created_at", "time"),
    Column("Last used", "used_at", "time"),
)
ROLES: Final = {
    "user": "Creator: submits jobs",
    "operator": "Operator: a creator who runs nodes",
    "auditor": "Read-only admin: sees everything",
    "admin": "Admin: sees and changes everything",
}
AMOUNT: Final = Fault("amount", "value", "must be a number above 0 with at most 4 decimals")
CHANGED: Final = Problem(409, "The amount has changed: check it again")
GRANTED: Final = Problem(
    409, "This step was already used for another amount. Start again at the user's page"
)
MaybeAmount = Annotated[
    str,
    Meta(
        pattern=r"^((?=.*[1-9])[0-9]{1,9}(\.[0-9]{1,4})?)?$",
        description="a number above 0 with at most 9 digits and 4 decimals, like 10.5",
    ),
]
MaybePiece = Annotated[
    str,
    Meta(
        pattern=rf"^({PIECE}|{ALL})?$",
        description="a frame, like 12, a frame and its tile, like 12,3, or all",
    ),
]


@attrs.frozen
class UsersQuery:
    q: Annotated[str, Meta(max_length=255)] = ""
    sort: Annotated[str, order_by(COLUMNS, invitations=INVITATIONS)] = USUAL
    offset: Annotated[int, Meta(ge=0, le=SORTED_MOST)] = 0


@attrs.frozen
class UserPageQuery(SortQuery):
    sort: Annotated[str, order_by(holds=HOLDS, bought=PURCHASES, sessions=LOGINS, keys=KEYS)] = ""


@attrs.frozen
class CreditStep:
    """A change of credits that must be confirmed.

    ``once`` is an id in the address of this step. With this id, going back and confirming again
    grants nothing more.
    """

    reason: Reason
    act: Literal["grant", "refund"] = "grant"
    amount: MaybeAmount = ""
    description: Words = ""
    job: Annotated[str, Meta(max_length=40)] = ""
    frame: MaybePiece = ""
    once: Annotated[str, Meta(max_length=36)] = ""


@attrs.frozen
class GrantForm:
    """Form with which an admin grants credits.

    ``once`` is the form's id: a form that is sent twice grants once.
    """

    amount: GivenAmount
    reason: Reason
    once: UUID
    description: Words = ""


@attrs.frozen
class RefundForm:
    """Form for a refund. ``amount`` is the sum that the admin confirmed; ``several``: the refund is
    for several units.
    """

    job: UUID
    reason: Reason
    amount: GivenAmount
    frame: MaybePiece = ""
    several: Literal["", "1"] = ""
    description: Words = ""


@attrs.frozen
class ReasonForm:
    reason: Reason


@attrs.frozen
class RevocationForm:
    """A session or a key to end."""

    which: UUID
    reason: Reason


@pages.page(
    "/users",
    "Users",
    "users.html",
    who=OVERSEERS,
    nav=Nav("Users", "u", 50, "users", SYSTEM),
    live=("rows",),
    topics=("jobs",),
    every=10.0,
    rest=2.0,
)
async def users(view: View[UsersQuery]) -> Shown:
    """Return a page of users with their credits."""
    query, views = view.query, UserViews(view.gateway.database)
    sort = sort_of(query.sort, COLUMNS, USUAL)
    rows = await views.page(query.q.strip(), sort.text, ROWS + 1, query.offset)
    return {
        "columns": COLUMNS,
        "sort": sort,
        "rows": rows[:ROWS],
        "count": await view.gateway.tables.users.count(query.q.strip()),
        "before": max(0, query.offset - ROWS) if query.offset else None,
        "after": query.offset + ROWS if len(rows) > ROWS else None,
        "invitations": await invitations_of(view, query.sort),
    }


@pages.page(
    "/users/{id}",
    "User",
    "user.html",
    who=OVERSEERS,
    live=("figures", "holds", "bought"),
    topics=("jobs",),
    every=5.0,
    rest=1.0,
    absent=USER_NOT_FOUND,
    beginning="users_beginning",
)
async def user(view: View[UserPageQuery]) -> Shown | Problem:
    """Return a user's credits, holds, purchases, sessions and keys."""
    gateway, id_ = view.gateway, view.ids["id"]
    row = await gateway.tables.users.by_id(id_)
    if row is None:
        return USER_NOT_FOUND
    may = view.is_admin and id_ != view.who.user
    purchases = await gateway.tables.purchases.page(id_, ROWS)
    return {
        "title": row.name,
        "user": row,
        "balance": await gateway.tables.credits.balance(id_),
        "holds": held(view, await gateway.tables.credits.holds(id_, Page(ROWS))),
        "purchases": bought(view, purchases),
        "titles": titles_of(await gateway.tables.skus.all(withdrawn=True), purchases),
        "device_of": device_of,
        "access": await access_tables(view, may=may),
        "may": may,
        "roles": ROLES,
        "mails": bool(gateway.settings.mail.url),
    }


async def access_tables(view: View[UserPageQuery], *, may: bool) -> list[tuple[str, str, Table]]:
    """Return the tables of sessions and keys: name, label, and rows sorted as the page's ``sort``
    says.
    """
    tables, id_, text = view.gateway.tables, view.ids["id"], view.query.sort
    end = (Column("End"),) if may else ()
    logins = await tables.sessions.page(id_, view.now, ROWS, 0)
    keys = await tables.api_keys.page(id_, ROWS, 0)
    return [
        ("sessions", "Sessions", table(logins, (*LOGINS, *end), text, "-rotated_at", "sessions")),
        ("keys", "API keys", table(keys, (*KEYS, *end), text, "-created_at", "keys")),
    ]


@pages.page(
    "/users/{id}/credits",
    "Confirm",
    "user_credits.html",
    who=ADMINS,
    form_on="/users/{id}",
)
async def confirm(view: View[CreditStep]) -> Shown | Problem | Redirect:
    """Return the second step: a description of what will be done."""
    gateway, step = view.gateway, view.query
    once = uuid_of(step.once)
    if step.act == "grant" and once is None:
        return Redirect(address(view.path, dict(view.params), once=gateway.ports.random.uuid()))
    row = await gateway.tables.users.by_id(view.ids["id"])
    if row is None:
        return USER_NOT_FOUND
    back: RefundPreview | Problem | None = None
    if step.act == "refund":
        back = await refunding(gateway, row.id, step.job, step.frame, step.amount)
    if isinstance(back, Problem):
        return back
    if back is None and not step.amount:
        return invalid([AMOUNT])
    done = None if once is None or back is not None else await _granted(view, once)
    units = money.parse(step.amount) if back is None else back.amount
    units = units if done is None else done.amount
    balance = await gateway.tables.credits.balance(row.id)
    return {
        "user": row,
        "step": step,
        "units": units,
        "amount": money.render(units),
        "back": back,
        "before": balance.balance,
        "after": balance.balance + units,
        "once": once,
        "done": done,
    }


async def _granted(view: View[CreditStep], once: UUID) -> ConsoleEntryRow | None:
    """Return the entry of an earlier grant by the same admin with the same ``once``; None if there
    is none.
    """
    wish = EntryFilter(reference=f"grant:{_reference(view, once)}")
    rows = await LedgerViews(view.gateway.database).page(view.ids["id"], wish, 1)
    return rows[0] if rows else None


def _reference(view: View[Any], once: UUID) -> UUID:
    return reference_of(f"{GRANT} {view.who.user}", str(once), view.gateway.ports.random.uuid)


@pages.action("/users/{id}/grant", who=ADMINS, absent=USER_NOT_FOUND)
async def grant(view: View[GrantForm]) -> Redirect | Problem:
    """Grant credits, as the API does."""
    form, id_ = view.query, view.ids["id"]
    reference = _reference(view, form.once)
    movement = CreditMovement(GRANT, id_, money.parse(form.amount), reference, form.description)
    done = await move(_doer(view), movement, form.reason, _key(view))
    if isinstance(done, Problem):
        return GRANTED if done is OTHER_REQUEST else done
    again = done.headers == REPLAYED
    granted = "Already granted" if again else "Granted"
    return Redirect(f"{PATH}/{id_}", f"{granted}: {money.credit_count(movement.units)}.")


@pages.action("/users/{id}/refund", who=ADMINS, absent=USER_NOT_FOUND)
async def refund(view: View[RefundForm]) -> Redirect | Problem:
    """Refund units, each in the same way as the API."""
    form, id_ = view.query, view.ids["id"]
    amount = "" if form.several else form.amount
    back = await refunding(view.gateway, id_, str(form.job), form.frame, amount)
    if isinstance(back, Problem):
        return back
    if back.amount != money.parse(form.amount):
        return CHANGED
    for unit in back.units:  # one by one: if one fails, the earlier ones remain refunded
        units = unit.charged if back.chosen.several else back.amount
        of = Refunded(back.job, unit.number, units, form.description, id_)
        done = await refund_unit(_doer(view), of, form.reason)
        if isinstance(done, Problem):
            return done
    number = len(back.units)
    return Redirect(
        f"{PATH}/{id_}",
        "The charge is refunded." if number == 1 else f"{number} {back.word}s are refunded.",
    )


@pages.action("/users/{id}/sessions", who=ADMINS, absent=USER_NOT_FOUND)
async def end_session(view: View[RevocationForm]) -> Redirect | Problem:
    """End one of the user's sessions."""
    return await _end(view, "user.end_session", SESSION_NOT_FOUND)


@pages.action("/users/{id}/sessions/all", who=ADMINS, absent=USER_NOT_FOUND)
async def end_sessions(view: View[ReasonForm]) -> Redirect | Problem:
    """End all sessions of the user, each with its own audit record."""
    tables, id_ = view.gateway.tables, view.ids["id"]
    ended = 0
    for login in await tables.sessions.page(id_, view.now, SORTED_MOST, 0):
        details = {"which": str(login.sid)}
        act = await act_upon(_doer(view), "user.end_session", id_, view.query.reason, details)
        if isinstance(act, Problem):
            return act
        ended += await tables.administration.end_session(id_, login.sid, act)
        view.gateway.identity.revocations.add(login.sid)
    return Redirect(f"{PATH}/{id_}", f"{ended} session{' has' if ended == 1 else 's have'} ended.")


@pages.action("/users/{id}/keys", who=ADMINS, absent=USER_NOT_FOUND)
async def revoke_key(view: View[RevocationForm]) -> Redirect | Problem:
    """Revoke one of the user's keys."""
    return await _end(view, "user.revoke_key", KEY_NOT_FOUND)


async def _end(view: View[RevocationForm], name: str, absent: Problem) -> Redirect | Problem:
    id_, which, gateway = view.ids["id"], view.query.which, view.gateway
    act = await act_upon(_doer(view), name, id_, view.query.reason, {"which": str(which)})
    if isinstance(act, Problem):
        return act
    administration = gateway.tables.administration
    end = administration.revoke_key if absent is KEY_NOT_FOUND else administration.end_session
    if not await end(id_, which, act):
        return absent
    gateway.identity.revocations.add(which)
    what = "The key is revoked." if absent is KEY_NOT_FOUND else "The session has ended."
    return Redirect(f"{PATH}/{id_}", what)


def _key(view: View[GrantForm]) -> IdempotencyKey:
    """Return the form's id as idempotency key, with a digest of the form: the same id with other
    values is refused.
    """
    form = view.query
    said = "\n".join((str(view.ids["id"]), form.amount, form.reason, form.description))
    digest = hashlib.sha256(said.encode()).digest()
    return IdempotencyKey(view.who.user, str(form.once), digest, answer={"status": 200})


def _doer(view: View[Any]) -> ActingUser:
    return ActingUser(view.gateway, view.who.user, view.request_id)
