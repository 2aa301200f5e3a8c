"""Conformance suite of the Objects port for multipart uploads."""

import hashlib
from collections.abc import Sequence

import attrs
import pytest

from actors.ports import ObjectInfo, ObjectMissing, Part, PartsRefused
from tests.integration.engines.conformance_objects import Store, fresh_key

BODIES = (b"a" * (5 << 20), b"b" * (5 << 20), b"the last one")
WHOLE = b"".join(BODIES)
DIGESTS = [hashlib.sha256(body).digest() for body in BODIES]
OF_PARTS = hashlib.sha256(b"".join(DIGESTS)).digest()


async def put(store: Store, key: str, multipart: str, number: int, body: bytes) -> int:
    """Send one part to its presigned URL, and return the store's status."""
    digest = hashlib.sha256(body).digest()
    leave = await store.objects.presign_part(key, multipart, number, size=len(body), sha256=digest)
    return (await store.request("PUT", leave.url, leave.headers, body))[0]


async def send_parts(store: Store, key: str, numbers: Sequence[int] = (1, 2, 3)) -> str:
    """Begin a multipart upload, send these parts, and return its id."""
    multipart = await store.objects.begin_multipart(key)
    for number in numbers:
        assert await put(store, key, multipart, number, BODIES[number - 1]) == 200
    return multipart


async def arrived_parts(store: Store, key: str, multipart: str) -> list[Part]:
    """Return all parts at the store, with the SHA-256 that their sender states."""
    parts = await store.objects.parts_of(key, multipart)
    return [attrs.evolve(part, sha256=DIGESTS[part.number - 1]) for part in parts]


class PartsConformance:
    """Suite to inherit from, with a fixture ``store``."""

    async def test_parts_become_one_object(self, store: Store) -> None:
        key = fresh_key()
        multipart = await send_parts(store, key, (3, 1, 2))
        parts = await arrived_parts(store, key, multipart)
        assert [(part.number, part.size) for part in parts] == [
            (number, len(body)) for number, body in enumerate(BODIES, 1)
        ]
        assert await store.objects.head(key) is None
        await store.objects.complete_multipart(key, multipart, parts)
        assert await store.objects.head(key) == ObjectInfo(key, len(WHOLE), None, OF_PARTS)
        assert await store.objects.get(key) == WHOLE

    async def test_what_has_arrived_is_told(self, store: Store) -> None:
        key = fresh_key()
        multipart = await send_parts(store, key, ())
        assert list(await store.objects.parts_of(key, multipart)) == []
        assert await put(store, key, multipart, 2, BODIES[1]) == 200
        assert [part.number for part in await store.objects.parts_of(key, multipart)] == [2]

    async def test_a_part_takes_the_place_of_an_earlier_one(self, store: Store) -> None:
        key = fresh_key()
        multipart = await send_parts(store, key, (1, 2))
        for body in (b"something else", BODIES[2]):
            assert await put(store, key, multipart, 3, body) == 200
        parts = await arrived_parts(store, key, multipart)
        await store.objects.complete_multipart(key, multipart, parts)
        assert await store.objects.get(key) == WHOLE

    async def test_another_part_than_was_signed_is_refused(self, store: Store) -> None:
        key = fresh_key()
        multipart = await store.objects.begin_multipart(key)
        leave = await store.objects.presign_part(
            key, multipart, 1, size=len(BODIES[0]), sha256=DIGESTS[0]
        )
        assert (await store.request("PUT", leave.url, leave.headers, BODIES[1]))[0] == 400
        longer = {**leave.headers, "Content-Length": str(len(BODIES[0]) + 1)}
        assert (await store.request("PUT", leave.url, longer, BODIES[0] + b"!"))[0] == 403
        assert (await store.request("PUT", leave.url, {}, BODIES[0]))[0] == 403
        assert list(await store.objects.parts_of(key, multipart)) == []

    @pytest.mark.parametrize("change", ["number", "multipart", "key"])
    async def test_the_leave_for_a_part_is_for_that_part(self, store: Store, change: str) -> None:
        key, other = fresh_key(), fresh_key()
        multipart = await store.objects.begin_multipart(key)
        another = await store.objects.begin_multipart(key)
        leave = await store.objects.presign_part(
            key, multipart, 1, size=len(BODIES[2]), sha256=DIGESTS[2]
        )
        url = {
            "number": leave.url.replace("partNumber=1", "partNumber=2"),
            "multipart": leave.url.replace(multipart, another),
            "key": leave.url.replace(key.split("/")[1], other.split("/")[1]),
        }[change]
        assert url != leave.url
        assert (await store.request("PUT", url, leave.headers, BODIES[2]))[0] == 403
        assert list(await store.objects.parts_of(key, multipart)) == []

    async def test_urls_of_parts_are_made_for_the_host_that_the_caller_sees(
        self, store: Store
    ) -> None:
        base, key = "https://render.example:8443", fresh_key()
        leave = await store.objects.presign_part(
            key, "anything", 1, size=1, sha256=DIGESTS[0], base=base
        )
        assert leave.url.startswith(base + "/")

    @pytest.mark.parametrize("wrong", ["digest", "tag", "absent", "too small"])
    async def test_parts_that_are_not_those_are_refused(self, store: Store, wrong: str) -> None:
        key = fresh_key()
        multipart = await send_parts(store, key)
        parts = await arrived_parts(store, key, multipart)
        if wrong == "digest":
            parts[1] = attrs.evolve(parts[1], sha256=DIGESTS[0])
        elif wrong == "tag":
            parts[1] = attrs.evolve(parts[1], tag=parts[0].tag)
        elif wrong == "absent":
            parts.append(attrs.evolve(parts[2], number=4))
        else:
            assert await put(store, key, multipart, 2, b"small") == 200
            parts = await arrived_parts(store, key, multipart)
            parts[1] = attrs.evolve(parts[1], sha256=hashlib.sha256(b"small").digest())
        with pytest.raises(PartsRefused):
            await store.objects.complete_multipart(key, multipart, parts)
        assert await store.objects.head(key) is None

    async def test_what_was_aborted_is_gone(self, store: Store) -> None:
        key = fresh_key()
        multipart = await send_parts(store, key, (1,))
        await store.objects.abort_multipart(key, multipart)
        with pytest.raises(ObjectMissing):
            await store.objects.parts_of(key, multipart)
        assert await put(store, key, multipart, 2, BODIES[1]) == 404
        assert await store.objects.head(key) is None
        await store.objects.abort_multipart(key, multipart)

    async def test_what_was_completed_has_no_parts_any_more(self, store: Store) -> None:
        key = fresh_key()
        multipart = await send_parts(store, key)
        parts = await arrived_parts(store, key, multipart)
        await store.objects.complete_multipart(key, multipart, parts)
        with pytest.raises(ObjectMissing):
            await store.objects.parts_of(key, multipart)
        await store.objects.abort_multipart(key, multipart)
        assert await store.objects.get(key) == WHOLE
