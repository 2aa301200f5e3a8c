"""A session and its node's results: judged, booked, and only then acknowledged."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.kernel import Message
from actors.ledger.effects import UnitComplete, UnitFail, UnitRequeue
from actors.ledger.messages import (
    Commit,
    ExistsWithOtherAmount,
    GuardFailed,
    InsufficientCredits,
    KeyConflict,
    LedgerUnavailable,
    Outcome,
    Replayed,
    RowState,
)
from actors.node_session.messages import AlternativesFound, KeyProved
from actors.notifier.messages import UnitsMoved
from actors.scheduler.messages import Assignment, FindAlternatives, NodeDeclined, UnitsChanged
from rendertrust.protocol import Ack, Hello, JobDispatch
from sql.account_names import operator_account
from sql.checks import SceneReport
from tests.unit.dispatch.session_stage import Play, result, session
from tests.unit.dispatch.stage import (
    JOB,
    NODE,
    OTHER,
    OWNER,
    THIRD,
    USER,
    assignment,
    decide,
    state_of,
)
from tests.unit.simulated_time import simulated

KEY = f"results/{USER}/{JOB}/0/1/result"
DATA = b"a picture"
SHA256 = hashlib.sha256(DATA).hexdigest()


async def nothing_sent(play: Play, seconds: float = 1.0) -> None:
    await asyncio.sleep(seconds)
    assert not play.socket.sent


@simulated
async def test_a_result_is_acknowledged_once_it_is_booked_and_not_before() -> None:
    async with session() as play:
        await play.working()
        await play.objects.put(KEY, DATA)
        play.hear(result(unit=0, attempt=1, result_ref=KEY, sha256=SHA256, size=len(DATA)))
        commit = await play.commit()
        await nothing_sent(play)
        assert commit.effects == (
            UnitComplete(
                JOB,
                0,
                1,
                NODE,
                f"s3://rendertrust/{KEY}",
                bytes.fromhex(SHA256),
                len(DATA),
                verified=True,
                operator=operator_account(OWNER),
                share_percent=70,
            ),
        )
        state = state_of("COMPLETED")
        decide(commit, Replayed(units=(state,)))
        ack = await play.socket.expect(Ack)
        assert (ack.job_id, ack.unit, ack.attempt) == (str(JOB), 0, 1)
        assert (await play.told(UnitsChanged)).units == (state,)
        assert (await play.cast.notifier.expect(UnitsMoved)).units == (state,)


@simulated
async def test_nobody_is_paid_for_an_empty_object() -> None:
    async with session() as play:
        await play.working()
        await play.objects.put(KEY, b"")
        play.hear(result(result_ref=KEY))
        effect = await play.effect()
        assert isinstance(effect, UnitFail)
        assert (effect.error_class, effect.error) == ("node", "the object of the result is empty")


@simulated
async def test_who_proved_the_node_while_it_is_connected_earns_from_then_on() -> None:
    async with session(verified=False) as play:
        await play.working()
        assert play.ref.tell(KeyProved(OTHER))
        await play.objects.put(KEY, DATA)
        play.hear(result(result_ref=KEY))
        effect = await play.effect()
        assert (effect.verified, effect.operator) == (True, operator_account(OTHER))


@simulated
@pytest.mark.parametrize(("is_trusted", "counted"), [(True, 3 << 30), (False, 0)])
async def test_what_a_unit_took_of_a_card_counts_if_the_creator_trusts_the_nodes_owner(
    *, is_trusted: bool, counted: int
) -> None:
    async with session() as play:
        await play.working(assignment(is_trusted=is_trusted))
        play.hear(result(result_ref="s3://results/out.png", vram=3 << 30))
        effect = await play.effect()
        assert isinstance(effect, UnitComplete)
        assert effect.vram_used == counted


@simulated
async def test_the_minimal_result_of_the_reference_completes_without_earning() -> None:
    async with session() as play:
        await play.working()
        play.hear(result(result_ref="s3://results/out.png"))
        effect = await play.effect()
        assert isinstance(effect, UnitComplete)
        assert effect.result_ref == "s3://results/out.png"
        assert (effect.verified, effect.operator) == (False, None)
        ack = await play.socket.expect(Ack)
        assert (ack.unit, ack.attempt) == (None, None)


@simulated
async def test_the_object_of_an_unproved_node_completes_without_earning() -> None:
    async with session(verified=False) as play:
        await play.working()
        await play.objects.put(KEY, DATA)
        play.hear(result(result_ref=f"s3://rendertrust/{KEY}"))
        effect = await play.effect()
        assert effect.result_ref == f"s3://rendertrust/{KEY}"
        assert (effect.verified, effect.operator) == (False, None)


@pytest.mark.parametrize("reference", ["s3://results/out.png", None, "none:1", "elsewhere"])
def test_where_objects_are_required_a_result_without_ours_is_the_nodes_failure(
    reference: str | None,
) -> None:
    @simulated
    async def play_it() -> None:
        async with session(require_object=True) as play:
            await play.working()
            play.hear(result(result_ref=reference))
            effect = await play.effect()
            assert isinstance(effect, UnitFail)
            assert effect.error_class == "node"
            await play.socket.expect(Ack)

    play_it()


@simulated
async def test_another_key_in_our_bucket_is_the_nodes_failure_everywhere() -> None:
    async with session() as play:
        await play.working()
        stolen = f"results/{USER}/{OTHER}/0/1/result"
        await play.objects.put(stolen, DATA)
        play.hear(result(result_ref=f"s3://rendertrust/{stolen}"))
        effect = await play.effect()
        assert isinstance(effect, UnitFail)
        assert effect.error_class == "node"


@pytest.mark.parametrize("claim", [{"size": 3}, {"sha256": "00" * 32}])
def test_an_object_that_is_not_what_the_node_says_is_its_failure(claim: dict[str, Any]) -> None:
    @simulated
    async def play_it() -> None:
        async with session() as play:
            await play.working()
            await play.objects.put(KEY, DATA)
            play.hear(result(result_ref=KEY, **claim))
            effect = await play.effect()
            assert isinstance(effect, UnitFail)
            assert effect.error_class == "node"

    play_it()


@simulated
async def test_an_object_that_is_not_there_is_not_named_in_the_result() -> None:
    async with session() as play:
        await play.working()
        play.hear(result(result_ref=KEY))
        effect = await play.effect()
        assert (effect.result_ref, effect.verified) == (None, False)


@simulated
async def test_while_the_object_store_is_away_a_result_is_kept_and_tried_again() -> None:
    async with session() as play:
        await play.working()
        await play.objects.put(KEY, DATA)
        play.objects.away = True
        play.hear(result(result_ref=KEY))
        await nothing_sent(play, 5.0)
        play.objects.away = False
        effect = await play.effect(within=20.0)
        assert effect.verified
        await play.socket.expect(Ack)


@simulated
async def test_while_the_books_are_away_a_result_is_kept_and_tried_again() -> None:
    async with session() as play:
        await play.working()
        play.hear(result())
        for _ in range(3):
            await play.effect(LedgerUnavailable(), within=20.0)
            assert not play.socket.sent
        await play.effect(within=20.0)
        await play.socket.expect(Ack)


@simulated
async def test_a_result_is_acknowledged_within_two_seconds_of_a_crash_of_the_ledger() -> None:
    async with session() as play:
        await play.working()
        play.hear(result())
        await play.effect(LedgerUnavailable())
        await play.effect(Replayed(), within=1.5)
        await play.socket.expect(Ack)


@simulated
async def test_a_commit_that_nobody_answers_is_asked_for_again() -> None:
    async with session() as play:
        await play.working()
        play.hear(result())
        first = await play.commit()
        second = await play.commit(within=40.0)
        assert first.effects == second.effects


@simulated
async def test_a_repeated_result_is_booked_once_and_acknowledged_once_it_is() -> None:
    async with session() as play:
        await play.working()
        for _ in range(3):
            play.hear(result())
        await play.effect()
        await play.socket.expect(Ack)
        assert play.cast.ledger.ref.depth == 0
        play.hear(result())
        await play.socket.expect(Ack)  # the unit has ended already
        assert play.cast.ledger.ref.depth == 0


@simulated
async def test_a_result_that_came_too_late_is_acknowledged_and_dropped() -> None:
    async with session() as play:
        await play.working()
        play.hear(result())
        await play.effect(GuardFailed("UnitComplete", RowState.QUEUED, (state_of("QUEUED"),)))
        await play.socket.expect(Ack)


@simulated
async def test_a_result_of_another_attempt_is_acknowledged_and_dropped() -> None:
    async with session() as play:
        await play.working(assignment(attempt=2))
        play.hear(result(unit=0, attempt=1, result_ref=KEY))
        assert (await play.socket.expect(Ack)).attempt == 1
        assert play.cast.ledger.ref.depth == 0


@simulated
async def test_a_result_that_comes_before_the_assignments_waits_for_them() -> None:
    async with session() as play:
        play.hear(result(unit=0, attempt=1))
        await nothing_sent(play)
        play.assign(assignment(state="RUNNING"))
        assert isinstance(await play.effect(), UnitComplete)
        await play.socket.expect(Ack)


@simulated
async def test_a_failure_is_tried_again_after_a_while() -> None:
    async with session() as play:
        await play.working(assignment(attempt=2, failures=1))
        play.hear(result(status="failed", error="out of memory"))
        heard = play.clock.now()
        commit = await play.commit()
        [effect] = commit.effects
        assert isinstance(effect, UnitFail)
        assert (effect.error_class, effect.error) == ("node", "out of memory")
        assert effect.error_code == "reported"
        assert effect.retry_at == heard + timedelta(seconds=2)


@simulated
@pytest.mark.parametrize("verified_types", [frozenset(), frozenset({"render"})])
@pytest.mark.parametrize("is_other", [False, True])
async def test_a_failure_of_the_scene_is_final_where_nobody_else_can_be_asked(
    verified_types: frozenset[str], *, is_other: bool
) -> None:
    async with session(verified_types=verified_types) as play:
        await play.working()
        play.hear(result(status="failed", failure="scene", error="no camera"))
        await play.told(FindAlternatives)
        assert play.ref.tell(AlternativesFound(JOB, 0, 1, is_able=is_other, is_other=is_other))
        effect = await play.effect()
        assert (effect.error_class, effect.retry_at is None) == ("scene", not is_other)
        assert effect.accused is not None


RENDERS = frozenset({"render"})


@simulated
@pytest.mark.parametrize(("faults", "is_final"), [(0, False), (1, False), (2, False), (3, True)])
async def test_strangers_words_on_a_scene_end_it_by_the_last_try_alone(
    faults: int, *, is_final: bool
) -> None:
    """Two strangers may be friends, so the last try goes to a trusted node if there is one."""
    async with session(verified_types=RENDERS) as play:
        play.cast.store.scene_said = [SceneReport(OTHER, THIRD)] * bool(faults)
        await play.working(attrs.evolve(assignment(attempt=faults + 1), faults=faults))
        play.hear(result(status="failed", failure="scene", error="no camera", attempt=faults + 1))
        await play.told(FindAlternatives)
        known = AlternativesFound(JOB, 0, faults + 1, is_able=True, is_other=True, owners=3)
        assert play.ref.tell(known)
        effect = await play.effect()
        assert (effect.error_class, effect.retry_at is None) == ("scene", is_final)


@simulated
@pytest.mark.parametrize(
    "unit", [assignment(is_trusted=True), attrs.evolve(assignment(), user=OWNER)]
)
async def test_whom_the_creator_trusts_is_believed(unit: Assignment) -> None:
    async with session(verified_types=RENDERS) as play:
        await play.working(unit)
        play.hear(result(status="failed", failure="scene", error="no camera"))
        assert (await play.effect()).retry_at is None


BEYOND = {"status": "failed", "failure": "node", "error": "it is big", "lacks": "memory"}


async def effect_when_too_big(play: Play, *, is_able: bool, is_seconded: bool) -> Any:
    """Return the effect for a unit that is too big for its node, given the Scheduler's answer."""
    play.hear(result(**BEYOND))
    asked = await play.told(FindAlternatives)
    assert asked.memory == (8 << 30) // 2 + 1, "more memory than the node gives to one unit"
    known = AlternativesFound(JOB, 0, 1, is_able=is_able, is_other=True, is_seconded=is_seconded)
    assert play.ref.tell(known)
    return await play.effect()


