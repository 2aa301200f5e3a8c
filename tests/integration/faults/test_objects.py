"""A gateway with a faulty connection to the object store: clear errors, nothing lost, and
recovery.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
import pytest_asyncio
from yarl import URL

from rendertrust.client import AsyncClient, Tokens
from rendertrust.testing import FakeNode, completes
from tests.faults.gateway import FaultyGateway
from tests.faults.orders import NUMBERS
from tests.faults.place import http_by, of_http
from tests.faults.proxy import Proxy
from tests.faults.proxy_troubles import away, resetting, silent
from tests.faults.trap import Trap
from tests.support.api_clients import Creator
from tests.support.examples import series
from tests.support.until import until

pytestmark = pytest.mark.heavy
MIB = 1 << 20
SIZE, LARGE = 3 * MIB, 24 * MIB  # LARGE does not fit into buffers
PART = 5 * MIB  # the smallest part that a store accepts
IDLE_SECONDS = 3.0
HANG_SECONDS = 120.0
ANSWER_SECONDS = 30.0  # the gateway's two seconds, and time for a busy machine
GET = b"GET /"
RESULT = random.Random(3).randbytes(MIB - 1)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _small_parts() -> AsyncIterator[None]:
    """Make the parts of multipart uploads as small as object stores allow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("web.objects.multipart_uploads.PART_BYTES", PART)
        patch.setattr("web.routes.uploads.PART_BYTES", PART)
        yield


@attrs.frozen
class Content:
    """Random bytes that no test has sent before."""

    data: bytes = attrs.field(
        factory=lambda: random.Random(next(NUMBERS)).randbytes(SIZE), repr=False
    )

    @property
    def announcement(self) -> dict[str, Any]:
        sha256 = hashlib.sha256(self.data).hexdigest()
        return {"sha256": sha256, "size": len(self.data), "filename": "scene.blend"}


@attrs.frozen
class Sender:
    """A user who sends content with plain HTTP requests."""

    http: aiohttp.ClientSession
    creator: Creator
    content: Content = attrs.field(factory=Content)

    async def announce(self) -> dict[str, Any]:
        status, upload = await self.creator.call("POST", "/uploads", self.content.announcement)
        assert status == 201, upload
        return dict(upload)

    async def put(self, upload: dict[str, Any]) -> int | None:
        """Send the content; return the status, or None if the connection broke or nothing was
        heard.
        """
        put = upload["put"]
        url = URL(put["url"], encoded=True)
        try:
            async with (
                asyncio.timeout(HANG_SECONDS),
                self.http.put(
                    url, data=BytesIO(self.content.data), headers=put["headers"]
                ) as answer,
            ):
                await answer.read()
                return answer.status
        except aiohttp.ClientError:
            return None

    async def stored(self, upload: dict[str, Any]) -> None:
        """Send the content until the gateway is not busy; 412 means that an earlier try
        stored it.
        """

        async def done() -> bool:
            status = await self.put(upload)
            assert status in (200, 412, 503), status
            return status != 503

        await until(done)

    async def complete(self, upload: dict[str, Any]) -> int:
        return (await self.creator.call("POST", f"/uploads/{upload['id']}/complete"))[0]


@pytest_asyncio.fixture(loop_scope="session")
async def sender(gateway: FaultyGateway, http: aiohttp.ClientSession) -> Sender:
    creator = Creator(http, gateway.url, f"s{next(NUMBERS)}@example.org")
    await creator.register()
    return Sender(http, creator)


Trouble = Callable[[Proxy], Awaitable[object]]


async def cut_in_the_middle(proxy: Proxy) -> None:
    proxy.cut(after=MIB)


async def dead_in_the_middle(proxy: Proxy) -> None:
    proxy.strand(after=MIB)


async def stored_and_not_answered(proxy: Proxy) -> None:
    proxy.cut(b"HTTP/1.1 200", back=True)


async def stored_and_silent(proxy: Proxy) -> Trap:
    return proxy.strand(b"HTTP/1.1 200", back=True)


