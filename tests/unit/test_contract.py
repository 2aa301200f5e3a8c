"""Tests that the contract check of API answers finds violations."""

import json
from typing import Any

import pytest

from tests.support.api_description import Heard, our_contract
from web.openapi.examples import jobs as examples_of_jobs
from web.openapi.examples import reference as examples

COUNTED = {"ratelimit-limit": "5", "ratelimit-remaining": "4", "ratelimit-reset": "60"}
JSON = {"content-type": "application/json", "x-request-id": "1", **COUNTED}
REFUSED: dict[str, Any] = {
    "detail": "Not found",
    "code": "not_found",
    "type": "/help/errors/#not_found",
    "title": "Not Found",
    "status": 404,
    "request_id": "1",
}


def heard(
    path: str, status: int, body: Any, headers: dict[str, str] | None = None, method: str = "GET"
) -> None:
    raw = b"" if body is None else json.dumps(body).encode()
    our_contract().check(Heard(method, path, status, JSON if headers is None else headers, raw))


def test_what_is_described_passes() -> None:
    heard("/api/v1/credits/balance", 200, examples.BALANCE)
    heard(f"/api/v1/jobs/{examples.JOB_ID}", 200, examples_of_jobs.JOB)
    heard(f"/api/v1/jobs/{examples.JOB_ID}", 404, REFUSED)
    heard("/api/v1/nothing", 404, REFUSED)
    heard("/api/v1/jobs", 200, None, method="HEAD")
    heard("/bucket/key", 418, None)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({**examples.BALANCE, "more": 1}, "more"),
        ({**examples.BALANCE, "balance": 10}, "10"),
        ({**examples.BALANCE, "balance": "10.00"}, "10.00"),
        ({**examples.BALANCE, "user_id": "1"}, "uuid"),
        ({"balance": "1.0000"}, "user_id"),
    ],
)
def test_a_body_that_does_not_fit_is_told(body: Any, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        heard("/api/v1/credits/balance", 200, body)


def test_a_status_that_is_not_described_is_told() -> None:
    with pytest.raises(AssertionError, match="not described"):
        heard("/api/v1/credits/balance", 418, REFUSED)
    with pytest.raises(AssertionError, match="not described"):
        heard("/api/v1/nothing", 200, {})


def test_a_header_that_is_missing_is_told() -> None:
    with pytest.raises(AssertionError, match="without X-Request-ID"):
        heard("/health", 200, examples.HEALTH, {"content-type": "application/json"})
    with pytest.raises(AssertionError, match="without RateLimit-Limit"):
        heard("/health", 200, examples.HEALTH, {n: v for n, v in JSON.items() if n not in COUNTED})
    with pytest.raises(AssertionError, match="without Retry-After"):
        heard("/health", 429, REFUSED)


def test_another_kind_of_content_is_told() -> None:
    with pytest.raises(AssertionError, match="is text/html"):
        heard("/health", 200, examples.HEALTH, {**JSON, "content-type": "text/html"})
