"""Pages, static files and refusals, as a browser gets them."""

import html
import re

import pytest

from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, live, newcomer, nobody
from tests.support.http_gateway import Face, face_over, serving, settings_for_tests
from web.console import template_rendering
from web.console.assets import assets


async def test_a_page_allows_nothing_inline_and_is_kept_by_nobody(face: Face) -> None:
    visitor = await newcomer(face)
    answer = await visitor.ask("GET", "/console")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", await answer.text())


@pytest.mark.parametrize(
    ("server", "objects", "host", "source"),
    [
        ("", "", "farm.local:8000", "farm.local:8000/console/static/"),
        ("", "", "10.0.0.7", "10.0.0.7/console/static/"),
        (
            "https://farm.example.org",
            "",
            "gateway:8000",
            "farm.example.org/console/static/ gateway:8000/console/static/",
        ),
        ("", "https://store.example.org", "farm.local:8000", "'self'"),
        ("", "https://store.example.org", "[::1]:8000", "'self'"),
    ],
)
async def test_scripts_come_from_the_assets_alone_where_objects_have_the_same_origin(
    database: PostgresEndpoint, server: str, objects: str, host: str, source: str
) -> None:
    async with face_over(
        database, server={"public_url": server}, objects={"public_url": objects}
    ) as face:
        answer = await nobody(face).ask("GET", "/console/sign-in", headers={"Host": host})
        policy = answer.headers["Content-Security-Policy"].split("; ")
        for kind in ("script-src", "style-src", "worker-src"):
            assert f"{kind} {source}" in policy


@pytest.mark.parametrize("server", ["", "https://farm.example.org"])
async def test_at_an_ipv6_address_each_tag_of_the_assets_is_named(
    database: PostgresEndpoint, server: str
) -> None:
    """A content security policy cannot name a path at an IPv6 address, so the page's own tags have
    a nonce.
    """
    nonces = set()
    async with face_over(database, server={"public_url": server}) as face:
        for _ in range(2):
            answer = await nobody(face).ask(
                "GET", "/console/sign-in", headers={"Host": "[::1]:8000"}
            )
            policy = answer.headers["Content-Security-Policy"]
            for kind in ("script-src", "style-src"):
                sources = re.findall(rf"{kind} ([^;]*);", policy)
                assert len(sources) == 1
                nonce = re.fullmatch(r"'nonce-([A-Za-z0-9_-]{20,})'", sources[0])
                assert nonce is not None, policy
                named = f'nonce="{nonce[1]}"'
                nonces.add(nonce[1])
            page = await answer.text()
            tags = re.findall(r"<script[^>]*>|<link rel=\"stylesheet\"[^>]*>", page)
            assert len(tags) >= 3
            assert all(named in tag for tag in tags), tags
    assert len(nonces) == 2, "each page has a nonce of its own"


def test_every_tag_that_loads_something_may_have_a_nonce() -> None:
    for path in template_rendering.TEMPLATES.glob("*.html"):
        tags = re.findall(r"<script[^>]*>|<link rel=\"stylesheet\"[^>]*>", path.read_text())
        assert all("{{ nonced }}" in tag for tag in tags if "asset(" in tag), path.name


async def test_only_where_browsers_trust_the_address_is_an_opener_refused(
    database: PostgresEndpoint,
) -> None:
    """At other addresses Chromium ignores the header and reports an error on every page."""
    pool, name = Database(lambda: database.app_dsn), "Cross-Origin-Opener-Policy"
    public = {"server": {"public_url": "https://farm.example.org"}}
    async with serving(pool, settings_for_tests(**public)) as face:
        for host, given in (
            ("127.0.0.1:8000", "same-origin"),
            ("localhost:8000", "same-origin"),
            ("[::1]:8000", "same-origin"),
            ("farm.example.org", "same-origin"),
            ("192.168.1.7:8000", None),
            ("127.example.org", None),
            ("farm.local", None),
        ):
            answer = await nobody(face).ask("GET", "/console/sign-in", headers={"Host": host})
            assert answer.status == 200
            assert answer.headers.get(name) == given, host
    await pool.close()


async def test_files_are_kept_for_ever_under_a_name_of_their_own(face: Face) -> None:
    visitor = nobody(face)
    for name in assets().files:
        answer = await visitor.ask("GET", assets().url(name))
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Encoding"] in ("br", "gzip")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        tag = {"If-None-Match": answer.headers["ETag"]}
        assert (await visitor.ask("GET", assets().url(name), headers=tag)).status == 304
    plain = await visitor.ask(
        "GET", assets().url("console.css"), headers={"Accept-Encoding": "identity"}
    )
    assert "Content-Encoding" not in plain.headers
    other = await visitor.ask("GET", "/console/static/0000/console.css")
    assert (other.status, other.headers["Cache-Control"]) == (200, "no-cache")
    for path in ("/console/static/0000/manifest.json", "/console/static/0/..%2Fsite.py"):
        assert (await visitor.ask("GET", path)).status == 404


