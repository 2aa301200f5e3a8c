"""The Verifier: who is asked, what is made of what he says, and the money that follows."""

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.ledger.messages import UnitAssign, UnitRequeue
from actors.node_session.messages import RunCheck
from actors.node_session.results import result_key
from actors.scheduler.messages import NodeStands
from actors.verifier.messages import Caught
from rendertrust.node.inside.placing import Crop, place
from sql.circles import Circles
from sql.reputation import FORGIVEN_BY, STRIKES_MOST
from sql.sampling import ALWAYS_UNTIL
from tests.support.until import until
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import (
    CLASS,
    CREATOR,
    EXACT,
    NODE,
    PRICE,
    Checker,
    Play,
    apart,
    verifying,
)

SHARE = PRICE * 70 // 100
HOUR = 3600.0


def crops(order: RunCheck) -> list[Crop]:
    return [place(drawn, (1920, 1080), []) for drawn in order.draws]


@simulated
async def test_nothing_is_paid_before_somebody_looked() -> None:
    async with verifying() as play:
        job = await play.delivered()
        checker = play.checker(20, 3)
        order = await play.asked(checker)
        assert (order.unit.job, order.unit.unit, order.picture.key) == (
            job,
            0,
            result_key(CREATOR, job, 0, 1),
        )
        assert (play.charged(), play.earned()) == (0, 0)
        assert play.store.units[job, 0].state == "VERIFYING"
        play.says(checker, order, EXACT)
        unit = await play.ends(job, "COMPLETED")
        assert (unit.verified, play.verdict(job)) == (True, "exact")
        assert (play.charged(), play.earned()) == (PRICE, SHARE)
        assert play.store.checks[job, 0, 1].verifier_id == checker.node


@simulated
async def test_close_enough_is_a_match() -> None:
    async with verifying() as play:
        job = await play.delivered()
        await play.checks(play.checker(20, 3), apart(0.05))
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "match"
        assert play.earned() == SHARE


@simulated
async def test_the_gateways_own_is_believed_at_once() -> None:
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        job = await play.delivered()
        await play.confirms(play.checker(20, None), apart(0.9))
        unit = await play.ends(job, "QUEUED")
        assert (play.charged(), play.earned()) == (0, 0)
        assert (unit.failures, unit.avoid, unit.error_class) == (1, (NODE,), "node")
        assert "0.9 times the noise" in (unit.error_message or "")


@simulated
async def test_what_no_node_was_sent_is_no_try_of_what_a_check_refuses() -> None:
    """Twelve numbers were given, and one of them to a node that had it."""
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        job = await play.assigned(NODE)
        for attempt in range(1, 12):
            await play.do(UnitRequeue(job, 0, attempt, "its job was paused", unsent=True))
            await play.do(UnitAssign(job, 0, attempt + 1, NODE))
        await play.again(job, NODE, 12)
        await play.confirms(play.checker(20, None), apart(0.9))
        unit = await play.ends(job, "QUEUED")
        assert unit.not_before is not None
        assert (unit.not_before - play.clock.now()).total_seconds() <= 1.0
        assert (unit.attempt, unit.unsent, unit.failures) == (12, 11, 1)


@simulated
@pytest.mark.parametrize("report", [apart(0.9), apart(0.3), {"fault": "the picture is none"}])
async def test_a_strangers_word_alone_condemns_nobody(report: dict[str, object]) -> None:
    """Another owner looks, elsewhere in the picture; what he says counts."""
    for second, state in ((EXACT, "COMPLETED"), (apart(0.9), "QUEUED"), (apart(0.3), "QUEUED")):
        async with verifying() as play:
            job = await play.delivered()
            one, other = play.checker(20, 3), play.checker(21, 4)
            friend = play.checker(22, 3)  # of the first one's owner, or the second's
            first = await _whoever(play, [one, other, friend], report)
            left = [c for c in (one, other, friend) if c.owner != first[0].owner]
            assert play.store.units[job, 0].state == "VERIFYING"
            again = await _whoever(play, left, second)
            assert crops(first[1]) != crops(again[1])
            await play.ends(job, state)
            assert play.earned() == (SHARE if state == "COMPLETED" else 0)


async def _whoever(
    play: Play, checkers: Sequence[Checker], report: Mapping[str, Any]
) -> tuple[Checker, RunCheck]:
    """One of them is asked, and says so."""
    await until(lambda: any(one.probe.ref.depth for one in checkers), within=60)
    [asked] = [one for one in checkers if one.probe.ref.depth]
    return asked, await play.checks(asked, report)


@simulated
async def test_two_nodes_of_one_owner_do_not_cover_each_other() -> None:
    async with verifying(wait_seconds=30.0, pays_unverifiable=False) as play:
        job = await play.delivered()
        friend, nobodys, other = (
            play.checker(20, 2),
            play.checker(21, None),
            play.checker(22, 3, "gpu"),
        )
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unverifiable"
        assert [c.probe.ref.depth for c in (friend, nobodys, other)] == [0, 0, 0]
        assert (play.charged(), play.earned()) == (0, 0)


