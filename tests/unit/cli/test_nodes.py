"""The column of ``rendertrust nodes`` that sums up the checks of a node's work."""

from datetime import UTC, datetime

import attrs
import pytest

from rendertrust.api.nodes import Node, NodeCheck
from rendertrust.cli import value_text
from rendertrust.cli.nodes import UNCHECKABLE, check_row, facts

NOW = datetime(2026, 3, 13, 12, tzinfo=UTC)
NODE = Node(
    *("n", None, "a", ("render",), {}, "HEALTHY", "ACTIVE", "", None, 0.0, None, None, NOW),
    reputation=(),
    checkable=None,
)
PLAIN = NodeCheck("j", 0, 1, "cpu/avx2/5.2", None, "", False, NOW, None)
VALID = attrs.evolve(PLAIN, verdict="consistent", said="0.04 times the noise")
INVALID = attrs.evolve(PLAIN, verdict="invalid", said="5 times the noise")
STRIKE = attrs.evolve(INVALID, strike=True)


@pytest.mark.parametrize(
    ("check", "verdict", "why"),
    [
        (PLAIN, "waits", "-"),
        (VALID, "consistent", "0.04 times the noise"),
        (INVALID, "invalid", "5 times the noise"),
        (STRIKE, "invalid, a strike", "5 times the noise"),
    ],
)
def test_an_operator_is_told_what_was_found_and_whether_it_is_a_strike(
    check: NodeCheck, verdict: str, why: str
) -> None:
    assert check_row(check, value_text.stamp)[1:3] == (verdict, why)


@pytest.mark.parametrize(("checkable", "said"), [(None, None), (True, None), (False, UNCHECKABLE)])
def test_an_operator_is_told_that_nobody_can_check_his_machine(
    checkable: bool | None, said: str | None
) -> None:
    assert facts(attrs.evolve(NODE, checkable=checkable))["checked"] == said


def test_an_operator_is_told_since_when_and_why_his_machine_fails() -> None:
    assert facts(NODE)["fails often"] is None
    failing = attrs.evolve(NODE, failing_since=NOW, failing_reason="no disk")
    said = facts(failing)["fails often"]
    assert said is not None
    assert value_text.stamp(NOW) in said
    assert "no disk" in said


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("owner", "stopped by its owner"),
        ("admin", "stopped by an admin"),
        (None, "stopped"),
        ("a later word", "stopped"),
    ],
)
def test_a_drained_node_is_stopped_by_whoever_did_it(by: str | None, said: str) -> None:
    drained = attrs.evolve(NODE, standing="DRAINING", standing_by=by)
    assert facts(drained)["standing"] == said
    standing = facts(attrs.evolve(drained, standing="QUARANTINED"))["standing"]
    assert standing == "in quarantine: it gets only its owner's work"