@simulated
@pytest.mark.parametrize(
    ("is_able", "is_seconded", "needs"),
    [
        (True, True, (4 << 30) + 1),
        (True, False, 0),  # one stranger's word about memory is not enough
        (False, True, 0),
        (False, False, 0),
    ],
)
async def test_what_is_too_big_for_two_owners_nodes_goes_to_a_larger_one(
    *, is_able: bool, is_seconded: bool, needs: int
) -> None:
    async with session() as play:
        play.hear(Hello(version="1", slots=2, ram=8 << 30))
        play.assign(assignment())
        await play.welcome()
        await play.socket.expect(JobDispatch)
        effect = await effect_when_too_big(play, is_able=is_able, is_seconded=is_seconded)
        assert (effect.error_class, effect.uncounted, effect.needs_memory) == ("scene", True, needs)
        assert effect.retry_at is not None
        assert effect.accused is None
        assert effect.error_code == "too_much_memory"
        assert "the scene needs more than the 4096 MiB" in effect.error
        assert ("smaller textures" in effect.error) == (not is_able)


@simulated
async def test_whom_the_creator_trusts_is_believed_that_it_is_too_big() -> None:
    async with session() as play:
        play.hear(Hello(version="1", slots=2, ram=8 << 30))
        play.assign(assignment(is_trusted=True))
        await play.welcome()
        await play.socket.expect(JobDispatch)
        assert (await effect_when_too_big(play, is_able=False, is_seconded=False)).retry_at is None


