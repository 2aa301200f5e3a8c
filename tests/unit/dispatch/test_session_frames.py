"""A session and its node: dispatch, leases, hello, status, and the end of the connection."""

import asyncio
from typing import Any

import attrs
import pytest
from prometheus_client import REGISTRY

from actors.kernel import Message
from actors.ledger.effects import UnitComplete, UnitFail, UnitRequeue, UnitStart
from actors.ledger.messages import GuardFailed, Posted, RenewLeases, RowState
from actors.node_session.messages import (
    Close,
    Disconnected,
    PingSeen,
    PongSeen,
    Recall,
    Received,
    ReopenSession,
    Withdraw,
)
from actors.notifier.messages import Progress, UnitLogLines
from actors.ports import ObjectsUnavailable
from actors.scheduler.messages import (
    NodeDeclined,
    NodeSeen,
    RecallDeclined,
    SessionClosed,
    SessionOpened,
    SessionReady,
    UnitsChanged,
)
from rendertrust.protocol import Hello, JobCancel, JobDispatch, Log, Pong, Urls, UrlsRequest
from sql.job_plan import InputFile, Inputs
from sql.nodes import NodeIdentity
from tests.support.until import until
from tests.unit.dispatch.session_stage import Play, result, running, session, status
from tests.unit.dispatch.stage import JOB, JOB2, NODE, OWNER, USER, assignment, state_of
from tests.unit.simulated_time import simulated


async def leases(play: Play, *, within: float = 5.0) -> Any:
    return (await play.cast.ledger.expect(RenewLeases, within=within)).leases


@simulated
async def test_a_session_announces_itself_until_it_is_answered() -> None:
    async with session() as play:
        assert (play.opened.node, play.opened.owner) == (NODE, OWNER)
        again = await play.told(SessionOpened)
        assert again.epoch == play.opened.epoch
        play.assign()
        await asyncio.sleep(20)
        while play.cast.scheduler.ref.depth:
            assert not isinstance(await play.cast.scheduler.expect(Message), SessionOpened)


@simulated
async def test_each_session_of_a_node_has_a_greater_epoch_whichever_gateway_it_is_at() -> None:
    async with session() as play:
        assert play.opened.epoch == 1
        await play.cast.store.session_opened(NODE)  # at another gateway
        play.ref.tell(ReopenSession())
        assert (await play.told(SessionOpened)).epoch == 1


@simulated
async def test_a_restarted_scheduler_is_told_about_session_and_slots() -> None:
    async with session() as play:
        await play.greeted(slots=3)
        assert (await play.told(SessionReady)).hello.slots == 3
        play.ref.tell(ReopenSession())
        await play.told(SessionOpened)
        assert (await play.told(SessionReady)).hello.slots == 3


@simulated
async def test_a_plain_node_gets_its_unit_when_no_hello_came_for_two_seconds() -> None:
    async with session() as play:
        play.assign(assignment())
        await asyncio.sleep(1.9)
        assert not play.socket.sent
        frame = await play.socket.expect(JobDispatch)
        assert (frame.job_id, frame.job_type) == (str(JOB), "echo")
        assert frame.payload_ref == "s3://elsewhere/scene"


@simulated
async def test_a_unit_is_sent_with_its_attempt_lease_and_place_for_the_result() -> None:
    async with session() as play:
        frame = await play.working(assignment(attempt=3))
        assert (frame.unit, frame.attempt, frame.lease_seconds) == (0, 3, 60.0)
        assert frame.output is not None
        assert frame.output.key == f"results/{USER}/{JOB}/0/3/result"
        put = await play.objects.request("PUT", frame.output.url, frame.output.headers, b"x")
        assert put.status == 200
        again = await play.objects.request("PUT", frame.output.url, frame.output.headers, b"y")
        assert again.status == 412


