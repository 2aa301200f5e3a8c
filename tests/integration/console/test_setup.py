"""The first run: the assistant at ``/setup``, and attacks on it."""

import asyncio
import json
import socket
import tomllib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiosmtpd.controller import Controller

from config.loader import load
from config.settings import Settings
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, nobody
from tests.integration.web.accounts import register
from tests.support.databases import execute
from tests.support.free_ports import free_port
from tests.support.http_gateway import Face, face_over, face_with, with_ledger
from tests.support.until import until
from web.console.setup.answers import SetupAnswers
from web.console.setup.offer import SetupPlace

TOKEN = "rts_" + "5" * 32
KEY = "0123456789abcdefghijklmnopqrstuvwxyz" * 2
PASSWORD = "long enough for all"
FARM = {"kind": "studio", "name": "Ann's Farm", "address": "https://farm.example.org/"}
ADMIN = {"name": "Ann", "email": "ann@example.org", "password": PASSWORD}
SERVICES = {"mail": "none", "chain": "none", "payments": "none"}
STRIPE = {
    "payments": "stripe",
    "stripe_key": "sk_test_0123456789abcdefghij",
    "stripe_secret": "whsec_0123456789abcdefghij",
}
DEAD = "This link does not work"
face = face_with(with_ledger)


@attrs.define
class FirstRun:
    """A gateway that offers its set-up, and a browser with the token."""

    face: Face
    browser: Visitor
    folder: Path
    restarts: list[bool] = attrs.field(factory=list[bool])

    @property
    def file(self) -> Path:
        return self.folder / "gateway.toml"

    def offer(self, **more: Any) -> None:
        """Offer the set-up with the token."""
        place = SetupPlace(
            folder=self.folder,
            file=None,
            port=8123,
            load=load,
            unverifiable="no sandbox",
            restart=lambda: self.restarts.append(True),
        )
        setup = self.face.gateway.console.setup
        setup.open(TOKEN, SetupAnswers(KEY), attrs.evolve(place, **more))

    async def enter(self) -> None:
        answer = await self.browser.ask("GET", f"/setup?token={TOKEN}")
        assert (answer.status, answer.headers["Location"]) == (303, "/setup/farm")

    async def answer(self, step: str, form: dict[str, str], to: str) -> None:
        """Send a page's form, which must lead to the page ``to``."""
        answer = await self.browser.post(f"/setup/{step}", form)
        assert answer.status == 303, await answer.text()
        assert answer.headers["Location"] == f"/setup/{to}"

    async def answer_all(self, **services: str) -> None:
        """Answer all pages but the last."""
        await self.enter()
        await self.answer("farm", FARM, "admin")
        await self.answer("admin", ADMIN, "services")
        await self.answer("services", SERVICES | services, "check")

    async def refused(self, step: str, form: dict[str, str]) -> str:
        """Send a page's form, which must be refused; return the page."""
        answer = await self.browser.post(f"/setup/{step}", form)
        assert answer.status == 422
        return str(await answer.text())

    async def finish(self) -> tuple[int, str]:
        answer = await self.browser.post("/setup/check", {})
        return answer.status, await answer.text()

    async def admins(self) -> list[str]:
        async with self.face.gateway.database.connection() as connection:
            rows = await connection.fetch("SELECT email FROM users WHERE role = 'admin'")
        return [row["email"] for row in rows]


@pytest.fixture
async def run(face: Face, tmp_path: Path) -> FirstRun:
    found = FirstRun(face, nobody(face), tmp_path)
    found.offer()
    return found


async def is_dead(run: FirstRun, path: str = "/setup/farm") -> bool:
    status, page = await run.browser.get(path)
    assert (status == 403) == (DEAD in page), page
    return status == 403


