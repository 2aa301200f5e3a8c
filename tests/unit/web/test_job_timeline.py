"""The timeline and the bill of a job, from rows of the database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import attrs

from rendertrust.job_status import JobStatus
from sql.jobs import AttemptView, ConsoleCharges, ConsoleEntry, ConsoleHold, ConsoleJob, ConsoleUnit
from tests.support.plans import planned
from web.console.bill import bill_of
from web.console.job_timeline import JobSpans, TimelineFacts, spans_of, steps_of, tries_of

START = datetime(2026, 3, 13, 12, tzinfo=UTC)
NODE = UUID(int=1)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


JOB = ConsoleJob(
    id=UUID(int=9),
    name="cathedral",
    user_id=UUID(int=2),
    email="jane@example.org",
    user_name="Jane",
    node_id=None,
    node_name=None,
    plan=planned("render", "s3://a/b"),
    status="QUEUED",
    price=100_000,
    retry_count=0,
    retry_of=None,
    result_ref=None,
    error_message=None,
    created_at=START,
    dispatched_at=None,
    completed_at=None,
    retried_by=None,
    units=1,
)
UNIT = ConsoleUnit(
    0, "QUEUED", 0, None, None, None, None, None, None, 0, None, None, False, None, None
)
HELD = ConsoleHold(0, 100_000, 0, "OPEN", START, None)
CHARGED = ConsoleEntry(
    0, 12, "USAGE", -100_000, 900_000, "Job execution: render", at(9), 4, at(10), None
)

CHARGES = ConsoleCharges(1, at(9), at(10))


def said(known: TimelineFacts) -> list[tuple[str, str, float | None]]:
    return [(step.name, step.state, step.took) for step in steps_of(known)]


def known(job: ConsoleJob = JOB, unit: ConsoleUnit = UNIT, **more: object) -> TimelineFacts:
    plain = TimelineFacts(job, [unit], [], [HELD], ConsoleCharges(), anchoring=True)
    return attrs.evolve(plain, **more)  # type: ignore[arg-type]


def test_a_job_that_waits() -> None:
    assert said(known()) == [
        ("Queued", "done", None),
        ("Dispatched", "now", None),
        ("Running", "next", None),
        ("Completed", "next", None),
        ("Charged", "next", None),
        ("Anchored", "next", None),
    ]


def test_a_job_that_a_node_has_and_has_not_begun() -> None:
    job = attrs.evolve(JOB, status="DISPATCHED", node_name="studio")
    unit = attrs.evolve(UNIT, state="DISPATCHED", attempt=1, assigned_at=at(2))
    assert said(known(job, unit))[1:3] == [("Dispatched", "now", 2), ("Running", "next", None)]
    begun = attrs.evolve(unit, state="RUNNING", started_at=at(3))
    job = attrs.evolve(job, status="RUNNING")
    assert said(known(job, begun))[1:3] == [("Dispatched", "done", 2), ("Running", "now", 1)]


def test_a_job_that_waits_again_after_a_lost_attempt_does_not_run() -> None:
    job = attrs.evolve(JOB, status="RUNNING", retry_count=1)
    lost = AttemptView(0, 1, NODE, "studio", at(1), at(2), at(5), "node", "no memory")
    found = known(job, attrs.evolve(UNIT, attempt=1), attempts=[lost])
    assert said(found)[1:3] == [("Dispatched", "now", None), ("Running", "next", None)]


def of_many(status: JobStatus, ended: float | None, charges: ConsoleCharges) -> TimelineFacts:
    """Return the facts about a job of three units."""
    over = None if ended is None else at(ended)
    job = attrs.evolve(JOB, status=status, completed_at=over, units=3)
    unit = attrs.evolve(UNIT, state="COMPLETED", attempt=1, assigned_at=at(2), started_at=at(3))
    return known(job, unit, charges=charges)


def test_while_units_are_to_come_their_charges_are_to_come_too() -> None:
    found = steps_of(of_many("RUNNING", None, ConsoleCharges(2, at(6), at(7), at(8))))
    assert [(step.name, step.state) for step in found[-3:]] == [
        ("Completed", "next"),
        ("Charged", "next"),
        ("Anchored", "next"),
    ]
    assert found[-2].note == "2 of 3 so far"
    found = steps_of(of_many("RUNNING", None, ConsoleCharges(1, at(6), at(7), at(8))))
    assert found[-2].note == "1 of 3 so far"


def test_what_waits_is_not_said_to_be_now() -> None:
    found = {step.name: step.when for step in steps_of(known())}
    assert (found["Dispatched"], found["Running"]) == ("", "not yet")
    job = attrs.evolve(JOB, status="COMPLETED", completed_at=at(9), node_name="studio")
    done = attrs.evolve(UNIT, state="COMPLETED", attempt=1, assigned_at=at(2), started_at=at(3))
    last = steps_of(known(job, done, charges=CHARGES))[-1]
    assert (last.name, last.when, last.note) == ("Anchored", "", "waits for the next anchor")
    paused = steps_of(known(attrs.evolve(JOB, status="PAUSED")))
    assert {step.name: step.when for step in paused}["Dispatched"] == "now"


def test_a_job_of_many_units_was_dispatched_to_no_single_node() -> None:
    several = of_many("RUNNING", None, ConsoleCharges())
    job = attrs.evolve(several.job, node_name="studio")
    assert steps_of(attrs.evolve(several, job=job))[1].note == ""


def test_steps_stand_in_the_order_in_which_they_happened() -> None:
    """The last frame may fail or be assembled long after the last charge."""
    found = steps_of(of_many("FAILED", 30, ConsoleCharges(2, at(6), at(7))))
    assert [step.name for step in found[3:]] == ["Charged", "In the log", "Failed", "Anchored"]
    assert [step.took for step in found[3:]] == [3, 1, 23, None]
    found = steps_of(of_many("COMPLETED", 9.2, ConsoleCharges(3, at(9), at(10))))
    assert [step.name for step in found[3:]] == ["Completed", "Charged", "In the log", "Anchored"]


def test_a_job_that_is_done_charged_and_waits_for_the_chain() -> None:
    job = attrs.evolve(JOB, status="COMPLETED", completed_at=at(9), node_name="studio")
    unit = attrs.evolve(UNIT, state="COMPLETED", attempt=1, assigned_at=at(2), started_at=at(3))
    done = known(job, unit, charges=CHARGES)
    assert said(done) == [
        ("Queued", "done", None),
        ("Dispatched", "done", 2),
        ("Running", "done", 1),
        ("Completed", "done", 6),
        ("Charged", "done", 0),
        ("In the log", "done", 1),
        ("Anchored", "now", None),
    ]
    anchored = attrs.evolve(CHARGES, anchored_at=at(40))
    assert said(attrs.evolve(done, charges=anchored))[-1] == ("Anchored", "done", 30)
    assert said(attrs.evolve(done, anchoring=False))[-1] == ("In the log", "done", 1)
    unsigned = attrs.evolve(CHARGES, signed_at=None)
    assert said(attrs.evolve(done, charges=unsigned))[-2:] == [
        ("In the log", "now", None),
        ("Anchored", "next", None),
    ]


def test_a_job_that_failed_after_several_attempts_is_released() -> None:
    job = attrs.evolve(JOB, status="FAILED", completed_at=at(30), retry_count=1)
    lost = AttemptView(0, 1, NODE, "studio", at(1), at(2), at(5), "node", "no memory")
    unit = attrs.evolve(UNIT, state="FAILED", attempt=2, assigned_at=at(8), started_at=at(9))
    hold = attrs.evolve(HELD, state="RELEASED", closed_at=at(30))
    found = known(job, unit, attempts=[lost], holds=[hold])
    assert said(found) == [
        ("Queued", "done", None),
        ("Dispatched", "done", 1),
        ("Running", "done", 1),
        ("Failed", "bad", 28),
        ("Released", "done", 0),
    ]


def test_a_job_that_was_cancelled_before_a_node_had_it() -> None:
    job = attrs.evolve(JOB, status="CANCELLED", completed_at=at(4), price=0)
    assert said(known(job, holds=[])) == [("Queued", "done", None), ("Cancelled", "off", 4)]


def test_what_it_cost() -> None:
    assert bill_of([], []).state == "free"
    held = bill_of([HELD], [])
    assert (held.state, held.amount) == ("held", 100_000)
    hold = attrs.evolve(HELD, state="SETTLED", settled=60_000, closed_at=at(9))
    part = attrs.evolve(CHARGED, amount=-60_000)
    charged = bill_of([hold], [part])
    assert (charged.state, charged.amount) == ("charged", 60_000)
    assert [(line.what, line.amount, line.entry is not None) for line in charged.lines] == [
        ("Held", 100_000, False),
        ("Released", 40_000, False),
        ("Charged", -60_000, True),
    ]
    assert [held.lines[0].note, charged.lines[0].note] == ["held, not charged", "partly charged"]
    whole = attrs.evolve(hold, settled=hold.amount)
    assert bill_of([whole], [part]).lines[0].note == "charged"
    back = attrs.evolve(CHARGED, kind="REFUND", amount=20_000, created_at=at(60))
    refunded = bill_of([hold], [part, back])
    assert (refunded.amount, refunded.lines[-1].what) == (40_000, "Refunded")
    released = bill_of([attrs.evolve(HELD, state="RELEASED", closed_at=at(9))], [])
    assert (released.state, released.amount) == ("released", 0)
    assert released.lines[0].note == "released"


def test_the_queue_and_the_work_are_apart_once_a_job_has_ended() -> None:
    assert spans_of(known()) is None
    ended = attrs.evolve(JOB, status="COMPLETED", completed_at=at(100))
    begun = attrs.evolve(UNIT, attempt=2, assigned_at=at(60), started_at=at(70))
    assert spans_of(known(ended, begun)) == JobSpans(70, 30)
    lost = AttemptView(0, 1, None, None, at(20), at(25), at(50), None, None)
    assert spans_of(known(ended, begun, attempts=[lost])) == JobSpans(25, 75)
    assert spans_of(known(ended)) == JobSpans(100, None), "no node took it"


def test_an_attempt_that_its_node_returned_did_not_fail() -> None:
    times = (at(1), at(2), at(5))
    stopped = AttemptView(0, 1, NODE, "studio", *times, "network", "the node was stopped")
    assert [row.state for row in tries_of([stopped], [])] == ["FAILED"]
    returned = attrs.evolve(stopped, error_code="given_back")
    assert [row.state for row in tries_of([returned], [])] == ["RETURNED"]


def test_the_verification_is_apart_from_the_work() -> None:
    begun = attrs.evolve(UNIT, attempt=1, assigned_at=at(60), started_at=at(70))
    ended = attrs.evolve(JOB, status="COMPLETED", completed_at=at(100), delivered_at=at(88))
    assert spans_of(known(ended, begun)) == JobSpans(70, 18, 12)
    steps = [("Running", "done", 10), ("Verifying", "done", 18), ("Completed", "done", 12)]
    assert said(known(ended, begun))[2:5] == steps
    failed = attrs.evolve(ended, status="FAILED")
    assert spans_of(known(failed, begun)) == JobSpans(70, 30)
    waits = attrs.evolve(ended, status="RUNNING", completed_at=None, is_verifying=True)
    delivered = attrs.evolve(begun, state="VERIFYING")
    assert said(known(waits, delivered))[2:5] == [
        ("Running", "done", 10),
        ("Verifying", "now", 18),
        ("Completed", "next", None),
    ]
    done = attrs.evolve(begun, state="COMPLETED", delivered_at=at(88), ended_at=at(100))
    (attempt,) = tries_of([], [done])
    assert (attempt.took, attempt.checked) == (18, 12)