@simulated
async def test_an_input_in_our_bucket_is_signed_and_not_among_the_parameters() -> None:
    inputs = Inputs(InputFile("uploads/u/1", "scene.blend", "ab" * 32, 5))
    payload = "s3://rendertrust/uploads/u/1"
    unit = assignment(payload_ref=payload, params={"frame": 1}, inputs=inputs)
    async with session() as play:
        await play.objects.put("uploads/u/1", b"12345")
        frame = await play.working(unit)
        assert dict(frame.params) == {"frame": 1}
        [given] = frame.inputs
        assert (given.path, given.size) == ("scene.blend", 5)
        assert (await play.objects.request("GET", given.url)).body == b"12345"


@simulated
async def test_an_input_that_is_not_the_payload_is_never_signed() -> None:
    inputs = Inputs(InputFile("uploads/other/1", "scene.blend", "ab" * 32, 5))
    unit = assignment(payload_ref="s3://rendertrust/uploads/u/1", inputs=inputs)
    async with session() as play:
        await play.greeted(unit)
        effect = await play.effect()
        assert isinstance(effect, UnitFail)
        assert (effect.error_class, effect.retry_at) == ("gateway", None)


@simulated
async def test_a_unit_that_fits_into_no_frame_fails_for_good() -> None:
    async with session() as play:
        await play.greeted(assignment(params={"text": "x" * 70_000}))
        effect = await play.effect()
        assert (effect.error_class, effect.retry_at) == ("gateway", None)


SHUT_OUT = NodeIdentity(NODE, OWNER, ("echo",), verified=True, base="http://h:99999")


@simulated
async def test_what_cannot_be_signed_for_a_connection_goes_back_and_nobody_is_blamed() -> None:
    """The session declines for its node; else the node would get the unit again at once."""
    async with session(node=SHUT_OUT) as play:
        await play.greeted(assignment(), assignment(JOB2))
        for job in (JOB, JOB2):
            effect = await play.effect()
            assert isinstance(effect, UnitRequeue)
            assert (effect.job, effect.unsent, effect.unsendable_to) == (job, True, NODE)
        assert (await play.told(NodeDeclined)).node == NODE


@simulated
async def test_what_fits_into_no_frame_fails_for_good_by_any_connection() -> None:
    async with session(node=SHUT_OUT) as play:
        await play.greeted(assignment(params={"text": "x" * 70_000}))
        effect = await play.effect()
        assert isinstance(effect, UnitFail)
        assert (effect.error_class, effect.retry_at) == ("gateway", None)


@simulated
async def test_an_address_that_is_too_long_for_a_frame_is_not_the_units_fault() -> None:
    long = attrs.evolve(SHUT_OUT, base=f"http://{'a' * 4096}:80")
    async with session(node=long) as play:
        await play.greeted(assignment())
        effect = await play.effect()
        assert isinstance(effect, UnitRequeue)
        assert effect.unsendable_to == NODE


@simulated
async def test_an_admin_is_alerted_of_what_could_not_be_sent_to_three_nodes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def alerts() -> float | None:
        return REGISTRY.get_sample_value("rendertrust_units_unsendable_total")

    before = alerts() or 0
    for nodes in (1, 2, 3):
        async with session(node=SHUT_OUT) as play:
            await play.greeted(assignment())
            state = attrs.evolve(state_of("QUEUED", node=None), unsendable_to=nodes)
            await play.effect(Posted(units=(state,)))
            await play.told(UnitsChanged)
    await until(lambda: alerts() == before + 1)
    said = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [str(JOB) in record.getMessage() for record in said] == [True]


@simulated
async def test_while_the_object_store_cannot_sign_the_unit_waits() -> None:
    async with session() as play:
        signs = play.objects.presign_put
        play.objects.presign_put = away  # type: ignore[method-assign]
        await play.greeted(assignment())
        await asyncio.sleep(3)
        assert not play.socket.sent
        play.objects.presign_put = signs  # type: ignore[method-assign]
        await play.socket.expect(JobDispatch)


async def away(*_: Any, **__: Any) -> Any:
    raise ObjectsUnavailable