@simulated
async def test_what_nobody_can_check_within_an_hour_is_unverifiable_and_paid() -> None:
    """To whom was found honest before."""
    async with verifying(least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        job = await play.delivered()
        begun = play.clock.monotonic()
        await play.ends(job, "VERIFYING")
        await until(lambda: play.store.units[job, 0].state == "COMPLETED", within=2 * HOUR)
        assert HOUR <= play.clock.monotonic() - begun < HOUR + 5
        assert play.verdict(job) == "unverifiable"
        assert play.earned() == SHARE


@simulated
@pytest.mark.parametrize("letters", ["", "v" * (ALWAYS_UNTIL - 1), "v" * 15 + "m" + "v" * 12])
async def test_a_class_that_nobody_has_is_no_way_to_be_paid(letters: str) -> None:
    """A node says itself what it is; who was not checked often enough, or lied, is not paid."""
    async with verifying(wait_seconds=30.0) as play:
        play.known(letters)
        job = await play.delivered()
        unit = await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("unverifiable", 0)
        assert (play.charged(), unit.price) == (0, 0), "nobody pays what nobody earns"


@simulated
@pytest.mark.parametrize(
    ("report", "said", "earns"),
    [
        (EXACT, "exact", SHARE),
        (apart(0.2), "consistent", SHARE),
        (apart(0.9), "mismatch", 0),
        ({"fault": "the picture is none"}, "mismatch", 0),
    ],
)
async def test_the_gateways_own_looks_at_a_class_that_nobody_has(
    report: dict[str, object], said: str, earns: int
) -> None:
    device, build = CLASS.split("/")[0], CLASS.split("/")[-1]
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        job = await play.delivered()
        ours = play.checker(20, None, f"{device}/other/{build}")
        await play.checks(ours, report)
        if report == apart(0.9):
            await play.renders_whole(ours, report)
        await until(lambda: play.verdict(job) is not None, within=60)
        assert play.verdict(job) == ("consistent" if said == "exact" else said)
        assert play.earned() == earns


@simulated
async def test_what_is_suspected_and_cleared_by_nobody_costs_nothing_and_is_rendered_anew() -> None:
    async with verifying(wait_seconds=100.0) as play:
        job = await play.delivered()
        await play.checks(play.checker(20, 3), apart(0.3))
        await until(lambda: play.store.units[job, 0].state == "QUEUED", within=200)
        assert (play.verdict(job), play.charged(), play.earned()) == ("doubtful", 0, 0)
        assert play.store.checks[job, 0, 1].said.startswith("a check saw ")
        assert await play.store.records([NODE]) == []  # one word is no strike
        assert await play.store.audit() == []


@simulated
@pytest.mark.parametrize(
    "report",
    [None, {}, {"crops": []}, {"crops": [{"equal": "yes"}]}, apart(math.nan), {"crops": 1}],
)
async def test_a_verifier_that_fails_costs_the_node_nothing(report: dict[str, object]) -> None:
    async with verifying() as play:
        job = await play.delivered()
        broken = play.checker(20, 3)
        await play.checks(broken, report)
        unit = await play.ends(job, "VERIFYING")
        assert unit.failures == 0
        await play.checks(play.checker(21, 3), EXACT)
        await play.ends(job, "COMPLETED")
        assert play.earned() == SHARE
        assert broken.probe.ref.depth == 0


@simulated
async def test_a_verifier_that_goes_or_says_nothing_is_replaced() -> None:
    async with verifying(check_seconds=30.0) as play:
        job = await play.delivered()
        gone = play.checker(20, 3)
        await play.asked(gone)
        play.goes(gone)
        silent = play.checker(21, 4)
        order = await play.asked(silent)
        third = play.checker(22, 5)
        await play.checks(third, EXACT)
        await play.ends(job, "COMPLETED")
        play.says(silent, order, apart(5.0))  # too late
        await play.delivered()
        assert play.earned() == SHARE


@simulated
async def test_what_was_delivered_before_an_upgrade_is_unverifiable() -> None:
    """Picture and evidence were one file then, which nobody reads any more."""
    async with verifying() as play:
        job = await play.delivered()
        row = play.store.checks[job, 0, 1]
        old = attrs.evolve(row, packed=True, evidence_sha256=None, evidence_size=None)
        play.store.checks[job, 0, 1] = old
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unverifiable"
        assert play.store.checks[job, 0, 1].said == "it was delivered before an upgrade"


UNABLE = {"unable": "the engine is EEVEE"}


@simulated
async def test_who_is_known_is_paid_though_another_said_the_scene_is_at_fault() -> None:
    """What nobody can check is paid to whom was found honest, whoever tried before him."""
    stranger = UUID(int=30)
    async with verifying(wait_seconds=30.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        play.store.add_node(stranger, ("render",), owner=UUID(int=7))
        job = await play.refused(stranger)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job, 2), play.earned()) == ("unverifiable", SHARE)


@simulated
async def test_a_scene_that_two_owners_cannot_check_is_unverifiable() -> None:
    async with verifying() as play:
        job = await play.delivered()
        for number, owner in ((20, 3), (21, 4)):
            await play.checks(play.checker(number, owner), UNABLE)
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unverifiable"
        assert play.store.checks[job, 0, 1].said == "the engine is EEVEE"


@simulated
async def test_a_scene_that_the_gateways_own_cannot_check_is_unverifiable() -> None:
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        job = await play.delivered()
        await play.checks(play.checker(20, None), UNABLE)
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unverifiable"


@simulated
@pytest.mark.parametrize("pictures", [{"0001.png": "cd" * 32}, ["cd" * 32], {"0001.png": 1}])
async def test_who_signs_for_pictures_beside_the_pixels_that_are_there_lies(pictures: Any) -> None:
    """Whoever has one of them would be told that it is what was rendered."""
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        play.work = json.dumps({"pixels": {"sha256": "ab" * 32, "pictures": pictures}})
        job = await play.delivered()
        await play.checks(play.checker(20, None), {**EXACT, "seen": "ab" * 32})
        await play.ends(job, "QUEUED")
        assert play.verdict(job) == "mismatch"


