"""Fake nodes that deliver evidence, and fake verifiers of a gateway; neither needs Blender."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust.node_key import generate_key
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
    """Keys of a gateway's own verifiers, by node id. The nodes have no owner."""

    keys: Mapping[UUID, Ed25519PrivateKey]

    @classmethod
    def make(cls, count: int) -> "Verifiers":
        """Return keys for ``count`` new verifiers."""
        return cls({uuid4(): generate_key() for _ in range(count)})

    @property
    def settings(self) -> dict[str, str]:
        """Return settings of a gateway whose only verifiers are these."""
        return {
            "RENDERTRUST_VERIFICATION_ENABLED": "true",
            "RENDERTRUST_VERIFICATION_EMBEDDED": "false",
            "RENDERTRUST_VERIFICATION_OWN_NODES": ",".join(map(str, self.keys)),
        }

    @property
    def ids(self) -> Sequence[UUID]:
        """Return the ids in a fixed order."""
        return list(self.keys)

    async def enrol(self, dsn: str) -> None:
        """Insert the nodes into the database, with the owner's DSN."""
        async with connected(dsn) as books:
            for node, key in self.keys.items():
                await books.execute(_INSERT, node, key.public_key().public_bytes_raw())

    def node(self, url: str, which: UUID, behave: Behaviour) -> FakeNode:
        """Return a fake node for one of the ids, for the gateway at ``url``."""
        key = self.keys[which]
        return FakeNode(url, key=key, capabilities=("check",), device_class=CLASS, behave=behave)


def renderer(url: str, picture: bytes = PICTURE) -> FakeNode:
    """Return a node that uploads the same picture and evidence for each unit."""
    behave = partial(_delivers, picture=picture)
    return FakeNode(url, capabilities=("render",), device_class=CLASS, behave=behave)


def finds(report: Mapping[str, Any]) -> Behaviour:
    """Return the behaviour of a verifier that reports ``report`` for every result."""

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        await node.send(_completed(dispatch, result_ref="none:check", work=dict(report)))

    return behave


async def _delivers(node: FakeNode, dispatch: JobDispatch, *, picture: bytes) -> None:
    assert dispatch.output is not None
    await node.upload(dispatch, picture)
    await node.upload(attrs.evolve(dispatch, output=dispatch.evidence), PROOF)
    told = _completed(
        dispatch,
        result_ref=dispatch.output.key,
        sha256=hashlib.sha256(picture).hexdigest(),
        size=len(picture),
        evidence=Evidence(sha256=hashlib.sha256(PROOF).hexdigest(), size=len(PROOF)),
    )
    await node.send(node.signed(dispatch, told))


def _completed(dispatch: JobDispatch, **told: Any) -> JobResult:
    return JobResult(**attempt_of(dispatch), status="completed", **told)
