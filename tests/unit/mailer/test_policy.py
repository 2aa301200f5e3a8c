"""Tests of the retry policy and of the texts of mails."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.mailer.letters import LINKS, mail_of, words_of
from actors.mailer.notices import LAST, notice_of
from actors.mailer.policy import PAUSES, anonymous, settled_mail
from actors.ports.mail import MailAccepted, MailDeferred, MailRefused
from sql.mails import NOTICES, DueMail, MailKind, NoticeFacts

NOW = datetime(2026, 3, 3, 9, 5, tzinfo=UTC)
ID = UUID("3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b52")
TOKEN = "rtr_" + "ab" * 16


def due(kind: MailKind = MailKind.RESET, tries: int = 1, email: str = "jane@x.org") -> DueMail:
    return DueMail(ID, kind, tries, NOW, asked=False, user_id=ID, email=email)


@given(st.integers(1, len(PAUSES)), st.floats(0, 1))
def test_a_deferred_mail_waits_between_half_and_all_of_the_pause(tries: int, chance: float) -> None:
    became = settled_mail(due(tries=tries), MailDeferred("later"), NOW, chance)
    assert (became.state, became.error, became.ended_at) == ("PENDING", "later", None)
    assert became.due_at is not None
    pause = PAUSES[tries - 1]
    assert timedelta(seconds=pause / 2) <= became.due_at - NOW <= timedelta(seconds=pause)


def test_a_mail_is_given_up_after_the_last_try() -> None:
    became = settled_mail(due(tries=len(PAUSES) + 1), MailDeferred("later"), NOW, 0.5)
    assert (became.state, became.ended_at) == ("FAILED", NOW)


def test_an_accepted_and_a_refused_mail_have_ended() -> None:
    assert settled_mail(due(), MailAccepted(), NOW, 0.5).state == "SENT"
    assert settled_mail(due(), MailRefused("no"), NOW, 0.5).state == "FAILED"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("550 5.1.1 <jane@x.org>: no such user", "550 5.1.1 <(address)>: no such user"),
        ("550 user jane unknown (Jane)", "550 user (name) unknown ((name))"),
        ('550 "jane doe"@x.org is unknown', "550 (address) is unknown"),
        ("450 rfc822;other=40y.example full", "450 rfc822;(address) full"),
        ("454 TLS not available", "454 TLS not available"),
        ("421 janet.example closes", "421 janet.example closes"),
    ],
)
def test_a_servers_reply_is_kept_without_addresses(said: str, shown: str) -> None:
    for outcome in (MailRefused(said), MailDeferred(said)):
        kept = anonymous(outcome, due())
        assert isinstance(kept, type(outcome))
        assert kept.reason == shown
    assert anonymous(MailAccepted(), due()) == MailAccepted()


FARM = "https://farm.example/"


@pytest.mark.parametrize("kind", [kind for kind in MailKind if kind not in NOTICES])
def test_the_text_and_the_html_say_the_same_in_plain_words(kind: MailKind) -> None:
    mail = mail_of(due(kind), FARM, words_of(due(kind), FARM, TOKEN))
    assert mail.to == "jane@x.org"
    assert "3 March 2026 at 09:05 UTC" in mail.text
    assert "jane@x.org" in mail.html
    assert (TOKEN in mail.text) is (TOKEN in mail.html) is (kind in LINKS)
    assert TOKEN not in repr(mail)
    assert TOKEN not in mail.subject
    assert "https://farm.example/console/" in mail.text
    assert "\n" not in mail.subject


def test_the_link_has_the_token_after_the_hash() -> None:
    mail = mail_of(due(), FARM, words_of(due(), FARM, TOKEN))
    assert f"https://farm.example/console/reset-password#token={TOKEN}\n" in mail.text


def test_html_is_escaped() -> None:
    one = due(email="a&<b>@x.org")
    mail = mail_of(one, FARM, words_of(one, FARM, TOKEN))
    assert "a&amp;&lt;b&gt;@x.org" in mail.html
    assert "<b>" not in mail.html


FACTS = NoticeFacts(
    job_id=ID,
    node_id=ID,
    user_id=ID,
    name="attic <b>\nBcc: all@x.org",
    at=NOW,
    unit=3,
    units=24,
    failed=2,
    amount=105_000,
    cap=110_000,
    share=70_000,
    state="UPHELD",
)


@pytest.mark.parametrize("kind", NOTICES)
def test_a_notice_says_what_happened_and_where_to_switch_it_off(kind: MailKind) -> None:
    mail = mail_of(due(kind), FARM, notice_of(due(kind), FACTS, FARM))
    assert "3 March 2026 at 09:05 UTC" in mail.text
    for text in (mail.text, mail.html):
        assert "https://farm.example/console/account#mails" in text
    assert mail.text.count("https://farm.example/console/") == 2
    assert LAST not in mail.text
    assert "\n" not in mail.subject
    assert "<b>" not in mail.html
    assert "\nBcc" not in mail.text


def test_a_job_of_frames_counts_frames_and_a_job_of_one_unit_counts_none() -> None:
    done, failed = due(MailKind.JOB_COMPLETED), due(MailKind.JOB_FAILED)
    frames = attrs.evolve(FACTS, has_frames=True)
    assert "24 frames complete. 10.5 credits charged." in notice_of(done, frames, FARM).above
    assert "24 units complete. 10.5 credits charged." in notice_of(done, FACTS, FARM).above
    assert "2 of 24 frames failed." in notice_of(failed, frames, FARM).above
    one = attrs.evolve(frames, units=1, failed=1, amount=0)
    assert notice_of(done, one, FARM).above[1:] == ("0 credits charged.",)
    assert notice_of(failed, one, FARM).above[1:] == ("Nothing was charged.",)


def test_a_mail_that_the_job_asks_for_does_not_blame_the_account() -> None:
    asked = notice_of(due(MailKind.JOB_COMPLETED), attrs.evolve(FACTS, is_asked=True), FARM)
    assert asked.footer is not None
    assert asked.footer[0] == "You get this mail because you asked for mails about this job."
    usual = notice_of(due(MailKind.JOB_COMPLETED), FACTS, FARM)
    assert usual.footer is not None
    assert "your account asks for mails" in usual.footer[0]


def test_the_last_notice_of_an_hour_says_that_more_are_left_out() -> None:
    one = attrs.evolve(due(MailKind.JOB_FAILED), is_last=True)
    mail = mail_of(one, FARM, notice_of(one, FACTS, FARM))
    assert LAST in mail.text
    assert "10 mails of this kind" in mail.html


def test_a_dispute_is_told_to_each_side_in_its_own_words() -> None:
    kind = MailKind.DISPUTE_DECIDED
    creator = notice_of(due(kind), FACTS, FARM)
    operator = notice_of(due(kind), attrs.evolve(FACTS, user_id=None), FARM)
    assert "Refunded to you: 10.5 credits" in creator.above[-1]
    assert "your share of 7 credits was reversed" in operator.above[-1]
