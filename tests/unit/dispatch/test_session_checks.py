"""Sessions of nodes whose work waits for a verdict, and of nodes that check other nodes' work."""

import asyncio
import hashlib
import itertools
from typing import Any
from uuid import UUID

import attrs
import pytest

from actors.ledger.effects import UnitComplete, UnitDeliver, UnitFail, UnitStart
from actors.ledger.messages import Commit, LedgerUnavailable, RenewLeases
from actors.node_session.messages import (
    DropCheck,
    FurtherResult,
    RelayFramesHandled,
    RunCheck,
    StoredObject,
)
from actors.node_session.result_validation import why_unverified
from actors.node_session.settings import NodeSessionSettings
from actors.verifier.messages import CheckerGone, CheckerSeen, Reported, Verifier
from rendertrust.job_types import RENDERED
from rendertrust.protocol import (
    Ack,
    Build,
    Evidence,
    Hello,
    JobCancel,
    JobDispatch,
    JobResult,
    JobStatus,
    Urls,
    UrlsRequest,
)
from rendertrust.verdict_reason import NO_CHECK, NO_EVIDENCE, NO_VERIFIER, SENTENCES
from sql.job_plan import InputFile, Inputs
from sql.nodes import NodeIdentity
from sql.units import PartResult, evidence_key, result_key, sheet_key
from tests.support.probe import Probe
from tests.unit.dispatch.session_stage import Play, result, session, status
from tests.unit.dispatch.stage import JOB, NODE, OWNER, USER, assignment, decide, with_plan
from tests.unit.simulated_time import simulated

VERIFIED = frozenset({"render"})
CLASS = "cpu/avx2/5.2"
CHECK = UUID(int=77)
CONTENT, PROOF = b"picture", b"evidence"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
EVIDENCE = Evidence(sha256=hashlib.sha256(PROOF).hexdigest(), size=len(PROOF))
SCENE = Inputs(InputFile("uploads/u/s.blend", "s.blend", "ab" * 32, 9))
RENDER = assignment(
    job_type="render",
    payload_ref="s3://rendertrust/uploads/u/s.blend",
    params={"frame": 3},
    inputs=SCENE,
)
KEY = result_key(USER, JOB, 0, 1)
PROOF_KEY = evidence_key(USER, JOB, 0, 1)
ORDER = RunCheck(
    CHECK,
    RENDER,
    StoredObject(KEY, SHA256, len(CONTENT)),
    StoredObject(PROOF_KEY, EVIDENCE.sha256, EVIDENCE.size),
    ((0.5, 0.25, None),),
)


async def delivered(
    play: Play, unit: object = RENDER, proof: bytes | None = PROOF, **said: Any
) -> JobDispatch:
    """Send the unit to the node, upload a result, and let the node report it."""
    play.hear(Hello(version="1", device_class=CLASS))
    play.assign(unit)  # type: ignore[arg-type]
    await play.welcome()
    sent = await play.socket.expect(JobDispatch)
    assert sent.output is not None
    # The upload is a node's plain PUT, for which the store has no SHA-256.
    await play.objects.request("PUT", sent.output.url, sent.output.headers, CONTENT)
    if proof is not None:
        await play.objects.put(PROOF_KEY, proof)
    told = {"sha256": SHA256, "size": len(CONTENT), "evidence": EVIDENCE, **said}
    play.hear(result(unit=0, attempt=1, **{"result_ref": KEY, **told}))
    return sent


@simulated
async def test_what_waits_for_a_verdict_is_delivered_and_acknowledged() -> None:
    async with session(verified_types=VERIFIED) as play:
        sent = await delivered(play)
        assert sent.params == {"frame": 3, "evidence": True}
        effect = await play.effect()
        assert isinstance(effect, UnitDeliver), effect
        assert (effect.job, effect.attempt, effect.node) == (JOB, 1, NODE)
        assert (effect.device_class, effect.result.verified) == (CLASS, True)
        assert effect.result.operator == f"operator:{OWNER}"
        assert effect.result.sha256 == bytes.fromhex(SHA256)
        assert effect.evidence_sha256 == bytes.fromhex(EVIDENCE.sha256)
        assert effect.evidence_size == len(PROOF)
        await play.socket.expect(Ack)


