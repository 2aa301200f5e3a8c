"""What is written down of an attempt that came to nothing: the words, and whose failure it is."""

from typing import Any, Final
from uuid import UUID

import attrs

from actors.ledger.draft import Draft
from actors.ledger.messages import UnitFail
from sql.books import UnitRow

ERROR_CHARACTERS: Final = 2000


def words(error: str) -> str:
    """As the database takes it."""
    return error.replace("\x00", "\ufffd")[:ERROR_CHARACTERS]


def blamed(unit: UnitRow, effect: UnitFail) -> UnitRow:
    """With what went wrong; a failure of the node's counts, and it is to be avoided.

    Others count for themselves, but for a unit that was given back: nothing failed then.
    """
    told = attrs.evolve(unit, error_class=effect.error_class, error_message=words(effect.error))
    if effect.error_class != "node":
        return told if effect.given_back else attrs.evolve(told, faults=unit.faults + 1)
    node = effect.node
    avoid = unit.avoid if node is None or node in unit.avoid else (*unit.avoid, node)
    return attrs.evolve(told, failures=unit.failures + 1, avoid=avoid)


def shunned(draft: Draft, effect: UnitFail) -> dict[str, Any]:
    """A node that failed a unit is not given another of its job."""
    job = draft.jobs.get(effect.job)
    if job is None or effect.error_class != "node" or effect.node in (None, *job.avoid):
        return {}
    return {"avoid": (*job.avoid, effect.node)}


def avoiding(unit: UnitRow, effect: UnitFail) -> tuple[UUID, ...]:
    """A node that says of a scene that it is at fault is not asked again: another has to say so."""
    node, again = effect.node, effect.retry_at is not None
    if effect.error_class != "scene" or not again or node is None or node in unit.avoid:
        return unit.avoid
    return (*unit.avoid, node)