@simulated
@pytest.mark.parametrize("report", [EXACT, {"unable": "it uses Path Guiding"}])
async def test_who_signs_for_pixels_that_nobody_sees_is_not_paid(report: dict[str, Any]) -> None:
    """Of a kind that is not hashed, or a video: its receipt would vouch for any picture."""
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        play.work = json.dumps({"pixels": {"sha256": "ab" * 32}})
        job = await play.delivered()
        await play.checks(play.checker(20, None), report)
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), play.charged()) == ("doubtful", 0)
        assert await play.store.records([NODE]) == []


@simulated
async def test_who_signs_for_pixels_that_a_look_does_not_see_is_checked() -> None:
    async with verifying(own=frozenset({UUID(int=20)}), least_odds=0.0) as play:
        play.known("v" * 40)
        play.work = json.dumps({"pixels": {"sha256": "ab" * 32}})
        job, checker = await play.delivered(), play.checker(20, None)
        assert (await play.checks(checker, {"looked": True})).count == 0
        assert (await play.checks(checker, EXACT)).count == 3
        await play.ends(job, "QUEUED")
        assert play.verdict(job) == "doubtful"


@simulated
@pytest.mark.parametrize(("signed", "verdict"), [("ab", "exact"), ("cd", "mismatch")])
async def test_who_signs_for_other_pixels_than_his_picture_has_lies(
    signed: str, verdict: str
) -> None:
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        play.work = json.dumps({"pixels": {"sha256": signed * 32}})
        job = await play.delivered()
        await play.checks(play.checker(20, None), {**EXACT, "seen": "ab" * 32})
        await play.ends(job, "COMPLETED" if verdict == "exact" else "QUEUED")
        assert play.verdict(job) == verdict


@simulated
async def test_what_the_gateways_own_made_needs_no_second_word_that_it_cannot_be_checked() -> None:
    """Nobody is left who could say it: it is not a stranger's friend who is excused."""
    async with verifying(own=frozenset({NODE})) as play:
        job = await play.delivered()
        await play.checks(play.checker(20, 3), UNABLE)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("unverifiable", SHARE)
        assert play.store.checks[job, 0, 1].said == "the engine is EEVEE"


@simulated
@pytest.mark.parametrize(
    ("more", "verdict"),
    [({"suspect": "it is of one colour"}, "doubtful"), ({"fault": "it is none"}, "mismatch")],
)
async def test_what_is_seen_of_a_scene_that_cannot_be_checked_counts(
    more: dict[str, str], verdict: str
) -> None:
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        job = await play.delivered()
        await play.checks(play.checker(20, None), UNABLE | more)
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), play.earned()) == (verdict, 0)