@simulated
@pytest.mark.parametrize("is_evidence", [False, True])
async def test_what_was_put_under_a_content_encoding_is_its_nodes_failure_and_no_lie(
    is_evidence: bool,
) -> None:
    """A client would decode the object and see other bytes than the node has signed."""
    async with session(verified_types=VERIFIED) as play:
        encoded = {"Content-Encoding": "gzip"}
        play.hear(Hello(version="1", device_class=CLASS))
        play.assign(RENDER)
        await play.welcome()
        sent = await play.socket.expect(JobDispatch)
        assert sent.output is not None
        assert sent.evidence is not None
        for of, body, is_it in (
            (sent.output, CONTENT, not is_evidence),
            (sent.evidence, PROOF, is_evidence),
        ):
            headers = {**of.headers, **(encoded if is_it else {})}
            assert (await play.objects.request("PUT", of.url, headers, body)).status == 200
        told = {"sha256": SHA256, "size": len(CONTENT), "evidence": EVIDENCE, "result_ref": KEY}
        play.hear(result(unit=0, attempt=1, **told))
        effect = await play.effect()
        assert isinstance(effect, UnitFail), effect
        assert (effect.error_class, effect.caught) == ("node", None)
        assert "Content-Encoding" in effect.error


@simulated
@pytest.mark.parametrize(
    ("failure", "work", "is_unread"),
    [
        ("network", {"unread": "check/picture"}, True),
        ("gateway", {"unread": "check/evidence.exr"}, True),
        ("node", {"unread": "check/picture"}, False),
        ("network", {"unread": "s.blend"}, False),
        ("network", {"unread": ["check/picture"]}, False),
        ("network", None, False),
        ("verifier", None, False),
        ("verifier", {"unread": "check/picture"}, False),
        ("verifier", {"unread": "s.blend"}, False),
        ("scene", None, False),
        ("scene", {"unread": "s.blend"}, False),
    ],
)
async def test_a_checker_that_could_not_read_the_delivery_is_told_from_one_that_failed(
    failure: str, work: dict[str, Any] | None, is_unread: bool
) -> None:
    """The error's text does not count, as a file of the scene may have the delivery's name."""
    error = "check/picture could not be fetched"
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        sent = await checking(play, verifier, ORDER)
        failed = JobResult(
            job_id=sent.job_id, status="failed", failure=failure, error=error, work=work
        )
        play.hear(failed)
        told = await verifier.expect(Reported)
        by_files = failure == "verifier" and work == {"unread": "check/picture"}
        assert told == Reported(CHECK, NODE, None, error, is_unread, failure == "scene", by_files)


async def leases_until(play: Play, seconds: float) -> list[float]:
    """Return the times, in seconds from now, at which the unit's lease is renewed."""
    begun, found = play.clock.monotonic(), list[float]()
    while play.clock.monotonic() - begun < seconds:
        renewed = await play.cast.ledger.expect(RenewLeases, within=seconds)
        assert [(lease.job, lease.unit) for lease in renewed.leases] == [(JOB, 0)]
        found.append(play.clock.monotonic() - begun)
    return found


@simulated
async def test_a_slow_store_holds_up_neither_leases_nor_the_node() -> None:
    async with session(verified_types=VERIFIED) as play:
        play.objects.open.clear()
        await delivered_slowly(play)
        renewed = await leases_until(play, 100.0)
        assert max(b - a for a, b in itertools.pairwise([0.0, *renewed])) <= 20.0
        assert await play.ref.ask(RelayFramesHandled(), within=1.0)
        play.objects.open.set()
        assert isinstance(await play.effect(), UnitDeliver)
        await play.socket.expect(Ack)


