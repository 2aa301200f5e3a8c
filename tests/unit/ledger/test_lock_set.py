"""Rows that a batch locks: the rows that it concerns, and no other rows."""

from uuid import UUID

import attrs

from actors.ledger.effects import (
    Effect,
    JobCancel,
    JobInsert,
    UnitAssign,
    UnitComplete,
    UnitFail,
    UnitRequeue,
    UnitStart,
    UnitVerdict,
)
from actors.ledger.lock_set import keys_of
from actors.ledger.messages import Commit
from sql.account_names import REVENUE, user_account, work_reference
from sql.books import Keys
from sql.job_plan import NewUnit
from tests.support.plans import planned
from tests.twins.clock import EPOCH

JOB, USER, NODE = UUID(int=1), UUID(int=2), UUID(int=3)
REFERENCE = work_reference(JOB, 7)
ONE_UNIT = Keys(jobs={JOB}, units={(JOB, 7)})
TILED = attrs.evolve(ONE_UNIT, tiled={(JOB, 7)})


def keys(*effects: Effect) -> Keys:
    return keys_of([Commit(effects=effects)])


def test_of_a_job_with_many_units_only_the_one_in_question() -> None:
    for effect in (UnitAssign(JOB, 7, 1, NODE), UnitStart(JOB, 7, 1, NODE)):
        assert keys(effect) == ONE_UNIT


def test_the_tiles_of_its_frame_with_what_may_fail_or_wait_again() -> None:
    assert keys(UnitRequeue(JOB, 7, 1, "gone")) == TILED
    assert keys(UnitVerdict(JOB, 7, 1, "invalid")).tiled == {(JOB, 7)}
    assert keys(UnitVerdict(JOB, 7, 1, "exact")).tiled == set()


def test_the_hold_of_a_unit_that_ends_and_nobodys_while_it_goes_on() -> None:
    hold = {REFERENCE}
    assert keys(UnitFail(JOB, 7, 1, NODE, "scene", "dark")) == attrs.evolve(TILED, holds=hold)
    assert keys(UnitFail(JOB, 7, 1, NODE, "node", "hot", EPOCH)) == TILED
    completed = keys(UnitComplete(JOB, 7, 1, NODE, None))
    revenue = {REVENUE}
    assert completed == attrs.evolve(ONE_UNIT, holds=hold, accounts=revenue)


def test_a_job_that_is_made_or_cancelled_as_a_whole() -> None:
    job = {JOB}
    holds = {work_reference(JOB, 0), work_reference(JOB, 1)}
    insert = JobInsert(JOB, USER, planned(units=[NewUnit(1)] * 2))
    user = {user_account(USER)}
    assert keys(insert) == Keys(jobs=job, whole=job, new_jobs=job, holds=holds, accounts=user)
    assert keys(JobCancel(JOB, USER)) == Keys(jobs=job, whole=job)
