"""Live changes of pages, as sent to all browsers that have the pages open."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, ClientTimeout, StreamReader

from actors.console_hub.messages import Hub, TopicChanged
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.faults.place import of_postgres, postgres_by
from tests.faults.proxy import Proxy
from tests.integration.console.people import OWN, Visitor, live, newcomer, nobody
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_over, serving, settings_for_tests
from tests.support.until import until
from web.console.live_updates import OF_ONE_MAX
from web.console.pages import overview
from web.console.registry import Pages
from web.console.tables import table
from web.console.view import Redirect, Shown, View

NODE = """
INSERT INTO nodes (id, name, public_key, capabilities, status, owner_id)
SELECT gen_random_uuid(), 'n', decode(repeat('0a', 32), 'hex'), '{echo}', 'HEALTHY', id
FROM users WHERE email = 'jane@example.org'
"""


async def word(stream: StreamReader) -> str:
    """Return the next event that says whether the shown state is current."""
    while (said := await event(stream)) not in ("here", "away"):
        pass
    return said


async def event(stream: StreamReader) -> str:
    """Return the name of the next named event."""
    async with asyncio.timeout(60):
        while not (line := await stream.readline()).startswith(b"event: "):
            assert line, "the stream ended"
    return line.decode().split()[1]


@asynccontextmanager
async def following(visitor: Visitor, *pages: str) -> AsyncGenerator[StreamReader]:
    url = visitor.face.client.make_url(live(*pages or ["/console"]))
    timeout = ClientTimeout(total=120)
    async with (
        ClientSession(cookie_jar=visitor.jar, timeout=timeout) as browser,
        browser.get(url) as answer,
    ):
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        yield answer.content


async def frame(stream: StreamReader) -> str:
    """Return the next event of the stream that replaces a part of the page."""
    async with asyncio.timeout(60):
        lines: list[str] = []
        while True:
            line = (await stream.readline()).decode()
            assert line, "the stream ended"
            lines.append(line)
            if line == "\n":
                text = "".join(lines)
                if "hx-partial" in text:
                    return text
                lines = []


@pytest.fixture
def fixed_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the chart always show the same hour, as it would otherwise change every minute."""
    chart = overview.throughput_of([], datetime(2026, 3, 13, 12, tzinfo=UTC))

    def unchanged(*_: object) -> Mapping[str, Any]:
        return chart

    monkeypatch.setattr(overview, "throughput_of", unchanged)


@pytest.mark.usefixtures("fixed_chart")
async def test_only_what_changed_is_sent(face: Face, database: PostgresEndpoint) -> None:
    visitor = await newcomer(face)
    async with following(visitor) as stream:
        first = await frame(stream)
        assert 'hx-target="#figures"' in first
        assert 'hx-target="#throughput"' in first
        await execute(database.owner_dsn, NODE)
        face.gateway.registry.ref(Hub).tell(TopicChanged("nodes"))
        second = await frame(stream)
        assert 'hx-target="#figures"' in second
        assert 'hx-target="#throughput"' not in second
        assert 'hx-target="#pictures"' not in second


@pytest.mark.usefixtures("fixed_chart")
async def test_one_reading_is_for_all_who_look_alike(
    face: Face, database: PostgresEndpoint
) -> None:
    people = [
        await newcomer(face, database.owner_dsn, "admin", f"ann{n}@example.org") for n in range(2)
    ]
    jane = await newcomer(face)
    async with following(people[0]) as one, following(people[1]) as two, following(jane) as three:
        first = [await frame(one), await frame(two)]
        assert first[0] == first[1]
        assert await frame(three) != first[0]