async def delivered_slowly(play: Play) -> None:
    """Let the node deliver a result while the store does not answer."""
    play.hear(Hello(version="1", device_class=CLASS))
    play.assign(RENDER)
    await play.welcome()
    sent = await play.socket.expect(JobDispatch)
    assert sent.output is not None
    assert sent.evidence is not None
    await play.objects.request("PUT", sent.output.url, sent.output.headers, CONTENT)
    await play.objects.request("PUT", sent.evidence.url, sent.evidence.headers, PROOF)
    told = {"sha256": SHA256, "size": len(CONTENT), "evidence": EVIDENCE, "result_ref": KEY}
    play.hear(result(unit=0, attempt=1, **told))


@simulated
async def test_a_store_that_never_answers_is_asked_again() -> None:
    async with session(verified_types=VERIFIED, look_seconds=30.0, retry_seconds=1.0) as play:
        play.objects.open.clear()
        await delivered_slowly(play)
        await leases_until(play, 60.0)
        hung, play.objects.open = play.objects.open, asyncio.Event()
        play.objects.open.set()  # calls from now on get answers
        assert isinstance(await play.effect(within=60.0), UnitDeliver)
        assert not hung.is_set()


@simulated
async def test_a_result_is_looked_at_again_though_an_answer_about_its_start_was_awaited() -> None:
    """Without another look, the lease would be renewed for ever, and the node would get no ack."""
    async with session(verified_types=VERIFIED, retry_seconds=1.0) as play:
        play.hear(Hello(version="1", device_class=CLASS))
        play.assign(RENDER)
        await play.welcome()
        sent = await play.socket.expect(JobDispatch)
        assert sent.output is not None
        await play.objects.request("PUT", sent.output.url, sent.output.headers, CONTENT)
        play.hear(status(unit=0, attempt=1))
        start = await play.commit()
        assert isinstance(start.effects[0], UnitStart)
        play.objects.away = True
        told = {"sha256": SHA256, "size": len(CONTENT), "result_ref": KEY}
        play.hear(result(unit=0, attempt=1, **told))
        await asyncio.sleep(2.0)  # by now the result would have been examined
        play.objects.away = False
        decide(start, LedgerUnavailable())
        assert isinstance(await play.effect(within=120.0), UnitDeliver)
        await play.socket.expect(Ack)


@simulated
async def test_what_was_looked_at_for_an_attempt_that_is_over_is_dropped() -> None:
    async with session(verified_types=VERIFIED) as play:
        play.objects.open.clear()
        await delivered_slowly(play)
        play.send(attrs.evolve(RENDER, attempt=2))
        assert (await play.socket.expect(JobCancel)).attempt == 1
        assert (await play.socket.expect(JobDispatch)).attempt == 2
        play.objects.open.set()
        await asyncio.sleep(30.0)
        assert not [one for one in play.cast.ledger.ref.mailbox.items if isinstance(one, Commit)]


FILM = assignment(
    job_type="video",
    payload_ref="s3://rendertrust/uploads/u/s.blend",
    params={"fps": 24},
    inputs=SCENE,
)


@simulated
async def test_a_video_waits_for_a_verdict_and_has_no_evidence() -> None:
    async with session(verified_types=RENDERED) as play:
        sent = await delivered(play, FILM, proof=None, evidence=None)
        assert (sent.params, sent.evidence) == ({"fps": 24}, None)
        assert isinstance(await play.effect(), UnitDeliver)


@simulated
async def test_who_checks_a_video_is_told_what_it_is_and_at_which_frames_to_look() -> None:
    order = attrs.evolve(ORDER, unit=FILM, evidence=None, draws=(), shown=(0.5, 0.25))
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        sent = await checking(play, verifier, order)
        told = {"fps": 24, "draws": [], "shown": [0.5, 0.25], "of": "video"}
        assert (sent.job_type, sent.params) == ("check", told)
        assert [one.path for one in sent.inputs] == ["s.blend", "check/picture"]