async def test_the_settings_are_one_table_by_what_they_are_about_or_sorted_as_a_whole(
    face: Face, database: PostgresEndpoint
) -> None:
    ann = await newcomer(face, database.owner_dsn, "admin")
    path, rows = "/console/settings?tab=values", r'scope="row" data-label="Name"><code>([^<]+)<'
    _, text = await ann.get(path)
    assert text.count("<table") == 1
    sections = re.findall(r'id="s-(\w+)"><th scope="rowgroup" colspan="4">', text)
    assert sections[0] == "changed", "what differs from the default comes first"
    assert {"general", "server", "jwt"} < set(sections)
    assert sections == [each for each in sections if f'href="#s-{each}"' in text]
    names = re.findall(rows, text)
    assert len(set(names)) == len(names)
    changed = text.partition('id="s-changed"')[2].partition("<tbody>")[0]
    assert "jwt.secret" in re.findall(rows, changed)
    assert "<small>default</small>" not in changed
    _, text = await ann.get(f"{path}&sort=-name")
    assert re.findall(rows, text) == sorted(names, key=str.casefold, reverse=True)
    assert 'scope="rowgroup"' not in text


async def test_an_old_link_behind_the_last_page_leads_to_the_first(
    face: Face, database: PostgresEndpoint
) -> None:
    ann = await newcomer(face, database.owner_dsn, "admin")
    for page in ("/console/jobs?q=type:echo&", "/console/dead-letters?kind=jobs&"):
        _, text = await ann.get(f"{page}offset=500")
        assert "Nothing on this page" in text
        assert f'href="{page.removesuffix("&").replace("&", "&amp;")}"' in text.replace("%3A", ":")


async def test_the_settings_name_the_file_to_edit(face: Face, database: PostgresEndpoint) -> None:
    ann = await newcomer(face, database.owner_dsn, "admin")
    _, text = await ann.get("/console/settings")
    words = re.sub(r"<[^>]+>", "", text)
    assert re.search(r"edit \S*gateway\.toml and restart", words)
    assert "](#" not in text


async def test_what_is_not_there_is_a_page(face: Face) -> None:
    visitor = await newcomer(face)
    for path in ("/console/nothing", "/console/pictures/none", "/console/a/b/c"):
        status, text = await visitor.get(path)
        assert status == 404, path
        assert "<h1>Not found</h1>" in text
        assert re.search('<a href="/help/errors/#[a-z_]*not_found">What to do</a>', text)
    answer = await visitor.ask("GET", "/console/")
    assert (answer.status, answer.headers["Location"]) == (303, "/console")


async def test_pages_of_others_are_refused(face: Face) -> None:
    visitor = await newcomer(face)
    status, text = await visitor.get("/console/actors")
    assert status == 403
    assert "You may not do this" in text
    assert (await visitor.ask("GET", live("/console/actors"))).status == 403


async def test_an_auditor_sees_what_an_admin_sees(face: Face, database: PostgresEndpoint) -> None:
    for role, email in (("admin", "ann@example.org"), ("auditor", "rita@example.org")):
        visitor = await newcomer(face, database.owner_dsn, role, email)
        for path in (
            "",
            "/actors",
            "/fleet",
            "/fleet?show=tiles",
            "/system",
            "/settings?tab=audit",
        ):
            assert (await visitor.get(f"/console{path}"))[0] == 200


async def test_while_postgresql_is_away_a_page_says_so(
    face: Face, database: PostgresEndpoint
) -> None:
    visitor = await newcomer(face)
    assert isinstance(face.gateway.database, Database)
    await face.gateway.database.close()
    answer = await visitor.ask("GET", "/console")
    text = await answer.text()
    assert answer.status == 503
    assert answer.headers["Retry-After"]
    assert "PostgreSQL does not answer, trying again" in text
    assert "data-retry" in text


async def test_too_many_sign_ins_are_refused_like_logins(database: PostgresEndpoint) -> None:
    async with face_over(database, limits={"login": 2}) as face:
        guess = {"email": "jane@example.org", "password": "a wrong password"}
        answer = await face.client.post("/api/v1/auth/login", json=guess)
        assert answer.status == 401
        visitor = nobody(face)
        assert (await visitor.post("/console/sign-in", guess)).status == 401
        answer = await visitor.post("/console/sign-in", guess)
        assert answer.status == 429, "sign-ins and logins of the API are counted together"
        assert "Too many attempts" in await answer.text()


async def test_a_user_sees_no_picture_of_another(face: Face) -> None:
    visitor = await newcomer(face)
    status, _ = await visitor.get("/console/pictures/00000000-0000-4000-8000-000000000000")
    assert status == 404


