"""Signing of a node's work, from which its gateway makes receipts."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import __version__, node_key, receipt
from rendertrust.node.plugin import Completed
from rendertrust.node.spool import EVIDENCE, CopiedFile
from rendertrust.protocol import JobDispatch

# The signed work must fit into a relay frame beside the other fields of JobResult.
WORK_BYTES_MAX: Final = 40 * 1024
PIXELS: Final = "pixels"  # name of the pixels' hash among a plugin's measurements


def utc() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


@attrs.frozen(kw_only=True)
class Attester:
    """Signer of a node's work. ``node`` returns the node's id, ``key`` is its private key."""

    node: Callable[[], str]
    key: Ed25519PrivateKey = attrs.field(repr=False)
    now: Callable[[], datetime] = utc

    def attest(
        self,
        dispatch: JobDispatch,
        begun: datetime,
        result: Completed,
        taken: CopiedFile | None,
        proof: CopiedFile | None = None,
    ) -> tuple[Mapping[str, Any], str] | None:
        """Return the work record and its signature; None if the work is invalid or too long."""
        try:
            work = self._work(dispatch, begun, result, (taken, proof))
        except ValueError:  # the API reference allows job ids that are not UUIDs
            return None
        if work is None or len(receipt.canonical(work)) > WORK_BYTES_MAX:
            return None
        return work, receipt.sign_work(work, self.key)

    def _work(
        self,
        dispatch: JobDispatch,
        begun: datetime,
        result: Completed,
        made: tuple[CopiedFile | None, CopiedFile | None],
    ) -> dict[str, Any] | None:
        if dispatch.unit is None or dispatch.attempt is None:
            return None
        whole = () if dispatch.manifest is None else (dispatch.manifest,)
        taken, proof = made
        measured = {name: value for name, value in result.work.items() if name != PIXELS}
        if proof is not None:
            measured[EVIDENCE] = _named(proof)
        name = {"name": dispatch.job_type, "version": __version__, "build": None}
        done = receipt.CompletedWork(
            job=str(UUID(dispatch.job_id)),
            unit=dispatch.unit,
            attempt=dispatch.attempt,
            job_type=dispatch.job_type,
            inputs=tuple(one.sha256 for one in (*dispatch.inputs, *whole)),
            parameters=dispatch.params,
            renderer=result.renderer or name,
            pixels=result.work.get(PIXELS),
            object=None if taken is None else _named(taken),
            begun=begun,
            ended=self.now(),
            measured=measured,
        )
        document = receipt.work_document(done, self.node(), self.key.public_key())
        # Measurements are from the sandbox. If they make the work invalid, the result has no
        # receipt.
        return None if isinstance(receipt.read_work(document), str) else document


def _named(taken: CopiedFile) -> dict[str, Any]:
    return {"sha256": taken.sha256, "size": taken.size}


def attester(key: Path, node: Callable[[], str]) -> Attester | None:
    """Return the signer for a node; None if the key file cannot be read."""
    try:
        return Attester(node=node, key=node_key.load_key(key))
    except (OSError, ValueError):
        return None