@simulated
async def test_who_checks_what_is_made_of_tiles_gets_the_tiles() -> None:
    parts = (PartResult(1, 2, "cd" * 32, 5), PartResult(2, 1, "ef" * 32, 6))
    unit = with_plan(RENDER, params={**RENDER.params, "tiles": [[0, 0, 4, 4]]})
    unit = attrs.evolve(unit, parts=parts)
    order = attrs.evolve(ORDER, unit=unit, evidence=None, draws=(), shown=(0.5,))
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        sent = await checking(play, verifier, order)
        assert "of" not in sent.params
        found = [(one.path, one.sha256) for one in sent.inputs]
        tiles = [("tiles/0.exr", "cd" * 32), ("tiles/1.exr", "ef" * 32)]
        assert found == [("s.blend", "ab" * 32), *tiles, ("check/picture", SHA256)]


@simulated
async def test_picture_and_evidence_have_places_of_their_own() -> None:
    async with session(verified_types=VERIFIED) as play:
        sent = await delivered(play)
        assert sent.output is not None
        assert sent.evidence is not None
        assert (sent.output.key, sent.evidence.key) == (KEY, PROOF_KEY)


@simulated
@pytest.mark.parametrize(
    ("proof", "error"),
    [
        (None, "no evidence was uploaded"),
        (b"other eviden", "the evidence differs from what the result says"),
        (b"eVidence", "the evidence differs from what the result says"),
    ],
)
async def test_evidence_is_what_the_node_says(proof: bytes | None, error: str) -> None:
    async with session(verified_types=VERIFIED) as play:
        await delivered(play, proof=proof)
        effect = await play.effect()
        assert isinstance(effect, UnitFail), effect
        assert (effect.error_class, effect.error) == ("node", error)


@simulated
@pytest.mark.parametrize("missing", ["sha256", "size"])
async def test_what_is_to_be_checked_has_a_name(missing: str) -> None:
    """The object store may not know SHA-256 and size, so the node must report both."""
    async with session(verified_types=VERIFIED) as play:
        await delivered(play, **{missing: None})
        effect = await play.effect()
        assert isinstance(effect, UnitFail), effect
        assert effect.error_class == "node"
        assert "its SHA-256 and size" in effect.error


@simulated
async def test_what_is_to_be_checked_is_signed() -> None:
    """Without a signature a lie could be blamed on nobody, and there would be no receipt."""
    node = NodeIdentity(NODE, OWNER, ("render",), verified=True, key=b"k" * 32)
    async with session(verified_types=VERIFIED, node=node) as play:
        await delivered(play)
        effect = await play.effect()
        assert isinstance(effect, UnitFail), effect
        assert effect.error_class == "node"
        assert (
            effect.error == "a result that waits for a verdict must be signed with its node's key"
        )
        assert effect.caught is None, "a missing signature is no lie"


@simulated
@pytest.mark.parametrize("place", ["s3://elsewhere/picture", "none:render", None])
async def test_what_is_to_be_checked_lies_where_it_was_offered(place: str | None) -> None:
    """A result elsewhere could not be checked, because the gateway reads only its own
    object store.
    """
    async with session(verified_types=VERIFIED) as play:
        await delivered(play, result_ref=place)
        effect = await play.effect()
        assert isinstance(effect, UnitFail), effect
        assert (effect.error_class, effect.caught) == ("node", None)


@simulated
@pytest.mark.parametrize(
    "said", [{"result_ref": "s3://elsewhere/picture"}, {"result_ref": None}, {}, {"sha256": None}]
)
async def test_where_no_evidence_is_required_a_plain_result_completes_unverified(
    said: dict[str, Any],
) -> None:
    """The unit is charged, but the operator earns only if the gateway has the object."""
    node = NodeIdentity(NODE, OWNER, ("render",), verified=True, key=b"k" * 32)
    async with session(verified_types=VERIFIED, node=node, require_evidence=False) as play:
        await delivered(play, **said)
        effect = await play.effect()
        assert isinstance(effect, UnitComplete), effect
        assert not effect.free
        assert effect.verified is ("result_ref" not in said)