async def cut_in_the_answer(proxy: Proxy) -> None:
    proxy.cut(after=MIB // 2, back=True)


async def dead_in_the_answer(proxy: Proxy) -> None:
    proxy.strand(after=MIB // 2, back=True)


BAD: list[Trouble] = [
    cut_in_the_middle,
    dead_in_the_middle,
    stored_and_not_answered,
    stored_and_silent,
    silent,
    away,
    resetting,
]

BAD_BY_DAY = [cut_in_the_middle, stored_and_silent, silent]


SILENT = [dead_in_the_middle, dead_in_the_answer, stored_and_silent, silent]


@contextmanager
def patience_with(*troubles: Trouble) -> Generator[None]:
    """Shorten the gateway's idle timeout if one of these faults makes the store silent.

    Otherwise keep the timeout, because on a busy machine even a sound transfer pauses for a while.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not set(SILENT).isdisjoint(troubles):
            patch.setattr("web.objects.object_forwarding.IDLE_SECONDS", IDLE_SECONDS)
        yield


@pytest.mark.parametrize("trouble", series(BAD, BAD_BY_DAY), ids=lambda trouble: trouble.__name__)
async def test_an_upload_fails_clearly_and_goes_on(
    gateway: FaultyGateway, sender: Sender, trouble: Trouble
) -> None:
    upload = await sender.announce()
    trap = await trouble(gateway.objects)
    with patience_with(trouble):
        assert await sender.put(upload) in (502, 503)
    await gateway.mend()
    status = await sender.complete(upload)
    # If the trap did not spring, the gateway gave up before the store answered at all.
    is_silent = isinstance(trap, Trap) and not trap.sprung
    if trouble is silent or is_silent:  # requests from the silence may arrive after it, or fail
        assert status in (200, 409)
    else:
        assert status == (200 if trouble in (stored_and_not_answered, stored_and_silent) else 409)
    if status == 409:
        again = await sender.announce()
        await sender.stored(again)
        assert await sender.complete(again) == 200
    key = upload["payload_ref"].split("/", 3)[3]
    assert await gateway.application.outside.objects.get(key) == sender.content.data


async def test_an_upload_that_the_store_takes_no_more_of_is_ended(
    gateway: FaultyGateway, sender: Sender
) -> None:
    large = attrs.evolve(sender, content=Content(random.Random(1).randbytes(LARGE)))
    upload = await large.announce()
    trap = gateway.objects.strand(after=MIB)
    with patience_with(dead_in_the_middle):
        assert await large.put(upload) == 503
    assert trap.sprung == 1


@pytest.mark.parametrize(
    "trouble", series([silent, away, resetting], [away]), ids=lambda trouble: trouble.__name__
)
async def test_without_the_store_it_is_told_in_time(
    gateway: FaultyGateway, sender: Sender, http: aiohttp.ClientSession, trouble: Trouble
) -> None:
    upload = await sender.announce()
    await sender.stored(upload)
    await trouble(gateway.objects)
    await gateway.becomes(http, "objects", "unavailable")
    await gateway.becomes(http, "status", "degraded")
    began = asyncio.get_running_loop().time()
    status, _ = await sender.creator.once("POST", f"/uploads/{upload['id']}/complete")
    assert status == 503
    assert asyncio.get_running_loop().time() - began < ANSWER_SECONDS
    assert (await sender.creator.dispatch("echo", queue=True))[0] == 202, "needs no object store"
    await gateway.mend()
    assert await sender.complete(upload) == 200
    await gateway.becomes(http, "status", "ready")


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway: FaultyGateway, sender: Sender) -> AsyncIterator[AsyncClient]:
    """Yield the package's own client, which retries by itself."""
    async with AsyncClient(gateway.url, tokens=Tokens(sender.creator.token, "")) as client:
        yield client


@pytest.fixture
def file(sender: Sender, tmp_path: Path) -> Path:
    path = tmp_path / "scene.blend"
    path.write_bytes(sender.content.data)
    return path


@pytest_asyncio.fixture(loop_scope="session")
async def job(gateway: FaultyGateway, sender: Sender) -> str:
    """Complete a job with ``RESULT``, and return its id."""
    node = FakeNode(gateway.url, user_token=sender.creator.token, behave=completes(RESULT))
    async with node:
        status, placed = await sender.creator.dispatch("echo")
        assert status in (200, 202), placed
        await sender.creator.job_within(placed["job_id"], "COMPLETED")
    return str(placed["job_id"])


async def test_our_client_does_not_wait_for_ever_for_its_bytes_to_be_taken(
    gateway: FaultyGateway, sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection to the gateway stops accepting bytes, so the client starts again."""
    monkeypatch.setattr("rendertrust.client.uploads.TAKEN_SECONDS", IDLE_SECONDS)
    monkeypatch.setattr("web.objects.multipart_uploads.PART_BYTES", LARGE)
    path = tmp_path / "large.blend"
    path.write_bytes(random.Random(next(NUMBERS)).randbytes(LARGE))
    tokens = Tokens(sender.creator.token, "")
    async with Proxy(of_http(gateway.url)) as proxy:
        trap = proxy.strand(after=MIB)
        async with AsyncClient(http_by(proxy, gateway.url), tokens=tokens) as client:
            assert (await client.upload(path)).status == "COMPLETED"
    assert trap.sprung == 1


GOING_ON: list[Trouble] = [cut_in_the_middle, stored_and_not_answered, dead_in_the_middle]


@pytest.mark.parametrize(
    "trouble", series(GOING_ON, [stored_and_not_answered]), ids=lambda trouble: trouble.__name__
)
async def test_our_client_sends_on_by_itself(
    gateway: FaultyGateway, sender: Sender, client: AsyncClient, file: Path, trouble: Trouble
) -> None:
    await trouble(gateway.objects)
    with patience_with(trouble):
        upload = await client.upload(file)
    assert upload.status == "COMPLETED"
    key = upload.payload_ref.split("/", 3)[3]
    assert await gateway.application.outside.objects.get(key) == sender.content.data


async def test_parts_that_have_arrived_are_not_sent_again(
    gateway: FaultyGateway, client: AsyncClient, tmp_path: Path
) -> None:
    path = tmp_path / "large.blend"
    path.write_bytes(random.Random(next(NUMBERS)).randbytes(2 * PART + MIB))
    again = [gateway.objects.cut(part(number), times=2) for number in (2, 3)]
    once = gateway.objects.watch(part(1))
    upload = await client.upload(path)
    assert upload.status == "COMPLETED"
    assert [trap.sprung for trap in again] == [2, 2]
    assert once.sprung == 1


def part(number: int) -> bytes:
    return f"partNumber={number}&".encode()


async def cut_before_it(proxy: Proxy) -> None:
    proxy.cut(GET, times=2)


async def dripping(proxy: Proxy) -> None:
    proxy.pace = 3 * MIB


async def late(proxy: Proxy) -> None:
    proxy.delay, proxy.jitter = 0.02, 0.02


DOWNLOADS: list[Trouble] = [cut_in_the_answer, dead_in_the_answer, cut_before_it, dripping, late]
DOWNLOADS_BY_DAY = [dead_in_the_answer, cut_before_it]


@pytest.mark.parametrize(
    "trouble", series(DOWNLOADS, DOWNLOADS_BY_DAY), ids=lambda trouble: trouble.__name__
)
async def test_our_client_fetches_a_result_by_itself_and_whole(
    gateway: FaultyGateway, client: AsyncClient, job: str, tmp_path: Path, trouble: Trouble
) -> None:
    path = tmp_path / "result.png"
    await trouble(gateway.objects)
    with patience_with(trouble):
        await client.download(job, path)
    assert path.read_bytes() == RESULT
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "trouble", series([cut_in_the_answer, dead_in_the_answer], [cut_in_the_answer])
)
async def test_a_result_that_breaks_off_is_no_short_result(
    gateway: FaultyGateway, sender: Sender, job: str, trouble: Trouble
) -> None:
    """A plain HTTP client notices the missing rest and can request it."""
    await trouble(gateway.objects)
    status, found = await sender.creator.call("GET", f"/jobs/{job}/result")
    assert status == 200
    url, got = URL(found["download_url"], encoded=True), bytearray()
    with patience_with(trouble), pytest.raises(aiohttp.ClientError):
        await read_into(got, sender.http, url)
    assert 0 < len(got) < len(RESULT)
    async with sender.http.get(url, headers={"Range": f"bytes={len(got)}-"}) as answer:
        assert answer.status == 206
        got += await answer.read()
    assert bytes(got) == RESULT


async def read_into(got: bytearray, http: aiohttp.ClientSession, url: URL) -> None:
    async with asyncio.timeout(HANG_SECONDS), http.get(url) as answer:
        assert answer.status == 200
        async for chunk in answer.content.iter_any():
            got += chunk
