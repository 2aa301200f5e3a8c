"""A whole gateway with a mail server: kills, the command for admins, and what is logged."""

import re
from urllib.parse import quote

import aiohttp

from tests.acceptance.test_accounts import PASSWORD
from tests.support.databases import execute, fetchval
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import StartGateway
from tests.support.smtp_server import PASSWORD as MAIL_PASSWORD
from tests.support.smtp_server import USER, SmtpServer, smtp_server
from tests.support.until import until

NEW = "another long password"
JANE = {"email": "jane@example.org", "name": "Jane", "password": PASSWORD}
TOKEN = re.compile(r"rtr_[0-9a-f]{32}")


def with_mail(server: SmtpServer) -> dict[str, str]:
    url = f"smtp://{USER}:{quote(MAIL_PASSWORD, safe='')}@localhost:{server.port}"
    return {"RENDERTRUST_MAIL_URL": url, "RENDERTRUST_MAIL_SENDER": "farm@example.org"}


def books(gateway: Gateway) -> str:
    return gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"]


async def post(http: aiohttp.ClientSession, gateway: Gateway, path: str, **body: str) -> int:
    async with http.post(f"{gateway.url}/api/v1/auth{path}", json=body) as answer:
        await answer.read()
        return answer.status


def token_of(server: SmtpServer, number: int) -> str:
    body = server.mails[number].get_body(("plain",))
    assert body is not None
    return str(TOKEN.findall(body.get_content())[0])


async def test_a_mail_survives_a_kill_between_its_sending_and_its_record(
    start_gateway: StartGateway, http: aiohttp.ClientSession
) -> None:
    async with smtp_server(auth=True) as server, start_gateway(**with_mail(server)) as gateway:
        assert await post(http, gateway, "/register", **JANE) == 201
        sent = "SELECT count(*) = 1 FROM mails WHERE state = 'SENT'"
        await until(lambda: fetchval(books(gateway), sent))
        server.mails.clear()  # the mail that verifies the address
        await gateway.kill()
        await gateway.start(RENDERTRUST_CRASH_AT="mailer_sent.DueMail:1")
        assert await post(http, gateway, "/password/forgot", email="jane@example.org") == 202
        # The gateway has sent the mail, and died before it could record that.
        await gateway.ended()
        assert len(server.mails) == 1
        # The mail stays claimed for two minutes; end the claim now.
        await execute(books(gateway), "UPDATE mails SET due_at = now()")
        await gateway.start()
        await until(lambda: len(server.mails) == 2)
        assert server.mails[0]["Message-ID"] == server.mails[1]["Message-ID"]
        first, second = token_of(server, 0), token_of(server, 1)
        assert first != second
        # Both links work, until one is used: the user may open either mail.
        assert await post(http, gateway, "/password/reset", token=first, new_password=NEW) == 200
        assert await post(http, gateway, "/password/reset", token=second, new_password=NEW) == 403
        assert await post(http, gateway, "/login", email=JANE["email"], password=PASSWORD) == 401
        assert await post(http, gateway, "/login", email=JANE["email"], password=NEW) == 200
        await until(lambda: len(server.mails) == 3)
        code, link = await gateway.run("admin", "reset-link", "JANE@example.org")
        assert code == 0, link
        by_hand = TOKEN.findall(link)[0]
        assert f"/console/reset-password#token={by_hand}" in link
        assert (
            await post(http, gateway, "/password/reset", token=by_hand, new_password=PASSWORD)
            == 200
        )
        code, said = await gateway.run("admin", "reset-link", "nobody@example.org")
        assert (code, "There is no active user" in said) == (1, True)
        assert await fetchval(books(gateway), "SELECT count(*) FROM password_resets") == 0
        log = gateway.log.read_text()
        for secret in (first, second, by_hand, MAIL_PASSWORD, quote(MAIL_PASSWORD, safe="")):
            assert secret not in log
        assert set(server.logins) == {(USER, MAIL_PASSWORD)}