@simulated
@pytest.mark.parametrize("report", [EXACT, apart(0.9)])
async def test_a_strangers_word_that_it_cannot_be_checked_excuses_nobody(
    report: dict[str, object],
) -> None:
    """His friend, who says so, nor he again with another node of his: somebody else looks."""
    async with verifying(own=frozenset({UUID(int=22)}), least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        job = await play.delivered()
        await play.checks(play.checker(20, 3), UNABLE)
        same_owner = play.checker(21, 3)
        ours = play.checker(22, None)
        await (play.checks if report is EXACT else play.confirms)(ours, report)
        await play.ends(job, "COMPLETED" if report is EXACT else "QUEUED")
        assert same_owner.probe.ref.depth == 0


@simulated
@pytest.mark.parametrize("what", ["picture", "evidence"])
async def test_an_object_that_was_swapped_after_it_was_looked_at_is_not_paid(what: str) -> None:
    async with verifying() as play:
        job = await play.delivered()
        checker = play.checker(20, 3)
        order = await play.asked(checker)
        key = getattr(order, what).key
        await play.objects.delete(key)
        await play.objects.put(key, b"another one")
        play.says(checker, order, EXACT)
        await play.ends(job, "QUEUED")
        assert play.verdict(job) == "mismatch"
        assert play.earned() == 0


@simulated
async def test_checks_become_rare_and_a_mismatch_makes_them_certain() -> None:
    async with verifying(least_odds=0.0, own=frozenset({UUID(int=20)})) as play:
        checker = play.checker(20, None)

        async def asked_about(job: UUID) -> RunCheck:
            """What was settled before its node was caught is looked at again meanwhile."""
            while (order := await play.asked(checker)).unit.job != job:
                play.says(checker, order, EXACT)
            return order

        async def said(report: Mapping[str, Any]) -> str | None:
            """What became of one more delivery, of which this is found if it is looked at."""
            job = await play.delivered()

            def seen() -> bool:
                return checker.probe.ref.depth > 0 or play.store.units[job, 0].ended_at is not None

            await until(seen, within=60)
            if checker.probe.ref.depth:
                order = await asked_about(job)
                play.says(checker, order, report if order.draws else {"looked": True})
                told = [one.verdict for one in play.store.checks.values()]
                if order.draws and report is not EXACT and told.count("mismatch") < STRIKES_MOST:
                    play.says(checker, await asked_about(job), {**report, "whole": True})
                await until(lambda: play.verdict(job) is not None, within=60)
            return play.verdict(job)

        assert [await said(EXACT) for _ in range(ALWAYS_UNTIL)] == ["exact"] * ALWAYS_UNTIL
        assert [await said(EXACT) for _ in range(30)].count("unchecked") > 20
        found = [await said(apart(2.0)) for _ in range(100)]
        first = found.index("mismatch")
        assert found[:first] == ["unchecked"] * first
        lies, rest = found[first : first + STRIKES_MOST], found[first + STRIKES_MOST :]
        assert {*lies} == {"mismatch"}, "each of them is looked at now"
        assert {*rest} <= {"doubtful"}, "and unpaid"
        assert await play.store.audit() == []


@simulated
async def test_a_ledger_that_is_away_is_asked_again() -> None:
    async with verifying() as play:
        job = await play.delivered()
        checker = play.checker(20, 3)
        order = await play.asked(checker)
        play.store.away = True
        play.says(checker, order, EXACT)
        await asyncio.sleep(30)
        play.store.away = False
        await play.ends(job, "COMPLETED")
        assert play.earned() == SHARE


@simulated
async def test_a_verdict_whose_commit_was_not_answered_counts_once() -> None:
    async with verifying() as play:
        job = await play.delivered()
        checker = play.checker(20, 3)
        order = await play.asked(checker)
        play.store.lose_commit_answer()
        play.says(checker, order, EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.charged(), play.earned()) == (PRICE, SHARE)


@simulated
async def test_work_of_ones_own_nodes_is_shown_to_nobody() -> None:
    own = frozenset({UUID(int=21)})
    async with verifying(own=own) as play:
        checkers = [play.checker(20, 3), play.checker(21, None)]
        job = await play.delivered(_pool="mine")
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unchecked"
        assert not any(checker.probe.ref.depth for checker in checkers)


@simulated
async def test_work_for_trusted_nodes_is_looked_at_by_the_gateways_own_alone() -> None:
    async with verifying(own=frozenset({UUID(int=21)})) as play:
        stranger, ours = play.checker(20, 3), play.checker(21, None)
        job = await play.delivered(_pool="trusted")
        await play.checks(ours, EXACT)
        await play.ends(job, "COMPLETED")
        assert not stranger.probe.ref.depth
    async with verifying() as play:
        stranger = play.checker(20, 3)
        job = await play.delivered(_pool="trusted")
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unchecked"
        assert not stranger.probe.ref.depth


# -- what is no whole frame

# With it: of how many crops, or whole pictures, who checks it is asked.
PARTS: tuple[tuple[Mapping[str, Any], int, int], ...] = (
    ({"frame": None, "frames": [1, 2]}, 0, 1),
    ({"tile": [0, 0, 8, 8]}, 3, 0),
    ({"tiles": [[0, 0, 8, 8]]}, 0, 1),
    ({"job_type": "video", "fps": 24}, 0, 16),
)
INSPECTOR = UUID(int=21)


def told_of(order: RunCheck, one: Mapping[str, Any]) -> Mapping[str, Any]:
    """A report of every place that was asked about."""
    return {"crops": [one] * order.count, "finish": {"equal": True, "off": None}}


@simulated
@pytest.mark.parametrize(("params", "draws", "shown"), PARTS)
@pytest.mark.parametrize("off", [None, 7.0])
async def test_what_is_no_whole_frame_is_checked_as_frames_are(
    params: Mapping[str, Any], draws: int, shown: int, off: float | None
) -> None:
    async with verifying(own=frozenset({INSPECTOR})) as play:
        ours = play.checker(21, None)
        job = await play.delivered(**params)
        order = await play.asked(ours)
        assert (len(order.draws), len(order.shown)) == (draws, shown)
        told = {name: value for name, value in params.items() if value and name != "job_type"}
        assert told.items() <= order.unit.params.items()
        play.says(ours, order, told_of(order, {"equal": off is None, "off": off}))
        if off is not None and draws:  # parts of it may come out otherwise than the whole tile
            order = await play.asked(ours)
            assert order.whole
            play.says(ours, order, {**told_of(order, {"equal": False, "off": off}), "whole": True})
        await play.ends(job, "COMPLETED" if off is None else "QUEUED")
        assert play.verdict(job) == ("exact" if off is None else "mismatch")
        assert play.earned() == (SHARE if off is None else 0)


@simulated
async def test_who_leaves_out_a_frame_of_a_chunk_says_nothing() -> None:
    async with verifying(own=frozenset({INSPECTOR})) as play:
        ours = play.checker(21, None)
        job = await play.delivered(frame=None, frames=list(range(1, 18)))
        order = await play.asked(ours)
        assert len(order.shown) == 3
        told = told_of(order, {"equal": True, "off": None})
        play.says(ours, order, {**told, "crops": told["crops"][:2]})
        await asyncio.sleep(121)
        again = await play.asked(ours)
        play.says(ours, again, told)
        await play.ends(job, "COMPLETED")


@simulated
async def test_a_chunk_of_one_colour_that_was_not_drawn_is_checked() -> None:
    async with verifying(own=frozenset({INSPECTOR}), least_odds=0.0) as play:
        play.known("v" * 10_000)
        ours = play.checker(21, None)
        job = await play.delivered(frame=None, frames=[1, 2])
        order = await play.asked(ours)
        assert order.count == 0
        play.says(ours, order, {"looked": True, "suspect": "all of it is of one colour"})
        order = await play.asked(ours)
        assert order.count == 1
        play.says(ours, order, told_of(order, {"equal": False, "off": 7.0}))
        await play.ends(job, "QUEUED")
        assert play.verdict(job) == "mismatch"


# -- who is paid for looking

PAY = PRICE * 5 // 100


@simulated
async def test_who_looked_is_paid_at_once_and_from_revenue() -> None:
    async with verifying() as play:
        job = await play.delivered()
        await play.checks(play.checker(20, 3), EXACT)
        await play.ends(job, "COMPLETED")
        assert play.earned(UUID(int=3)) == PAY
        [share] = play.store.check_pay.values()
        assert (share.node_id, share.state, share.attempt) == (UUID(int=20), "PENDING", 1)
        assert play.store.accounts["revenue"].balance == PRICE - SHARE - PAY


@simulated
async def test_who_finds_a_lie_earns_nothing_by_it() -> None:
    """Nobody is charged then: friends could find each other's lies for ever."""
    async with verifying() as play:
        job = await play.delivered()
        one, other = play.checker(20, 3), play.checker(21, 4)
        first, _ = await _whoever(play, [one, other], apart(0.9))
        [left] = [c for c in (one, other) if c is not first]
        await play.checks(left, apart(0.9))
        await play.ends(job, "QUEUED")
        assert (play.earned(UUID(int=3)), play.earned(UUID(int=4)), play.earned()) == (0, 0, 0)
        assert play.charged() == 0


@simulated
async def test_a_suspicion_that_nobody_confirms_earns_nothing() -> None:
    async with verifying() as play:
        job = await play.delivered()
        one, other = play.checker(20, 3), play.checker(21, 4)
        first, _ = await _whoever(play, [one, other], apart(0.9))
        [left] = [c for c in (one, other) if c is not first]
        await play.checks(left, EXACT)
        await play.ends(job, "COMPLETED")
        owners = [UUID(int=3), UUID(int=4)]
        paid = [owner for owner in owners if play.earned(owner) == PAY]
        assert paid == [left.owner]
        assert sum(map(play.earned, owners)) == PAY


@simulated
@pytest.mark.parametrize("report", [None, {"unable": "the engine is EEVEE"}, {"crops": []}])
async def test_who_could_not_look_earns_nothing(report: dict[str, object] | None) -> None:
    async with verifying(wait_seconds=60.0) as play:
        job = await play.delivered()
        await play.checks(play.checker(20, 3), report)
        await until(lambda: play.store.units[job, 0].state == "COMPLETED", within=200)
        assert play.earned(UUID(int=3)) == 0
        assert play.store.check_pay == {}


@simulated
async def test_the_gateways_own_verifier_is_not_paid() -> None:
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        job = await play.delivered()
        await play.checks(play.checker(20, 3), EXACT)
        await play.ends(job, "COMPLETED")
        assert play.store.check_pay == {}


# -- who lies too often


@simulated
async def test_the_third_lie_is_one_too_many() -> None:
    """No strangers' work any more: the Scheduler is told, the reason stands beside the node."""
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        checker = play.checker(20, None)
        for _ in range(STRIKES_MOST):
            assert play.store.nodes.get(NODE) is None or play.standing() == "ACTIVE"
            job = await play.delivered()
            await play.confirms(checker, apart(0.9))
            await play.ends(job, "QUEUED")
        await until(lambda: play.standing() == "QUARANTINED", within=60)
        [act] = play.store.acts
        assert (act.act, act.target) == ("node.quarantine", f"node:{NODE}")
        assert "3 of its results" in act.reason
        [said] = [one for one in play.told() if isinstance(one, NodeStands)]
        assert (said.node, said.standing.name) == (NODE, "QUARANTINED")


@simulated
async def test_who_is_released_is_quarantined_again_at_the_next_lie() -> None:
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        checker = play.checker(20, None)

        async def lies() -> None:
            job = await play.delivered()
            await play.confirms(checker, apart(0.9))
            await play.ends(job, "QUEUED")

        for _ in range(STRIKES_MOST):
            await lies()
        await until(lambda: play.standing() == "QUARANTINED", within=60)
        await asyncio.sleep(5)
        play.release()
        await asyncio.sleep(5)
        assert play.standing() == "ACTIVE"
        await lies()
        await until(lambda: play.standing() == "QUARANTINED", within=60)


@simulated
async def test_lies_that_were_made_good_do_not_count() -> None:
    async with verifying() as play:
        for lies in range(STRIKES_MOST):
            play.known("v" * FORGIVEN_BY + "m")
            assert play.verifier.tell(Caught(NODE))
            await asyncio.sleep(5)
            assert play.standing() == "ACTIVE", lies
        play.known("mm")
        assert play.verifier.tell(Caught(NODE))
        await until(lambda: play.standing() == "QUARANTINED", within=60)


@simulated
async def test_a_quarantine_that_the_database_missed_comes_once_it_is_back() -> None:
    async with verifying() as play:
        play.known("mmm")
        play.store.away = True
        assert play.verifier.tell(Caught(NODE))
        await asyncio.sleep(30)
        play.store.away = False
        await until(lambda: play.standing() == "QUARANTINED", within=60)


# -- switched off


@simulated
async def test_what_waits_when_it_is_switched_off_is_paid_unchecked() -> None:
    """Also while somebody could look: nobody is asked any more."""
    async with verifying(enabled=False) as play:
        checker = play.checker(20, 3)
        job = await play.delivered()
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("unchecked", SHARE)
        assert checker.probe.ref.depth == 0


@simulated
async def test_an_object_that_was_swapped_is_not_paid_when_it_is_switched_off() -> None:
    async with verifying(enabled=False, look_seconds=5.0) as play:
        job = await play.delivered()
        key = result_key(CREATOR, job, 0, 1)
        await play.objects.delete(key)
        await play.objects.put(key, b"another picture and its evidence")
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), play.earned()) == ("mismatch", 0)


