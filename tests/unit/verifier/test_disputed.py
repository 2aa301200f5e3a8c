"""Disputes with the creator's comparison, which a verifier decides by rendering the whole frame."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import DisputeDecide, DisputeOpen
from actors.node_session.messages import RunCheck
from actors.verifier.case import Case
from actors.verifier.report import Report, answer
from actors.verifier.thresholds import DEFAULTS
from tests.support.until import until
from tests.twins.store_checks import records
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import (
    CLASS,
    CREATOR,
    EXACT,
    NODE,
    PRICE,
    Inspector,
    Play,
    pending,
    verifying,
)

SHARE: Final = PRICE * 70 // 100
NEVER_DRAWN: Final = {"least_odds": 0.0}
PLACE: Final = (0.25, 0.5)
COUNT: Final = 4  # the place that the creator names, and three secret places
GRAPHICS: Final = "optix/x86_64/5.2"
OTHER_CLASS: Final = "cpu/sse/5.2"


def whole(off: float = 0.0, count: int = COUNT, **more: Any) -> Mapping[str, Any]:
    """Return a report on the whole frame: one place differs by ``off`` times the noise."""
    at = {"equal": off == 0, "off": off or None}
    return {**EXACT, "whole": True, "crops": [at, *[{"equal": True}] * (count - 1)], **more}


EQUAL: Final = {"equal": True}
UNEQUAL: Final = {"equal": False, "off": 0.6}
SIGNED: Final = "OPENGL; Mesa 1"  # the drawing class that the node signs
OTHER_DRAWING: Final = "OPENGL; Mesa 2"
FINISH: Final = {"equal": False, "off": 9.0}


async def disputed(play: Play, checker: Inspector, **params: Any) -> UUID:
    """Return a unit that was settled without a comparison and then disputed with a comparison."""
    job = await play.delivered(**params)
    await play.checks(checker, {"looked": True})
    await play.ends(job, "COMPLETED")
    dispute = UUID(int=5)
    await play.do(DisputeOpen(dispute, job, 0, CREATOR, "a mark", timedelta(days=1)))
    play.store.comparisons[dispute] = (PLACE,)
    return job


async def asked(play: Play, checker: Inspector) -> RunCheck:
    order = await play.asked(checker)
    assert (order.whole, order.sheet, len(order.draws)) == (True, "always", COUNT)
    assert order.draws[0] == (*PLACE, None), "the place where the creator sees a difference"
    return order


@simulated
@pytest.mark.parametrize(
    ("report", "state", "share"),
    [
        (whole(), "REJECTED", SHARE),
        (whole(0.05), "REJECTED", SHARE),
        (whole(0.9), "UPHELD", 0),
        (whole(0.3), "UPHELD", 0),
        (whole(finish=FINISH), "UPHELD", 0),
        (whole(count=1), "REJECTED", SHARE),
        (whole(0.9, 1), "UPHELD", 0),
        ({"fault": "the picture is none"}, "UPHELD", 0),
    ],
)
async def test_the_whole_frame_decides_a_dispute(
    report: Mapping[str, Any], state: str, share: int
) -> None:
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job = await disputed(play, checker)
        play.says(checker, await asked(play, checker), report)
        await until(lambda: play.store.disputes[job, 0].state == state, within=60)
        assert (await play.store.audit(), play.earned()) == ([], share)
        decision = play.store.disputes[job, 0].decision
        assert decision.startswith("a check found that the result is ")
        assert ("of the whole frame" in decision) == ("fault" not in report)
        assert play.standing() == "ACTIVE"


@simulated
async def test_a_lie_found_by_a_dispute_costs_as_much_as_a_drawn_one() -> None:
    """The lie brings a strike and a fine, and the node's other uncompared results are compared."""
    async with verifying(least_odds=0.25) as play:
        play.known("v" * 1000)
        checker, settled = play.inspector(), list[UUID]()
        while len(settled) < 12:
            job = await play.delivered()
            order = await play.asked(checker)
            play.says(checker, order, EXACT if order.draws else {"looked": True})
            await play.ends(job, "COMPLETED")
            if not order.draws:
                settled.append(job)
        dispute, job = UUID(int=5), settled[-1]
        await play.do(DisputeOpen(dispute, job, 0, CREATOR, "a mark", timedelta(days=1)))
        play.store.comparisons[dispute] = (PLACE,)
        play.says(checker, await asked(play, checker), whole(9.0))
        await until(lambda: play.store.disputes[job, 0].state == "UPHELD", within=60)
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.strike, row.compared) == ("invalid", True, "whole")
        due = 2 * SHARE * 4 - SHARE
        assert len(play.store.fines) == due // SHARE
        assert all(fine.job_id == job for fine in play.store.fines.values())
        assert records(play.store, [NODE])[0].since.endswith("m")
        await until(lambda: len(play.store.disputes) > 1, within=60)
        assert await play.store.audit() == []


