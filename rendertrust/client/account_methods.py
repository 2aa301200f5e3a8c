"""Methods of ``AsyncClient`` on the account: login, credits, organisations and trust."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from rendertrust import api
from rendertrust.client import paths
from rendertrust.client.api_connection import ClientState, window
from rendertrust.client.arguments import Id, MemberRole, given
from rendertrust.client.downloads import save

# Account: login, API keys, sessions


async def register(
    client: ClientState, email: str, name: str, password: str, *, invitation: str | None = None
) -> api.Registered:
    """Create an account and log in. Raises Conflict if the address already has an account, and
    Forbidden if accounts cannot be opened, or not without a valid ``invitation``.
    """
    return await client.connection.login.register(email, name, password, invitation)


async def login(
    client: ClientState, email: str, password: str, *, otp: str | None = None
) -> api.Tokens:
    """Log in. ``otp``: a code of your authenticator app or a recovery code, if you have one.

    Raises NotAuthenticated if the address, the password or ``otp`` is wrong; its ``code`` is
    ``second_factor_required`` if only ``otp`` is missing.
    """
    return await client.connection.login.log_in(email, password, otp)


async def start_login_by_code(client: ClientState) -> api.DeviceLogin:
    """Start a login that its user confirms in a browser. Show them ``verification_uri`` and
    ``user_code``, then call ``finish_login_by_code``.
    """
    return await client.connection.login.start_by_code()


async def finish_login_by_code(client: ClientState, started: api.DeviceLogin) -> api.Tokens:
    """Wait until the user has confirmed the login, for at most ten minutes.

    Raises Refused with the code ``access_denied`` if they refuse, or ``expired_token``.
    """
    return await client.connection.login.finish_by_code(started)


async def give_second_factor(client: ClientState, otp: str) -> None:
    """Give your second factor again, which counts for ten minutes. Raises Forbidden if ``otp``
    is wrong or was used.
    """
    await client.connection.send("POST", paths.SECOND_FACTOR, {"otp": otp}, repeatable=False)


async def logout(client: ClientState) -> None:
    """Log out, here and at the gateway. Does nothing if the session has already ended."""
    await client.connection.login.log_out()


async def create_key(
    client: ClientState, name: str, scopes: Sequence[str], *, expires_at: datetime | None = None
) -> api.CreatedApiKey:
    """Create an API key.

    Only this reply shows the key; if the reply is lost, revoke it. Raises Forbidden with the
    code ``recent_factor_needed`` if you must give your second factor again.
    """
    expires = None if expires_at is None else expires_at.isoformat()
    body = given(name=name, scopes=list(scopes), expires_at=expires)
    return await client.connection.post(api.CreatedApiKey, paths.KEYS, body, repeatable=False)


async def keys(client: ClientState, *, limit: int = 50, offset: int = 0) -> api.ApiKeys:
    """List your API keys, newest first; ``limit`` is 1 to 100."""
    return await client.connection.get(api.ApiKeys, paths.KEYS, window(limit, offset))


def each_key(client: ClientState) -> AsyncIterator[api.ApiKey]:
    """Iterate over all your API keys."""
    return client.connection.each(api.ApiKeys, paths.KEYS, lambda page: page.keys)


async def revoke_key(client: ClientState, key_id: Id) -> None:
    """Revoke an API key. Raises NotFound if the key is already revoked or not yours."""
    await client.connection.send("DELETE", paths.element(paths.KEYS, key_id), repeatable=False)


async def change_password(client: ClientState, old: str, new: str) -> None:
    """Change your password and end all other sessions. Raises Forbidden if ``old`` is wrong."""
    body = {"old_password": old, "new_password": new}
    await client.connection.send("POST", paths.PASSWORD, body, repeatable=False)


async def sessions(client: ClientState, *, limit: int = 50, offset: int = 0) -> api.Sessions:
    """List your sessions, the most recently used first."""
    return await client.connection.get(api.Sessions, paths.SESSIONS, window(limit, offset))


def each_session(client: ClientState) -> AsyncIterator[api.Session]:
    """Iterate over all your sessions."""
    return client.connection.each(api.Sessions, paths.SESSIONS, lambda page: page.sessions)


async def end_session(client: ClientState, sid: Id) -> None:
    """End a session. Raises NotFound if the session has already ended or is not yours."""
    await client.connection.send("DELETE", paths.element(paths.SESSIONS, sid), repeatable=False)


async def account(client: ClientState) -> api.OwnAccount:
    """Return your account."""
    return await client.connection.get(api.OwnAccount, paths.ACCOUNT)


async def choose_mails(client: ClientState, kinds: Sequence[str]) -> api.OwnAccount:
    """Choose which mails you get, such as ``job.failed``; all others are switched off."""
    return await client.connection.patch(api.OwnAccount, paths.ACCOUNT, {"mails": list(kinds)})


async def address_invoices(client: ClientState, invoice_to: str) -> api.OwnAccount:
    """Set the lines of your name and address on invoices that are issued from now on."""
    body = {"invoice_to": invoice_to}
    return await client.connection.patch(api.OwnAccount, paths.ACCOUNT, body)


async def export_account(client: ClientState, path: Path | str) -> Path:
    """Save everything that the gateway stores of you as JSON, and return the file's path.

    Raises Forbidden with the code ``recent_factor_needed`` if you must give your second factor
    again.
    """
    return await save(client.connection.stream(paths.EXPORT), Path(path))


async def delete_account(client: ClientState, password: str) -> None:
    """Delete your account. Raises Conflict if something must be settled first, such as a job,
    and Forbidden if the password is wrong, or if you must give your second factor again: then its
    ``code`` is ``recent_factor_needed``.
    """
    await client.connection.login.delete_account(password)


async def access_token(client: ClientState) -> str:
    """Return the API key, or a token that the gateway has just accepted, for other programs."""
    return await client.connection.login.access_token()


# Credits


async def balance(client: ClientState) -> api.Balance:
    """Return your credits: booked, held and available."""
    return await client.connection.get(api.Balance, paths.BALANCE)


async def history(
    client: ClientState, *, limit: int = 50, offset: int = 0, after: str | None = None
) -> api.History:
    """List the entries of your account, newest first; ``limit`` is 1 to 100."""
    return await client.connection.get(api.History, paths.HISTORY, window(limit, offset, after))


def each_entry(client: ClientState) -> AsyncIterator[api.Entry]:
    """Iterate over all entries of your account, newest first."""
    return client.connection.each(api.History, paths.HISTORY, lambda page: page.entries)


async def deduct(
    client: ClientState,
    amount: str,
    reference_id: str,
    description: str = "",
    *,
    idempotency_key: str | None = None,
) -> api.Entry:
    """Deduct credits once per ``reference_id``.

    Raises Conflict if another amount was deducted for the same ``reference_id``,
    InsufficientCredits if you have fewer credits.
    """
    body = {"amount": amount, "reference_id": reference_id, "description": description}
    return await client.connection.post_once(api.Entry, paths.DEDUCT, body, idempotency_key)


async def holds(client: ClientState, *, limit: int = 50, offset: int = 0) -> api.Holds:
    """List the open holds on your credits, newest first."""
    return await client.connection.get(api.Holds, paths.HOLDS, window(limit, offset))


def each_hold(client: ClientState) -> AsyncIterator[api.Hold]:
    """Iterate over all open holds on your credits."""
    return client.connection.each(api.Holds, paths.HOLDS, lambda page: page.holds)


async def usage(client: ClientState, days: int = 30) -> api.Usage:
    """Return your charges per day; ``days`` is 1 to 366 and includes today."""
    return await client.connection.get(api.Usage, paths.USAGE, {"days": str(days)})


async def credits_statement(
    client: ClientState,
    path: Path | str,
    *,
    first: date | None = None,
    last: date | None = None,
    form: Literal["csv", "pdf"] = "csv",
) -> Path:
    """Save the entries of your credits from day ``first`` to day ``last`` (UTC), and return the
    file's path. By default the period is the last thirty days.

    Raises Invalid if the period is longer than 366 days, or has too many entries.
    """
    days = given(**{"from": first, "to": last})
    query = {"format": form, **{name: str(day) for name, day in days.items()}}
    return await save(client.connection.stream(paths.CREDITS_STATEMENT, query), Path(path))


async def purchases(client: ClientState, *, limit: int = 50, offset: int = 0) -> api.Purchases:
    """List your purchases of credits, newest first; ``limit`` is 1 to 100."""
    return await client.connection.get(api.Purchases, paths.PURCHASES, window(limit, offset))


async def invoice(client: ClientState, purchase_id: Id, path: Path | str) -> Path:
    """Save the invoice of a purchase as PDF, and return the file's path.

    Raises NotFound if the purchase is not yours or the farm issues no invoices, and Conflict if the
    purchase is not paid.
    """
    source = paths.element(paths.PURCHASES, purchase_id, "invoice")
    return await save(client.connection.stream(source), Path(path))


async def credit_note(client: ClientState, purchase_id: Id, number: int, path: Path | str) -> Path:
    """Save a credit note of a purchase as PDF, and return the file's path.

    ``number``: one of the purchase's ``credit_notes``. Raises NotFound if there is none with it.
    """
    source = paths.element(paths.PURCHASES, purchase_id, "credit-notes", number)
    return await save(client.connection.stream(source), Path(path))


async def offers(client: ClientState) -> api.Offers:
    """List the amounts of credits that you can buy."""
    return await client.connection.get(api.Offers, paths.OFFERS)


async def checkout(
    client: ClientState,
    sku: str,
    quantity: int = 1,
    *,
    more: Mapping[str, int] | None = None,
    idempotency_key: str | None = None,
) -> api.Checkout:
    """Begin a purchase of one or several packages, once per ``idempotency_key``. The credits arrive
    when you have paid. ``more``: packages of other kinds and how many, in the same payment.

    Raises Invalid if ``sku`` is not for sale.
    """
    body: dict[str, object] = {"sku": sku}
    if quantity != 1:
        body["quantity"] = quantity
    if more:
        body["more"] = [{"sku": name, "quantity": count} for name, count in more.items()]
    return await client.connection.post_once(api.Checkout, paths.CHECKOUT, body, idempotency_key)


# Organisations and trust


async def organisations(client: ClientState) -> api.Organisations:
    """List the organisations that you are a member of or invited to."""
    return await client.connection.get(api.Organisations, paths.ORGANISATIONS)


async def organisation(client: ClientState, organisation_id: Id) -> api.OrganisationPage:
    """Return an organisation with its members and nodes. Raises NotFound for non-members."""
    return await client.connection.get(api.OrganisationPage, paths.organisation(organisation_id))


async def found_organisation(client: ClientState, name: str) -> api.Organisation:
    """Create an organisation and own it. Raises Conflict if you are in too many."""
    body = {"name": name}
    return await client.connection.post(
        api.Organisation, paths.ORGANISATIONS, body, repeatable=False
    )


async def end_organisation(client: ClientState, organisation_id: Id) -> None:
    """Dissolve an organisation.

    Raises NotFound if you are no member, Forbidden if you are a member but not an owner.
    """
    await client.connection.send("DELETE", paths.organisation(organisation_id))


async def invite(
    client: ClientState, organisation_id: Id, email: str, role: MemberRole = "member"
) -> None:
    """Invite an e-mail address. You don't learn whether the address has an account.

    Raises Conflict if the address is already invited or is a member's.
    """
    await client.connection.send(
        "POST", paths.organisation(organisation_id, "members"), {"email": email, "role": role}
    )


async def accept_invitation(client: ClientState, organisation_id: Id) -> None:
    """Become a member. Raises NotFound if you were not invited."""
    await client.connection.send("POST", paths.organisation(organisation_id, "accept"))


async def set_member_role(
    client: ClientState, organisation_id: Id, user_id: Id, role: MemberRole
) -> None:
    """Change a member's role. Raises Conflict if the organisation would have no owner."""
    await client.connection.send("PUT", paths.member(organisation_id, user_id), {"role": role})


