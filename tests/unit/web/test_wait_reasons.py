"""Texts for the reasons why a unit waits."""

from datetime import UTC, datetime
from typing import get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.scheduler.messages import WaitCounts
from rendertrust.api.preflights import WaitCode
from sql.jobs import OwnerJobRow, PagedUnit
from tests.support.plans import planned
from web.jobs.wait_reasons import reason

NOW = datetime(2026, 3, 13, tzinfo=UTC)


def job(**changes: object) -> OwnerJobRow:
    values = {field.name: None for field in attrs.fields(OwnerJobRow)}
    return OwnerJobRow(**{**values, "plan": planned("render"), "units": 9, **changes})  # type: ignore[arg-type]


def unit(**changes: object) -> PagedUnit:
    values = {field.name: None for field in attrs.fields(PagedUnit)}
    return PagedUnit(**{**values, "number": 3, "state": "QUEUED", "missing": 0, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "piece", "found", "code"),
    [
        (job(paused="owner"), unit(), WaitCounts(ready=1), "paused"),
        (job(paused="cap"), unit(), WaitCounts(ready=1), "cap"),
        (job(), unit(missing=4), None, "parts"),
        (job(), unit(), None, "turn"),
        (job(units=1), unit(), None, "soon"),
        (job(), unit(), WaitCounts(), "no_node"),
        (job(), unit(), WaitCounts(ready=1, full=2), "soon"),
        (job(), unit(), WaitCounts(ready=1, not_before=NOW), "retry"),
        (job(), unit(), WaitCounts(full=2, silent=1), "full"),
        (job(), unit(), WaitCounts(silent=1, closed=2), "nobody"),
        (job(), unit(state="DISPATCHED"), WaitCounts(reachable=False), "unreachable"),
        (job(), unit(state="DISPATCHED"), WaitCounts(reachable=True), "begins"),
        (job(), unit(state="DISPATCHED"), None, "begins"),
    ],
)
def test_each_unit_that_waits_has_a_reason(
    row: OwnerJobRow, piece: PagedUnit, found: WaitCounts | None, code: str
) -> None:
    assert reason(row, piece, found).code == code


FIGURES = st.builds(
    WaitCounts,
    **{
        name: st.integers(0, 3)
        for name in (
            "ready",
            "full",
            "paused",
            "barred",
            "closed",
            "silent",
            "unable",
            "low_memory",
        )
    },
    not_before=st.none() | st.just(NOW),
    reachable=st.none() | st.booleans(),
)


@given(
    st.none() | FIGURES,
    st.sampled_from(("QUEUED", "DISPATCHED")),
    st.integers(0, 2),
    st.sampled_from((None, "owner", "cap")),
)
def test_whatever_there_is_the_reason_is_one_of_the_set_and_a_sentence(
    found: WaitCounts | None, state: str, missing: int, paused: str | None
) -> None:
    said = reason(job(paused=paused), unit(state=state, missing=missing), found)
    assert said.code in get_args(WaitCode)
    assert said.words.endswith(".")


def test_what_keeps_nodes_is_counted_in_words() -> None:
    said = reason(job(), unit(), WaitCounts(silent=1, closed=2, unable=1))
    assert said.words == (
        "No node can do it now: 1 is not connected, 2 are not in its pool, 1 lacks what it needs."
    )
    said = reason(job(), unit(), WaitCounts(low_memory=3))
    assert (said.code, said.words) == (
        "nobody",
        "No node can do it now: 3 have too little memory for it.",
    )