@simulated
async def test_no_more_units_are_sent_than_the_node_has_slots() -> None:
    async with session() as play:
        await play.greeted(assignment(JOB), assignment(JOB2), slots=1)
        await play.socket.expect(JobDispatch)
        await asyncio.sleep(10)
        assert not play.socket.sent
        play.hear(result(status="failed", error="broken"))
        frame = await play.socket.expect(JobDispatch)
        assert frame.job_id == str(JOB2)


@simulated
async def test_a_plain_node_gets_all_at_once() -> None:
    async with session() as play:
        play.assign(assignment(JOB), assignment(JOB2))
        await play.socket.expect(JobDispatch)
        await play.socket.expect(JobDispatch)


# -- leases


@simulated
async def test_the_lease_begins_when_the_unit_is_sent() -> None:
    async with session() as play:
        await play.working()
        [lease] = await leases(play)
        assert (lease.job, lease.attempt, lease.node) == (JOB, 1, NODE)
        assert 57 < lease.seconds <= 60


@simulated
async def test_a_status_renews_the_lease_and_silence_does_not() -> None:
    async with session() as play:
        await play.working()
        await leases(play)
        await asyncio.sleep(9)
        play.hear(status(unit=0, attempt=1))
        heard = play.clock.monotonic()
        await play.effect()
        [lease] = await leases(play, within=20.0)
        assert play.clock.monotonic() + lease.seconds == pytest.approx(heard + 60, abs=0.2)
        play.ref.tell(PongSeen())
        await asyncio.sleep(60)
        assert play.cast.ledger.ref.depth == 0


@simulated
async def test_the_pongs_of_a_plain_node_renew_its_leases() -> None:
    async with session() as play:
        play.assign(assignment())
        await play.socket.expect(JobDispatch)
        await leases(play)
        await asyncio.sleep(20)
        play.ref.tell(PongSeen())
        await leases(play, within=16.0)


@simulated
async def test_what_waits_for_a_slot_is_vouched_for_by_the_session() -> None:
    async with session() as play:
        await play.greeted(assignment(JOB), assignment(JOB2), slots=1)
        assert {lease.job for lease in await leases(play)} == {JOB, JOB2}
        assert {lease.job for lease in await leases(play, within=16.0)} == {JOB2}


@simulated
async def test_an_attempt_that_takes_too_long_is_the_nodes_failure() -> None:
    async with session(runtime_seconds_most=100.0, pong_seconds=1000.0) as play:
        await play.working()
        play.hear(status())
        await play.effect(Posted(units=(state_of("RUNNING"),)))
        effect = await play.effect(within=120.0)
        assert isinstance(effect, UnitFail)
        assert effect.error_class == "node"


# -- hello


@simulated
async def test_what_the_node_has_is_kept_and_what_is_not_its_own_dropped() -> None:
    async with session() as play:
        stale = running(attempt=1)
        foreign = running(unit=9)
        play.hear(Hello(version="1", running=(running(attempt=2), stale, foreign)))
        play.assign(assignment(attempt=2, state="RUNNING"))
        welcome = await play.welcome()
        assert welcome.keep == (running(attempt=2),)
        assert welcome.drop == (stale, foreign)
        await asyncio.sleep(1)
        assert not play.socket.sent


@simulated
async def test_a_dispatched_unit_that_the_node_does_not_have_is_sent_again_as_it_was() -> None:
    async with session() as play:
        await play.greeted(assignment(attempt=2))
        assert (await play.socket.expect(JobDispatch)).attempt == 2
        play.hear(Hello(version="1"))  # the node has restarted, on the same socket
        await play.welcome()
        assert (await play.socket.expect(JobDispatch)).attempt == 2


@simulated
async def test_a_running_unit_that_the_node_has_lost_is_queued_again_without_blame() -> None:
    async with session() as play:
        await play.greeted(assignment(state="RUNNING"))
        effect = await play.effect(Posted(units=(state_of("QUEUED"),)))
        assert isinstance(effect, UnitRequeue)
        assert effect.attempt == 1
        assert not play.socket.sent