# -- what nobody is drawn to check

SEEN: Mapping[str, Any] = {"looked": True}
OURS = UUID(int=20)


async def _trusted(play: Play) -> Checker:
    """A node of which nothing is drawn any more, and the gateway's own verifier, of any class."""
    play.known("v" * 1000)
    return play.checker(20, None, "another class")


@simulated
async def test_the_gateways_own_looks_at_what_is_not_checked() -> None:
    async with verifying(own=frozenset({OURS}), least_odds=0.0) as play:
        ours = await _trusted(play)
        job = await play.delivered()
        order = await play.asked(ours)
        assert order.draws == ()
        assert play.store.units[job, 0].state == "VERIFYING"
        play.says(ours, order, SEEN)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("unchecked", SHARE)


@simulated
async def test_what_is_no_picture_at_all_is_not_paid_though_nobody_was_drawn() -> None:
    async with verifying(own=frozenset({OURS}), least_odds=0.0) as play:
        ours = await _trusted(play)
        job = await play.delivered()
        await play.checks(ours, {"fault": "the picture is none: it is damaged"})
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), play.earned()) == ("mismatch", 0)


@simulated
async def test_a_picture_of_one_colour_is_checked() -> None:
    """It may be what the scene gives, so nobody is blamed for it alone."""
    for report, state in ((EXACT, "COMPLETED"), (apart(2.5), "QUEUED")):
        async with verifying(own=frozenset({OURS, UUID(int=21)}), least_odds=0.0) as play:
            ours = await _trusted(play)
            job = await play.delivered()
            await play.checks(ours, {**SEEN, "suspect": "the picture is of one colour"})
            other = play.checker(21, None)
            order = await (play.checks if report is EXACT else play.confirms)(other, report)
            assert len(order.draws) == 3
            await play.ends(job, state)
            assert ours.probe.ref.depth == 0, "it is of another class, and compares nothing"


