"""Share links: who makes them, what the public page shows, and when a link shows nothing."""

import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientError

from actors.ledger.effects import (
    Comparison,
    DisputeDecide,
    DisputeOpen,
    JobInsert,
    UnitComplete,
    UnitDeliver,
    UnitVerdict,
)
from actors.ledger.messages import Posted
from actors.ports import ObjectMissing
from actors.sweeper.messages import SweepDue
from rendertrust.receipt import IssuedReceipt
from sql.account_names import operator_account
from sql.units import result_key
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch, with_plan
from tests.integration.console.people import Visitor, newcomer, nobody
from tests.integration.console.test_disputes import plain
from tests.integration.console.work import PRICE, joined
from tests.integration.web.accounts import Person, log_in
from tests.integration.web.test_sweeper import sweeping
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, face_over, face_with, with_ledger
from web.console import shared_page
from web.objects.checksums import PIECE_BYTES

face = face_with(with_ledger, sharing={"enabled": True, "links_max": 3})
PNG, HASH = b"\x89PNG a picture", b"s" * 32
NODE_KEY = "ab" * 32


def receipt_of(job: UUID, node: UUID, verdict: str) -> IssuedReceipt:
    work = {"job": str(job), "unit": 0, "node": {"id": str(node), "key": NODE_KEY}}
    document = {"verdict": verdict, "price": PRICE, "work": work}
    return IssuedReceipt(json.dumps(document), b"g" * 64, PRICE)


async def rendered(
    face: Face, dsn: str, user: Visitor, verdict: str = "consistent", **params: Any
) -> UUID:
    """Book a picture of the user with this verdict, whose object is stored, and return the job."""
    job, node = uuid4(), await joined(dsn, ", owner_id", f", '{user.id}'")
    verifier = await joined(dsn, ", is_embedded", ", true")
    order = dispatch(UUID(user.id), job, PRICE, 1, node)
    if params:
        insert, *rest = order.effects
        assert isinstance(insert, JobInsert)
        order = type(order)((), (with_plan(insert, params={"frame": 1, **params}), *rest))
    assert isinstance(await face.book(order), Posted)
    key = result_key(UUID(user.id), job, 0, 1)
    await face.objects.put(key, PNG)
    of, operator = (job, 0, 1), operator_account(UUID(user.id))
    place = f"s3://{face.gateway.settings.objects.bucket}/{key}"
    result = UnitComplete(*of, node, place, HASH, len(PNG), verified=True, operator=operator)
    assert isinstance(await face.do(UnitDeliver(result, "cpu/avx2/5.2")), Posted)
    decided = UnitVerdict(
        *of,
        verdict,  # type: ignore[arg-type]
        operator=operator,
        verifier=verifier,
        receipt=receipt_of(job, node, verdict),
        comparison=Comparison("whole", False, 0.05),
    )
    assert isinstance(await face.do(decided), Posted)
    return job


async def api(face: Face, user: Visitor) -> Person:
    found = await log_in(face, Person(face, user.id, user.email, "", ""))
    assert found is not None
    return found


async def link_of(person: Person, job: UUID, **more: Any) -> Any:
    status, made = await person.ask("POST", f"/api/v1/jobs/{job}/units/0/share-links", more)
    assert status == 201, made
    return made


def path_of(link: str, part: str = "") -> str:
    """Return path and query of a shared picture, or of a part of its page."""
    address = urlsplit(link)
    assert (address.path, address.fragment) == ("/console/shared", "")
    return f"{address.path}{part}?{address.query}"


async def shows_nothing(face: Face, link: str) -> bool:
    """Return True if the page and its parts answer as for an unknown link."""
    unknown = f"http://x/console/shared?link=rts_{'0' * 32}"
    for part in ("", "/picture", "/thumbnail", "/receipt"):
        answers = [await nobody(face).ask("GET", path_of(each, part)) for each in (link, unknown)]
        texts = [re.sub("<code>[0-9a-f]+</code>", "", await each.text()) for each in answers]
        texts = [re.sub('data-now="[0-9]+"', "", text) for text in texts]
        heads = [set(each.headers) for each in answers]
        if answers[0].status != 404 or texts[0] != texts[1] or heads[0] != heads[1]:
            return False
        assert "noindex" in answers[0].headers["X-Robots-Tag"]
        assert answers[0].headers["Referrer-Policy"] == "no-referrer"
    return True