async def test_the_answers_become_settings_and_an_admin_who_is_signed_in(run: FirstRun) -> None:
    await run.answer_all(backup=str(run.folder / "backup"))
    status, page = await run.browser.get("/setup/check")
    assert (status, KEY in page, PASSWORD in page) == (200, False, False)
    assert "jwt.secret" in page
    assert not run.file.exists(), "nothing is applied before the last page"
    assert await run.admins() == []
    status, page = await run.finish()
    assert (status, "The gateway is stopping" in page) == (200, True)
    assert await run.admins() == ["ann@example.org"]
    given = tomllib.loads(run.file.read_text())
    assert given == {
        "environment": "production",
        "payments": "none",
        "farm": {"name": "Ann's Farm"},
        "server": {
            "host": "127.0.0.1",
            "port": 8123,
            "public_url": "https://farm.example.org",
            "trusted_proxies": "127.0.0.1",
        },
        "accounts": {"registration": "invite"},
        "credits": {"starter": "1000"},
        "verification": {"enabled": False},
        "backup": {"folder": str(run.folder / "backup")},
    }
    secrets = run.file.with_name("secrets.toml")
    assert tomllib.loads(secrets.read_text()) == {"jwt": {"secret": KEY}}
    assert [each.stat().st_mode & 0o777 for each in (run.file, secrets)] == [0o600, 0o600]
    assert (run.folder / "backup").is_dir()
    assert sorted(each.name for each in run.folder.iterdir()) == [
        *("backup", "gateway.toml", "secrets.toml")
    ]
    assert load(run.file).production
    await until(lambda: run.restarts)
    assert run.restarts == [True]
    status, page = await run.browser.get("/console/set-up-factor")
    assert status == 303, "in development, the second factor is not needed"
    answer = await run.browser.post("/console/sign-in", ADMIN)
    assert answer.status == 303, "the password is that of the second page"
    assert await is_dead(run)


@pytest.mark.parametrize(
    ("farm", "services", "found"),
    [
        (
            {"kind": "community"},
            {},
            {"payments": "none", "credits": {"starter": "100"}},
        ),
        ({"kind": "paid"}, STRIPE, {}),
        ({"kind": "paid"}, {}, {"payments": "none"}),
        ({"kind": "community"}, STRIPE, {}),
        (
            {"kind": "paid", "address": "http://farm.lan:9000"},
            STRIPE | {"mail": "server", "mail_url": "smtp://mail.lan", "mail_sender": "a@farm.lan"},
            {
                "server": {"port": 9000, "public_url": "http://farm.lan:9000"},
                "mail": {"sender": "a@farm.lan"},
            },
        ),
        (
            {"kind": "paid", "address": "HTTP://localhost:9001"},
            STRIPE
            | {"chain": "rpc", "chain_url": "https://x/k", "chain_id": "1"}
            | {"chain_key": "ab" * 32},
            {
                "server": {
                    "host": "127.0.0.1",
                    "port": 9001,
                    "public_url": "http://localhost:9001",
                },
                "chain": {"chain_id": 1},
            },
        ),
        (
            {"kind": "paid"},
            STRIPE | {"chain": "embedded", "mail_url": "smtp://unwanted", "chain_key": "ab" * 32},
            {"chain": {"url": "embedded"}},
        ),
    ],
)
async def test_each_kind_of_farm_has_settings_that_start(
    run: FirstRun, farm: dict[str, str], services: dict[str, str], found: dict[str, Any]
) -> None:
    await run.enter()
    await run.answer("farm", FARM | farm, "admin")
    await run.answer("admin", ADMIN, "services")
    await run.answer("services", SERVICES | services, "check")
    status, page = await run.finish()
    assert status == 200, page
    given = tomllib.loads(run.file.read_text())
    always = {"environment", "farm", "server", "verification"}
    assert {
        name: value for name, value in given.items() if name not in always - set(found)
    } == found
    settings = load(run.file)
    assert settings.production
    assert settings.farm_name == "Ann's Farm"
    secrets = tomllib.loads(run.file.with_name("secrets.toml").read_text())
    assert ("stripe" in secrets) == settings.takes_payments
    for each in ("sk_test", "whsec_", KEY, "ab" * 32):
        assert each not in run.file.read_text()


