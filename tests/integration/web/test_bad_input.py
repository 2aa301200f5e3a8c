"""Bad input of each kind to routes of each kind: a documented 4xx whose ``detail`` says what is
wrong. The fuzz test asks every route.
"""

import io
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import attrs
import pytest
from multidict import CIMultiDict

from rendertrust.node_key import generate_key, public_pem
from tests.support.http_gateway import Face, Headers
from web.identity.tokens import TokenType

SHA = "ab" * 32
UUID = "550e8400-e29b-41d4-a716-446655440000"
MIB = 1 << 20
DISPATCH = "/api/v1/jobs/dispatch"


@attrs.frozen
class Route:
    """A POST with a valid body, and the field that the bad bodies break."""

    path: str
    body: dict[str, Any]
    field: str
    audience: str = "user"

    def __str__(self) -> str:
        return self.path


ROUTES = [
    Route(
        "/api/v1/auth/register",
        {"email": "bob@example.org", "name": "Bob", "password": "long enough"},
        "name",
        "public",
    ),
    Route(
        "/api/v1/auth/login",
        {"email": "bob@example.org", "password": "long enough"},
        "password",
        "public",
    ),
    Route("/api/v1/uploads", {"sha256": SHA, "size": 5, "filename": "a.blend"}, "filename"),
    Route(
        "/api/v1/jobs/dispatch",
        {"job_type": "echo", "payload_ref": "s3://bucket/input/scene.blend"},
        "job_type",
    ),
    Route(
        "/api/v1/nodes/register",
        {"name": "n", "public_key": public_pem(generate_key()), "capabilities": ["echo"]},
        "name",
        "public",
    ),
    Route(
        "/api/v1/nodes/verify",
        {"node_id": UUID, "challenge": SHA, "signature": SHA * 2},
        "challenge",
        "public",
    ),
    Route("/api/v1/nodes/heartbeat", {"current_load": 0.5}, "current_load", "node"),
]
WITHOUT_FIELDS = [
    f"/api/v1/jobs/{UUID}/cancel",
    f"/api/v1/uploads/{UUID}/complete",
]


def dumped(route: Route, **broken: Any) -> bytes:
    return json.dumps({**route.body, **broken}).encode()


def without(route: Route) -> bytes:
    return json.dumps({k: v for k, v in route.body.items() if k != route.field}).encode()


def deep(route: Route) -> bytes:
    return b'{"deep":' * 65 + b"1" + b"}" * 65


def too_large(route: Route) -> bytes:
    head = dumped(route)[:-1] + b', "padding": "'
    return head + b"x" * (MIB + 1 - len(head) - 2) + b'"}'


def huge(route: Route) -> bytes:
    return dumped(route)[:-1] + b', "huge": ' + b"9" * 400 + b"}"


def twice(route: Route) -> bytes:
    return dumped(route)[:-1] + f', "{route.field}": "again"}}'.encode()


# name: (body, status, text in the detail)
BAD: dict[str, tuple[Callable[[Route], bytes], int, str]] = {
    "missing field": (without, 422, "is required"),
    "wrong type": (lambda r: dumped(r, **{r.field: [1]}), 422, "must be a"),
    "NUL": (lambda r: dumped(r, **{r.field: "a\0b"}), 422, "NUL"),
    "lone surrogate": (lambda r: dumped(r, **{r.field: "a\ud800b"}), 422, "lone surrogates"),
    "unknown field": (lambda r: dumped(r, other=1), 422, "other: is not a field"),
    "null": (lambda r: dumped(r, **{r.field: None}), 422, "must be a"),
    "depth 65": (deep, 422, "deeper than 64"),
    "1 MiB + 1": (too_large, 413, "larger than 1048576 bytes"),
    "huge integer": (huge, 422, "huge: must be an integer of at most 64 bits"),
    "key twice": (twice, 422, "is repeated"),
    "an array": (lambda r: b"[]", 422, "must be a JSON object"),
    "no JSON": (lambda r: b"{", 422, "is not JSON"),
    "NaN": (lambda r: b'{"a": NaN}', 422, "NaN is not a JSON number"),
    "no UTF-8": (lambda r: b'{"a": "\xff"}', 422, "is not UTF-8"),
    "byte order mark": (
        lambda r: b"\xef\xbb\xbf" + dumped(r),
        422,
        "begins with a byte order mark",
    ),
    "too short": (lambda r: dumped(r, **{r.field: ""}), 422, "must"),
}


async def token(face: Face, audience: str) -> dict[str, str]:
    if audience == "user":
        return await face.user()
    if audience == "public":
        return {}
    body = {"name": "n", "public_key": public_pem(generate_key()), "capabilities": ["echo"]}
    async with face.client.post("/api/v1/nodes/register", json=body) as answer:
        return {"Authorization": f"Bearer {(await answer.json())['token']}"}


async def refused(
    face: Face, path: str, raw: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    async with face.client.post(path, data=io.BytesIO(raw), headers=headers) as answer:
        assert answer.content_type == "application/json"
        body: dict[str, Any] = await answer.json()
        assert body["status"] == answer.status
        assert isinstance(body["detail"], str)
        assert body["title"]
        assert answer.headers["X-Request-ID"] == body["request_id"]
        return answer.status, body


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_bad_bodies_are_refused_with_what_is_wrong(face: Face, route: Route) -> None:
    headers = {"Content-Type": "application/json", **await token(face, route.audience)}
    for name, (make, status, said) in BAD.items():
        found, body = await refused(face, route.path, make(route), headers)
        assert (found, said in body["detail"]) == (status, True), f"{name}: {found} {body}"
        if status == 422:
            assert {"field", "code", "message"} == set(body["errors"][0]), name


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_only_plain_json_is_read(face: Face, route: Route) -> None:
    headers = await token(face, route.audience)
    raw = dumped(route)
    wrong: list[dict[str, str]] = [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "identity"},
    ]
    for kind in wrong:
        status, _ = await refused(face, route.path, raw, {**headers, **kind})
        assert status == 415, kind