@simulated
async def test_what_a_check_needs_is_checked_though_no_evidence_is_required() -> None:
    async with session(verified_types=VERIFIED, require_evidence=False) as play:
        await delivered(play, signature="ab" * 64, work={})
        assert isinstance(await play.effect(), UnitDeliver)


@simulated
async def test_where_credits_cost_money_what_does_not_wait_for_a_verdict_is_not_paid() -> None:
    node = NodeIdentity(NODE, OWNER, ("render",), verified=True, key=b"k" * 32)
    async with session(node=node, pays_unverified=False) as play:
        await delivered(play)
        effect = await play.effect()
        assert isinstance(effect, UnitComplete), effect
        assert (effect.verified, effect.operator, effect.free) == (False, None, False)


@pytest.mark.parametrize(
    ("job_type", "verified", "why"),
    [
        ("echo", VERIFIED, NO_CHECK),
        ("echo", frozenset(), NO_CHECK),
        ("render", VERIFIED, NO_EVIDENCE),
        ("render", frozenset(), NO_VERIFIER),
        ("echo", frozenset({"echo"}), NO_EVIDENCE),
    ],
)
def test_why_a_result_is_unverified_is_told_by_a_code(
    job_type: str, verified: frozenset[str], why: str
) -> None:
    settings = NodeSessionSettings(
        bucket="b", verified_types=verified, unverified_why=NO_VERIFIER, require_evidence=False
    )
    assert why_unverified(assignment(job_type=job_type), settings) == why
    assert why in SENTENCES


@simulated
async def test_a_result_without_evidence_waits_for_its_verdict_all_the_same() -> None:
    """Some scenes give no evidence; the check finds out whether the unit's scene is among them."""
    async with session(verified_types=VERIFIED) as play:
        await delivered(play, proof=None, evidence=None)
        effect = await play.effect()
        assert isinstance(effect, UnitDeliver), effect
        assert (effect.evidence_sha256, effect.evidence_size) == (None, None)


@simulated
@pytest.mark.parametrize(
    "params",
    [{"tile": [0, 0, 8, 8]}, {"tiles": [[0, 0, 8, 8]]}, {"frames": [1, 2]}],
)
async def test_parts_and_chunks_wait_too_without_evidence(params: dict[str, object]) -> None:
    unit = with_plan(RENDER, params=params)
    async with session(verified_types=VERIFIED) as play:
        sent = await delivered(play, unit)
        assert "evidence" not in sent.params
        assert isinstance(await play.effect(), UnitDeliver)


@simulated
async def test_a_wrong_sum_is_seen_though_the_store_cannot_tell_it() -> None:
    async with session(verified_types=VERIFIED) as play:
        await delivered(play, sha256="ab" * 32)
        found = await play.objects.head(KEY)
        assert found is not None
        assert found.sha256 is None
        effect = await play.effect()
        assert isinstance(effect, UnitFail), effect
        assert effect.error == "the object's SHA-256 differs from the result's"
        assert effect.caught == CLASS


@simulated
async def test_a_chunk_says_what_it_is() -> None:
    unit = with_plan(RENDER, params={"frames": [1, 2]})
    async with session(verified_types=VERIFIED) as play:
        await delivered(play, unit, sha256=None)
        effect = await play.effect()
        assert isinstance(effect, UnitFail), effect
        assert effect.error == "a result that waits for a verdict must name its SHA-256 and size"


@simulated
async def test_without_the_setting_everything_is_as_it_was() -> None:
    async with session() as play:
        sent = await delivered(play)
        assert sent.params == {"frame": 3}
        assert isinstance(await play.effect(), UnitComplete)


