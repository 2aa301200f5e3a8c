"""The language of the job filter: accepted filters, and messages for refused filters."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql.job_filters import JobFilter
from web.jobs.job_filter import WORDS, Misread, Term, filter_of, terms_of, with_status, without

NOW = datetime(2026, 3, 13, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("", JobFilter()),
        ("   ", JobFilter()),
        ("status:failed", JobFilter(statuses=("FAILED",))),
        ("STATUS:Failed,queued", JobFilter(statuses=("FAILED", "QUEUED"))),
        ("status:open", JobFilter(statuses=("QUEUED", "DISPATCHED", "RUNNING", "PAUSED"))),
        ("type:render,echo", JobFilter(types=("render", "echo"))),
        ('node:"studio one" user:ann', JobFilter(node="studio one", user="ann")),
        ("0a1b2c", JobFilter(words=("0a1b2c",))),
        ('cathedral "wide shot" name:v2', JobFilter(words=("cathedral", "wide shot", "v2"))),
        ('""', JobFilter()),
        ("id:0a1b-", JobFilter(id="0a1b-")),
        ("error:camera", JobFilter(error="camera")),
        ("since:2h", JobFilter(since=NOW - timedelta(hours=2))),
        ("until:7d", JobFilter(until=NOW - timedelta(days=7))),
        ("since:2026-03-01", JobFilter(since=datetime(2026, 3, 1, tzinfo=UTC))),
        ("since:2026-03-01T10:00+02:00", JobFilter(since=datetime(2026, 3, 1, 8, tzinfo=UTC))),
        ("type:a:b", JobFilter(types=("a:b",))),
    ],
)
def test_what_is_understood(text: str, wish: JobFilter) -> None:
    assert filter_of(text, NOW) == wish


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\ufffd"])
def test_what_nobody_can_type_is_said_to_be_there(character: str) -> None:
    found = filter_of(f"status:failed{character}", NOW)
    assert isinstance(found, Misread)
    assert "cannot be typed" in found.said
    assert with_status(f"node:a{character}", "failed") == "status:failed"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("stats:failed", "did you mean “status”?"),
        ("status:faild", "did you mean “failed”?"),
        ("status:zzz", "there are queued, dispatched"),
        ("zzz:1", "there are name, status, type"),
        ("name:", "“name:” has no value; write after it a part of the job's name"),
        ("node:", "“node:” has no value; write after it a part of the node's name"),
        ('node:""', "“node:” has no value"),
        ("nod:", "did you mean “node”?"),
        ("id:camera", "name:camera or error:camera"),
        ("a b c d e f g h i", "at most 8 parts of a name"),
        ('node:"studio', "not closed"),
        ("since:yesterday", "since:2h"),
        ("since:999999w", "is no time"),
        ("node:a node:b", "occurs twice"),
        ("id:0a id:0b", "occurs twice"),
        ("a" * 501, "at most 500 characters"),
    ],
)
def test_what_is_not_understood_is_said_with_what_to_write(text: str, part: str) -> None:
    found = filter_of(text, NOW)
    assert isinstance(found, Misread)
    assert part in found.said


def test_creators_have_their_own_jobs_alone() -> None:
    found = filter_of("user:bob", NOW, of_everybody=False)
    assert isinstance(found, Misread)
    assert "admins" in found.said


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(filter_of(text, NOW), JobFilter | Misread)


VALUES = st.from_regex(r"[a-z0-9<>'&][a-z0-9 <>'&]{0,12}[a-z0-9]", fullmatch=True)


@given(st.lists(st.tuples(st.sampled_from(WORDS), VALUES), max_size=6))
def test_what_is_written_is_read_again(pairs: list[tuple[str, str]]) -> None:
    terms = [Term(word, value) for word, value in pairs]
    assert terms_of(" ".join(str(term) for term in terms)) == terms


def test_a_tab_changes_the_status_alone() -> None:
    text = 'status:failed node:"a b" since:2h'
    assert without(text, "status") == 'node:"a b" since:2h'
    assert with_status(text, "queued") == 'status:queued node:"a b" since:2h'
    assert with_status(text, "") == 'node:"a b" since:2h'
    assert with_status('node:"', "queued") == "status:queued"
