"""Nodes that deliver evidence, and verifiers of a gateway, without Blender."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust.identity import generate_key
from rendertrust.protocol import Evidence, JobDispatch, JobResult
from rendertrust.testing import Behaviour, FakeNode
from tests.support.attempts import attempt_of
from tests.support.databases import connected

CLASS: Final = "cpu/avx2/5.2"
PICTURE, PROOF = b"a picture", b"its evidence"
EXACT: Final[Mapping[str, Any]] = {"crops": [{"equal": True}] * 3, "finish": {"equal": True}}
_INSERT: Final = """
INSERT INTO nodes (id, name, public_key, capabilities, verified_at)
VALUES ($1, 'verifier', $2, '{check}', now())
"""


@attrs.frozen
class Verifiers:
    """Keys of a gateway's verifiers, by their ids. None has an owner."""

    keys: Mapping[UUID, Ed25519PrivateKey]

    @classmethod
    def make(cls, count: int) -> "Verifiers":
        """Return so many."""
        return cls({uuid4(): generate_key() for _ in range(count)})

    @property
    def settings(self) -> dict[str, str]:
        """Settings of a gateway that has no others."""
        return {
            "RENDERTRUST_VERIFICATION_ENABLED": "true",
            "RENDERTRUST_VERIFICATION_EMBEDDED": "false",
            "RENDERTRUST_VERIFICATION_OWN_NODES": ",".join(map(str, self.keys)),
        }

    @property
    def ids(self) -> Sequence[UUID]:
        """Their ids, in order."""
        return list(self.keys)

    async def enrol(self, dsn: str) -> None:
        """Make the nodes known, as the database's owner."""
        async with connected(dsn) as books:
            for node, key in self.keys.items():
                await books.execute(_INSERT, node, key.public_key().public_bytes_raw())

    def node(self, url: str, which: UUID, behave: Behaviour) -> FakeNode:
        """Return one of them, for the gateway at ``url``."""
        key = self.keys[which]
        return FakeNode(url, key=key, capabilities=("check",), device_class=CLASS, behave=behave)


def renderer(url: str) -> FakeNode:
    """Return a node that uploads the same picture for each unit, and its evidence."""
    return FakeNode(url, capabilities=("render",), device_class=CLASS, behave=_delivers)


def finds(report: Mapping[str, Any]) -> Behaviour:
    """Return the behaviour of a verifier that reports this of every result."""

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        await node.send(_completed(dispatch, result_ref="none:check", work=dict(report)))

    return behave


async def _delivers(node: FakeNode, dispatch: JobDispatch) -> None:
    assert dispatch.output is not None
    await node.upload(dispatch, PICTURE)
    await node.upload(attrs.evolve(dispatch, output=dispatch.evidence), PROOF)
    told = _completed(
        dispatch,
        result_ref=dispatch.output.key,
        sha256=hashlib.sha256(PICTURE).hexdigest(),
        size=len(PICTURE),
        evidence=Evidence(sha256=hashlib.sha256(PROOF).hexdigest(), size=len(PROOF)),
    )
    await node.send(node.signed(dispatch, told))


def _completed(dispatch: JobDispatch, **told: Any) -> JobResult:
    return JobResult(**attempt_of(dispatch), status="completed", **told)