@pytest.mark.parametrize(
    "name",
    [
        'x"\nenvironment = "development"',
        "x\r\n[server]",
        "x\x00y",
        "x\x7fy",
        "\u2028",
        " ",
        "x" * 61,
    ],
)
async def test_a_name_cannot_add_settings(run: FirstRun, name: str) -> None:
    await run.enter()
    page = await run.refused("farm", FARM | {"name": name})
    assert 'aria-invalid="true"' in page
    assert run.face.gateway.console.setup.of(TOKEN).answers.farm is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ['"', "\\", "'''", '""" # [x]', "a = b", "ä → 日本", "</pre>{{7*7}}"]
)
async def test_quotes_in_a_name_are_only_quotes(run: FirstRun, name: str) -> None:
    await run.enter()
    await run.answer("farm", FARM | {"name": name}, "admin")
    await run.answer("admin", ADMIN, "services")
    await run.answer("services", SERVICES | {"backup": str(run.folder / 'b"ackup')}, "check")
    _, page = await run.browser.get("/setup/check")
    assert "</pre>{{" not in page
    status, _ = await run.finish()
    assert status == 200
    assert load(run.file).farm.name == name
    assert load(run.file).backup.folder == str(run.folder / 'b"ackup')


@pytest.mark.parametrize(
    "address",
    [
        *("farm.example.org", "ftp://farm.example.org", "https://", "https://a b", "//x"),
        *("https://farm.example.org/path", "https://farm.example.org?x", "https://u:p@farm.org"),
        *('https://farm.example.org"\n[x]', "https://farm.example.org:99999", "https://[::1"),
        "javascript:alert(1)",
    ],
)
async def test_an_address_is_scheme_and_host(run: FirstRun, address: str) -> None:
    await run.enter()
    assert "The address must be like" in await run.refused("farm", FARM | {"address": address})


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"mail": "server"}, "The mail server must"),
        ({"mail": "server", "mail_url": "smtp://a", "mail_sender": "a@b c"}, "The sender must"),
        ({"mail": "server", "mail_url": "smtp://a\n[x]", "mail_sender": "a@b"}, "must be one line"),
        ({"backup": "relative"}, "The folder must be an absolute path"),
        ({"backup": "/proc/1/no/such"}, "The folder is not a folder"),
        ({"backup": "/dev/null"}, "The folder is not a folder"),
        ({"backup": "/tmp/" + "y" * 280}, "The folder is not a folder"),
        ({"chain": "rpc"}, "The address must be like"),
        ({"chain": "rpc", "chain_url": "https://"}, "The address must be like"),
        ({"chain": "rpc", "chain_url": "https://u:hush@[::1"}, "The address must be like"),
        ({"chain": "rpc", "chain_url": "https://u:hush@h/ x"}, "The address must be like"),
        ({"chain": "rpc", "chain_url": "https://u:hush@h:99999"}, "The address must be like"),
        ({"mail": "server", "mail_url": "smtp://u:hush@h:99999"}, "The mail server must"),
        ({"chain": "rpc", "chain_key": "x"}, "The key must be 64"),
        ({"payments": "stripe"}, "The key must be a key of Stripe"),
        ({"payments": "paypal"}, "Correct what is marked"),
    ],
)
async def test_services_that_cannot_work_are_refused(
    run: FirstRun, form: dict[str, str], said: str
) -> None:
    await run.enter()
    await run.answer("farm", FARM, "admin")
    await run.answer("admin", ADMIN, "services")
    page = await run.refused("services", SERVICES | form)
    assert said in page
    assert "hush" not in page, "no secret is in a refusal"


async def test_secrets_are_kept_and_never_shown_again(run: FirstRun) -> None:
    mail = {"mail": "server", "mail_url": "smtps://u:hush-hush@mail.lan", "mail_sender": "f@f.lan"}
    await run.answer_all(**mail, **STRIPE)
    for step in ("admin", "services", "check"):
        status, page = await run.browser.get(f"/setup/{step}")
        assert status == 200
        for secret in ("hush-hush", STRIPE["stripe_key"], STRIPE["stripe_secret"], PASSWORD):
            assert secret not in page, step
    await run.answer("admin", ADMIN | {"password": "", "name": "Anna"}, "services")
    await run.answer("services", SERVICES | mail | {"mail_url": "", "payments": "stripe"}, "check")
    status, _ = await run.finish()
    assert status == 200
    assert load(run.file).mail.url == mail["mail_url"]
    assert load(run.file).stripe.secret_key == STRIPE["stripe_key"]
    answer = await run.browser.post("/console/sign-in", ADMIN)
    assert answer.status == 303, "an empty password keeps the first one"


