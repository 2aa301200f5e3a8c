"""Mails to send: the outbox that requests and transactions fill, and that Mailers empty."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, TypeAlias
from uuid import UUID

import attrs

from sql.database import Connection, Table, names_of
from sql.link_tokens import LinkToken
from sql.query_loader import QUERIES
from sql.statement_batch import columns_of

# An address, also if its part before the @ is quoted, or the @ is encoded as in RFC 3461.
ADDRESS: Final = re.compile(r"""("[^"]*"|[^\s<>()\[\]"',;:]+)(@|=40|\+40)[^\s<>()\[\]"',;:]+""")
NAME_LEAST: Final = 3  # characters of a name that is found without its address
WAITING_MAX: Final = 10_000  # mails that may wait before another to a user is written
ASKED_MAX: Final = 1_000  # mails that may wait for addresses that anybody has typed
HOUR: Final = timedelta(hours=1)
LINKS_AN_HOUR: Final = 3  # mails with a link of one kind that a user gets in an hour
NOTICES_AN_HOUR: Final = 10  # other mails of one kind that a user gets in an hour
OFFLINE_SECONDS: Final = 900.0  # silence of a node after which its owner gets a mail
OFFLINE_MOST_SECONDS: Final = 86_400.0  # silence after which they get none any more


class MailKind(StrEnum):
    """Subjects of mails."""

    RESET = "password.reset"
    CREATED = "account.created"
    CHANGED = "password.changed"
    SET = "password.set"
    FACTOR_ADDED = "factor.added"
    FACTOR_REMOVED = "factor.removed"
    CODE_USED = "recovery_code.used"
    PAYOUT_ACCOUNT = "payout_account.changed"
    IDENTITY_LINKED = "identity.linked"
    IDENTITY_UNLINKED = "identity.unlinked"
    VERIFY = "address.verify"
    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    JOB_PAUSED = "job.paused"
    NODE_OFFLINE = "node.offline"
    NODE_FAILING = "node.failing"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_DECIDED = "dispute.decided"
    PAYOUT_PAID = "payout.paid"
    PAYOUT_REJECTED = "payout.rejected"


# Queries for what the mails of each kind are about. Triggers write these mails, in the transaction
# of what they tell, to users who have not switched them off.
_ABOUT: Final = {
    MailKind.JOB_COMPLETED: "mail_about_job",
    MailKind.JOB_FAILED: "mail_about_job",
    MailKind.JOB_PAUSED: "mail_about_job",
    MailKind.NODE_OFFLINE: "mail_about_node",
    MailKind.NODE_FAILING: "mail_about_failing_node",
    MailKind.DISPUTE_OPENED: "mail_about_dispute",
    MailKind.DISPUTE_DECIDED: "mail_about_dispute",
    MailKind.PAYOUT_PAID: "mail_about_payout",
    MailKind.PAYOUT_REJECTED: "mail_about_payout",
}
# How the tokens of links that nobody asked for are inserted.
_TOKENS: Final = {
    MailKind.VERIFY: "mailed_token_insert_verification",
    MailKind.PAYOUT_ACCOUNT: "mailed_token_insert_payout_stop",
}
NOTICES: Final = tuple(_ABOUT)  # the mails that users may switch off


TokenPurpose: TypeAlias = Literal["verification", "payout_stop"]


@attrs.frozen
class NewMail:
    """A mail to a user."""

    id: UUID
    kind: MailKind
    user: UUID


@attrs.frozen
class DueMail:
    """A mail to send. ``tries`` includes the present one; ``email`` is the address of ``user_id``.

    ``asked``: somebody typed the address, so it must be assigned to the user first. Without a user
    it has no recipient. ``about``: the job, node, dispute or payout. ``is_last``: the user gets
    no further mail of this kind for an hour.
    """

    id: UUID
    kind: MailKind = attrs.field(converter=MailKind)
    tries: int
    created_at: datetime
    asked: bool
    user_id: UUID | None
    email: str | None
    about: UUID | None = None
    is_last: bool = False


@attrs.frozen
class NoticeFacts:
    """Facts that a notice states, as they are when the mail is sent.

    ``amount``: a charge or the sum of a payout, in units of money. ``user_id``: the creator, in a
    dispute; ``share``: the operator's share. ``name``: the node's name, which its owner chose.
    ``job_name``: the job's name, which only its creator may read. ``frames``: the frames of the
    unit, if it has any and is no tile. ``has_frames``: each unit of the job is one frame.
    ``is_asked``: the job asks for its mails, whatever the account's settings say.
    """

    job_id: UUID | None = None
    job_name: str = ""
    frames: str | None = None
    node_id: UUID | None = None
    user_id: UUID | None = None
    name: str = ""
    at: datetime | None = None
    unit: int | None = None
    units: int = 0
    failed: int = 0
    amount: int = 0
    cap: int | None = None
    share: int | None = None
    state: str = ""
    has_frames: bool = False
    is_asked: bool = False


@attrs.frozen
class StoredOutcome:
    """The outcome of a try: a final state, or ``due_at``, the time of the next try."""

    mail: UUID
    tries: int
    state: str  # PENDING, SENT or FAILED
    due_at: datetime | None = None
    error: str | None = None
    ended_at: datetime | None = None


@attrs.frozen
class MailHealth:
    """Times: the oldest waiting mail was due, the newest one was sent, the newest one failed."""

    due_at: datetime | None
    sent_at: datetime | None
    failed_at: datetime | None
    error: str


class Mails(Table):
    async def request_reset(self, id_: UUID, address: str, now: datetime) -> bool:
        """Insert a mail with a link for a new password, for the user of an address.

        The insertion does the same work whether there is such a user or not. Return False if too
        many such mails wait.
        """
        return await self._database.one("mail_request", id_, address, now, ASKED_MAX) is not None

    async def claim(self, now: datetime, until: datetime, most: int) -> Sequence[DueMail]:
        """Claim up to ``most`` due mails for this caller, until ``until``."""
        return await self._database.rows(DueMail, "mails_claim", now, until, most)

    async def add(self, mail: NewMail, now: datetime) -> bool:
        """Insert a mail by itself; False as for ``insert_mail``."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["user_lock"], mail.user)
            return await insert_mail(connection, mail, now)

    async def lately(self, user: UUID, kind: MailKind, now: datetime) -> int:
        """Count the mails of this kind that the user got within the last hour."""
        return await self._database.number("mails_lately", user, kind.value, now - HOUR)

    async def prepare_link(self, due: DueMail, token: LinkToken, now: datetime) -> bool:
        """Insert the token of a mail's link; False if the mail must not be sent, or has no link.

        May also raise ``sql.database.Conflict``.
        """
        assert due.user_id is not None, "the mail has no recipient"
        async with self._database.transaction() as connection:
            if await connection.fetchrow(QUERIES["mail_user_lock"], due.user_id) is None:
                return False
            given = token.sha256, due.user_id, token.expires_at, now
            if (insert := _TOKENS.get(due.kind)) is not None:
                return await connection.fetchrow(QUERIES[insert], *given) is not None
            values = due.id, due.user_id, now - HOUR, LINKS_AN_HOUR, WAITING_MAX
            if due.asked and await connection.fetchrow(QUERIES["mail_adopt"], *values) is None:
                return False
            await connection.execute(QUERIES["password_reset_insert"], *given, True, None)
        return True

    async def facts(self, due: DueMail) -> NoticeFacts | None:
        """Return what a notice is about; None if it is not there any more."""
        return await self._database.row(NoticeFacts, _ABOUT[due.kind], due.about)

    async def seen(self) -> None:
        """Note that a Mailer runs, so that triggers write mails."""
        await self._database.execute("mailer_seen")

    async def watch_nodes(self) -> None:
        """Write mails about nodes that have been silent for a while, once per silence.

        May also raise ``sql.database.Conflict``.
        """
        async with self._database.transaction() as connection:
            # This locks the row, so that no two Mailers look at the same time and write twice.
            await connection.execute(QUERIES["mailer_seen"])
            between = OFFLINE_SECONDS, OFFLINE_MOST_SECONDS
            await connection.execute(QUERIES["mails_of_silent_nodes"], *between)

    async def drop(self, mail: UUID) -> None:
        """Delete a mail without a recipient."""
        await self._database.execute("mail_drop", mail)

    async def settle(self, settled: Sequence[StoredOutcome]) -> None:
        """Store the outcomes of tries."""
        columns = columns_of(settled, *names_of(StoredOutcome))
        await self._database.execute("mails_settle", *columns)

    async def health(self) -> MailHealth:
        """Return how the sending of mails goes."""
        return await self._database.only(MailHealth, "mails_health")

    async def waiting(self) -> int:
        """Count the mails that are not sent yet."""
        return await self._database.number("mails_waiting")

    async def purge(self, before: datetime, most: int) -> None:
        """Delete up to ``most`` mails that ended before ``before``, and older tokens.

        Forget links that were sent to addresses of accounts deleted over an hour ago.
        """
        await self._database.execute("mails_purge", before, most)
        await self._database.execute("password_resets_purge", before)
        await self._database.execute("mailed_tokens_purge", before)
        await self._database.execute("deleted_addresses_purge")