async def test_whoever_has_the_link_sees_the_picture_and_its_receipt(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await rendered(face, database.owner_dsn, jane)
    person = await api(face, jane)
    made = await link_of(person, job, days=7)
    assert re.fullmatch(r"rts_[0-9a-f]{32}", parse_qs(urlsplit(made["link"]).query)["link"][0])
    answer = await nobody(face).ask("GET", path_of(made["link"]))
    text = await answer.text()
    assert answer.status == 200
    said = plain(text)
    for words in ("consistent", "The whole frame, rendered again", "embedded in the gateway"):
        assert words in said
    assert "Paid10 cr" in said
    assert "not anchored on a blockchain" in said
    for secret in (jane.email, jane.id, "Jane"):
        assert secret not in text
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert '<meta name="robots" content="noindex, nofollow">' in text
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Content-Encoding" not in answer.headers, "the page shows a secret"
    picture = await nobody(face).ask("GET", path_of(made["link"], "/picture"))
    assert (picture.status, await picture.read()) == (200, PNG)
    assert picture.headers["Referrer-Policy"] == "no-referrer"
    assert picture.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert picture.headers["Cache-Control"] == "no-store"
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert f"picture-{str(job)[:8]}-0" in picture.headers["Content-Disposition"]
    assert jane.id not in str(picture.headers), "links of one creator cannot be joined"
    head = await nobody(face).ask("HEAD", path_of(made["link"], "/picture"))
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(PNG)))
    receipt = await nobody(face).ask("GET", path_of(made["link"], "/receipt"))
    document = json.loads(await receipt.text())
    assert (document["format"], document["receipt"]["work"]["job"]) == (
        "rendertrust-receipt-file-v1",
        str(job),
    )
    assert document["proof"] is None, "a visitor adds nothing to the log"
    assert f"receipt-{str(job)[:8]}-0.json" in receipt.headers["Content-Disposition"]