async def checking(play: Play, verifier: Probe[Verifier], order: RunCheck = ORDER) -> JobDispatch:
    """Let the node offer checks, and send it a check."""
    seen = await seen_by(play, verifier, "check")
    assert seen.session.tell(order)
    return await play.socket.expect(JobDispatch)


async def seen_by(play: Play, verifier: Probe[Verifier], *offered: str) -> CheckerSeen:
    """Return what the Verifier is told about a node with these capabilities."""
    play.hear(Hello(version="1", device_class=CLASS, capabilities=("render", *offered)))
    play.assign()
    await play.welcome()
    seen = await verifier.expect(CheckerSeen)
    assert (seen.node, seen.device_class, seen.batches) == (NODE, CLASS, len(offered) == 2)
    return seen


@simulated
async def test_a_check_runs_in_the_build_that_the_verifier_actor_names() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    builds = (Build(version="5.2.3", build="5.2"), Build(version="4.5.1", build="4.5"))
    hello = Hello(
        version="1", device_class=CLASS, build="5.2", builds=builds, capabilities=("check",)
    )
    async with session(verifier=verifier) as play:
        play.hear(hello)
        play.assign()
        await play.welcome()
        seen = await verifier.expect(CheckerSeen)
        assert (seen.device_class, seen.others) == (CLASS, ("cpu/avx2/4.5",))
        assert seen.session.tell(attrs.evolve(ORDER, build="4.5"))
        assert (await play.socket.expect(JobDispatch)).blender == "4.5"
        put_off = JobResult(
            job_id=str(CHECK),
            unit=0,
            attempt=1,
            status="failed",
            failure="network",
            error="being installed",
            given_back=True,
        )
        play.hear(put_off)
        told = Reported(CHECK, NODE, None, "being installed", is_given_back=True)
        assert await verifier.expect(Reported) == told
        play.hear(attrs.evolve(hello, builds=builds[:1]))
        assert (await verifier.expect(CheckerSeen)).others == ()


BATCH = attrs.evolve(ORDER, draws=(), further=(FurtherResult(ORDER.picture, None),))


@simulated
async def test_a_batch_is_sent_to_a_node_that_offers_batches_and_its_reports_told() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        seen = await seen_by(play, verifier, "check", "check_batch")
        assert seen.session.tell(BATCH)
        sent = await play.socket.expect(JobDispatch)
        assert (sent.job_type, sent.params) == ("check_batch", {"frame": 3, "results": 2})
        places = ("check/0/picture", "check/0/evidence.exr", "check/1/picture")
        assert [one.path for one in sent.inputs] == ["s.blend", *places]
        sums = [one.sha256 for one in sent.inputs[1:]]
        assert sums == [SHA256, EVIDENCE.sha256, SHA256]
        report = {"opened": [{"looked": True}, None]}
        play.hear(
            JobResult(
                job_id=str(CHECK),
                unit=0,
                attempt=1,
                status="completed",
                result_ref="none:x",
                work={"measured": report},
                signature="00" * 64,
            )
        )
        assert await verifier.expect(Reported) == Reported(CHECK, NODE, report, "it completed")


@simulated
async def test_a_batch_that_fits_into_no_frame_comes_to_nothing() -> None:
    """If the URLs of a batch do not fit into one relay frame, the results are checked one
    by one.
    """
    verifier: Probe[Verifier] = Probe("verifier")
    long = StoredObject(f"results/{'x' * 3000}", SHA256, len(CONTENT))
    async with session(verifier=verifier) as play:
        seen = await seen_by(play, verifier, "check", "check_batch")
        order = attrs.evolve(BATCH, further=(FurtherResult(long, long),) * 15)
        assert seen.session.tell(order)
        told = await verifier.expect(Reported)
        assert (told.check, told.report, told.is_unread) == (CHECK, None, False)