@simulated
async def test_a_running_unit_of_a_plain_node_is_left_to_its_lease() -> None:
    async with session() as play:
        play.assign(assignment(state="RUNNING"))
        await asyncio.sleep(5)
        assert not play.socket.sent
        assert play.cast.ledger.ref.depth == 0


@simulated
async def test_hello_says_which_types_the_node_offers_now() -> None:
    async with session() as play:
        play.hear(Hello(version="1", slots=2, capabilities=("echo",)))
        hello = (await play.told(SessionReady)).hello
        assert (hello.slots, hello.capabilities) == (2, ("echo",))


# -- status


@simulated
async def test_the_first_status_is_booked_and_progress_is_passed_on() -> None:
    async with session() as play:
        await play.working()
        play.hear(status(progress=0.25, detail="Sample 1/4"))
        assert await play.effect(Posted(units=(state_of("RUNNING"),))) == UnitStart(JOB, 0, 1, NODE)
        progress = await play.cast.notifier.expect(Progress)
        assert (progress.value, progress.detail) == (0.25, "Sample 1/4")
        await asyncio.sleep(0.1)
        play.hear(status(progress=0.5))
        await asyncio.sleep(1)
        commits = [i for i in play.cast.ledger.ref.mailbox.items if "Commit" in repr(i)]
        assert commits == []


@simulated
async def test_a_status_whose_booking_got_no_answer_is_booked_again() -> None:
    async with session() as play:
        await play.working()
        play.hear(status())
        await play.commit()
        await asyncio.sleep(11)
        play.hear(status())
        assert await play.effect() == UnitStart(JOB, 0, 1, NODE)


@simulated
async def test_a_unit_that_was_cancelled_meanwhile_is_ended_at_its_node() -> None:
    async with session() as play:
        await play.working()
        play.hear(status())
        await play.effect(GuardFailed("UnitStart", RowState.CANCELLED, (state_of("CANCELLED"),)))
        assert (await play.socket.expect(JobCancel)).job_id == str(JOB)


@simulated
async def test_a_status_of_a_unit_that_is_not_the_nodes_is_answered_by_a_cancel() -> None:
    async with session() as play:
        await play.working(assignment(attempt=2))
        play.hear(status(unit=0, attempt=1))
        cancel = await play.socket.expect(JobCancel)
        assert cancel.attempt == 1


@simulated
async def test_a_withdrawn_unit_is_cancelled_and_its_slot_given_to_the_next() -> None:
    async with session() as play:
        await play.greeted(assignment(JOB), assignment(JOB2), slots=1)
        await play.socket.expect(JobDispatch)
        play.ref.tell(Withdraw(JOB, 0, 1))
        assert (await play.socket.expect(JobCancel)).job_id == str(JOB)
        assert (await play.socket.expect(JobDispatch)).job_id == str(JOB2)


@simulated
async def test_an_older_attempt_is_not_withdrawn_in_place_of_a_newer_one() -> None:
    async with session() as play:
        await play.working(assignment(attempt=2))
        play.ref.tell(Withdraw(JOB, 0, 1))
        await asyncio.sleep(1)
        assert not play.socket.sent


@simulated
async def test_of_a_paused_job_what_waits_goes_back_and_what_the_node_has_it_finishes() -> None:
    async with session() as play:
        await play.greeted(assignment(), assignment(unit=1), slots=1)
        await play.socket.expect(JobDispatch)
        for unit in (0, 1):
            play.ref.tell(Recall(JOB, unit, 1))
        assert await play.effect() == UnitRequeue(JOB, 1, 1, "its job was paused", unsent=True)
        play.hear(result(unit=0, attempt=1, result_ref="none:0"))
        assert isinstance(await play.effect(), UnitComplete)
        await asyncio.sleep(1)
        assert not any(isinstance(frame, JobDispatch | JobCancel) for frame in play.socket.sent)


