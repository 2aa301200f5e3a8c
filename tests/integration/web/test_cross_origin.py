"""Cross-origin requests: what is allowed to whom, and what caches are told."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from config.loader import SettingsError
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.http_gateway import Face, face_over, settings_for_tests
from web.http.idempotency import HEADER
from web.middleware.cross_origin import REQUEST_HEADERS, RESPONSE_HEADERS
from web.openapi.error_responses import HEADERS
from web.routes import OPERATIONS

APP = "https://app.example.org"
ALLOW = "Access-Control-Allow-Origin"
BALANCE = "/api/v1/credits/balance"
PREFLIGHT = {
    "Access-Control-Request-Method": "DELETE",
    "Access-Control-Request-Headers": "authorization",
}


@pytest_asyncio.fixture
async def shared(database: PostgresEndpoint) -> AsyncGenerator[Face]:
    async with face_over(database, cors={"origins": APP}) as face:
        yield face


async def test_a_preflight_of_an_allowed_origin_is_answered(shared: Face) -> None:
    headers = {"Origin": APP, **PREFLIGHT}
    for path in (BALANCE, "/api/v1/no/such/path", "/rendertrust/some/object"):
        async with shared.client.options(path, headers=headers) as answer:
            assert answer.status == 204, path
            assert answer.headers[ALLOW] == APP
            assert answer.headers["Vary"] == "Origin"
            assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
            assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param(
            BALANCE, {"Origin": "https://app.example.org.evil.test", **PREFLIGHT}, 405, id="other"
        ),
        pytest.param(BALANCE, {"Origin": "null", **PREFLIGHT}, 405, id="null"),
        pytest.param(BALANCE, PREFLIGHT, 405, id="no-origin"),
        pytest.param("/console/sign-in", {"Origin": APP, **PREFLIGHT}, 405, id="console"),
    ],
)
async def test_no_other_preflight_is(
    shared: Face, path: str, headers: dict[str, str], status: int
) -> None:
    async with shared.client.options(path, headers=headers) as answer:
        assert answer.status == status
        assert ALLOW not in answer.headers


async def test_refusals_can_be_read_too(shared: Face) -> None:
    async with shared.client.get(BALANCE, headers={"Origin": APP}) as answer:
        assert answer.status == 401
        assert answer.headers[ALLOW] == APP
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


async def test_caches_keep_the_answers_to_origins_apart(shared: Face) -> None:
    async with shared.client.get("/openapi.json") as answer:
        assert "Origin" in answer.headers["Vary"]
        assert ALLOW not in answer.headers
    async with shared.client.get(BALANCE) as answer:  # no-store
        assert "Vary" not in answer.headers


async def test_without_the_setting_nothing_is_added(face: Face) -> None:
    async with face.client.options(BALANCE, headers={"Origin": APP, **PREFLIGHT}) as answer:
        assert answer.status == 405
        assert {ALLOW, "Vary"}.isdisjoint(answer.headers)


def test_every_header_of_the_description_is_allowed() -> None:
    assert HEADERS.keys() <= set(RESPONSE_HEADERS)
    assert HEADER in REQUEST_HEADERS
    server_only = {"Stripe-Signature"}
    named = {name for operation in OPERATIONS for name in operation.headers} - server_only
    assert named <= set(REQUEST_HEADERS)


@pytest.mark.parametrize(
    "origins",
    [
        pytest.param("*", id="star"),
        pytest.param("null", id="null"),
        pytest.param("app.example.org", id="no-scheme"),
        pytest.param("https://app.example.org/", id="slash"),
        pytest.param("https://App.example.org", id="upper-case"),
        pytest.param("https://app.example.org:443", id="usual-port"),
        pytest.param("http://app.example.org:70000", id="high-port"),
        pytest.param("https://*.example.org", id="pattern"),
        pytest.param("https://user@example.org", id="user"),
        pytest.param(f"{APP}, ftp://example.org", id="scheme"),
        pytest.param(",".join(f"https://a{n}.example.org" for n in range(101)), id="too-many"),
    ],
)
def test_what_no_browser_sends_stops_the_start(origins: str) -> None:
    with pytest.raises(SettingsError, match=r"cors\.origins has"):
        settings_for_tests(cors={"origins": origins})


@pytest.mark.parametrize(
    "origin",
    [APP, "http://localhost:5173", "http://[::1]:3000", "https://farm"],
    ids=["host", "port", "ipv6", "short"],
)
def test_origins_are_accepted(origin: str) -> None:
    assert settings_for_tests(cors={"origins": f" {origin} ,"}).cors.allowed() == {origin}