NO_OPENGL = {**BEYOND, "lacks": "opengl", "error": "it is EEVEE's"}


@simulated
@pytest.mark.parametrize(("is_able", "is_seconded"), [(True, True), (False, True), (True, False)])
async def test_what_needs_opengl_goes_to_nodes_that_have_it_where_two_owners_say_so(
    *, is_able: bool, is_seconded: bool
) -> None:
    async with session() as play:
        play.hear(Hello(version="1", opengl=False))
        play.assign(assignment())
        await play.welcome()
        await play.socket.expect(JobDispatch)
        play.hear(result(**NO_OPENGL))
        assert (await play.told(FindAlternatives)).opengl
        known = AlternativesFound(
            JOB, 0, 1, is_able=is_able, is_other=True, is_seconded=is_seconded
        )
        assert play.ref.tell(known)
        effect = await play.effect()
        assert effect.retry_at is not None
        assert (effect.uncounted, effect.needs_opengl) == (True, is_able and is_seconded)
        assert (effect.needs_memory, effect.error) == (0, "it is EEVEE's")
        assert effect.error_code == "reported"


@simulated
async def test_what_has_script_shaders_goes_to_another_node_than_a_gpu() -> None:
    async with session() as play:
        play.hear(Hello(version="1", device_class="optix/sm_89/550/b1"))
        play.assign(assignment())
        await play.welcome()
        await play.socket.expect(JobDispatch)
        play.hear(result(**{**BEYOND, "lacks": "scripts"}))
        assert (await play.told(FindAlternatives)).scripts
        known = AlternativesFound(JOB, 0, 1, is_able=True, is_other=True, is_seconded=True)
        assert play.ref.tell(known)
        effect = await play.effect()
        assert effect.retry_at is not None
        assert (effect.uncounted, effect.needs_opengl, effect.needs_memory) == (True, False, 0)
        assert effect.needs_scripts, "no other card gets the unit"


