"""Checks that a session's node runs for the Verifier.

Checks are sent like units, but are not in the books. The Verifier repeats a check that is lost with
its node or its gateway.
"""

import logging
from collections.abc import Iterator
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.node_session.connection import NodeConnection
from actors.node_session.messages import RunCheck, StoredObject
from actors.node_session.relay_frame_builder import RelayFrameBuilder
from actors.node_session.result_validation import EVIDENCE
from actors.node_session.session_state import ActorContext, SessionState
from actors.ports import ObjectsUnavailable
from actors.verifier.messages import CheckerGone, CheckerSeen, LieDetected, Reported, Verifier
from rendertrust.job_types import CHECK, CHECK_BATCH, RENDER, check_of, types_checked
from rendertrust.protocol import (
    Input,
    JobDispatch,
    JobResult,
    Output,
    Running,
    Urls,
    UrlsRequest,
    encode,
)
from rendertrust.relay_frames import UNREAD
from sql.nodes import ACTIVE

PICTURE_PATH, EVIDENCE_PATH = "check/picture", "check/evidence.exr"
RESULT_PATH = "check/result"  # what a plugin checks
log = logging.getLogger(__name__)


class VerifierChecks:
    """Checks that a session's node runs; ``verifier`` requests them and gets the reports."""

    def __init__(
        self,
        state: SessionState,
        connection: NodeConnection,
        relay_frames: RelayFrameBuilder,
        verifier: Ref[Verifier],
        actor: ActorContext,
    ) -> None:
        self._state = state
        self._connection = connection
        self._relay_frames = relay_frames
        self._verifier = verifier
        self._actor = actor
        self._checks: dict[UUID, RunCheck] = {}

    def offer(self) -> None:
        """Tell the Verifier that the node can check, if its hello says so and its key is proved."""
        node, hello = self._state.node, self._state.hello
        if hello is None or self._state.standing.name != ACTIVE:
            return
        checks = frozenset(types_checked(hello.capabilities))
        if checks and node.verified and hello.device_class:
            batches = CHECK_BATCH in hello.capabilities
            of, *others = hello.device_classes
            seen = CheckerSeen(node.id, of, self._actor.ref, batches, hello.cores, checks)
            self._verifier.tell(attrs.evolve(seen, others=tuple(others)))

    def refresh(self) -> None:
        """Tell the Verifier again whether the node can check, in case the Verifier restarted."""
        if self._state.standing.name == ACTIVE:
            self.offer()
        else:
            self.withdraw()

    def withdraw(self) -> None:
        """Tell the Verifier that the node is no longer available for checks."""
        self._verifier.tell(CheckerGone(self._state.node.id, self._actor.ref))

    async def run(self, order: RunCheck) -> None:
        """Send the node a check."""
        try:
            dispatch = await self._relay_frame_of(order)
            if order.further:
                encode(dispatch)  # raises ValueError if the batch is too long for a relay frame
        except (ObjectsUnavailable, ValueError) as fault:
            log.warning("a check cannot be sent: %s", type(fault).__name__)
            why = f"it could not be sent: {type(fault).__name__}"
            self._verifier.tell(self._reported(order.check, None, why))
            return
        self._checks[order.check] = order
        await self._connection.send(dispatch)

    async def drop(self, check: UUID) -> None:
        """Cancel a check on the node."""
        if self._checks.pop(check, None) is not None:
            await self._connection.cancel(Running(job_id=str(check), unit=0, attempt=1))

    def find(self, job_id: str) -> RunCheck | None:
        """Return the check that a relay frame names by its job id, or None."""
        try:
            return self._checks.get(UUID(job_id)) if self._checks else None
        except ValueError:
            return None

    async def report(self, check: RunCheck, result: JobResult) -> None:
        """Send the Verifier the node's report on a check, which ends the check in this session."""
        del self._checks[check.check]
        await self._connection.acknowledge(result)
        is_completed = result.status == "completed"
        report: object = result.work if is_completed else None
        if is_completed and result.work is not None and result.signature is not None:
            report = result.work.get("measured")  # the findings, within the signed work record
        reason = result.error or f"it {result.status}"
        told = self._reported(check.check, report, reason)
        self._verifier.tell(
            attrs.evolve(
                told,
                is_unread=_is_unread(result),
                is_other=_is_other(result),
                is_scene=_is_scene(result),
                by_files=_is_by_files(result),
                is_given_back=result.given_back is True and not _names_delivery(result),
            )
        )

    def report_lie(self) -> None:
        """Tell the Verifier that the node made a false claim, which is already booked."""
        self._verifier.tell(LieDetected(self._state.node.id))

    async def urls(self, check: RunCheck, asked: UrlsRequest) -> Urls:
        """Return URLs for the check's files. Raises ObjectsUnavailable, ValueError."""
        if asked.files:
            found = await self._relay_frames.urls(check.unit, asked.files)
            return attrs.evolve(found, job_id=str(check.check), unit=0, attempt=1)
        dispatch = await self._relay_frame_of(check)
        return Urls(job_id=dispatch.job_id, unit=0, attempt=1, inputs=dispatch.inputs)

    def _reported(self, check: UUID, report: object, reason: str) -> Reported:
        found = report if isinstance(report, dict) else None
        return Reported(check, self._state.node.id, found, reason)

    async def _relay_frame_of(self, order: RunCheck) -> JobDispatch:
        """Return the relay frame of a check, with the unit's inputs and the delivered files.

        Raises the same exceptions as ``RelayFrameBuilder.dispatch``.
        """
        build = self._state.build_named(order.build) or self._state.build_for(order.unit)
        unit = await self._relay_frames.dispatch(order.unit, build=build)
        delivered = [
            await self._relay_frames.input(path, of.key, of.sha256, of.size)
            for path, of in _files_of(order)
            if of is not None
        ]
        if order.is_by_plugin:
            return _plugin_check_dispatch(order, unit, delivered)
        sheet = await self._relay_frames.sheet_output(order.unit) if order.sheet else None
        return _check_dispatch(order, unit, delivered, sheet)