@simulated
async def test_for_another_node_only_what_was_not_sent_goes_back() -> None:
    async with session() as play:
        await play.greeted(assignment(), assignment(unit=1), slots=1)
        await play.socket.expect(JobDispatch)
        for unit in (0, 1):
            play.ref.tell(Recall(JOB, unit, 1, for_another=True))
        assert await play.told(RecallDeclined) == RecallDeclined(JOB, 0, 1)
        effect = UnitRequeue(
            JOB, 1, 1, "it was moved to a node that had nothing to do", unsent=True
        )
        assert await play.effect() == effect
        play.ref.tell(Recall(JOB, 7, 1, for_another=True))
        assert (await play.told(RecallDeclined)).unit == 7
        await asyncio.sleep(1)
        assert not any(isinstance(frame, JobDispatch | JobCancel) for frame in play.socket.sent)


@simulated
async def test_a_job_that_was_paused_before_the_hello_keeps_only_what_the_node_has() -> None:
    async with session() as play:
        play.assign(assignment(paused=True), assignment(unit=1, paused=True, attempt=20))
        play.hear(Hello(version="1", slots=2, running=(running(),)))
        assert (await play.welcome()).keep == (running(),)
        assert await play.effect() == UnitRequeue(JOB, 1, 20, "its job was paused", unsent=True)
        await asyncio.sleep(1)
        assert not any(isinstance(frame, JobDispatch | JobCancel) for frame in play.socket.sent)


@simulated
async def test_fresh_urls_are_sent_on_request() -> None:
    async with session() as play:
        first = await play.working()
        play.hear(UrlsRequest(job_id=str(JOB), unit=0, attempt=1))
        urls = await play.socket.expect(Urls)
        assert urls.output is not None
        assert first.output is not None
        assert urls.output.key == first.output.key


# -- end of the connection


@simulated
async def test_a_malformed_frame_closes_with_1007() -> None:
    async with session() as play:
        play.hear_text("{")
        assert await play.ref.down() == "stopped"
        assert play.socket.closed is not None
        assert play.socket.closed[0] == 1007


@simulated
async def test_lines_about_ones_own_unit_are_passed_on() -> None:
    async with session() as play:
        await play.working()
        play.hear(Log(job_id=str(JOB), unit=0, attempt=1, text="Fra:1 Mem:12M"))
        play.hear(Log(job_id=str(JOB2), text="of another job"))
        play.hear(Log(job_id=str(JOB), unit=0, attempt=7, text="of another attempt"))
        play.hear(
            result(status="failed", error="no camera", detail="Error: Cannot render, no camera")
        )
        said = [await play.cast.notifier.expect(UnitLogLines) for _ in range(2)]
        assert [(each.job, each.attempt, each.text) for each in said] == [
            (JOB, 1, "Fra:1 Mem:12M"),
            (JOB, 1, "Error: Cannot render, no camera"),
        ]


@simulated
async def test_what_was_said_while_it_ran_is_not_said_again_with_the_failure() -> None:
    """The error's detail repeats the program's last lines, which the log already has."""
    async with session() as play:
        await play.working()
        for text in ("Fra:1\nError: Cannot ren", "der, no camera\n"):
            play.hear(Log(job_id=str(JOB), unit=0, attempt=1, text=text))
        detail = "a:1\nError: Cannot render, no camera\n\nIt crashed"
        play.hear(result(status="failed", error="no camera", detail=detail))
        said = [await play.cast.notifier.expect(UnitLogLines) for _ in range(3)]
        assert [each.text for each in said] == [
            "Fra:1\nError: Cannot ren",
            "der, no camera\n",
            "It crashed",
        ]


@simulated
async def test_an_unknown_frame_is_ignored() -> None:
    async with session() as play:
        play.hear_text('{"type": "telemetry"}')
        await play.working()
        assert play.socket.closed is None


@simulated
async def test_a_flood_closes_with_1008() -> None:
    async with session(flood_relay_frames=20) as play:
        for _ in range(21):
            await play.ref.offer(Received('{"type": "pong"}'))
        await play.ref.down()
        assert play.socket.closed is not None
        assert play.socket.closed[0] == 1008


