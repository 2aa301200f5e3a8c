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
from sql.link_tokens import RESET, VERIFICATION, LinkKind, link_of
from sql.mails import DueMail, MailKind

LINKS: Final[Mapping[MailKind, LinkKind]] = {
    MailKind.RESET: RESET,
    MailKind.VERIFY: VERIFICATION,
}
NOT_YOU: Final = (
    "If it was not you, choose another password now, and tell the people who run the farm."
)
# Mails about second factors: subject, what happened, and what follows.
FACTORS: Final[Mapping[MailKind, tuple[str, str, str]]] = {
    MailKind.FACTOR_ADDED: (
        "A second factor was added to your RenderTrust account",
        "an authenticator app or a passkey was added to",
        "If it is the first one, all other sessions were ended. API keys still work.",
    ),
    MailKind.FACTOR_REMOVED: (
        "A second factor of your RenderTrust account was removed",
        "an authenticator app or a passkey was removed from",
        "If it was the last one, the password alone now opens the account.",
    ),
    MailKind.CODE_USED: (
        "A recovery code of your RenderTrust account was used",
        "a recovery code was used for",
        "Each code works once. You can make new codes on the page of your second factor.",
    ),
}
MINUTES: Final = int(RESET.lifetime.total_seconds() // 60)
HOURS: Final = int(VERIFICATION.lifetime.total_seconds() // 3600)
HTML: Final = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{subject}</title></head>
<body style="margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1c2024">
<div style="max-width:34em;margin:0 auto">
{blocks}
<p style="color:#60646c;font-size:14px">RenderTrust at <a href="{farm}">{farm}</a>{footer}</p>
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


def mail_of(due: DueMail, farm: str, words: Words) -> OutgoingMail:
    """Return a mail to the user of ``due``. ``farm``: the gateway's address."""
    assert due.email is not None, "the mail goes to nobody"
    return OutgoingMail(
        id=due.id,
        to=due.email,
        subject=words.subject,
        text=as_text(words, farm),
        html=as_html(words, farm),
        at=due.created_at,
    )


def words_of(due: DueMail, farm: str, token: str) -> Words:
    """Return the text of a mail about an account's security. ``token``: the token of its link,
    or ''.
    """
    at = moment(due.created_at)
    if due.kind is MailKind.RESET:
        return Words(
            "Choose a new password for RenderTrust",
            (f"On {at}, somebody asked for a new password for your account {due.email}.",),
            ("Choose a new password", link_of(RESET, farm, token)),
            (
                f"The link works once, for {MINUTES} minutes.",
                f"If the page asks for a code, enter: {token}",
                "If it was not you who asked, do nothing. Your password stays as it is.",
            ),
        )
    if due.kind is MailKind.VERIFY:
        return Words(
            "Verify your address for RenderTrust",
            (f"On {at}, somebody opened an account with the address {due.email}.",),
            ("Verify the address", link_of(VERIFICATION, farm, token)),
            (
                f"The link works once, for {HOURS} hours.",
                f"If the page asks for a code, enter: {token}",
                "If it was not you, do nothing. The account cannot buy credits with your address.",
            ),
        )
    if due.kind is MailKind.SET:
        return Words(
            "An admin set your RenderTrust password",
            (
                f"On {at}, an admin set a new password for your account {due.email}.",
                "All sessions were ended. API keys still work.",
                "Ask the people who run the farm for it, or choose a password of your own.",
            ),
            ("Choose a new password", f"{farm.rstrip('/')}/console/forgot-password"),
        )
    if due.kind in FACTORS:
        return _about_factors(due, farm)
    return Words(
        "Your RenderTrust password was changed",
        (
            f"On {at}, the password of your account {due.email} was changed.",
            "All other sessions were ended. API keys still work.",
            NOT_YOU,
        ),
        ("Choose a new password", f"{farm.rstrip('/')}/console/forgot-password"),
    )


def _about_factors(due: DueMail, farm: str) -> Words:
    subject, what, then = FACTORS[due.kind]
    return Words(
        subject,
        (f"On {moment(due.created_at)}, {what} your account {due.email}.", then, NOT_YOU),
        ("See your second factor", f"{farm.rstrip('/')}/console/account/second-factor"),
    )


def moment(at: datetime) -> str:
    """Return a time as people write it."""
    return f"{at.day} {at:%B %Y at %H:%M} UTC"


def as_text(words: Words, farm: str) -> str:
    label, url = words.link
    footer = "" if words.footer is None else "\n{}\n{}:\n{}".format(*words.footer)
    parts = [*words.above, f"{label}:\n{url}", *words.below, f"-- \nRenderTrust at {farm}{footer}"]
    return "\n\n".join(parts) + "\n"


def as_html(words: Words, farm: str) -> str:
    label, url = words.link
    blocks = [
        *map(_paragraph, words.above),
        BUTTON.format(url=escape(url), label=escape(label)),
        *map(_paragraph, words.below),
    ]
    footer = "" if words.footer is None else FOOTER.format(*map(escape, words.footer))
    subject, joined = escape(words.subject), "\n".join(blocks)
    return HTML.format(subject=subject, blocks=joined, farm=escape(farm), footer=footer)


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"