@simulated
@pytest.mark.parametrize(
    ("report", "device_class"),
    [
        (whole(finish=FINISH, loose=True), None),
        (whole(0.9, loose=True), None),
        (whole(0.9, 1), OTHER_CLASS),
        (whole(finish=FINISH), OTHER_CLASS),
        (whole(finish=None), None),
        ({"unable": "its simulation is not baked"}, None),
    ],
)
async def test_what_honest_machines_may_differ_by_is_left_to_an_admin(
    report: Mapping[str, Any], device_class: str | None
) -> None:
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector(20)
        job = await disputed(play, checker)
        if device_class is not None:
            play.goes(checker)
            await asyncio.sleep(1)
            checker = play.inspector(21, device_class)
            if checker.probe.ref.depth == 0:
                await until(lambda: checker.probe.ref.depth, within=60)
        play.says(checker, await play.asked(checker), report)
        await asyncio.sleep(5)
        assert (play.store.disputes[job, 0].state, checker.probe.ref.depth) == ("OPEN", 0)
        assert (play.charged(), play.earned()) == (PRICE, SHARE)
        await play.do(DisputeDecide(job, 0, CREATOR, True, "an admin looked at it"))
        assert (await play.store.audit(), play.earned()) == ([], 0)


@simulated
@pytest.mark.parametrize("what", ["frames of a chunk", "a frame without evidence"])
async def test_what_is_not_rendered_whole_is_left_to_an_admin(what: str) -> None:
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        if what == "frames of a chunk":
            job = await disputed(play, checker, frame=None, frames=[*range(1, 10)])
        else:
            job = await disputed(play, checker)
            row = play.store.checks[job, 0, 1]
            play.store.checks[row.id] = attrs.evolve(row, evidence_sha256=None, evidence_size=None)
        await asyncio.sleep(5)
        assert (play.store.disputes[job, 0].state, checker.probe.ref.depth) == ("OPEN", 0)


@simulated
@pytest.mark.parametrize("is_away", [False, True])
async def test_what_is_left_to_an_admin_is_not_rendered_again_after_a_restart(
    is_away: bool,
) -> None:
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job = await disputed(play, checker)
        order = await asked(play, checker)
        play.store.away = is_away
        play.says(checker, order, whole(0.9, loose=True))
        await asyncio.sleep(5)
        play.store.away = False
        await asyncio.sleep(5)
        assert play.store.findings == {
            UUID(int=5): "invalid: of the whole frame 0.9 times the noise"
        }
        await play.restarts()
        again = play.inspector()
        await asyncio.sleep(60)
        assert (again.probe.ref.depth, play.store.disputes[job, 0].state) == (0, "OPEN")
        await play.do(DisputeDecide(job, 0, CREATOR, True, "an admin looked at it"))
        assert (await play.store.audit(), play.earned()) == ([], 0)


@simulated
async def test_a_dispute_waits_for_a_verifier_and_an_admin_may_decide_before() -> None:
    async with verifying(**NEVER_DRAWN, wait_seconds=10.0) as play:
        play.known("v" * 1000)
        checker = play.inspector()
        job = await disputed(play, checker)
        order = await asked(play, checker)
        play.goes(checker)
        await asyncio.sleep(15)
        assert play.store.disputes[job, 0].state == "OPEN"
        await play.do(DisputeDecide(job, 0, CREATOR, False, "an admin looked at it"))
        again = play.inspector()
        await asyncio.sleep(4)
        assert again.probe.ref.depth == 0, "no verifier is asked about it any more"
        play.says(again, order, whole(0.9))
        await asyncio.sleep(4)
        assert (play.store.disputes[job, 0].state, play.earned()) == ("REJECTED", SHARE)