@simulated
async def test_pings_and_bare_pongs_are_frames_too() -> None:
    for seen in (PingSeen(), PongSeen()):
        async with session(flood_relay_frames=20) as play:
            for _ in range(21):
                await play.ref.offer(seen)
            await play.ref.down()
            assert play.socket.closed is not None
            assert play.socket.closed[0] == 1008


@simulated
async def test_a_node_that_reads_nothing_is_cut_off() -> None:
    async with session() as play:
        await play.greeted()
        play.socket.deaf = True
        play.send(assignment())
        assert await play.ref.down() == "stopped"
        assert play.socket.aborted


@simulated
async def test_a_node_that_does_not_take_its_goodbye_is_cut_off() -> None:
    async with session() as play:
        await play.greeted()
        play.socket.deaf = True
        play.ref.tell(Close(4003, "replaced"))
        await play.ref.down()
        assert play.socket.aborted


@simulated
async def test_a_node_that_answers_no_ping_is_closed_with_4002() -> None:
    async with session() as play:
        await play.ref.down()
        assert play.socket.closed is not None
        assert play.socket.closed[0] == 4002
        assert 90 < asyncio.get_running_loop().time() <= 121
        assert play.socket.pings >= 3


@simulated
async def test_pongs_of_either_kind_keep_the_line_open_and_the_node_healthy() -> None:
    async with session() as play:
        play.assign()
        for _ in range(5):
            await asyncio.sleep(40)
            play.ref.tell(PongSeen())
            await asyncio.sleep(40)
            play.hear(Pong())
        assert play.socket.closed is None
        assert len(play.cast.store.seen) >= 5
        assert (await play.told(NodeSeen)).node == NODE


@simulated
async def test_while_the_database_is_away_the_session_goes_on() -> None:
    async with session() as play:
        play.cast.store.away = True
        await asyncio.sleep(40)
        play.hear(Pong())
        await play.working()


@simulated
async def test_a_replaced_session_closes_with_its_code() -> None:
    async with session() as play:
        play.ref.tell(Close(4003, "replaced"))
        await play.ref.down()
        assert play.socket.closed == (4003, "replaced")
        assert (await play.told(SessionClosed)).session is play.ref


@simulated
async def test_a_crash_closes_the_socket_with_1012() -> None:
    async with session() as play:
        play.cast.store.has_bug = True
        await asyncio.sleep(46)
        play.ref.tell(PongSeen())
        assert "ZeroDivisionError" in await play.ref.down()
        assert play.socket.closed is not None
        assert play.socket.closed[0] == 1012
        assert (await play.told(SessionClosed)).node == NODE


@simulated
async def test_a_broken_socket_ends_the_session() -> None:
    async with session() as play:
        play.socket.broken = True
        play.hear(Hello(version="1"))
        play.assign(assignment())
        assert await play.ref.down() == "stopped"


@simulated
async def test_a_disconnected_session_ends() -> None:
    async with session() as play:
        play.ref.tell(Disconnected())
        assert await play.ref.down() == "stopped"
        await play.told(SessionClosed)


@simulated
async def test_a_job_id_that_is_none_is_no_crash() -> None:
    async with session() as play:
        await play.working()
        play.hear_text('{"type": "job_status", "job_id": "nonsense", "status": "running"}')
        assert (await play.socket.expect(JobCancel)).job_id == "nonsense"


@simulated
async def test_the_scheduler_may_take_back_what_it_does_not_list_any_more() -> None:
    async with session() as play:
        await play.working()
        play.assign()
        await play.socket.expect(JobCancel)


@simulated
async def test_whose_connection_is_at_fault_is_found_out_when_the_store_is_back() -> None:
    async with session(node=SHUT_OUT) as play:
        signs = play.objects.presign_get
        play.objects.presign_get = away  # type: ignore[method-assign]
        await play.greeted(assignment())
        await asyncio.sleep(3)
        assert play.cast.ledger.ref.depth <= 1, "the Ledger is asked for nothing but leases"
        play.objects.presign_get = signs  # type: ignore[method-assign]
        effect = await play.effect(within=20.0)
        assert isinstance(effect, UnitRequeue)