@pytest.mark.parametrize("path", WITHOUT_FIELDS)
async def test_a_body_that_nobody_asked_for_is_read_as_strictly(face: Face, path: str) -> None:
    headers = {"Content-Type": "application/json", **await face.user()}
    for raw, status in (
        (b'{"a": 1}', 422),
        (b"[]", 422),
        (b'{"a":' * 65 + b"1" + b"}" * 65, 422),
        (b"x" * (MIB + 1), 413),
        (b"{}", 404),
        (b"", 404),
    ):
        found, _ = await refused(face, path, raw, headers)
        assert found == status, raw[:20]


async def test_all_faults_of_a_body_are_told_at_once(face: Face) -> None:
    raw = json.dumps({"email": "nobody", "password": "short", "other": 1}).encode()
    headers = {"Content-Type": "application/json"}
    status, body = await refused(face, "/api/v1/auth/register", raw, headers)
    assert status == 422
    assert {(fault["field"], fault["code"]) for fault in body["errors"]} == {
        ("email", "value"),
        ("name", "missing"),
        ("password", "value"),
        ("other", "unknown"),
    }


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/jobs", "limit=0"),
        ("/api/v1/jobs", "limit=101"),
        ("/api/v1/jobs", "limit=x"),
        ("/api/v1/jobs", "offset=-1"),
        ("/api/v1/jobs", f"offset={'9' * 400}"),
        ("/api/v1/jobs", "status=LOST"),
        ("/api/v1/jobs", "status=%00"),
        ("/api/v1/jobs", "limit="),
        ("/api/v1/credits/history", "limit=1.5"),
        ("/api/v1/credits/history", "offset=%D9%A3"),
        ("/api/v1/credits/history", "a=%00"),
        ("/api/v1/jobs", "limit=1&limit=1"),
        ("/api/v1/jobs", "limit=1&limit="),
    ],
)
async def test_bad_queries_are_refused(face: Face, path: str, query: str) -> None:
    async with face.client.get(f"{path}?{query}", headers=await face.user()) as answer:
        assert answer.status == 422, await answer.text()
        assert (await answer.json())["errors"]


async def test_what_is_no_uuid_names_nothing(face: Face, user: Headers) -> None:
    for path in ("/api/v1/jobs/1", "/api/v1/jobs/%00", f"/api/v1/jobs/{UUID}/result"):
        async with face.client.get(path, headers=user) as answer:
            assert answer.status == 404, path
            assert (await answer.json())["detail"] == "Job not found"


async def test_a_parameter_that_is_given_twice_is_told(face: Face) -> None:
    query = "/api/v1/jobs?limit=1&offset=0&limit=2&utm=1&utm=2"
    async with face.client.get(query, headers=await face.user()) as answer:
        assert answer.status == 422
        (fault,) = (await answer.json())["errors"]
    assert (fault["field"], fault["code"]) == ("limit", "duplicate")


@pytest.mark.parametrize("job_type", ["render", "a-b_c.d:e/f", "blender/5.0:cycles", "X" * 100])
async def test_a_job_type_is_one_word(face: Face, job_type: str) -> None:
    body = {"job_type": job_type, "payload_ref": "s3://bucket/key"}
    async with face.client.post(DISPATCH, json=body, headers=await face.user()) as answer:
        # no node can do it, but the type itself is valid
        assert answer.status == 400, await answer.text()


@pytest.mark.parametrize(
    "job_type", ["", " ", "a b", "render\n", "\trender", "-x", "/", "ä", "r\u2028", "X" * 101]
)
async def test_a_job_type_that_is_no_word_is_refused(face: Face, job_type: str) -> None:
    body = {"job_type": job_type, "payload_ref": "s3://bucket/key"}
    async with face.client.post(DISPATCH, json=body, headers=await face.user()) as answer:
        assert answer.status == 422
        (fault,) = (await answer.json())["errors"]
    assert (fault["field"], fault["code"]) == ("job_type", "value")


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "Content-Type"])
async def test_a_header_that_stands_twice_is_refused(face: Face, name: str) -> None:
    body = {"job_type": "echo", "payload_ref": "s3://bucket/key"}
    headers = CIMultiDict({"Idempotency-Key": "a", "Content-Type": "application/json"})
    headers.update(await face.user())
    headers.add(name, headers[name])
    async with face.client.post(DISPATCH, data=json.dumps(body), headers=headers) as answer:
        assert answer.status == 400
        detail = (await answer.json())["detail"]
        assert detail in (f"The header {name} is repeated", "The request is not valid HTTP")


async def test_the_token_of_a_user_who_is_gone_is_refused(face: Face) -> None:
    token, _ = face.gateway.identity.tokens.issue(TokenType.ACCESS, uuid4(), uuid4())
    headers = {"Authorization": f"Bearer {token}"}
    node = {"name": "n", "public_key": public_pem(generate_key()), "capabilities": ["echo"]}
    upload = {"sha256": SHA, "size": 5, "filename": "a.blend"}
    for path, body in (("/api/v1/nodes/register", node), ("/api/v1/uploads", upload)):
        async with face.client.post(path, json=body, headers=headers) as answer:
            assert answer.status == 401, path
            assert "invalid_token" in answer.headers["WWW-Authenticate"]
