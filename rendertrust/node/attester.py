"""Signing of a node's work, from which its gateway makes receipts."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import __version__, node_key, receipt
from rendertrust.blender_version import parse
from rendertrust.node.plugin import Completed
from rendertrust.node.plugins import PluginOffer
from rendertrust.node.plugins.render import RenderPlugin
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
    """Signer of a node's work. ``node`` returns the node's id, ``key`` is the node's private key.

    ``renderers``: name, version and build of the program that does the work, by job type.
    ``by_version``: the same of the Blender of a version like ``4.5``; None without such a Blender.
    """

    node: Callable[[], str]
    key: Ed25519PrivateKey = attrs.field(repr=False)
    renderers: Mapping[str, Mapping[str, str | None]]
    by_version: Callable[[str], Mapping[str, str | None] | None] = lambda _: None
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
            renderer=self._renderer(dispatch, result) or name,
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

    def _renderer(
        self, dispatch: JobDispatch, result: Completed
    ) -> Mapping[str, str | None] | None:
        own = self.renderers.get(dispatch.job_type)
        if own is None or dispatch.blender is None:
            return own
        found = self.by_version(dispatch.blender)
        # A new list may name a newer patch than the one that has just rendered.
        said = str(result.work.get("blender")).split(" ")[0]  # without the name of a release
        return found if found and found["version"] == said else own


def _named(taken: CopiedFile) -> dict[str, Any]:
    return {"sha256": taken.sha256, "size": taken.size}


def attester(key: Path, node: Callable[[], str], offer: PluginOffer) -> Attester | None:
    """Return the signer for a node with this offer; None if the key file cannot be read."""
    try:
        loaded = node_key.load_key(key)
    except (OSError, ValueError):
        return None
    render = offer.render
    if render is None or render.found is None:
        return Attester(node=node, key=loaded, renderers={})
    own = render.found.renderer.kind, render.found.version, render.found.build
    return Attester(
        node=node,
        key=loaded,
        renderers={"render": _program(*own)},
        by_version=lambda version: _of_version(render, version),
    )


def _of_version(render: RenderPlugin, version: str) -> Mapping[str, str | None] | None:
    """Return the program that renders in a version; None if the node has none."""
    wanted = parse(version)
    for each in render.tested():
        if parse(each.version) == wanted:
            return _program(each.renderer.kind, each.version, each.build)
    release = None if render.store is None else render.store.find(wanted)
    return None if release is None else _program("bpy", release.version, release.build)


def _program(kind: str, version: str, build: str) -> Mapping[str, str | None]:
    return {"name": kind, "version": version or None, "build": build or None}