@simulated
async def test_who_only_looks_when_he_is_to_check_says_nothing() -> None:
    async with verifying() as play:
        job = await play.delivered()
        await play.checks(play.checker(20, 3), SEEN)
        await play.ends(job, "VERIFYING")
        await play.checks(play.checker(21, 4), EXACT)
        await play.ends(job, "COMPLETED")
        assert play.earned(UUID(int=3)) == 0


@simulated
async def test_where_the_gateways_own_fails_or_is_late_the_result_is_paid() -> None:
    async with verifying(own=frozenset({OURS}), least_odds=0.0, wait_seconds=30.0) as play:
        ours = await _trusted(play)
        job = await play.delivered()
        await play.checks(ours, None)
        await play.ends(job, "COMPLETED")
        late = await play.delivered()
        await play.asked(ours)
        play.goes(ours)
        await play.ends(late, "COMPLETED")
        assert play.verdict(late) == "unchecked"


UNREAD = {"crops": EXACT["crops"], "finish": None}


@simulated
async def test_a_picture_that_nobody_read_is_neither_exact_nor_a_lie() -> None:
    """Its crops are right; whether it was made of them two owners cannot see."""
    async with verifying() as play:
        job = await play.delivered()
        checkers = [play.checker(20, 3), play.checker(21, 4)]
        asked, _ = await _whoever(play, checkers, UNREAD)
        await _whoever(play, [one for one in checkers if one is not asked], UNREAD)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("unverifiable", 0)


@simulated
async def test_what_one_cannot_read_another_can() -> None:
    for second, state in ((EXACT, "COMPLETED"), ({"fault": "no picture"}, "VERIFYING")):
        async with verifying() as play:
            job = await play.delivered()
            checkers = [play.checker(20, 3), play.checker(21, 4)]
            asked, _ = await _whoever(play, checkers, UNREAD)
            await _whoever(play, [one for one in checkers if one is not asked], second)
            await play.ends(job, state)
            assert play.verdict(job) == ("exact" if second is EXACT else None)


async def _thrice(play: Play, owners: Sequence[int], own: UUID | None = None) -> UUID:
    """A unit that as many nodes deliver one after the other, each found to be another one."""
    checker = play.checker(20, None)
    job = await play.delivered(NODE, UUID(int=owners[0]))
    for attempt, owner in enumerate(owners, 1):
        if attempt > 1:
            node = own if own is not None and attempt == len(owners) else UUID(int=9 + attempt)
            await play.ends(job, "QUEUED")
            play.store.add_node(node, ("render",), owner=UUID(int=owner))
            await play.do(UnitAssign(job, 0, attempt, node))
            await play.again(job, node, attempt, UUID(int=owner))
        # Where a mismatch would be no strike, no frame is rendered for it.
        is_blameless = attempt == len(owners) and (own is not None or len({*owners}) > 2)
        await (play.checks if is_blameless else play.confirms)(checker, apart(0.9))
    return job


async def _strikes(play: Play, job: UUID) -> list[int]:
    nodes = {row.node_id for row in play.store.checks.values() if row.job_id == job}
    return [one.reputation.strikes for one in await play.store.records(sorted(nodes))]


@simulated
async def test_what_three_owners_deliver_alike_is_the_scenes_fault_and_nobodys_strike() -> None:
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        job = await _thrice(play, (2, 5, 6))
        unit = await play.ends(job, "FAILED")
        assert (unit.error_class, play.charged()) == ("scene", 0)
        assert "three owners" in (unit.error_message or "")
        assert sum(await _strikes(play, job)) == 0


@simulated
async def test_three_nodes_of_two_owners_are_three_liars() -> None:
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        job = await _thrice(play, (2, 2, 6))
        unit = await play.ends(job, "FAILED")
        assert (unit.error_class, play.charged()) == ("node", 0)
        assert await _strikes(play, job) == [1, 1, 1]


@simulated
async def test_the_gateways_own_is_never_struck_and_clears_those_before_it() -> None:
    """What it rendered is right: parts of such a scene come out otherwise."""
    ours = UUID(int=30)
    async with verifying(own=frozenset({UUID(int=20), ours})) as play:
        job = await _thrice(play, (2, 5), ours)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job, 1), play.verdict(job, 2)) == ("mismatch", "unverifiable")
        assert play.charged() == PRICE
        assert sum(await _strikes(play, job)) == 0


@simulated
async def test_who_says_of_good_scenes_that_they_are_at_fault_is_quarantined() -> None:
    """Each is checked, whoever delivers it: by a valid one the word is refuted."""
    liar = UUID(int=30)
    async with verifying(own=frozenset({UUID(int=20)}), least_odds=0.0) as play:
        play.known("v" * 1000)
        play.store.add_node(liar, ("render",), owner=UUID(int=7))
        checker = play.checker(20, None)
        for count in range(1, STRIKES_MOST + 1):
            job = await play.refused(liar)
            await play.checks(checker, EXACT)
            unit = await play.ends(job, "COMPLETED")
            assert (unit.avoid, unit.failures) == ((liar,), 0)
            [record] = await play.store.records([liar])
            assert (record.device_class, record.since) == (CLASS, "m" * count)
        await until(lambda: play.standing(liar) == "QUARANTINED", within=60)
        assert play.standing() == "ACTIVE"


