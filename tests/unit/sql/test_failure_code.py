"""The codes of failures, by the words that the gateway itself writes."""

from typing import Any

import attrs
import pytest

from actors.lifeline.policy import expired
from actors.node_session import failures, moves, quotes
from actors.node_session.messages import Elsewhere
from sql.failure_code import code_of
from sql.work import OpenUnit
from tests.twins.clock import EPOCH
from tests.unit.dispatch.stage import NODE, assignment

UNIT = assignment()
OFTEN = attrs.evolve(UNIT, attempt=60)
_FIELDS: dict[str, Any] = {
    field.name: getattr(UNIT, field.name, None) for field in attrs.fields(OpenUnit)
}
OPEN = OpenUnit(**_FIELDS)
LACK = failures.Lack("memory", 8 << 30, "it is big")
NOBODY = Elsewhere(UNIT.job, 0, 1, is_able=False, is_other=False)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (quotes.underquoted_words(UNIT, 100.0, 350), "underquoted"),
        (quotes.slow_words(100.0, 350.0), "too_slow"),
        (moves.stands_still(moves.Move(at=0.0), 10_000.0, 60.0), "stalled"),
        ("its nodes were lost 12 times", "lost"),
        (failures.failed(OFTEN, NODE, "node", failures.GIVEN_BACK, EPOCH), "given_back"),
        (expired(OPEN), "no_node"),
        ("unit 3, which it is made of, failed", "part_failed"),
        ("another tile of its frame failed", "part_failed"),
        ("the check found something else: 31 dB", "invalid"),
        ("failed on 3 nodes, last by: black", "every_node"),
        (failures.beyond(UNIT, NODE, LACK, NOBODY, is_word=True, now=EPOCH), "too_much_memory"),
        ("the scene has no camera", "reported"),
    ],
)
def test_each_has_its_code(words: object, code: str) -> None:
    assert code_of("scene", str(getattr(words, "error", words))) == code


def test_what_did_not_fail_has_none() -> None:
    assert code_of(None, "its node gave it back") is None
    assert code_of("scene", None) is None