@simulated
async def test_who_said_that_it_has_opengl_has_failed_where_it_has_none() -> None:
    async with session() as play:
        play.hear(Hello(version="1", opengl=True))
        play.assign(assignment())
        await play.welcome()
        await play.socket.expect(JobDispatch)
        play.hear(result(**NO_OPENGL))
        effect = await play.effect()
        assert (effect.error_class, effect.uncounted) == ("node", False)


@simulated
async def test_who_is_not_told_who_else_could_asks_again() -> None:
    async with session() as play:
        await play.working()
        play.hear(result(**BEYOND))
        assert await play.told(FindAlternatives) == await play.told(FindAlternatives)


@simulated
async def test_the_third_failure_on_a_third_node_is_the_scenes() -> None:
    async with session() as play:
        await play.working(assignment(attempt=3, failures=2, avoid=frozenset({OTHER, THIRD})))
        play.hear(result(status="failed", error="crashed"))
        await play.told(FindAlternatives)
        assert play.ref.tell(AlternativesFound(JOB, 0, 3, is_able=False, is_other=False))
        effect = await play.effect()
        assert (effect.error_class, effect.retry_at) == ("scene", None)
        assert effect.accused is None, "its node did not blame the scene"
        assert effect.error == "failed on 3 nodes, last by: crashed"
        assert effect.error_code == "every_node"