def _check_dispatch(
    order: RunCheck, unit: JobDispatch, delivered: list[Input], sheet: Output | None
) -> JobDispatch:
    own = {name: value for name, value in unit.params.items() if name != EVIDENCE}
    made = attrs.evolve(
        unit,
        job_id=str(order.check),
        job_type=CHECK,
        unit=0,
        attempt=1,
        params={
            **own,
            "draws": [list(drawn) for drawn in order.draws],
            **({"shown": list(order.shown)} if order.shown else {}),
            # Verifiers whose checks are only of renders do not know the parameter "of".
            **({} if unit.job_type == RENDER else {"of": unit.job_type}),
            **({"whole": True} if order.whole else {}),
            **({} if order.seconds is None else {"seconds": order.seconds}),
            **({"across": [list(drawn) for drawn in order.across]} if order.across else {}),
            **({"rounding": True} if order.rounding else {}),
            **({"sheet": order.sheet == "always" or order.sheet} if order.sheet else {}),
        },
        inputs=(*unit.inputs, *delivered),
        output=sheet,
        evidence=None,
        pool="any",
    )
    if not order.further:
        return made
    batch = {**own, "results": 1 + len(order.further)}
    return attrs.evolve(made, job_type=CHECK_BATCH, params=batch)


def _plugin_check_dispatch(
    order: RunCheck, unit: JobDispatch, delivered: list[Input]
) -> JobDispatch:
    of = {
        "job_id": unit.job_id,
        "unit": unit.unit,
        "attempt": unit.attempt,
        "params": dict(unit.params),
    }
    return attrs.evolve(
        unit,
        job_id=str(order.check),
        job_type=check_of(unit.job_type),
        unit=0,
        attempt=1,
        params={"of": of, "same_class": order.same_class, "seconds": order.seconds},
        inputs=(*unit.inputs, *delivered),
        output=None,
        evidence=None,
        pool="any",
    )


def _files_of(order: RunCheck) -> Iterator[tuple[str, StoredObject | None]]:
    """Yield the delivered files of a check, each with its path on the verifier."""
    if order.is_by_plugin:
        yield RESULT_PATH, order.picture
    elif not order.further:
        yield from ((PICTURE_PATH, order.picture), (EVIDENCE_PATH, order.evidence))
    else:
        pairs = [(of.picture, of.evidence) for of in order.further]
        for number, (picture, evidence) in enumerate([(order.picture, order.evidence), *pairs]):
            yield f"check/{number}/picture", picture
            yield f"check/{number}/evidence.exr", evidence


def _is_unread(result: JobResult) -> bool:
    """Return whether the verifier could not fetch a delivered file, or fetched other content."""
    return _names_delivery(result) and result.failure in ("network", "gateway", "scene")


def _is_other(result: JobResult) -> bool:
    """Return whether the verifier fetched other content than the node signed.

    Of files uploaded in parts the object store does not know the SHA-256.
    """
    return _names_delivery(result) and result.failure == "scene"


def _is_by_files(result: JobResult) -> bool:
    """Return whether Blender crashed with a delivered file, and not without it."""
    return _names_delivery(result) and result.failure == "verifier"


def _is_scene(result: JobResult) -> bool:
    """Return whether the check failed while the verifier itself rendered the scene."""
    is_of_scene = result.status == "failed" and result.failure == "scene"
    return is_of_scene and not _names_delivery(result)


def _names_delivery(result: JobResult) -> bool:
    """Return whether a failed check names a delivered file as unread."""
    unread = (result.work or {}).get(UNREAD)
    return result.status == "failed" and unread in (PICTURE_PATH, EVIDENCE_PATH, RESULT_PATH)