# -- what a node delivered that is caught while it waits


async def _waiting(play: Play) -> tuple[Checker, RunCheck, UUID, UUID]:
    """Of a known node two results wait: one is being looked at, no more, and one will be."""
    ours = await _trusted(play)
    seen, other = await play.delivered(), await play.delivered()
    return ours, await play.asked(ours), seen, other


@simulated
async def test_what_waits_of_a_node_that_is_caught_is_checked() -> None:
    """Whether somebody looks at it already, or it waits for that: nothing is paid unseen."""
    async with verifying(own=frozenset({OURS}), least_odds=0.0) as play:
        ours, order, seen, other = await _waiting(play)
        play.known("m")
        assert play.verifier.tell(Caught(NODE))
        play.says(ours, order, SEEN)
        ours = play.checker(20, None, "cpu/sse/5.2")  # by now it has such a build
        for _ in range(2):
            order = await play.checks(ours, EXACT)
            assert len(order.draws) == 3
        for job in (seen, other):
            await play.ends(job, "COMPLETED")
            assert play.verdict(job) == "consistent"


@simulated
async def test_a_suspicion_has_what_else_waits_of_its_node_checked() -> None:
    """Also before it is confirmed: what was not drawn until then would be paid meanwhile."""
    async with verifying(own=frozenset({OURS}), least_odds=0.0) as play:
        play.known("v" * 1000)
        ours = play.checker(20, None)
        seen, other = await play.delivered(), await play.delivered()
        await play.checks(ours, {**SEEN, "suspect": "the picture is of one colour"})
        order = await play.asked(ours)
        assert len(order.draws) == 3, "of the one that is suspect"
        play.says(ours, order, apart(2.5))
        await play.renders_whole(ours, apart(2.5))
        order = await play.asked(ours)
        assert len(order.draws) == 3, "and of the other one"
        play.says(ours, order, EXACT)
        await play.ends(seen, "QUEUED")
        await play.ends(other, "COMPLETED")
        assert play.verdict(other) == "exact"


@simulated
async def test_chunks_of_a_node_that_lied_are_not_paid_where_nobody_looks() -> None:
    async with verifying() as play:
        play.known("v" * 30 + "m")
        job = await play.delivered(frame=None, frames=[1, 2])
        await asyncio.sleep(3601)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.charged(), play.earned()) == ("unverifiable", 0, 0)


@simulated
async def test_what_our_own_node_delivered_is_not_doubtful_either() -> None:
    ours = UUID(int=30)
    async with verifying(own=frozenset({ours}), wait_seconds=30.0) as play:
        job = await play.delivered(ours)
        await play.checks(play.checker(20, 3), apart(0.9))
        unit = await play.ends(job, "COMPLETED")
        assert (play.verdict(job), unit.failures) == ("unverifiable", 0)
        assert play.charged() == PRICE


# -- what strangers say of each other


@simulated
async def test_two_strangers_condemn_nobody_and_are_not_paid() -> None:
    async with verifying() as play:
        job = await play.delivered()
        one, other = play.checker(20, 3), play.checker(21, 4)
        first, _ = await _whoever(play, [one, other], apart(5.0))
        [left] = [c for c in (one, other) if c is not first]
        await play.checks(left, apart(5.0))
        await play.ends(job, "QUEUED")
        assert (play.verdict(job), play.charged()) == ("doubtful", 0)
        assert await play.store.records([NODE]) == []