@pytest.mark.parametrize(
    ("device_class", "crops", "is_for_admin"),
    [
        (CLASS, [UNEQUAL, EQUAL, EQUAL, EQUAL], False),
        (OTHER_CLASS, [UNEQUAL, EQUAL, EQUAL, EQUAL], True),
        (OTHER_CLASS, [UNEQUAL, EQUAL, UNEQUAL, EQUAL], False),
        (OTHER_CLASS, [UNEQUAL] * 2 + [EQUAL] * 6, True),  # two view layers
        (OTHER_CLASS, [UNEQUAL] * 2 + [EQUAL] * 5 + [UNEQUAL], False),
    ],
)
def test_of_another_instruction_set_what_differs_at_the_named_places_alone_is_for_an_admin(
    device_class: str, crops: list[Mapping[str, Any]], is_for_admin: bool
) -> None:
    waits = pending(is_again=True, disputed=(PLACE,))
    row = attrs.evolve(waits.row, evidence_sha256=b"e" * 32, evidence_size=9)
    case = Case.opened(attrs.evolve(waits, row=row))
    case.order(UUID(int=1), b"secret", device_class)
    read = answer({**EXACT, "whole": True, "crops": crops}, COUNT)
    assert isinstance(read, Report), read
    case.hear(read, UUID(int=20), device_class, DEFAULTS)
    assert case.verdict is not None
    assert (case.verdict.outcome, case.is_for_admin) == ("invalid", is_for_admin)


@pytest.mark.parametrize(
    ("outcome", "verdict", "is_for_admin"),
    [
        ("accepted", "consistent", True),
        ("refused", "invalid", True),
        ("unsaid", "unverifiable", True),
        ("consistent", "consistent", False),
        ("exact", "exact", False),
    ],
)
def test_what_other_seeds_say_does_not_decide_a_dispute(
    outcome: str, verdict: str, is_for_admin: bool
) -> None:
    """A verifier of another device kind compares statistically, which would miss a small mark."""
    waits = pending(is_again=True, disputed=(PLACE,))
    row = attrs.evolve(waits.row, evidence_sha256=b"e" * 32, evidence_size=9)
    case = Case.opened(attrs.evolve(waits, row=row))
    order = case.order(UUID(int=1), b"secret", GRAPHICS)
    assert (order.whole, len(order.draws), bool(order.across)) == (True, COUNT, True)
    looks: list[Any] = [[{"layer": "ViewLayer", "outcome": outcome, "reasons": [], "unsaid": None}]]
    off = {"exact": 0.0, "consistent": 0.2}.get(outcome, 1.2)
    read = answer(whole(off, across={"outcome": outcome, "looks": looks}), order.count)
    assert isinstance(read, Report), read
    case.hear(read, UUID(int=20), GRAPHICS, DEFAULTS)
    assert case.verdict is not None
    assert (case.verdict.outcome, case.is_for_admin) == (verdict, is_for_admin)


@pytest.mark.parametrize(
    ("outcome", "drawing", "verdict", "is_for_admin"),
    [
        ("accepted", OTHER_DRAWING, "consistent", True),
        ("unsaid", OTHER_DRAWING, "unverifiable", True),
        ("refused", OTHER_DRAWING, "invalid", True),
        ("exact", OTHER_DRAWING, "exact", False),
        ("refused", SIGNED, "invalid", False),
    ],
)
def test_what_another_driver_says_does_not_decide_a_dispute_of_a_frame_by_eevee(
    outcome: str, drawing: str, verdict: str, is_for_admin: bool
) -> None:
    """A node may add evidence that no honest frame by EEVEE has, so that a check takes place."""
    waits = pending(is_again=True, disputed=(PLACE,))
    work = json.dumps({"pixels": None, "measured": {"drawing": SIGNED}})
    row = attrs.evolve(waits.row, evidence_sha256=b"e" * 32, evidence_size=9, work=work)
    case = Case.opened(attrs.evolve(waits, row=row))
    order = case.order(UUID(int=1), b"secret", CLASS)
    across = {"outcome": outcome, "drawing": drawing, "reasons": []}
    read = answer(whole(0.0 if outcome == "exact" else 0.01, across=across), order.count)
    assert isinstance(read, Report), read
    case.hear(read, UUID(int=20), CLASS, DEFAULTS)
    assert case.verdict is not None
    assert (case.verdict.outcome, case.is_for_admin) == (verdict, is_for_admin)