@pytest.fixture
def hourly(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Add two pages that are read once an hour, one without the database; return a list of the
    reads.
    """
    pages, read = Pages(), list[int]()
    hourly: dict[str, Any] = {"live": ("gateways",), "every": 3600.0}

    @pages.page("", "Seldom", "overview.html", **hourly)
    @pages.page("/inside", "Inside", "overview.html", inside=True, **hourly)
    async def page(view: View) -> Shown:
        read.append(len(read))
        return {"gateways": table([], (), "", ""), "here": None}

    @pages.action("/act")
    async def act(view: View) -> Redirect:
        return Redirect(view.path)

    monkeypatch.setattr("web.http.application.every_page", lambda: pages)
    return read


async def test_a_page_that_is_seldom_read_is_said_to_be_old_and_then_to_be_not(
    hourly: list[int], face: Face
) -> None:
    there = True

    async def probe() -> bool:
        return there

    face.gateway.monitoring.probes["database"] = probe
    visitor = await newcomer(face)
    async with following(visitor) as stream, following(visitor, "/console/inside") as inside:
        assert await word(stream) == "here"
        assert await word(inside) == "here"
        assert hourly == [0, 1]
        there = False
        assert await word(stream) == "away"
        async with following(visitor) as later:
            assert await word(later) == "away", "a stream that is opened now is told, too"
        there = True
        assert await word(stream) == "here", "told though nothing on the page has changed"
        assert len(hourly) == 3, "a page that is shown without the database was not read again"


async def test_who_looks_hears_that_somebody_is_there_as_long_as_all_is_well(
    hourly: list[int], face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.console_hub.actor.BEAT_SECONDS", 0.2)
    there = True

    async def probe() -> bool:
        return there

    face.gateway.monitoring.probes["database"] = probe
    visitor = await newcomer(face)
    async with following(visitor) as stream, following(visitor, "/console/inside") as inside:
        assert await word(stream) == "here"
        assert await word(inside) == "here"
        assert [await event(stream) for _ in range(2)] == ["beat", "beat"]
        there = False
        assert await word(stream) == "away"
        assert [await event(inside) for _ in range(5)] == ["beat"] * 5
        there = True
        assert await event(stream) == "here", "a stream gets no beats while its page is out of date"


async def test_what_is_done_is_shown_at_once_to_all_who_look(hourly: list[int], face: Face) -> None:
    visitor = await newcomer(face)
    async with following(visitor) as stream:
        assert await word(stream) == "here"
        assert (await visitor.post("/console/act", {})).status == 303

        async def read_again() -> bool:
            return len(hourly) == 2

        await until(read_again)


async def test_who_is_signed_out_sees_nothing_more(face: Face) -> None:
    visitor = await newcomer(face)
    async with following(visitor) as stream:
        await frame(stream)
        assert (await visitor.post("/console/sign-out", {})).status == 303

        async def ended() -> bool:
            return await stream.readline() == b""

        await until(ended)


@pytest.mark.usual_deadlines
async def test_nobody_sees_more_while_it_is_unknown_whether_he_was_signed_out(
    database: PostgresEndpoint,
) -> None:
    proxy = Proxy(of_postgres(database.app_dsn))
    pool = Database(lambda: postgres_by(proxy, database.app_dsn))
    async with proxy, serving(pool, settings_for_tests()) as face:
        visitor = await newcomer(face)
        async with following(visitor) as stream:
            await frame(stream)
            await proxy.down()
            await until(lambda: not face.gateway.identity.revocations.is_fresh)

            async def ended() -> bool:
                return await stream.readline() == b""

            await until(ended)
        assert (await visitor.ask("GET", live("/console"))).status == 503
    await pool.close()


async def test_nobody_follows_without_signing_in(face: Face) -> None:
    answer = await nobody(face).ask("GET", live("/console"))
    assert answer.status == 401


async def test_one_person_follows_so_many_pages(face: Face) -> None:
    visitor = await newcomer(face)
    async with ClientSession(cookie_jar=visitor.jar) as browser:
        url = face.client.make_url(live("/console"))
        answers = [await browser.get(url) for _ in range(OF_ONE_MAX)]
        assert {answer.status for answer in answers} == {200}
        refused = await visitor.ask("GET", live("/console"))
        assert refused.status == 429
        for answer in answers:
            answer.close()

        async def there_is_room() -> bool:
            async with browser.get(url) as answer:
                return answer.status == 200

        await until(there_is_room)


@asynccontextmanager
async def posted(visitor: Visitor, *pages: str) -> AsyncGenerator[StreamReader]:
    """Open a stream of these pages by POST, as a browser does."""
    url, timeout = visitor.face.client.make_url("/console/live"), ClientTimeout(total=120)
    async with (
        ClientSession(cookie_jar=visitor.jar, timeout=timeout) as browser,
        browser.post(url, data="\n".join(pages), headers=OWN) as answer,
    ):
        assert answer.status == 200, await answer.text()
        yield answer.content


async def words(stream: StreamReader, number: int) -> dict[str, str]:
    """Return the name of the first event, other than a beat, for each of ``number`` pages."""
    found = dict[str, str]()
    while len(found) < number:
        said = await message(stream)
        if "event" in said and said["event"] != "beat":
            found.setdefault(said["id"], said["event"])
    return found


async def test_many_long_addresses_are_one_stream(face: Face) -> None:
    """Together, the addresses are longer than a request line may be."""
    visitor = await newcomer(face)
    pages = [f"/console/jobs?q={quote('絵' * 50 + str(n))}" for n in range(40)]
    assert len("".join(pages)) > 16_000
    async with posted(visitor, *pages) as stream:
        assert set((await words(stream, len(pages))).values()) == {"here"}


async def test_too_many_windows_are_told_so_and_the_others_go_on(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.console.live_updates.OF_ONE_MAX", 3)
    visitor = await newcomer(face)
    pages = [f"/console/jobs?q=type:{n}" for n in range(5)]
    async with posted(visitor, *pages) as stream:
        found = await words(stream, len(pages))
        assert [found[str(place)] for place in range(5)] == ["here"] * 3 + ["crowded"] * 2
        refused = await visitor.ask("POST", "/console/live", data="/console", headers=OWN)
        assert refused.status == 429


async def test_another_site_follows_nothing(face: Face) -> None:
    visitor = await newcomer(face)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    refused = await visitor.ask("POST", "/console/live", data="/console", headers=foreign)
    assert refused.status == 403


async def test_who_leaves_a_page_is_no_error_in_the_log(
    face: Face,
    database: PostgresEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("web.console.live_updates.OF_ONE_MAX", 1)
    visitor = await newcomer(face)
    async with following(visitor) as stream:
        await frame(stream)

    async def there_is_room() -> bool:
        await execute(database.owner_dsn, NODE)
        face.gateway.registry.ref(Hub).tell(TopicChanged("nodes"))
        url = face.client.make_url(live("/console"))
        async with ClientSession(cookie_jar=visitor.jar) as browser, browser.get(url) as answer:
            return answer.status == 200

    with caplog.at_level(logging.ERROR):
        await until(there_is_room)
    logged = capsys.readouterr()
    assert "Error" not in logged.out + logged.err + caplog.text


async def test_a_stop_waits_for_no_console(
    database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.http.listener.SHUTDOWN_SECONDS", 3_600.0)
    async with asyncio.timeout(120), face_over(database) as face:
        visitor = await newcomer(face)
        browser = ClientSession(cookie_jar=visitor.jar)
        answer = await browser.get(face.client.make_url(live("/console")))
        await frame(answer.content)
    await browser.close()


async def test_one_stream_is_of_several_pages(face: Face, database: PostgresEndpoint) -> None:
    """A page that is forbidden or does not exist does not end the updates of the other pages."""
    visitor = await newcomer(face)
    pages = ("/console", "/console/actors", "/console/jobs?q=status:failed", "nothing/at all")
    async with following(visitor, *pages) as stream:
        gone, first = set[str](), dict[str, str]()
        while len(gone) < 2 or len(first) < 2:
            said = await message(stream)
            if said.get("event") == "gone":
                gone.add(said["id"])
            elif "event" not in said:
                first.setdefault(said["id"], said["data"])
        assert gone == {"1", "3"}
        assert set(first) == {"0", "2"}
        assert 'hx-target="#throughput"' in first["0"]
        assert 'hx-target="#throughput"' not in first["2"]
    assert (await visitor.ask("GET", live())).status == 404
    assert (await visitor.ask("GET", live("/console/new"))).status == 404


async def message(stream: StreamReader) -> dict[str, str]:
    """Return the next event as a mapping from field names to texts."""
    found = dict[str, str]()
    async with asyncio.timeout(60):
        while line := (await stream.readline()).decode().rstrip("\n"):
            name, _, text = line.partition(": ")
            found[name] = found.get(name, "") + text
    assert found, "the stream ended"
    return found


RICHER = """
INSERT INTO accounts (name, balance, held, may_overdraw)
SELECT 'user:' || id, 43210000, 0, true FROM users WHERE email = 'eve@example.org'
ON CONFLICT (name) DO UPDATE SET balance = 43210000
"""


async def test_two_admins_see_each_his_own_credits(face: Face, database: PostgresEndpoint) -> None:
    people = [
        await newcomer(face, database.owner_dsn, "admin", f"{name}@example.org")
        for name in ("ann", "eve")
    ]
    await execute(database.owner_dsn, RICHER)
    ann, eve = (following(person, "/console/credits") for person in people)
    async with ann as hers, eve as other:
        first, second = await frame(hers), await frame(other)
    assert "4,321 <" in second
    assert "4,321 <" not in first


async def test_a_page_of_another_account_is_told_so_instead_of_what_this_one_sees(
    jane: Visitor, ann: Visitor
) -> None:
    """Another user has signed in while the page was open in a hidden window."""
    text = (await jane.get("/console/jobs"))[1]
    assert f'data-stream="/console/jobs#{jane.id}"' in text
    async with posted(ann, f"/console/jobs#{jane.id}", f"/console#{ann.id}") as stream:
        assert await words(stream, 2) == {"0": "other", "1": "here"}
    answer = await ann.ask("POST", "/console/live", data=f"/console/jobs#{jane.id}", headers=OWN)
    assert answer.status == 409
