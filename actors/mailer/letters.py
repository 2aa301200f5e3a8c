"""The form of mails, as text and as HTML, and the texts about the security of accounts.

A mail quotes nothing that a user wrote, such as their name: otherwise anybody could have the
gateway send their words to a stranger, by an account with the stranger's address.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final

import attrs

from actors.ports.mail import OutgoingMail
from config.settings import UNNAMED
from sql.link_tokens import FIRST_PASSWORD, PAYOUT_STOP, RESET, VERIFICATION, LinkKind, link_of
from sql.mails import DueMail, MailKind

LINKS: Final[Mapping[MailKind, LinkKind]] = {
    MailKind.RESET: RESET,
    MailKind.CREATED: FIRST_PASSWORD,
    MailKind.VERIFY: VERIFICATION,
    MailKind.PAYOUT_ACCOUNT: PAYOUT_STOP,
}
NOT_YOU: Final = (
    "If it was not you, choose another password now, and tell the people who run the farm."
)
# Mails about second factors and identities: subject, what happened, and what follows.
FACTORS: Final[Mapping[MailKind, tuple[str, str, str]]] = {
    MailKind.FACTOR_ADDED: (
        "A second factor was added to your {} account",
        "an authenticator app or a passkey was added to",
        "If it is the first one, all other sessions were ended. API keys still work.",
    ),
    MailKind.FACTOR_REMOVED: (
        "A second factor of your {} account was removed",
        "an authenticator app or a passkey was removed from",
        "If it was the last one, the password alone now opens the account.",
    ),
    MailKind.IDENTITY_LINKED: (
        "An identity was linked to your {} account",
        "an account elsewhere was linked to",
        "From now on it signs in to your account. You can unlink it on the page “Your account”.",
    ),
    MailKind.IDENTITY_UNLINKED: (
        "An identity of your {} account was unlinked",
        "an account elsewhere was unlinked from",
        "It no longer signs in to your account.",
    ),
    MailKind.CODE_USED: (
        "A recovery code of your {} account was used",
        "a recovery code was used for",
        "Each code works once. You can make new codes on the page of your second factor.",
    ),
}
IDENTITIES: Final = frozenset({MailKind.IDENTITY_LINKED, MailKind.IDENTITY_UNLINKED})
MINUTES: Final = int(RESET.lifetime.total_seconds() // 60)
DAYS: Final = FIRST_PASSWORD.lifetime.days
HOURS: Final = int(VERIFICATION.lifetime.total_seconds() // 3600)
HTML: Final = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{subject}</title></head>
<body style="margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1c2024">
<div style="max-width:34em;margin:0 auto">
{blocks}
<p style="color:#60646c;font-size:14px">{name} at <a href="{farm}">{farm}</a>{footer}</p>
</div>
</body>
</html>
"""
BUTTON: Final = (
    '<p><a href="{url}" style="display:inline-block;padding:8px 16px;border-radius:6px;'
    'background:#0d5bc2;color:#ffffff;text-decoration:none">{label}</a></p>'
)
FOOTER: Final = '<br>{0}<br><a href="{2}">{1}</a>'


@attrs.frozen
class Words:
    """Content of a mail: a subject, paragraphs, a link below the first of them, and paragraphs
    below the link. ``footer``: why the user gets the mail, with a link to the setting.
    """

    subject: str
    above: Sequence[str]
    link: tuple[str, str] = attrs.field(repr=False)  # label and URL
    below: Sequence[str] = attrs.field(default=(), repr=False)
    footer: tuple[str, str, str] | None = None  # sentence, label and URL


def mail_of(due: DueMail, farm: str, words: Words, name: str = UNNAMED) -> OutgoingMail:
    """Return a mail to the user of ``due``. ``farm``: the gateway's address; ``name``: the
    farm's name.
    """
    assert due.email is not None, "the mail has no recipient"
    return OutgoingMail(
        id=due.id,
        to=due.email,
        subject=words.subject,
        text=as_text(words, farm, name),
        html=as_html(words, farm, name),
        at=due.created_at,
    )


