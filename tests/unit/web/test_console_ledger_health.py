"""The console's statement about the books: sound, broken, or not known yet."""

from datetime import UTC, datetime

import pytest

from actors.auditor.messages import Audit, Finding
from sql.fsck import INVARIANTS
from sql.halts import AHEAD, Halt
from web.console.alerts import Alert, broken
from web.console.ledger_health import ALL, judged

NOON = datetime(2026, 3, 13, 12, tzinfo=UTC)
HALT = Halt(AHEAD, NOON, 1, "0x5f", 9, b"r" * 32)


def test_every_invariant_has_its_words() -> None:
    assert list(ALL) == [f"I{number}" for number in range(1, 13)]
    assert set(INVARIANTS) <= set(ALL)


def test_nothing_is_said_before_everything_was_looked_at() -> None:
    assert judged(None, None, chain=True).state == "unknown"
    assert judged(Audit(NOON, ()), None, chain=True).state == "unknown"
    assert {line.findings for line in judged(None, None, chain=True).lines} == {None}
    lines = {line.name: line.at for line in judged(Audit(NOON, ()), None, chain=True).lines}
    assert lines["I1"] == NOON
    assert lines["I12"] is None, "I12 is looked at only when everything is"


def test_it_is_sound_when_nothing_was_found() -> None:
    found = judged(Audit(NOON, (), NOON), None, chain=True)
    assert found.state == "sound"
    looked = {line.name for line in found.lines if line.findings == 0}
    assert looked == set(INVARIANTS), "an invariant that was not looked at is not said to hold"


@pytest.mark.parametrize("name", ["I1", "I7", "I12"])
def test_a_finding_breaks_it(name: str) -> None:
    found = judged(Audit(NOON, (Finding(name, "entry 7", "is not"),), NOON), None, chain=True)
    assert found.state == "broken"
    assert found.said == [f"{name} entry 7: is not"]
    assert [line.name for line in found.lines if line.findings] == [name]


def test_without_a_chain_it_is_said_that_there_is_none() -> None:
    for audit in (None, Audit(NOON, ()), Audit(NOON, (), NOON)):
        line = judged(audit, None, chain=False).lines[-1]
        assert (line.name, line.state, line.findings, line.at) == ("I12", "no chain", None, None)
    assert judged(Audit(NOON, (), NOON), None, chain=False).state == "sound"
    left = judged(Audit(NOON, (Finding("I12", "anchor 1", "is not"),), NOON), None, chain=False)
    assert left.lines[-1].state == "broken", "what an earlier chain left behind counts, too"


def test_what_is_broken_is_an_alert_that_leads_to_the_ledger() -> None:
    found = judged(Audit(NOON, (Finding("I1", "entry 7", "is not"),), NOON), None, chain=True)
    said = "The ledger is inconsistent: I1 entry 7: is not"
    assert list(broken(found)) == [Alert("bad", said, "/console/ledger")]
    assert list(broken(judged(Audit(NOON, (), NOON), None, chain=True))) == []
    assert list(broken(judged(None, None, chain=True))) == [], "an unknown state is no alarm"


def test_a_chain_that_disagrees_breaks_it_whatever_was_audited() -> None:
    for audit in (None, Audit(NOON, (), NOON)):
        found = judged(audit, HALT, chain=True)
        assert found.state == "broken"
        assert "older backup" in found.said[0]
        assert [line.name for line in found.lines if line.findings] == ["I12"]