async def remove_member(client: ClientState, organisation_id: Id, user_id: Id) -> None:
    """Leave an organisation, decline an invitation, or, as an owner, remove a member.

    Raises Conflict if the organisation would have no owner.
    """
    await client.connection.send("DELETE", paths.member(organisation_id, user_id))


async def lend_node(client: ClientState, organisation_id: Id, node_id: Id) -> None:
    """Let the organisation's members use your node for free."""
    await client.connection.send("PUT", paths.lent_node(organisation_id, node_id))


async def take_node_back(client: ClientState, organisation_id: Id, node_id: Id) -> None:
    """Stop lending your node to the organisation."""
    await client.connection.send("DELETE", paths.lent_node(organisation_id, node_id))


async def trusted(client: ClientState) -> api.TrustedPeople:
    """List the users you trust: your jobs in the pool ``trusted`` may run on their nodes."""
    return await client.connection.get(api.TrustedPeople, paths.TRUSTED)


async def trust(client: ClientState, email: str) -> None:
    """Trust the user of an e-mail address. You don't learn whether there is an account."""
    await client.connection.send("POST", paths.TRUSTED, {"email": email})


async def distrust(client: ClientState, user_id: Id) -> None:
    """Stop trusting a user, by ``user_id`` in ``trusted``. Raises NotFound for other ids."""
    await client.connection.send("DELETE", paths.element(paths.TRUSTED, user_id))