async def test_pages_cannot_be_skipped_but_gone_back_to(run: FirstRun) -> None:
    await run.enter()
    for step in ("admin", "services", "check"):
        answer = await run.browser.ask("GET", f"/setup/{step}")
        assert answer.headers["Location"] == "/setup/farm"
        answer = await run.browser.post(f"/setup/{step}", ADMIN)
        assert answer.headers["Location"] == "/setup/farm"
    await run.answer("farm", FARM, "admin")
    status, page = await run.browser.get("/setup/farm")
    assert (status, "Ann&#39;s Farm" in page) == (200, True)
    assert (await run.browser.get("/setup/nowhere"))[0] == 404


async def test_a_wrong_token_and_a_late_one_open_nothing(run: FirstRun) -> None:
    for token in ("", "rts_" + "6" * 32, TOKEN[:-1], TOKEN.upper(), "ü", "x" * 5_000):
        other = nobody(run.face)
        answer = await other.ask("GET", "/setup", params={"token": token})
        assert (answer.status, DEAD in await answer.text()) == (403, True)
        assert "Set-Cookie" not in answer.headers
    await run.enter()
    assert not await is_dead(run)
    found = run.face.gateway.console.setup.of(TOKEN)
    assert found is not None
    found.ends = 0.0
    assert await is_dead(run)
    assert run.face.gateway.console.setup.of(TOKEN) is None


async def test_without_a_token_and_without_an_offer_there_is_a_page_that_says_how(
    face: Face,
) -> None:
    for path in ("/setup", "/setup/farm", "/setup/check", "/setup?token=x"):
        status, page = await nobody(face).get(path)
        assert (status, "rendertrust serve" in page) == (403, True)


async def test_an_admin_made_elsewhere_ends_the_offer(
    run: FirstRun, database: PostgresEndpoint
) -> None:
    """So does ``rendertrust admin create``, and another gateway."""
    await run.answer_all()
    person = await register(run.face, "root@example.org")
    await execute(database.owner_dsn, f"UPDATE users SET role = 'admin' WHERE id = '{person.id}'")
    status, page = await run.finish()
    assert (status, DEAD in page) == (403, True)
    assert await run.admins() == ["root@example.org"]
    assert not run.file.exists()
    await execute(database.owner_dsn, f"UPDATE users SET role = 'user' WHERE id = '{person.id}'")
    assert await is_dead(run), "the offer does not come back"


async def test_of_two_submissions_at_once_one_wins(run: FirstRun) -> None:
    await run.answer_all()
    done = await asyncio.gather(*(run.finish() for _ in range(5)))
    assert sorted(status for status, _ in done) == [200, 403, 403, 403, 403]
    assert await run.admins() == ["ann@example.org"]
    await until(lambda: run.restarts)
    assert run.restarts == [True]


async def test_of_two_gateways_at_once_one_makes_the_admin(
    run: FirstRun, database: PostgresEndpoint, tmp_path: Path
) -> None:
    async with face_over(database, with_ledger) as other:
        (tmp_path / "other").mkdir()
        rival = FirstRun(other, nobody(other), tmp_path / "other")
        rival.offer()
        await run.answer_all()
        await rival.enter()
        await rival.answer("farm", FARM, "admin")
        await rival.answer("admin", ADMIN | {"email": "eve@example.org"}, "services")
        await rival.answer("services", SERVICES, "check")
        done = await asyncio.gather(run.finish(), rival.finish())
    assert len(await run.admins()) == 1
    assert sorted(status for status, _ in done) in ([200, 403], [200, 409])
    assert [run.file.exists(), rival.file.exists()].count(True) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"X-Nothing": "at all"},
    ],
)
async def test_another_site_cannot_send_the_forms(run: FirstRun, headers: dict[str, str]) -> None:
    await run.answer_all()
    for step, form in (("farm", FARM), ("admin", ADMIN), ("services", SERVICES), ("check", {})):
        answer = await run.browser.post(f"/setup/{step}", form, **headers)
        assert answer.status == 403
        assert "another site" in await answer.text()
    assert await run.admins() == []