def words_of(due: DueMail, farm: str, token: str, name: str = UNNAMED) -> Words:
    """Return the text of a mail about an account's security. ``token``: the token of its link,
    or ''; ``name``: the farm's name.
    """
    if due.kind is MailKind.PAYOUT_ACCOUNT:
        return _about_payouts(due, farm, token, name)
    if due.kind in LINKS:
        return _with_link(due, farm, token, name)
    at = moment(due.created_at)
    if due.kind is MailKind.SET:
        return Words(
            f"An admin set your {name} password",
            (
                f"On {at}, an admin set a new password for your account {due.email}.",
                "All sessions were ended. API keys still work.",
                "Ask the people who run the farm for it, or choose a password of your own.",
            ),
            ("Choose a new password", f"{farm.rstrip('/')}/console/forgot-password"),
        )
    if due.kind in FACTORS:
        return _about_factors(due, farm, name)
    return Words(
        f"Your {name} password was changed",
        (
            f"On {at}, the password of your account {due.email} was changed.",
            "All other sessions were ended. The page Your account lists your API keys.",
            NOT_YOU,
        ),
        ("Choose a new password", f"{farm.rstrip('/')}/console/forgot-password"),
    )


def _with_link(due: DueMail, farm: str, token: str, name: str) -> Words:
    at = moment(due.created_at)
    if due.kind is MailKind.RESET:
        return Words(
            f"Choose a new password for {name}",
            (f"On {at}, somebody asked for a new password for your account {due.email}.",),
            ("Choose a new password", link_of(RESET, farm, token)),
            (
                f"The link works once, for {MINUTES} minutes.",
                f"If the page asks for a code, enter: {token}",
                "If it was not you who asked, do nothing. Your password stays as it is.",
            ),
        )
    if due.kind is MailKind.CREATED:
        return Words(
            f"Your new {name} account",
            (f"On {at}, an admin opened an account for your address {due.email}.",),
            ("Choose a password", link_of(FIRST_PASSWORD, farm, token)),
            (
                f"The link works once, for {DAYS} days.",
                f"If the page asks for a code, enter: {token}",
                "If you do not know this farm, do nothing.",
            ),
        )
    return Words(
        f"Verify your address for {name}",
        (f"On {at}, somebody opened an account with the address {due.email}.",),
        ("Verify the address", link_of(VERIFICATION, farm, token)),
        (
            f"The link works once, for {HOURS} hours.",
            f"If the page asks for a code, enter: {token}",
            "If it was not you, do nothing. The account cannot buy credits with your address.",
        ),
    )


def _about_payouts(due: DueMail, farm: str, token: str, name: str) -> Words:
    """Return the text of a mail about the payout account; with a token, a change waits."""
    subject = f"Your {name} payout account was changed"
    happened = (
        f"On {moment(due.created_at)}, the payout account of {due.email} was set, changed or"
        " removed."
    )
    if not token:
        page = f"{farm.rstrip('/')}/console/account/payout-account"
        return Words(subject, (happened, "No change waits now."), ("See it", page), (NOT_YOU,))
    return Words(
        subject,
        (
            happened,
            "Payouts of money use a new account 72 hours after it was set.",
            "Until then they go to the earlier account, or wait if there is none.",
        ),
        ("Stop the change", link_of(PAYOUT_STOP, farm, token)),
        (
            "The link works once, for 72 hours, and needs no sign-in.",
            f"If the page asks for a code, enter: {token}",
            NOT_YOU,
        ),
    )


def _about_factors(due: DueMail, farm: str, name: str) -> Words:
    subject, what, then = FACTORS[due.kind]
    return Words(
        subject.format(name),
        (f"On {moment(due.created_at)}, {what} your account {due.email}.", then, NOT_YOU),
        ("See your account", f"{farm.rstrip('/')}/console/account")
        if due.kind in IDENTITIES
        else ("See your second factor", f"{farm.rstrip('/')}/console/account/second-factor"),
    )


def moment(at: datetime) -> str:
    """Return a time as people write it."""
    return f"{at.day} {at:%B %Y at %H:%M} UTC"


def as_text(words: Words, farm: str, name: str) -> str:
    label, url = words.link
    footer = "" if words.footer is None else "\n{}\n{}:\n{}".format(*words.footer)
    parts = [*words.above, f"{label}:\n{url}", *words.below, f"-- \n{name} at {farm}{footer}"]
    return "\n\n".join(parts) + "\n"


def as_html(words: Words, farm: str, name: str) -> str:
    label, url = words.link
    blocks = [
        *map(_paragraph, words.above),
        BUTTON.format(url=escape(url), label=escape(label)),
        *map(_paragraph, words.below),
    ]
    footer = "" if words.footer is None else FOOTER.format(*map(escape, words.footer))
    subject, joined = escape(words.subject), "\n".join(blocks)
    named = {"farm": escape(farm), "name": escape(name)}
    return HTML.format(subject=subject, blocks=joined, footer=footer, **named)


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"