@simulated
async def test_a_unit_that_its_node_gives_back_is_queued_again() -> None:
    async with session() as play:
        await play.working()
        play.hear(result(status="cancelled"))
        assert isinstance(await play.effect(), UnitRequeue)


@simulated
async def test_a_node_that_gives_a_unit_back_again_and_again_is_blamed_and_avoided() -> None:
    async with session() as play:
        await play.working(assignment(attempt=4))
        play.hear(result(attempt=4, status="cancelled"))
        effect = await play.effect()
        assert isinstance(effect, UnitFail)
        assert (effect.attempt, effect.error_class) == (4, "node")
        assert effect.retry_at is not None


@simulated
async def test_a_job_of_one_unit_needs_neither_unit_nor_attempt() -> None:
    async with session() as play:
        await play.working(assignment(attempt=7))
        play.hear(result())
        assert (await play.effect()).attempt == 7


@simulated
async def test_the_slot_of_a_result_is_free_before_it_is_booked() -> None:
    async with session() as play:
        second = assignment(UUID(int=77))
        await play.greeted(assignment(), second, slots=1)
        await play.socket.expect(JobDispatch)
        play.hear(result())
        assert (await play.socket.expect(JobDispatch)).job_id == str(second.job)


@simulated
async def test_a_unit_that_is_returned_without_fault_pauses_the_node() -> None:
    async with session() as play:
        await play.working()
        play.hear(result(status="failed", failure="network", error="draining"))
        effect = await play.effect()
        assert effect.error_class == "network"
        assert effect.retry_at is not None
        assert (await play.told(NodeDeclined)).session is play.ref


@simulated
async def test_what_was_asked_for_wrongly_pauses_nobody() -> None:
    """A job that fails on every node must not pause the nodes for other jobs."""
    async with session() as play:
        await play.working()
        play.hear(result(status="failed", failure="gateway", error="no such work here"))
        assert (await play.effect()).retry_at is not None
        while play.cast.scheduler.ref.depth:
            assert not isinstance(await play.cast.scheduler.expect(Message), NodeDeclined)


@simulated
@pytest.mark.parametrize(
    "refusal", [ExistsWithOtherAmount("x"), InsufficientCredits(0, 1), KeyConflict("x")]
)
async def test_a_commit_that_the_ledger_refuses_is_not_repeated(refusal: Outcome) -> None:
    async with session() as play:
        await play.working()
        await play.objects.put(KEY, DATA)
        play.hear(result(unit=0, attempt=1, result_ref=KEY, sha256=SHA256, size=len(DATA)))
        decide(await play.commit(), refusal)
        await play.socket.expect(Ack)
        await asyncio.sleep(60.0)
        assert not any(isinstance(one, Commit) for one in play.cast.ledger.ref.mailbox.items)
