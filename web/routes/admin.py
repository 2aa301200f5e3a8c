"""Admin operations on users, and the audit log. Each action has a reason and is recorded."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import attrs
from msgspec import Meta

from rendertrust.api.refusal_code import RefusalCode
from sql.audit_log import Act, ActRow
from sql.users import EndedLogins, LastAdmin, UserRow
from web.gateway import Gateway
from web.http.operations import TOKEN_REFUSED, Audience, Call, Handler, Operations
from web.http.problem import Problem
from web.http.responses import REQUEST_ID, from_row
from web.identity.acting_user import ActingUser
from web.identity.roles import RoleName
from web.identity.second_factor import recent_factor_refusal
from web.openapi.examples import reference as examples
from web.routes.auth import Password

operations = Operations(audience=Audience.ADMIN)
USER_NOT_FOUND: Final = Problem(404, "User not found", code=RefusalCode.USER_NOT_FOUND)
ONESELF: Final = Problem(
    409, "You cannot do this to your own account: ask another admin", code=RefusalCode.OWN_MATTER
)
LAST_ADMIN: Final = Problem(409, "The farm would have no admin left", code=RefusalCode.LAST_ADMIN)

Reason = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=500,
        pattern=r"^[\s\S]*\S[\s\S]*$",
        description="a reason in words, 1 to 500 characters",
    ),
]
Limit = Annotated[int, Meta(ge=1, le=100)]


@attrs.frozen
class Because:
    reason: Reason


@attrs.frozen
class NewRole:
    role: RoleName
    reason: Reason


@attrs.frozen
class NewPassword:
    reason: Reason
    password: Password = attrs.field(repr=False)


@attrs.frozen
class UserQuery:
    """Filter and page of the list of users.

    ``search``: a part of the e-mail address or the name. ``after``: the last id of the previous
    page.
    """

    search: Annotated[str, Meta(max_length=255)] = ""
    after: UUID | None = None
    limit: Limit = 50


@attrs.frozen
class AuditQuery:
    """Filter and page of the audit log. ``target``: exactly as in the records. ``before``:
    the last number of the previous page.
    """

    target: Annotated[str, Meta(max_length=255)] | None = None
    before: Annotated[int, Meta(ge=1)] | None = None
    limit: Limit = 50


@attrs.frozen
class Account:
    id: UUID
    email: str
    name: str
    role: str
    is_active: bool
    created_at: datetime


@attrs.frozen
class AccountList:
    """A page of users.

    ``count``: the number of matching users. ``next``: the ``after`` of the next page; null if this
    page is not full.
    """

    users: list[Account]
    count: int
    next: UUID | None


@attrs.frozen
class AuditRecord:
    """A record of an action of an admin, or of a user on their organisations or trust.

    ``actor_id`` is null if the action was a command on the gateway's machine.
    """

    number: int
    at: datetime
    actor_id: UUID | None
    actor: str
    act: str
    target: str
    reason: str
    request_id: str
    details: Mapping[str, Any]


@attrs.frozen
class AuditList:
    """A page of the audit log.

    ``next``: the ``before`` of the next page; null if this page is not full.
    """

    records: list[AuditRecord]
    next: int | None


@operations.get(
    "/api/v1/admin/users",
    example=examples.ACCOUNTS,
)
async def users(call: Call[None, UserQuery]) -> AccountList:
    """List users, newest first."""
    query, rows = call.query, call.gateway.tables.users
    page = await rows.page(query.search, query.after, query.limit)
    more = page[-1].id if len(page) == query.limit else None
    return AccountList([shown(row) for row in page], await rows.count(query.search), more)


def _upon_user(act: str, example: examples.Example) -> Callable[[Handler], Handler]:
    """Register an action on a user."""
    return operations.post(
        f"/api/v1/admin/users/{{user_id}}/{act}",
        request_example=example,
        refusals={409: "It is your own account, or the farm would have no admin left"},
        absent=USER_NOT_FOUND,
        example=examples.ACCOUNT,
    )


@_upon_user("deactivate", examples.BECAUSE)
async def deactivate(call: Call[Because]) -> Account | Problem:
    """Deactivate a user: their sessions end, their API keys are refused, they cannot log in.

    Their open jobs go on and are charged, and their nodes go on. To end these, too, cancel the jobs
    and revoke the nodes. Links and invitations that an admin made end with them. If you have a
    second factor, you must have given it in this session in the last ten minutes.
    """
    return await _set_active(call, active=False)


@_upon_user("activate", examples.BECAUSE)
async def activate(call: Call[Because]) -> Account | Problem:
    """Activate a user again.

    If you have a second factor, you must have given it in this session in the last ten minutes.
    """
    return await _set_active(call, active=True)


async def _set_active(call: Call[Because], *, active: bool) -> Account | Problem:
    refused = await factor_refusal(call)
    if refused is not None:
        return refused
    row = await activity_set(doer_of(call), call.ids["user_id"], call.body.reason, active=active)
    return row if isinstance(row, Problem) else shown(row)


async def activity_set(
    doer: ActingUser, user: UUID, reason: str, *, active: bool
) -> UserRow | Problem:
    """Activate or deactivate a user on an admin's behalf."""
    name = "user.activate" if active else "user.deactivate"
    act = await act_upon(doer, name, user, reason)
    if isinstance(act, Problem):
        return act
    administration = doer.gateway.tables.administration
    try:
        ended = await administration.set_active(user, act, active=active)
    except LastAdmin:
        return LAST_ADMIN
    return noted(doer.gateway, ended)


