"""Conformance suite of the Objects port, for the twin and the real store."""

import gzip
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from uuid import uuid4

import pytest

from actors.ports import ObjectInfo, ObjectMissing, Objects, ObjectTooLarge
from tests.support.until import until

BODY = b"a picture, or so"
OTHER = b"another picture!"
DIGEST = hashlib.sha256(BODY).digest()


class Store(ABC):
    """An implementation of the port, and an HTTP client for the URLs it signs."""

    objects: Objects

    @abstractmethod
    async def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, bytes]: ...

    @abstractmethod
    def let_pass(self, seconds: int) -> None:
        """Move the clock, if the store has a clock of its own; otherwise time passes by itself."""


def fresh_key() -> str:
    return f"results/{uuid4()}/Bild 1 ä+&=%.png"


class ObjectsConformance:
    """Suite to inherit from, with a fixture ``store``."""

    async def test_what_was_put_is_got(self, store: Store) -> None:
        key = fresh_key()
        await store.objects.put(key, BODY)
        assert await store.objects.get(key) == BODY
        assert await store.objects.head(key) == ObjectInfo(key, len(BODY), DIGEST)

    async def test_put_takes_the_place_of_what_was_there(self, store: Store) -> None:
        key = fresh_key()
        await store.objects.put(key, OTHER)
        await store.objects.put(key, BODY)
        assert await store.objects.get(key) == BODY

    async def test_an_empty_object_is_an_object(self, store: Store) -> None:
        key = fresh_key()
        await store.objects.put(key, b"")
        assert await store.objects.get(key) == b""
        assert await store.objects.head(key) is not None

    async def test_nothing_under_a_key(self, store: Store) -> None:
        key = fresh_key()
        assert await store.objects.head(key) is None
        with pytest.raises(ObjectMissing):
            await store.objects.get(key)
        await store.objects.delete(key)

    async def test_deleted_is_gone(self, store: Store) -> None:
        key = fresh_key()
        await store.objects.put(key, BODY)
        await store.objects.delete(key)
        assert await store.objects.head(key) is None

    async def test_more_than_the_caller_can_hold_is_refused(self, store: Store) -> None:
        key = fresh_key()
        await store.objects.put(key, BODY)
        with pytest.raises(ObjectTooLarge):
            await store.objects.get(key, at_most=len(BODY) - 1)
        assert await store.objects.get(key, at_most=len(BODY)) == BODY

    async def test_a_piece_of_an_object_is_got(self, store: Store) -> None:
        key = fresh_key()
        await store.objects.put(key, BODY)
        assert await store.objects.piece(key, 0, 9) == BODY[:9]
        assert await store.objects.piece(key, 2, 7) == BODY[2:9]
        assert await store.objects.piece(key, 11, 100) == BODY[11:]
        with pytest.raises(ObjectMissing):
            await store.objects.piece(fresh_key(), 0, 4)

    async def test_the_store_answers_a_check(self, store: Store) -> None:
        await store.objects.check()

    async def test_a_presigned_put_stores_the_body(self, store: Store) -> None:
        key = fresh_key()
        leave = await store.objects.presign_put(key, size=len(BODY), sha256=DIGEST)
        assert (await store.request("PUT", leave.url, leave.headers, BODY))[0] == 200
        assert await store.objects.head(key) == ObjectInfo(key, len(BODY), DIGEST)

    async def test_a_content_encoding_is_told_and_never_decoded(self, store: Store) -> None:
        key, packed = fresh_key(), gzip.compress(BODY)
        leave = await store.objects.presign_put(key)
        headers = {**leave.headers, "Content-Encoding": "gzip"}
        assert (await store.request("PUT", leave.url, headers, packed))[0] == 200
        found = await store.objects.head(key)
        assert found is not None
        assert (found.size, found.encoding) == (len(packed), "gzip")
        assert await store.objects.get(key) == packed
        assert await store.objects.piece(key, 0, 100) == packed

    async def test_a_presigned_get_reads_it(self, store: Store) -> None:
        key = fresh_key()
        await store.objects.put(key, BODY)
        url = await store.objects.presign_get(key)
        assert await store.request("GET", url) == (200, BODY)

    async def test_urls_are_made_for_the_host_that_the_caller_sees(self, store: Store) -> None:
        base = "https://render.example:8443"
        url = await store.objects.presign_get(fresh_key(), base=base)
        leave = await store.objects.presign_put(fresh_key(), base=base)
        assert url.startswith(base + "/")
        assert leave.url.startswith(base + "/")

    @pytest.mark.parametrize("base", ["http://h:99999", "http://[1:2]:80", "http://h:port"])
    async def test_nothing_is_signed_for_what_is_no_address(self, store: Store, base: str) -> None:
        with pytest.raises(ValueError, match=r"Port|address"):
            await store.objects.presign_get(fresh_key(), base=base)
        with pytest.raises(ValueError, match=r"Port|address"):
            await store.objects.presign_put(fresh_key(), base=base)

    async def test_a_second_put_is_refused(self, store: Store) -> None:
        key = fresh_key()
        leave = await store.objects.presign_put(key)
        assert (await store.request("PUT", leave.url, leave.headers, BODY))[0] == 200
        assert (await store.request("PUT", leave.url, leave.headers, OTHER))[0] == 412
        assert await store.objects.get(key) == BODY

    async def test_a_put_that_may_repeat_may_repeat(self, store: Store) -> None:
        key = fresh_key()
        leave = await store.objects.presign_put(key, once=False)
        assert leave.headers == {}
        for body in (BODY, OTHER):
            assert (await store.request("PUT", leave.url, leave.headers, body))[0] == 200
        assert await store.objects.get(key) == OTHER

    async def test_a_put_without_its_header_is_refused(self, store: Store) -> None:
        key = fresh_key()
        leave = await store.objects.presign_put(key)
        assert (await store.request("PUT", leave.url, {}, BODY))[0] == 403
        assert await store.objects.head(key) is None

    async def test_another_body_than_was_signed_is_refused(self, store: Store) -> None:
        key = fresh_key()
        leave = await store.objects.presign_put(key, size=len(BODY), sha256=DIGEST)
        assert (await store.request("PUT", leave.url, leave.headers, OTHER))[0] == 400
        assert await store.objects.head(key) is None

    async def test_a_longer_body_than_was_signed_is_refused(self, store: Store) -> None:
        key = fresh_key()
        leave = await store.objects.presign_put(key, size=len(BODY))
        headers = {**leave.headers, "Content-Length": str(len(BODY) + 1)}
        assert (await store.request("PUT", leave.url, headers, BODY + b"!"))[0] == 403
        assert await store.objects.head(key) is None

    @pytest.mark.parametrize("change", ["signature", "key", "method"])
    async def test_a_tampered_url_is_refused(self, store: Store, change: str) -> None:
        key, other = fresh_key(), fresh_key()
        await store.objects.put(key, BODY)
        await store.objects.put(other, OTHER)
        url = await store.objects.presign_get(key)
        if change == "signature":
            assert (await store.request("GET", url[:-4] + "0000"))[0] == 403
        elif change == "key":
            swapped = url.replace(key.split("/")[1], other.split("/")[1])
            assert (await store.request("GET", swapped))[0] == 403
        else:
            assert (await store.request("PUT", url, {}, OTHER))[0] == 403
        assert await store.objects.get(key) == BODY

    async def test_an_expired_url_is_refused(self, store: Store) -> None:
        key = fresh_key()
        await store.objects.put(key, BODY)
        url = await store.objects.presign_get(key, within=1)
        store.let_pass(1)

        async def refused() -> bool:
            return (await store.request("GET", url))[0] == 403

        await until(refused)
