"""Texts for the reasons why a delivered result waits long for its verdict."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from actors.verifier.messages import CheckWait
from rendertrust.api.preflights import CheckWaitCode
from sql.jobs import OpenCheck
from web.jobs.check_progress import progress_of

NOW = datetime(2026, 3, 13, tzinfo=UTC)
REASONS = [
    (CheckWait(has_verifier=False), "no_verifier", "No verifier that may check it is connected."),
    (CheckWait(lacks_build=True, ahead=3), "no_build", "No verifier has the build of Blender"),
    (CheckWait(is_running=True), "running", "A verifier is checking it."),
    (CheckWait(is_last=True, ahead=3), "repeated", "is repeated when no other result waits."),
    (CheckWait(has_used_share=True, ahead=3), "share", "3 other results wait before it."),
    (CheckWait(has_used_share=True, ahead=1), "share", "one other result waits before it."),
    (CheckWait(ahead=1), "queue", "One other result waits before it."),
    (CheckWait(ahead=12), "queue", "12 other results wait before it."),
    (CheckWait(), "queue", "It is the next to be checked."),
]


@pytest.mark.parametrize(("wait", "code", "words"), REASONS)
def test_who_waits_long_sees_why(wait: CheckWait, code: str, words: str) -> None:
    found = progress_of(OpenCheck(0, NOW - timedelta(minutes=7)), NOW, wait)
    assert (found.reason, found.since) == (code, NOW - timedelta(minutes=7))
    assert found.words.startswith("It was delivered 7 min ago, and is charged once verified. ")
    assert words in found.words


def test_each_reason_has_a_text() -> None:
    assert {code for _, code, _ in REASONS} == set(get_args(CheckWaitCode))


def test_who_waits_shortly_is_not_told_a_reason() -> None:
    found = progress_of(OpenCheck(0, NOW), NOW)
    assert found.reason is None
    assert found.words.startswith("It was delivered just now, and is charged once verified. The")