async def test_the_public_address_begins_as_that_of_the_page(run: FirstRun) -> None:
    await run.enter()
    for host, shown in (
        ("localhost:8123", "http://localhost:8123"),
        ("Farm.example.org", "http://farm.example.org"),
        ("[::1]:8000", "http://[::1]:8000"),
    ):
        headers = {"Host": host, "X-Forwarded-Host": "evil.example"}
        answer = await run.browser.ask("GET", "/setup/farm", headers=headers)
        page = await answer.text()
        assert f'value="{shown}" placeholder="https://farm' in page, host
        assert "evil" not in page
    for host in ("a b", "u:p@farm.lan", "farm.lan/path", "farm.lan:0", 'x"><script>'):
        answer = await run.browser.ask("GET", "/setup/farm", headers={"Host": host})
        assert (answer.status, "value=" in await answer.text()) == (400, False), host
    await run.answer("farm", FARM, "admin")
    _, page = await run.browser.get("/setup/farm")
    assert 'value="https://farm.example.org"' in page, "what was typed stays"


async def test_the_host_of_a_request_decides_nothing(run: FirstRun) -> None:
    """The public address is what the admin submits."""
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    answer = await run.browser.ask("GET", f"/setup?token={TOKEN}", headers=evil)
    assert answer.headers["Location"] == "/setup/farm"
    for step, form in (("farm", FARM), ("admin", ADMIN), ("services", SERVICES)):
        headers = {**evil, "Sec-Fetch-Site": "same-origin"}
        answer = await run.browser.ask("POST", f"/setup/{step}", data=form, headers=headers)
        assert answer.status == 303
    status, page = await run.finish()
    assert (status, "evil" in page, "evil" in run.file.read_text()) == (200, False, False)


async def test_guesses_are_limited(database: PostgresEndpoint, tmp_path: Path) -> None:
    async with face_over(database, with_ledger, limits={"login": 3}) as face:
        run = FirstRun(face, nobody(face), tmp_path)
        run.offer()
        await run.enter()
        answers = [await nobody(face).get(f"/setup?token={number}") for number in range(4)]
        assert answers[-1][0] == 429
        guesser = nobody(face)
        guesser.jar.update_cookies({"rendertrust-setup": "guess"}, face.client.make_url("/setup"))
        status, _ = await guesser.get("/setup/farm")
        assert status == 429, "cookies are guesses, too"
        assert not await is_dead(run), "whoever has the token goes on"
        await run.answer("farm", FARM, "admin")


async def test_present_settings_are_never_overwritten(run: FirstRun) -> None:
    run.file.write_text("# mine\n")
    await run.answer_all()
    status, page = await run.finish()
    assert (status, "is not overwritten" in page) == (200, True)
    assert KEY in page, "the secrets are shown once, to be put there by hand"
    assert run.file.read_text() == "# mine\n"
    assert sorted(each.name for each in run.folder.iterdir()) == ["gateway.toml"]
    assert await run.admins() == ["ann@example.org"]
    status, _ = await run.browser.get("/console")
    assert status == 200, "the admin is signed in, as the gateway does not restart"
    assert run.restarts == []


async def test_a_settings_file_elsewhere_is_changed_by_hand(run: FirstRun, tmp_path: Path) -> None:
    run.offer(file=tmp_path / "etc.toml")
    await run.answer_all()
    _, page = await run.browser.get("/setup/check")
    assert "never overwritten" in page
    status, page = await run.finish()
    assert (status, "etc.toml exists" in page, run.file.exists()) == (200, True, False)


async def test_settings_that_cannot_be_written_are_shown(run: FirstRun) -> None:
    run.offer(folder=run.folder / "gone")
    await run.answer_all()
    status, page = await run.finish()
    assert (status, "could not be written: No such file" in page) == (200, True)
    assert "public_url" in page


async def test_settings_that_would_not_start_change_nothing(run: FirstRun) -> None:
    def refuse(file: Path) -> Settings:
        return load(file, {"server": {"trusted_proxies": "nowhere"}})

    run.offer(load=refuse)
    await run.answer_all()
    status, page = await run.browser.get("/setup/check")
    assert "server.trusted_proxies" in page
    assert "Set up the farm</button>" not in page
    status, page = await run.finish()
    assert (status, await run.admins(), run.file.exists()) == (409, [], False)