async def test_a_filter_that_is_too_long_is_answered_beside_its_field(face: Face) -> None:
    visitor = await newcomer(face)
    status, text = await visitor.get(f"/console/jobs?q={'x' * 501}")
    assert (status, "A filter has at most 500 characters" in text) == (200, True)
    assert 'aria-describedby="misread"' in text


async def test_a_filter_with_what_cannot_be_stored_is_answered_beside_its_field(face: Face) -> None:
    visitor = await newcomer(face)
    for sent, shown in (
        ("%00", "\ufffd"),
        ("%07", "\x07"),
        ("%1B", "\x1b"),
        ("%ED%A0%80", "\ufffd"),
    ):
        status, text = await visitor.get(f"/console/jobs?q=status:failed{sent}")
        assert (status, 'aria-describedby="misread"' in text) == (200, True), sent
        assert f'value="status:failed{shown}' in text
    status, text = await visitor.get("/console/jobs?q%00=1&sort=")
    assert (status, "<h1>Jobs</h1>" in text) == (200, True)


@pytest.mark.parametrize(
    ("address", "said", "back"),
    [
        ("jobs?sort=nonsense", "Sort must be one of name, status, user, node, price,", "jobs"),
        ("jobs?sort=%00", "Sort must be one of name, status, user, node, price,", "jobs"),
        ("fleet?is=brokn", "Is must be one of healthy, unhealthy, offline, registered,", "fleet"),
        ("checks?is=fine", "Is must be one of pending, invalid, unverifiable,", "checks"),
        ("ledger?kind=USE", "Kind must be one of STRIPE, USAGE, ADJUSTMENT,", "ledger"),
        ("ledger?show=all", "Show must be one of entries, anchors", "ledger"),
        ("users?sort=password_hash", "Sort must be one of ", "users"),
        ("actors?sort=-", "Sort must be one of ", "actors"),
        ("actors?sort=log.at.", "log.at, log.actor, log.reason, log.delay, or one", "actors"),
        ("dead-letters?sort=x", "Sort must be one of about, reason, whose, where, tried,", ""),
        ("ledger?sort=x", "Sort must be one of entry_id, kind,", "ledger"),
        ("settings?sort=-x", "Sort must be one of name,", "settings"),
        ("webhooks?sort=x", "Sort must be one of ", "webhooks"),
        ("credits?sort=holds.-x", "Sort must be one of holds.reference,", "credits"),
        ("organisations?sort=x", "Sort must be one of of.name,", "organisations"),
        ("system?sort=took", "Sort must be one of answers.name,", "system"),
        ("settings?tab=x", "Tab must be one of values, keys, prices,", "settings"),
        ("dead-letters?kind=x", "Kind must be one of jobs, events, webhooks, messages", ""),
    ],
)
async def test_a_word_that_an_address_does_not_know_is_answered_by_those_it_knows(
    address: str, said: str, back: str, ann: Visitor
) -> None:
    status, text = await ann.get(f"/console/{address}")
    assert (status, said in text) == (422, True), text
    assert f'href="/console/{back}' in text


async def test_pages_are_compressed_but_not_one_with_a_secret(face: Face) -> None:
    visitor = await newcomer(face)
    accepts = {"Accept-Encoding": "gzip, deflate"}
    page = await visitor.ask("GET", "/console/jobs", headers=accepts)
    assert page.headers["Content-Encoding"] == "gzip"
    assert "<h1>Jobs</h1>" in await page.text()
    plain = await visitor.ask("GET", "/console/jobs", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    new = {"url": "https://farm.example.com/hooks", "told": "all"}
    assert (await visitor.post("/console/webhooks", new)).status == 303
    told = await visitor.ask("GET", "/console/webhooks", headers=accepts)
    assert "whsec_" in await told.text()
    assert "Content-Encoding" not in told.headers
    again = await visitor.ask("GET", "/console/webhooks", headers=accepts)
    assert again.headers["Content-Encoding"] == "gzip"


TABLES = (
    *("", "/actors", "/credits", "/dead-letters", "/ledger", "/ledger?show=anchors", "/webhooks"),
    *("/organisations", "/system", "/dead-letters?kind=messages", "/settings?tab=audit"),
    *(f"/settings?tab={tab}" for tab in ("values", "keys", "prices", "limits", "webhooks")),
)


@pytest.mark.parametrize("page", TABLES)
async def test_each_head_of_a_table_leads_to_a_page(page: str, ann: Visitor) -> None:
    _, text = await ann.get(f"/console{page}")
    there = {html.unescape(each) for each in re.findall(r'href="([^"]*[?&;]sort=[^"]*)"', text)}
    there |= {"/console/actors?sort=log.-at"} if page == "/actors" else set()
    for address in there:
        status, found = await ann.get(address)
        assert status == 200, (address, found)
