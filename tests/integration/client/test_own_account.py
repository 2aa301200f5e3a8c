"""``rendertrust account``, and ids that are typed in part."""

import json
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from rendertrust.cli import exit_codes
from tests.integration.client.conftest import Program
from tests.integration.client.double import NOW, GatewayDouble, refuse

ACCOUNT, SESSIONS = "/api/v1/auth/account", "/api/v1/auth/sessions"
USER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
SHOWN = {
    "id": USER,
    "email": "jane@example.com",
    "name": "Jane \x1b[31m",
    "role": "user",
    "created_at": NOW,
    "verified_at": None,
    "mails": ["job.failed"],
}


def session(sid: str, *, current: bool = False) -> dict[str, Any]:
    return {
        "sid": sid,
        "client": "Chrome",
        "current": current,
        "created_at": NOW,
        "refreshed_at": NOW,
        "expires_at": NOW,
    }


def answering(body: object, seen: list[Any] | None = None) -> Any:
    async def answer(request: web.Request) -> web.Response:
        if seen is not None:
            seen.append(await request.json())
        return web.json_response(body)

    return answer


async def test_the_account_is_shown(jane: Program, gateway: GatewayDouble) -> None:
    gateway.script(f"GET {ACCOUNT}", *2 * [answering(SHOWN)])
    told = await jane.run("account", "show")
    assert told.code == 0, told
    assert "jane@example.com (not verified)" in told.out
    assert "job.failed" in told.out
    assert "\x1b" not in told.out
    assert (await jane.run("account", "show", "--json")).document["id"] == USER


async def test_the_password_is_changed_and_is_no_argument(
    jane: Program, gateway: GatewayDouble
) -> None:
    seen, path = list[Any](), "POST /api/v1/auth/password"
    gateway.script(path, *2 * [answering({"message": "x"}, seen)])
    told = await jane.run(
        "account", "password", "--password-stdin", typed="old one\nnew password\n"
    )
    assert told.code == 0, told
    variables = {"RENDERTRUST_PASSWORD": "old one", "RENDERTRUST_NEW_PASSWORD": "new password"}
    assert (await jane.run("account", "password", **variables)).code == 0
    assert seen == 2 * [{"old_password": "old one", "new_password": "new password"}]
    short = await jane.run("account", "password", "--password-stdin", typed="old one\nshort\n")
    assert (short.code, "too short" in short.err) == (exit_codes.USAGE, True)
    gateway.script(path, refuse(403, "no", code="password_incorrect"))
    told = await jane.run("account", "password", **variables)
    assert (told.code, "If you forgot it" in told.err) == (exit_codes.FAILURE, True)


async def test_sessions_are_listed_and_ended(jane: Program, gateway: GatewayDouble) -> None:
    here, one, two = (f"{n}abc{str(uuid4())[4:]}" for n in "123")
    listed = [session(here, current=True), session(one), session(two)]
    page = answering({"sessions": listed, "count": 3})
    gateway.script(f"GET {SESSIONS}", *5 * [page])
    told = await jane.run("account", "sessions")
    assert "this one" in told.out
    assert two in told.out
    for sid in (one, one, two):
        gateway.script(f"DELETE {SESSIONS}/{sid}", answering({"message": "x"}))
    told = await jane.run("account", "sessions", "--end", one[:6], "--json")
    assert told.document == {"ended": [one]}
    told = await jane.run("account", "sessions", "--end-others")
    assert told.out == "Ended: 2 sessions.\n"
    assert gateway.seen[f"DELETE {SESSIONS}/{here}"] == 0
    told = await jane.run("account", "sessions", "--end", "ffff")
    assert (told.code, "No session of yours" in told.err) == (exit_codes.NOT_FOUND, True)


async def test_the_data_is_exported(jane: Program, gateway: GatewayDouble) -> None:
    gateway.script(f"GET {ACCOUNT}/export", *2 * [answering({"account": SHOWN})])
    told = await jane.run("account", "export")
    assert told.code == 0, told
    saved = jane.home / "rendertrust-account.json"
    assert json.loads(saved.read_text()) == {"account": SHOWN}
    told = await jane.run("account", "export", "mine.json", "--json")
    assert told.document["path"] == "mine.json"


async def test_an_export_that_breaks_off_leaves_no_file(
    jane: Program, gateway: GatewayDouble
) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b'{"account": ')
        assert request.transport is not None
        request.transport.close()
        return answer

    gateway.script(f"GET {ACCOUNT}/export", half)
    told = await jane.run("account", "export")
    assert told.code == exit_codes.UNAVAILABLE, told
    assert not list(jane.home.glob("*.json"))


async def test_the_account_is_deleted_and_the_login_forgotten(
    jane: Program, gateway: GatewayDouble
) -> None:
    seen, words = list[Any](), ("account", "delete", "--password-stdin")
    told = await jane.run(*words, typed="correct horse\n")
    assert (told.code, "--yes" in told.err) == (exit_codes.USAGE, True)
    busy = refuse(409, "The account cannot be deleted yet: 1 job", code="account_unsettled")
    gateway.script(f"POST {ACCOUNT}/delete", busy, answering({"message": "x"}, seen))
    told = await jane.run(*words, "--yes", typed="correct horse\n")
    assert told.code == exit_codes.FAILURE
    assert "1 job" in told.err
    assert "rendertrust jobs list" in told.err
    told = await jane.run(*words, "--yes", typed="correct horse\n")
    assert told.code == 0, told
    assert seen == [{"password": "correct horse"}]
    assert "for good" in told.err
    assert (await jane.run("account", "show")).code == exit_codes.NOT_AUTHENTICATED


@pytest.mark.parametrize("typed", ["short", "upper", "plain"])
async def test_the_beginning_of_an_id_suffices(
    jane: Program, gateway: GatewayDouble, typed: str
) -> None:
    job, *_ = [gateway.add_job() for _ in range(3)]
    words = {"short": job[:12], "upper": job[:12].upper(), "plain": job[:12].replace("-", "")}
    told = await jane.run("jobs", "show", words[typed], "--json")
    assert told.document["id"] == job, told


async def test_an_ambiguous_beginning_lists_the_candidates(
    jane: Program, gateway: GatewayDouble
) -> None:
    job = gateway.add_job()
    twin = job[:-1] + ("0" if job[-1] != "0" else "1")
    gateway.jobs[twin] = {**gateway.jobs[job], "id": twin}
    told = await jane.run("jobs", "cancel", job[:8])
    assert told.code == exit_codes.USAGE
    assert f"{job[:8]} may mean more than one job of yours; give an id" in told.err
    assert job in told.err
    assert twin in told.err
    told = await jane.run("jobs", "cancel", job[:8], "--json")
    assert set(told.document["error"]["candidates"]) == {job, twin}
    assert told.document["error"]["code"] == "ambiguous_id"
    told = await jane.run("jobs", "show", "ffff0000")
    assert told.code == exit_codes.NOT_FOUND
    assert "rendertrust jobs list" in told.err
    for other in ("abc", "no-id"):
        told = await jane.run("jobs", "show", other)
        assert (told.code, "rendertrust jobs list" in told.err) == (exit_codes.NOT_FOUND, True)


async def test_a_url_without_a_scheme_is_understood(jane: Program, gateway: GatewayDouble) -> None:
    bare = gateway.url.removeprefix("http://")
    assert (await jane.run("--url", bare, "jobs", "list")).code == 0