async def test_a_port_that_another_program_has_is_refused(run: FirstRun) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        await run.enter()
        await run.answer("farm", FARM | {"address": f"http://localhost:{port}"}, "admin")
        await run.answer("admin", ADMIN, "services")
        await run.answer("services", SERVICES, "check")
        status, page = await run.finish()
    assert (status, str(port) in page, await run.admins()) == (409, True, [])


async def test_an_address_with_an_account_is_refused_on_its_page(run: FirstRun) -> None:
    await register(run.face, "ann@example.org")
    await run.answer_all()
    status, page = await run.finish()
    assert (status, "already has an account" in page) == (409, True)
    assert not run.file.exists()
    assert not await is_dead(run)
    await run.answer("admin", ADMIN | {"email": "root@example.org"}, "services")
    assert (await run.finish())[0] == 200


async def test_accounts_from_before_the_set_up_are_counted(run: FirstRun) -> None:
    await run.answer_all()
    _, page = await run.browser.get("/setup/check")
    assert "from before the set-up" not in page
    await register(run.face, "eve@example.org")
    _, page = await run.browser.get("/setup/check")
    assert "1 account exists already, from before the set-up" in page
    await register(run.face, "mallory@example.org")
    _, page = await run.browser.get("/setup/check")
    assert "2 accounts exist already" in page
    status, page = await run.finish()
    assert (status, "it has 2 accounts from before the set-up" in page) == (200, True)


async def test_an_address_of_this_machine_is_warned_of(run: FirstRun) -> None:
    await run.answer_all()
    await run.answer("farm", FARM | {"address": "http://127.0.0.1:8123"}, "admin")
    _, page = await run.browser.get("/setup/check")
    assert "on this machine reach the farm at http://127.0.0.1:8123" in page


@pytest.mark.parametrize(("port", "goes_on"), [(8123, True), (9011, False)])
async def test_the_last_page_goes_on_by_itself_unless_the_gateway_moves(
    run: FirstRun, port: int, *, goes_on: bool
) -> None:
    await run.answer_all()
    await run.answer("farm", FARM | {"address": f"http://localhost:{port}"}, "admin")
    status, page = await run.finish()
    assert (status, "/setup.js" in page, "at another address" in page) == (
        *(200, goes_on, not goes_on),
    )


async def test_free_credits_of_others_do_not_become_money(run: FirstRun) -> None:
    await register(run.face, "eve@example.org")
    await run.answer_all(**STRIPE)
    status, page = await run.finish()
    assert (status, "Other accounts exist" in page) == (409, True)
    assert await run.admins() == []


class Inbox:
    """A mail server of a test."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content)
        return "250 OK"


@pytest.fixture
async def inbox() -> AsyncGenerator[tuple[Inbox, int]]:
    found, port = Inbox(), free_port()
    server = Controller(found, hostname="127.0.0.1", port=port)
    server.start()
    yield found, port
    server.stop()


async def test_a_test_mail_is_a_real_try(run: FirstRun, inbox: tuple[Inbox, int]) -> None:
    found, port = inbox
    await run.enter()
    await run.answer("farm", FARM, "admin")
    await run.answer("admin", ADMIN, "services")
    mail = {"mail": "server", "mail_sender": "farm@example.org", "do": "test"}
    for url, said in (
        (f"smtp://127.0.0.1:{port}", "has accepted a mail to ann@example.org"),
        (f"smtp://127.0.0.1:{free_port()}", "127.0.0.1, port"),
    ):
        answer = await run.browser.post("/setup/services", SERVICES | mail | {"mail_url": url})
        assert answer.status == 200
        assert said in await answer.text()
    assert len(found.mails) == 1
    assert b"From: Ann's Farm <farm@example.org>" in found.mails[0]
    answer = await run.browser.post("/setup/services", SERVICES | {"do": "test"})
    assert "Choose a mail server first" in await answer.text()


async def test_the_token_is_in_no_log(run: FirstRun, capfd: pytest.CaptureFixture[str]) -> None:
    await run.answer_all()
    await run.finish()
    captured = capfd.readouterr()
    for line in (captured.out + captured.err).splitlines():
        assert TOKEN not in line, json.dumps(line)