@simulated
async def test_a_check_of_the_whole_frame_says_so() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        await checking(play, verifier)
        assert play.ref.tell(attrs.evolve(ORDER, check=UUID(int=78), whole=True))
        sent = await play.socket.expect(JobDispatch)
        assert sent.params == {"frame": 3, "draws": [[0.5, 0.25, None]], "whole": True}
        again = attrs.evolve(ORDER, check=UUID(int=79), across=((0.1, 0.2, 0.3),), rounding=True)
        assert play.ref.tell(again)
        sent = await play.socket.expect(JobDispatch)
        assert sent.params["across"] == [[0.1, 0.2, 0.3]]
        assert sent.params["rounding"] is True


@simulated
async def test_a_verifier_uploads_the_comparison_sheet_beside_the_result() -> None:
    """A later check of the dispute replaces the sheet of a check that failed."""
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        sent = await checking(play, verifier, attrs.evolve(ORDER, whole=True, sheet="always"))
        assert (sent.params["sheet"], sent.evidence) == (True, None)
        assert sent.output is not None
        assert (sent.output.key, sent.output.part_bytes) == (sheet_key(KEY), None)
        for picture in (b"first", b"second"):
            to = sent.output
            assert (await play.objects.request("PUT", to.url, to.headers, picture)).status == 200
        assert await play.objects.get(sheet_key(KEY)) == b"second"


@simulated
async def test_a_check_is_sent_and_its_report_told() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        sent = await checking(play, verifier)
        assert (sent.job_id, sent.job_type, sent.output) == (str(CHECK), "check", None)
        assert sent.params == {"frame": 3, "draws": [[0.5, 0.25, None]]}
        assert [one.path for one in sent.inputs] == [
            "s.blend",
            "check/picture",
            "check/evidence.exr",
        ]
        assert (sent.inputs[1].sha256, sent.inputs[1].size) == (SHA256, len(CONTENT))
        assert (sent.inputs[2].sha256, sent.inputs[2].size) == (EVIDENCE.sha256, len(PROOF))
        assert sent.evidence is None
        play.hear(JobStatus(job_id=str(CHECK), unit=0, attempt=1, progress=0.5))
        report = {"crops": [{"equal": True}]}
        told = JobResult(
            job_id=str(CHECK),
            unit=0,
            attempt=1,
            status="completed",
            result_ref="none:x",
            work={"measured": report},
            signature="00" * 64,
        )
        play.hear(told)
        assert await verifier.expect(Reported) == Reported(CHECK, NODE, report, "it completed")
        await play.socket.expect(Ack)
        play.hear(told)  # the gateway ignores the repetition
        await play.socket.expect(Ack)
        assert verifier.ref.depth == 0


@simulated
async def test_a_check_that_fails_is_the_verifiers_to_know() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        await checking(play, verifier)
        failed = JobResult(
            job_id=str(CHECK), unit=0, attempt=1, status="failed", failure="verifier", error="no"
        )
        play.hear(failed)
        assert await verifier.expect(Reported) == Reported(CHECK, NODE, None, "no")


@simulated
async def test_other_content_than_was_signed_for_is_named_and_the_gateway_decides() -> None:
    """Of a multipart upload the store knows no SHA-256; the checker's download may be corrupt."""
    verifier: Probe[Verifier] = Probe("verifier")
    error = "the download's SHA-256 differs from that of the job's input"
    for unread, is_other in (("check/picture", True), ("check/result", True), ("s.blend", False)):
        async with session(verifier=verifier) as play:
            await checking(play, verifier)
            play.hear(
                JobResult(
                    job_id=str(CHECK),
                    unit=0,
                    attempt=1,
                    status="failed",
                    failure="scene",
                    error=error,
                    work={"unread": unread},
                )
            )
            told = Reported(
                *(CHECK, NODE, None, error),
                is_unread=is_other,
                is_other=is_other,
                is_scene=not is_other,
            )
            assert await verifier.expect(Reported) == told
        await verifier.expect(CheckerGone)