def without_addresses(text: str, known: str = "") -> str:
    """Return a mail server's reply without addresses of people, for logs and pages.

    ``known``: the address to which the mail went; the server may name its part before the @ alone.
    """
    plain = ADDRESS.sub("(address)", text)
    name = known.partition("@")[0]
    if len(name) < NAME_LEAST:
        return plain
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "(name)", plain, flags=re.IGNORECASE)


async def use_token(
    connection: Connection, sha256: bytes, purpose: TokenPurpose, now: datetime
) -> UUID | None:
    """End all tokens for a purpose of a token's user, and return the user.

    Return None if the token was never made, was used, or has expired, or its user is not active.
    """
    used = await connection.fetchrow(QUERIES["mailed_token_use"], sha256, purpose, now)
    if used is None:
        return None
    user: UUID = used["user_id"]
    return user


async def insert_mail(connection: Connection, mail: NewMail, now: datetime) -> bool:
    """Insert a mail in the transaction of what it tells.

    False if the user got too many of its kind within an hour, or too many mails wait, or if their
    address is not verified and the mail is not meant to verify it.
    """
    most = LINKS_AN_HOUR if mail.kind is MailKind.VERIFY else NOTICES_AN_HOUR
    values = mail.id, mail.kind.value, mail.user, now - HOUR, most, WAITING_MAX, now
    return await connection.fetchrow(QUERIES["mail_insert"], *values) is not None