@_upon_user("role", examples.NEW_ROLE)
async def role(call: Call[NewRole]) -> Account | Problem:
    """Set a user's role; they must log in again. Links and invitations of an admin end.

    If you have a second factor, you must have given it in this session in the last ten minutes.
    """
    refused = await factor_refusal(call)
    if refused is not None:
        return refused
    row = await role_set(doer_of(call), call.ids["user_id"], call.body)
    return row if isinstance(row, Problem) else shown(row)


async def role_set(doer: ActingUser, user: UUID, wanted: NewRole) -> UserRow | Problem:
    """Set a user's role on an admin's behalf."""
    act = await act_upon(doer, "user.role", user, wanted.reason, {"role": wanted.role})
    if isinstance(act, Problem):
        return act
    try:
        ended = await doer.gateway.tables.administration.set_role(user, wanted.role, act)
    except LastAdmin:
        return LAST_ADMIN
    return noted(doer.gateway, ended)


@_upon_user("password", examples.NEW_PASSWORD)
async def password(call: Call[NewPassword]) -> Account | Problem:
    """Set a user's password; all their sessions end.

    If you have a second factor, you must have given it in this session in the last ten minutes.
    """
    refused = await factor_refusal(call)
    if refused is not None:
        return refused
    gateway, user, body = call.gateway, call.ids["user_id"], call.body
    act = await act_of(call, "user.password", user, body.reason)
    if isinstance(act, Problem):
        return act
    fresh = await gateway.identity.passwords.hash(body.password)
    row = noted(gateway, await gateway.tables.administration.set_password(user, fresh, act))
    return row if isinstance(row, Problem) else shown(row)


@operations.get(
    "/api/v1/admin/audit",
    example=examples.AUDIT,
)
async def audit(call: Call[None, AuditQuery]) -> AuditList:
    """List the recorded actions of admins and users, newest first."""
    query = call.query
    rows = await call.gateway.tables.audit.page(query.before, query.target, query.limit)
    more = rows[-1].number if len(rows) == query.limit else None
    return AuditList([record(row) for row in rows], more)


async def factor_refusal(call: Call[Any, Any]) -> Problem | None:
    """Refuse a caller who has a second factor and did not give it in the last ten minutes."""
    claims = call.claims
    assert claims is not None, "this operation needs a token"
    return await recent_factor_refusal(call.gateway, claims.subject, claims.family)


async def act_of(
    call: Call[Any, Any],
    name: str,
    user: UUID,
    reason: str,
    details: Mapping[str, Any] | None = None,
) -> Act | Problem:
    """Return the audit record of the caller's action on a user; refuse an action on the caller's
    own account.
    """
    return await act_upon(doer_of(call), name, user, reason, details)


async def act_upon(
    doer: ActingUser,
    name: str,
    user: UUID,
    reason: str,
    details: Mapping[str, Any] | None = None,
) -> Act | Problem:
    """Return the audit record of an admin's action on a user; refuse one on their own account."""
    if user == doer.user:
        return ONESELF
    act = await doer.act(name, f"user:{user}", reason, details or {})
    return TOKEN_REFUSED if act is None else act


def doer_of(call: Call[Any, Any]) -> ActingUser:
    """Return the admin who made the request."""
    return ActingUser(call.gateway, call.caller, call.request[REQUEST_ID])


async def act_on(
    call: Call[Any, Any],
    name: str,
    target: str,
    reason: str,
    details: Mapping[str, Any] | None = None,
) -> Act | Problem:
    """Return the audit record of the caller's action; 401 if their account no longer exists."""
    act = await doer_of(call).act(name, target, reason, details or {})
    return TOKEN_REFUSED if act is None else act


def noted(gateway: Gateway, ended: EndedLogins | None) -> UserRow | Problem:
    """Return the changed user; this gateway refuses the ended tokens from now on."""
    if ended is None:
        return USER_NOT_FOUND
    gateway.identity.revocations.add(*ended.sessions)
    gateway.identity.revocations.changed(ended.user.id)
    return ended.user


def shown(row: UserRow) -> Account:
    return from_row(Account, row)


def record(row: ActRow) -> AuditRecord:
    return from_row(AuditRecord, row)
