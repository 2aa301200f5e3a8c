"""Users who request proofs at a gateway's API, and an independent check of a proof."""

from collections.abc import Mapping
from typing import Any, TypeAlias
from uuid import uuid4

import aiohttp

from rendertrust import checkpoint, merkle, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.note import Verifier
from tests.support.until import until

Json: TypeAlias = dict[str, Any]


class Person:
    """A user, who has 100 credits."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self.email = f"{uuid4()}@example.org"
        self.headers: Mapping[str, str] = {}

    async def register(self) -> None:
        """Register the user; log in if an earlier attempt has succeeded despite a 503."""
        body = {"email": self.email, "name": "Jane", "password": "a long password"}
        status, answer = await self.answered("POST", "/auth/register", body)
        if status == 409:
            login = {"email": self.email, "password": body["password"]}
            status, tokens = await self.answered("POST", "/auth/login", login)
        else:
            tokens = answer["tokens"]
        assert status in (200, 201), tokens
        self.headers = {"Authorization": f"Bearer {tokens['access_token']}"}

    async def call(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        url = f"{self._url}/api/v1{path}"
        async with self._http.request(method, url, json=body, headers=self.headers) as answer:
            return answer.status, await answer.json()

    async def answered(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        """Send a request until the status is not 503; return status and answer."""
        answer: tuple[int, Json] = (503, {})

        async def said() -> bool:
            nonlocal answer
            answer = await self.call(method, path, body)
            return answer[0] != 503

        await until(said)
        return answer

    async def deduct(self) -> Json:
        """Deduct one credit, with a new reference, and return the entry."""
        body = {"amount": "1", "reference_id": str(uuid4()), "description": "as Ädmin said"}
        status, entry = await self.answered("POST", "/credits/deduct", body)
        assert status == 200, entry
        return entry


def holds(proof: Json) -> bool:
    """Check a proof by hashing its leaf up to the root that the signed checkpoint names."""
    found = merkle.leaf_hash(proof["leaf"].encode())
    if found.hex() != proof["leaf_hash"]:
        return False
    for side, part in zip(proof["directions"], proof["proof_hashes"], strict=True):
        sibling = bytes.fromhex(part)
        pair = (sibling, found) if side == "left" else (found, sibling)
        found = merkle.node_hash(*pair)
    verifier = note.read_verifier(proof["verifier"])
    assert isinstance(verifier, Verifier)
    signed = checkpoint.read(proof["checkpoint"], verifier)
    assert isinstance(signed, Checkpoint)
    said = (proof["merkle_root"], proof["tree_size"])
    return (found.hex(), proof["tree_size"]) == said == (signed.root.hex(), signed.size)