@simulated
async def test_files_of_a_check_are_named_again() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        await checking(play, verifier)
        play.hear(UrlsRequest(job_id=str(CHECK), unit=0, attempt=1))
        urls = await play.socket.expect(Urls)
        assert (urls.job_id, len(urls.inputs)) == (str(CHECK), 3)


@simulated
async def test_the_verifier_hears_that_it_goes() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        await checking(play, verifier)
    assert (await verifier.expect(CheckerGone)).node == NODE


@simulated
async def test_the_verifier_hears_with_each_ping_that_it_is_there() -> None:
    """A restarted Verifier knows no node until its session reports again."""
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        await checking(play, verifier)
        assert (await verifier.expect(CheckerSeen, within=60)).node == NODE


@simulated
async def test_who_did_not_prove_its_key_checks_nothing() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    node = NodeIdentity(NODE, OWNER, ("check",), verified=False)
    async with session(verifier=verifier, node=node) as play:
        play.hear(Hello(version="1", device_class=CLASS, capabilities=("check",)))
        play.assign()
        await play.welcome()
    assert isinstance(await verifier.expect(CheckerGone), CheckerGone)


@simulated
async def test_a_check_that_is_over_is_cancelled() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        await checking(play, verifier)
        assert play.ref.tell(DropCheck(CHECK))
        assert play.ref.tell(DropCheck(CHECK))  # the repetition sends no second relay frame
        cancel = await play.socket.expect(JobCancel)
        assert (cancel.job_id, cancel.unit, cancel.attempt) == (str(CHECK), 0, 1)
        play.hear(JobResult(job_id=str(CHECK), unit=0, attempt=1, status="cancelled"))
        assert play.ref.tell(ORDER)
        await play.socket.expect(JobDispatch)
        assert verifier.ref.depth == 0


WORDS = attrs.evolve(
    RENDER,
    plan=attrs.evolve(RENDER.plan, spec=attrs.evolve(RENDER.plan.spec, job_type="words")),
)


@simulated
async def test_results_of_a_plugin_wait_for_its_check_without_evidence() -> None:
    async with session(verified_types=RENDERED | {"words"}) as play:
        sent = await delivered(play, WORDS, proof=None, evidence=None)
        assert (sent.evidence, sent.params) == (None, {"frame": 3})
        effect = await play.effect()
        assert isinstance(effect, UnitDeliver), effect


@simulated
async def test_a_plugins_check_gets_the_unit_as_its_node_did_and_the_result() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    picture = StoredObject(KEY, SHA256, len(CONTENT))
    order = RunCheck(CHECK, WORDS, picture, None, seconds=90.0, same_class=False)
    async with session(verifier=verifier) as play:
        sent = await checking(play, verifier, order)
        assert (sent.job_id, sent.job_type) == (str(CHECK), "check:words")
        of = {"job_id": str(JOB), "unit": 0, "attempt": 1, "params": {"frame": 3}}
        assert sent.params == {"of": of, "same_class": False, "seconds": 90.0}
        assert [one.path for one in sent.inputs] == ["s.blend", "check/result"]
        assert (sent.output, sent.evidence) == (None, None)
        report = {"verdict": "valid", "exact": True, "reason": ""}
        told = result(unit=0, attempt=1, result_ref="none:check", work=report)
        play.hear(attrs.evolve(told, job_id=str(CHECK)))
        assert await verifier.expect(Reported) == Reported(CHECK, NODE, report, "it completed")


@simulated
async def test_the_verifier_knows_what_the_plugins_of_a_node_check() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        seen = await seen_by(play, verifier, "check", "check:words", "words")
        assert seen.checks == {"render", "video", "words"}


@simulated
async def test_a_node_without_blender_can_be_a_verifier_of_plugins_results() -> None:
    verifier: Probe[Verifier] = Probe("verifier")
    async with session(verifier=verifier) as play:
        seen = await seen_by(play, verifier, "check:words")
        assert seen.checks == {"words"}
