"""Checks that a session's node makes for the Verifier: frames like those of units, but not booked.

A check that is lost, with its node or its gateway, is asked for again by the Verifier.
"""

import logging
from collections.abc import Iterator
from uuid import UUID

import attrs

from actors.kernel import handles
from actors.node_session import dispatch_frames
from actors.node_session.messages import DropCheck, RunCheck, StoredObject
from actors.node_session.multipart_results import EVIDENCE
from actors.node_session.node_standing import NodeStandingUpdates
from actors.node_session.settings import NodeSessionSettings
from actors.ports import Objects, ObjectsUnavailable
from actors.verifier.messages import CheckerGone, CheckerSeen, Reported
from rendertrust.protocol import (
    Hello,
    Input,
    JobCancel,
    JobDispatch,
    JobResult,
    Urls,
    UrlsRequest,
    encode,
)
from sql.unit_params import RENDER

CHECK, BATCH = "check", "check_batch"
PICTURE_PATH, EVIDENCE_PATH = "check/picture", "check/evidence.exr"
log = logging.getLogger(__name__)


async def frame(
    order: RunCheck, objects: Objects, settings: NodeSessionSettings, base: str | None
) -> JobDispatch:
    """The frame of a check: the unit's own inputs, and what was delivered.

    Raises as ``offers.dispatch`` does.
    """
    unit = await dispatch_frames.dispatch(order.unit, objects, settings, base)
    delivered: list[Input] = []
    for path, of in _files_of(order):
        if of is not None:
            url = await objects.presign_get(of.key, within=settings.url_seconds, base=base)
            delivered.append(Input(path=path, url=url, sha256=of.sha256, size=of.size))
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
            # Who checks renders alone knows no other kind.
            **({} if unit.job_type == RENDER else {"of": unit.job_type}),
            **({"whole": True} if order.whole else {}),
            **({"across": [list(drawn) for drawn in order.across]} if order.across else {}),
        },
        inputs=(*unit.inputs, *delivered),
        output=None,
        evidence=None,
        pool="any",
    )
    if not order.further:
        return made
    batch = {**own, "results": 1 + len(order.further)}
    return attrs.evolve(made, job_type=BATCH, params=batch)


def _files_of(order: RunCheck) -> Iterator[tuple[str, StoredObject | None]]:
    """Yield what was delivered, and under which name it is sent."""
    if not order.further:
        yield from ((PICTURE_PATH, order.picture), (EVIDENCE_PATH, order.evidence))
        return
    pairs = [(of.picture, of.evidence) for of in order.further]
    for number, (picture, evidence) in enumerate([(order.picture, order.evidence), *pairs]):
        yield f"check/{number}/picture", picture
        yield f"check/{number}/evidence.exr", evidence


def _other_content(told: JobResult) -> dict[str, object] | None:
    """The report of a node that fetched what was delivered and found other content than its node
    signed for: of what came in parts the store cannot tell.
    """
    error = told.error or ""
    found = told.failure == "scene" and error.startswith((f"{PICTURE_PATH}:", f"{EVIDENCE_PATH}:"))
    return {"fault": error} if found else None


def _is_unread(told: JobResult) -> bool:
    """Whether the node could not fetch what was delivered, for whatever reason."""
    error = told.error or ""
    is_fetch = told.status == "failed" and told.failure in ("network", "gateway")
    return is_fetch and error.startswith((PICTURE_PATH, EVIDENCE_PATH))


class VerifierChecks(NodeStandingUpdates, partial=True):
    """The checks that its node makes."""

    def _tell_checker(self, hello: Hello) -> None:
        """A node that says that it can, whose key was proved, may be asked."""
        verifier, node = self._peers.verifier, self._node
        able = CHECK in hello.capabilities and node.verified and bool(hello.device_class)
        if verifier is not None and able and self._standing.name == "ACTIVE":
            batches = BATCH in hello.capabilities
            verifier.tell(CheckerSeen(node.id, hello.device_class or "", self.ref, batches))

    def _tell_standing(self) -> None:
        if self._standing.name != "ACTIVE":
            self._end_checks()
        elif self._hello is not None:
            self._tell_checker(self._hello)

    def _end_checks(self) -> None:
        """The session ends, or its node may not work for strangers any more."""
        if self._peers.verifier is not None:
            self._peers.verifier.tell(CheckerGone(self._node.id, self.ref))

    @handles(RunCheck)
    async def run_check(self, message: RunCheck) -> None:
        try:
            made = await frame(message, self._peers.objects, self._settings, self._node.base)
            if message.further:
                encode(made)  # it may be too long for a frame
        except (ObjectsUnavailable, ValueError) as fault:
            log.warning("a check cannot be sent: %s", type(fault).__name__)
            self._report(message.check, None, f"it could not be sent: {type(fault).__name__}")
            return
        self._checks[message.check] = message
        await self._say(made)

    @handles(DropCheck)
    async def drop_check(self, message: DropCheck) -> None:
        if self._checks.pop(message.check, None) is not None:
            await self._say(JobCancel(job_id=str(message.check), unit=0, attempt=1))

    def _check_of(self, job: str) -> RunCheck | None:
        """The check that a frame is about."""
        try:
            return self._checks.get(UUID(job)) if self._checks else None
        except ValueError:
            return None

    async def _take_report(self, check: RunCheck, told: JobResult) -> None:
        """Whatever it says, the check is over here."""
        del self._checks[check.check]
        await self._acknowledge(told)
        report: object = told.work if told.status == "completed" else _other_content(told)
        if told.status == "completed" and told.work is not None and told.signature is not None:
            report = told.work.get("measured")  # of what the node signed, that is what it saw
        reason = told.error or f"it {told.status}"
        self._report(check.check, report, reason, is_unread=_is_unread(told))

    def _report(self, check: UUID, report: object, reason: str, *, is_unread: bool = False) -> None:
        verifier = self._peers.verifier
        if verifier is not None:
            found = report if isinstance(report, dict) else None
            verifier.tell(Reported(check, self._node.id, found, reason, is_unread))

    async def _urls_of_check(self, check: RunCheck, asked: UrlsRequest) -> Urls:
        """Where the check's files are. Raises ObjectsUnavailable, ValueError."""
        objects, settings, base = self._peers.objects, self._settings, self._node.base
        if asked.files:
            give = self._peers.manifests.urls(asked.files)
            found = await give(check.unit, objects, settings, base)
        else:
            made = await frame(check, objects, settings, base)
            found = Urls(job_id=made.job_id, inputs=made.inputs)
        return attrs.evolve(found, job_id=str(check.check), unit=0, attempt=1)
