"""Texts of mails about an account's security."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from actors.mailer.letters import words_of
from sql.mails import NOTICES, DueMail, MailKind

FARM = "https://farm.example"
AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", sorted(set(MailKind) - set(NOTICES)))
def test_subjects_name_the_farm(kind: MailKind) -> None:
    due = DueMail(UUID(int=1), kind, 1, AT, False, UUID(int=2), "jane@example.org")
    assert "Studio {Fjord}" in words_of(due, FARM, "t", "Studio {Fjord}").subject
    assert "RenderTrust" in words_of(due, FARM, "t").subject