@simulated
@pytest.mark.parametrize("report", [apart(5.0), {"fault": "no picture"}, apart(0.3), UNABLE])
async def test_who_confirms_a_strangers_word_is_the_gateways_own(report: Any) -> None:
    """However many strangers could, and though it is busy; a false accusation is a strike."""
    async with verifying(own=frozenset({OURS}), least_odds=1.0) as play:
        play.known("v" * 1000)
        ours = play.checker(20, None)
        busy = await play.delivered()
        look = await play.asked(ours)
        job = await play.delivered()
        stranger = play.checker(30, 3)
        await play.checks(stranger, report)
        friend = play.checker(31, 4)
        await asyncio.sleep(5)
        assert friend.probe.ref.depth == 0
        play.says(ours, look, {"fault": "no picture"})
        await play.ends(busy, "QUEUED")
        await play.checks(ours, EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("exact", SHARE)
        await asyncio.sleep(5)
        told = [(one.node_id, one.passed) for one in play.store.verifier_tests.values()]
        is_false = report not in (apart(0.3), UNABLE)
        assert told == ([(stranger.node, False)] if is_false else [])


@simulated
async def test_who_goes_while_he_looks_is_asked_last() -> None:
    """Else one that connects again and again would hold a unit until it is late."""
    async with verifying(wait_seconds=60.0) as play:
        job = await play.delivered()
        one, other = play.checker(20, 3), play.checker(21, 4)
        await until(lambda: one.probe.ref.depth or other.probe.ref.depth, within=60)
        first, second = (one, other) if one.probe.ref.depth else (other, one)
        await play.asked(first)
        play.comes_back(first)
        await play.checks(second, EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("exact", SHARE)


@simulated
async def test_who_goes_and_comes_is_asked_again_where_nobody_else_is() -> None:
    async with verifying() as play:
        job = await play.delivered()
        only = play.checker(20, 3)
        await play.asked(only)
        await play.checks(play.comes_back(only), EXACT)
        await play.ends(job, "COMPLETED")


@simulated
async def test_neither_the_creator_nor_who_belongs_to_him_checks_his_frame() -> None:
    """They would have the picture before it is paid for."""
    friend, other = UUID(int=5), UUID(int=6)
    async with verifying() as play:
        play.store.ties = Circles.of([(CREATOR, UUID(int=77)), (friend, UUID(int=77))])
        job = await play.delivered()
        mine, his = play.checker(20, CREATOR.int), play.checker(21, friend.int)
        await asyncio.sleep(5)
        assert [mine.probe.ref.depth, his.probe.ref.depth] == [0, 0]
        await play.checks(play.checker(22, other.int), EXACT)
        await play.ends(job, "COMPLETED")


@simulated
async def test_what_nobody_can_check_keeps_nobody_waiting() -> None:
    async with verifying(at_once=4) as play:
        for _ in range(9):
            await play.delivered(node=UUID(int=50), owner=UUID(int=3))  # of the checker's own
        honest = await play.delivered()
        begun = play.clock.monotonic()
        await play.checks(play.checker(20, 3), EXACT)
        await play.ends(honest, "COMPLETED")
        assert play.clock.monotonic() - begun < 10


@simulated
async def test_strikes_are_the_nodes_whatever_class_it_says_it_is_of() -> None:
    async with verifying() as play:
        for name in ("a", "b", "c"):
            play.known("m", device_class=name)
        assert play.verifier.tell(Caught(NODE))
        await until(lambda: play.standing() == "QUARANTINED", within=60)
        await asyncio.sleep(1)
        play.release()
        assert play.verifier.tell(Caught(NODE))
        await asyncio.sleep(5)
        assert play.standing() == "ACTIVE"
        play.known("m", device_class="d")
        assert play.verifier.tell(Caught(NODE))
        await until(lambda: play.standing() == "QUARANTINED", within=60)


@simulated
async def test_a_checker_that_is_seen_again_goes_on() -> None:
    """Its session says with each ping that it is there: a Verifier that was restarted hears it."""
    async with verifying() as play:
        job = await play.delivered()
        checker = play.checker(20, 3)
        order = await play.asked(checker)
        play.appears(checker)
        await asyncio.sleep(5)
        play.says(checker, order, EXACT)
        await play.ends(job, "COMPLETED")
        assert checker.probe.ref.depth == 0


@simulated
async def test_time_in_which_no_gateway_ran_does_not_count() -> None:
    async with verifying(wait_seconds=100.0) as play:
        job = await play.delivered()
        row = play.store.checks[job, 0, 1]
        long_ago = row.opened_at - timedelta(days=1)
        play.store.checks[job, 0, 1] = attrs.evolve(row, opened_at=long_ago)
        await play.restarts()
        await asyncio.sleep(50)
        await play.checks(play.checker(20, 3), EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.earned()) == ("exact", SHARE)


@simulated
@pytest.mark.parametrize(
    ("look", "state", "verdict"),
    [(SEEN, "COMPLETED", "exact"), ({"fault": "the picture is none"}, "QUEUED", "mismatch")],
)
async def test_our_own_looks_first_at_what_a_new_node_delivers(
    look: Any, state: str, verdict: str
) -> None:
    """Whether it is a picture at all: a friend would say so of anything."""
    async with verifying(own=frozenset({OURS})) as play:
        friend = play.checker(30, 3)
        job = await play.delivered()
        await asyncio.sleep(5)
        assert friend.probe.ref.depth == 0, "not before"
        order = await play.checks(play.checker(20, None), look)
        assert order.draws == ()
        if look is SEEN:
            await play.checks(friend, EXACT)
        await play.ends(job, state)
        assert play.verdict(job) == verdict
        assert friend.probe.ref.depth == 0


@simulated
async def test_in_a_class_that_none_of_ours_has_strangers_words_pay_nothing() -> None:
    """Two friends may have invented it."""
    async with verifying(own=frozenset({OURS}), least_odds=1.0) as play:
        play.known("v" * 100)
        play.checker(20, None, "cpu/avx2/another build")
        job = await play.delivered()
        await play.checks(play.checker(30, 3), EXACT)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.charged(), play.earned()) == ("unverifiable", 0, 0)
        assert play.earned(UUID(int=3)) == 0


@simulated
async def test_a_new_account_earns_nothing_that_was_not_found_valid() -> None:
    """Whoever leaves a quarantine behind by another account begins where nobody trusts him."""
    async with verifying(own=frozenset({UUID(int=20)}), least_odds=0.0) as play:
        node, owner = UUID(int=77), UUID(int=78)
        unseen = await play.delivered(node, owner)
        await asyncio.sleep(3600)  # nobody is there
        await play.ends(unseen, "COMPLETED")
        assert (play.verdict(unseen), play.earned(owner), play.charged()) == ("unverifiable", 0, 0)
        checker = play.checker(20, None)
        for number in range(1, ALWAYS_UNTIL + 1):
            job = await play.delivered(node, owner)
            assert (await play.checks(checker, EXACT)).count == 3
            await play.ends(job, "COMPLETED")
            assert play.earned(owner) == number * PRICE * 70 // 100


@simulated
async def test_a_video_of_fewer_frames_than_are_drawn_is_checked() -> None:
    """Each of its frames is looked at once: there are no more."""
    async with verifying(own=frozenset({UUID(int=20)})) as play:
        job = await play.delivered(job_type="video", fps=24)
        four = {"crops": [{"equal": False, "off": 0.05}] * 4, "finish": EXACT["finish"]}
        assert (await play.checks(play.checker(20, None), four)).count == 16
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "match"