async def test_the_token_is_stored_as_a_hash_and_shown_once(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await rendered(face, database.owner_dsn, jane)
    person = await api(face, jane)
    made = await link_of(person, job)
    token = parse_qs(urlsplit(made["link"]).query)["link"][0]
    row = await fetchval(database.owner_dsn, "SELECT share_links::text FROM share_links")
    assert token not in row
    assert token.removeprefix("rts_") not in row
    status, found = await person.ask("GET", f"/api/v1/share-links?job_id={job}")
    assert (status, found["count"], found["links"][0]["id"]) == (200, 1, made["id"])
    assert token not in json.dumps(found)
    assert (await person.ask("GET", f"/api/v1/share-links?job_id={uuid4()}"))[1]["count"] == 0
    _, text = await jane.get("/console/account")
    assert token not in text
    assert "Shared pictures" in text


async def test_a_link_ends_when_it_is_revoked(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await rendered(face, database.owner_dsn, jane)
    person, other = await api(face, jane), await newcomer(face, email="bob@example.org")
    made = await link_of(person, job)
    bob = await api(face, other)
    path = f"/api/v1/share-links/{made['id']}"
    assert (await bob.ask("DELETE", path))[1]["code"] == "share_link_not_found"
    assert (await nobody(face).get(path_of(made["link"])))[0] == 200
    assert (await person.ask("DELETE", path))[0] == 200
    assert await shows_nothing(face, made["link"])
    assert (await person.ask("DELETE", path))[0] == 404


async def test_a_link_expires(face: Face, database: PostgresEndpoint, jane: Visitor) -> None:
    job = await rendered(face, database.owner_dsn, jane)
    made = await link_of(await api(face, jane), job, days=1)
    over = "UPDATE share_links SET created_at = now() - interval '2 days', expires_at = now()"
    await execute(database.owner_dsn, over)
    assert await shows_nothing(face, made["link"])
    async with sweeping(face) as sweeper:
        await sweeper.ask(SweepDue(), within=60)
    assert await fetchval(database.owner_dsn, "SELECT count(*) FROM share_links") == 0


@pytest.mark.parametrize("cause", ["dispute", "expired", "missing", "deactivated", "deleted"])
async def test_a_picture_that_is_gone_looks_like_an_unknown_link(
    face: Face, database: PostgresEndpoint, jane: Visitor, cause: str
) -> None:
    job = await rendered(face, database.owner_dsn, jane)
    person, user = await api(face, jane), UUID(jane.id)
    made = await link_of(person, job)
    if cause == "dispute":
        await face.do(DisputeOpen(uuid4(), job, 0, user, "black", timedelta(days=1)))
        await face.do(DisputeDecide(job, 0, user, True, "it is"))
    elif cause == "expired":
        columns = "INSERT INTO expired_results (job_id, unit, expired_at)"
        await execute(database.owner_dsn, f"{columns} VALUES ('{job}', 0, now())")
    elif cause == "missing":
        await face.objects.delete(result_key(user, job, 0, 1))
    elif cause == "deactivated":
        await execute(database.owner_dsn, "UPDATE users SET is_active = false")
    else:
        await execute(database.owner_dsn, "DELETE FROM earnings")
        password = {"password": "a long password"}
        status, said = await person.ask("POST", "/api/v1/auth/account/delete", password)
        assert status == 200, said
        assert await fetchval(database.owner_dsn, "SELECT count(*) FROM share_links") == 0
    assert await shows_nothing(face, made["link"])


async def test_a_picture_that_browsers_cannot_show_has_the_node_s_thumbnail(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await rendered(face, database.owner_dsn, jane, format="OPEN_EXR")
    made = await link_of(await api(face, jane), job)
    _, text = await nobody(face).get(path_of(made["link"]))
    assert "Browsers cannot show this picture. Download it." in text
    small = path_of(made["link"], "/thumbnail")
    assert (await nobody(face).get(small))[0] == 404
    columns = "INSERT INTO thumbnails (job_id, unit, frame, attempt, picture)"
    await execute(database.owner_dsn, f"{columns} VALUES ('{job}', 0, 1, 7, '\\xffd80000')")
    assert (await nobody(face).get(small))[0] == 404, "another attempt's, which nobody verified"
    mine = "UPDATE thumbnails SET attempt = 1, picture = '\\xffd8ffd9'"
    await execute(database.owner_dsn, mine)
    _, text = await nobody(face).get(path_of(made["link"]))
    assert f'<img class="result" src="{small}"' in text
    assert "A small picture that the node sent; it was not verified." in text
    answer = await nobody(face).ask("GET", small)
    assert (await answer.read(), answer.content_type) == (b"\xff\xd8\xff\xd9", "image/jpeg")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"


async def test_only_verified_pictures_of_ones_own_are_shared(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    dsn = database.owner_dsn
    person, other = await api(face, jane), await newcomer(face, email="bob@example.org")
    bob = await api(face, other)
    good = await rendered(face, dsn, jane)
    for job in (
        await rendered(face, dsn, jane, "unverified"),
        await rendered(face, dsn, jane, "exact", noisy=True),
    ):
        status, said = await person.ask("POST", f"/api/v1/jobs/{job}/units/0/share-links", {})
        assert (status, said["code"]) == (409, "picture_not_shareable")
        _, text = await jane.get(f"/console/jobs/{job}/share")
        assert "This picture cannot be shared" in text
    for who, path in (
        (bob, f"/api/v1/jobs/{good}/units/0/share-links"),
        (person, f"/api/v1/jobs/{good}/units/1/share-links"),
        (person, f"/api/v1/jobs/{uuid4()}/units/0/share-links"),
    ):
        status, said = await who.ask("POST", path, {})
        assert (status, said["code"]) == (404, "unit_not_found")
    for days in (0, 91, "7"):
        status, _ = await person.ask(
            "POST", f"/api/v1/jobs/{good}/units/0/share-links", {"days": days}
        )
        assert status == 422


async def test_a_user_has_so_many_links_and_no_more(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await rendered(face, database.owner_dsn, jane)
    person = await api(face, jane)
    made = [await link_of(person, job) for _ in range(3)]
    status, said = await person.ask("POST", f"/api/v1/jobs/{job}/units/0/share-links", {})
    assert (status, said["code"]) == (409, "too_many_share_links")
    answer = await jane.post(f"/console/jobs/{job}/share", {"unit": "0", "days": "7"})
    assert answer.status == 409
    assert "You already have 3 share links; revoke one first." in await answer.text()
    assert (await person.ask("DELETE", f"/api/v1/share-links/{made[0]['id']}"))[0] == 200
    await link_of(person, job)


async def test_sharing_is_off_unless_an_admin_turns_it_on(database: PostgresEndpoint) -> None:
    async with face_over(database, with_ledger, sharing={"enabled": True}) as face:
        jane = await newcomer(face)
        job = await rendered(face, database.owner_dsn, jane)
        made = await link_of(await api(face, jane), job)
        objects = face.objects
    async with face_over(database, with_ledger) as face:
        await face.objects.put(
            result_key(UUID(jane.id), job, 0, 1),
            await objects.get(result_key(UUID(jane.id), job, 0, 1)),
        )
        assert await shows_nothing(face, made["link"])
        person = await api(face, Visitor(face, jane.jar, jane.id, jane.email))
        status, said = await person.ask("POST", f"/api/v1/jobs/{job}/units/0/share-links", {})
        assert (status, said["code"]) == (403, "sharing_off")
        assert (await person.ask("GET", "/api/v1/share-links"))[1]["count"] == 1
        assert (await person.ask("DELETE", f"/api/v1/share-links/{made['id']}"))[0] == 200


async def test_the_console_makes_and_revokes_links(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await rendered(face, database.owner_dsn, jane)
    _, text = await jane.get(f"/console/jobs/{job}")
    assert f'href="/console/jobs/{job}/share"' in text
    assert "Shared pictures" not in text
    answer = await jane.post(f"/console/jobs/{job}/share", {"unit": "0", "days": "30"})
    assert answer.headers["Location"] == f"/console/jobs/{job}/share?unit=0"
    _, text = await jane.get(f"/console/jobs/{job}/share?unit=0")
    found = re.search(r'<code id="once">(\S+)</code>', text)
    assert found is not None
    link = found[1]
    assert (await nobody(face).get(path_of(link)))[0] == 200
    _, text = await jane.get(f"/console/jobs/{job}/share?unit=0")
    assert link not in text
    for there, back in (
        (f"/console/jobs/{job}/share/revoke", f"/console/jobs/{job}/share"),
        ("/console/account/shares/revoke", "/console/account"),
    ):
        _, text = await jane.get(f"/console/jobs/{job}")
        (which,) = re.findall(r'id="share-([0-9a-f-]{36})"', text)
        foreign = await jane.post(there, {"which": which}, Origin="https://evil.example")
        assert foreign.status == 403
        other = await newcomer(face, email=f"{which[:4]}@example.org")
        assert (await other.post(there, {"which": which})).status == 404
        answer = await jane.post(there, {"which": which})
        assert (answer.status, answer.headers["Location"]) == (303, back)
        await jane.post(f"/console/jobs/{job}/share", {"unit": "0", "days": "1"})
    assert await shows_nothing(face, link)


async def test_no_answer_below_the_page_is_indexed(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    made = await link_of(await api(face, jane), await rendered(face, database.owner_dsn, jane))
    for method in ("HEAD", "POST", "PUT", "OPTIONS", "DELETE"):
        for part in ("", "/picture", "/thumbnail", "/receipt", "/x"):
            answer = await nobody(face).ask(method, path_of(made["link"], part))
            said = answer.headers.get("X-Robots-Tag")
            assert said == "noindex, nofollow", (method, part, answer.status)


async def test_a_large_picture_is_sent_in_pieces_and_cut_if_one_is_missing(
    face: Face, database: PostgresEndpoint, jane: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await rendered(face, database.owner_dsn, jane)
    path = path_of((await link_of(await api(face, jane), job))["link"], "/picture")
    key, large = result_key(UUID(jane.id), job, 0, 1), PNG + bytes(2 * PIECE_BYTES)
    await face.objects.put(key, large)
    assert await (await nobody(face).ask("GET", path)).read() == large
    real = face.objects.piece

    async def piece(key: str, start: int, size: int) -> bytes:
        if start:
            raise ObjectMissing(key)
        return await real(key, start, size)

    with monkeypatch.context() as patch:
        patch.setattr(face.objects, "piece", piece)
        with pytest.raises(ClientError):
            await (await nobody(face).ask("GET", path)).read()
    monkeypatch.setattr(shared_page, "SENT_TO_ONE_MAX", 0)
    assert (await nobody(face).ask("GET", path)).status == 429
    monkeypatch.setattr(shared_page, "SENT_TO_ONE_MAX", 1)
    monkeypatch.setattr(shared_page, "SENT_MAX", 0)
    assert (await nobody(face).ask("GET", path)).status == 503


TOKENS = ("", "?link=", "?link=x", f"?link={'x' * 5000}", "?link=%00", "?link=é", "?link=a&link=b")


@pytest.mark.parametrize("query", TOKENS)
async def test_no_token_is_an_unknown_link(face: Face, query: str) -> None:
    answer = await nobody(face).ask("GET", f"/console/shared{query}")
    assert answer.status == 404
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"


async def test_the_log_has_no_token(
    database: PostgresEndpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    logs = {"access": True}
    async with face_over(database, with_ledger, sharing={"enabled": True}, logs=logs) as face:
        jane = await newcomer(face)
        made = await link_of(await api(face, jane), await rendered(face, database.owner_dsn, jane))
        for part in ("", "/picture", "/thumbnail", "/receipt"):
            await nobody(face).ask("GET", path_of(made["link"], part))
    told = "".join(capfd.readouterr())
    assert "/console/shared/receipt" in told
    assert "rts_" not in told


async def test_links_are_part_of_the_export(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = await rendered(face, database.owner_dsn, jane)
    person = await api(face, jane)
    made = await link_of(person, job)
    _, found = await person.ask("GET", "/api/v1/auth/account/export")
    assert [each["id"] for each in found["share_links"]] == [made["id"]]
    assert "rts_" not in json.dumps(found)
