"""Build the order that a verifier gets for a check."""

from collections.abc import Sequence
from uuid import UUID

import attrs

from actors.node_session.messages import FurtherResult, RunCheck, StoredObject
from actors.scheduler.messages import Assignment
from actors.verifier.sample_regions import NOWHERE, SampleRegions
from sql.checks import Pending
from sql.units import evidence_key, result_key


def order_for(
    pending: Pending,
    check: UUID,
    at: SampleRegions,
    *,
    whole: bool = False,
    again: SampleRegions = NOWHERE,
) -> RunCheck:
    """Return the order for a check at these places.

    ``again``: places of a second look, for a verifier of another device kind.
    """
    row = pending.row
    assert row.sha256 is not None, "an order names its object"
    assert row.size is not None, "an order gives the size"
    proof, of, name = row.evidence_sha256, row.evidence_size, (pending.user, *row.id)
    return RunCheck(
        check=check,
        unit=_assignment(pending),
        picture=StoredObject(result_key(*name), row.sha256.hex(), row.size),
        evidence=None if proof is None else StoredObject(evidence_key(*name), proof.hex(), of or 0),
        draws=at.draws,
        shown=at.shown,
        whole=whole,
        across=again.draws,
    )


def batch_for(results: Sequence[Pending], check: UUID) -> RunCheck:
    """Return the check that opens all of these results."""
    first, *others = (order_for(pending, check, NOWHERE) for pending in results)
    return attrs.evolve(
        first, further=tuple(FurtherResult(of.picture, of.evidence) for of in others)
    )


def _assignment(pending: Pending) -> Assignment:
    """Return the unit as its node received it."""
    return Assignment(
        job=pending.row.job_id,
        unit=pending.row.unit,
        attempt=pending.row.attempt,
        plan=pending.plan,
        params=pending.params,
        user=pending.user,
        failures=pending.failures,
        parts=pending.parts,
    )
