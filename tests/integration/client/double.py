"""A gateway double over a real socket, which answers as the API reference says and fails on demand.

The double includes the object store: presigned URLs point to ``/store/…`` of the same server.
"""

import base64
import hashlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import attrs
from aiohttp import web
from aiohttp.test_utils import TestServer

from rendertrust.api.units import Quote
from tests.support.answers import whole
from tests.support.until import until

NOW = "2026-03-13T12:00:00Z"
USER = "550e8400-e29b-41d4-a716-446655440000"
NODE = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9000
Answer = Callable[[web.Request], Awaitable[web.StreamResponse] | web.StreamResponse]


@attrs.define
class GatewayDouble:
    """A gateway double; ``script`` replaces its answers to the next requests of a route."""

    server: TestServer | None = None
    requests: list[tuple[str, str]] = attrs.Factory(list[tuple[str, str]])
    seen: Counter[str] = attrs.Factory(Counter[str])
    scripted: dict[str, deque[Answer]] = attrs.Factory(dict[str, deque[Answer]])
    bodies: list[dict[str, Any]] = attrs.Factory(list[dict[str, Any]])
    jobs: dict[str, dict[str, Any]] = attrs.Factory(dict[str, dict[str, Any]])
    keys: dict[str, str] = attrs.Factory(dict[str, str])
    uploads: dict[str, dict[str, Any]] = attrs.Factory(dict[str, dict[str, Any]])
    objects: dict[str, bytes] = attrs.Factory(dict[str, bytes])
    accepted: set[str] = attrs.Factory(lambda: {"access-1"})
    refresh: str | None = "refresh-1"
    life: deque[dict[str, Any]] = attrs.Factory(deque[dict[str, Any]])
    picture: bytes = PICTURE
    names_results: bool = False  # units show size and SHA-256 of results
    cursors: bool = True  # whether lists accept a cursor; otherwise only an offset
    ranges: list[str | None] = attrs.Factory(list[str | None])
    part_bytes: int = 0  # uploads above this size need parts; 0: no upload does
    parts: dict[str, dict[int, bytes]] = attrs.Factory(dict[str, dict[int, bytes]])
    units: dict[str, list[dict[str, Any]]] = attrs.Factory(dict[str, list[dict[str, Any]]])
    # for each frame of the next job: its result, or the state in which the frame ends
    film: list[bytes | str] = attrs.Factory(list[bytes | str])

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30, middlewares=[self._script])
        app.add_routes(
            [
                web.post("/api/v1/auth/register", self._register),
                web.post("/api/v1/auth/login", self._log_in),
                web.post("/api/v1/auth/refresh", self._refresh),
                web.get("/api/v1/credits/balance", self._balance),
                web.get("/api/v1/credits/history", self._history),
                web.post("/api/v1/uploads", self._announce),
                web.post("/api/v1/uploads/{id}/parts", self._parts),
                web.post("/api/v1/uploads/{id}/complete", self._complete),
                web.post("/api/v1/jobs/dispatch", self._dispatch),
                web.get("/api/v1/jobs", self._list),
                web.get("/api/v1/jobs/{id}", self._job),
                web.post("/api/v1/jobs/{id}/cancel", self._cancel),
                web.get("/api/v1/jobs/{id}/result", self._result),
                web.post("/api/v1/jobs/quote", self._quote),
                web.get("/api/v1/jobs/{id}/units", self._units),
                web.post("/api/v1/jobs/{id}/units/{number}/retry", self._retry_unit),
                web.post("/api/v1/jobs/{id}/{verb:pause|resume|stop}", self._control),
                web.post("/api/v1/jobs/{id}/video", self._video),
                web.patch("/api/v1/jobs/{id}", self._change),
                web.put("/store/{key:.+}", self._put),
                web.get("/store/{key:.+}", self._get),
            ]
        )
        return app

    @property
    def url(self) -> str:
        assert self.server is not None
        return str(self.server.make_url("")).rstrip("/")

    def script(self, route: str, *answers: Answer) -> None:
        """Answer the next requests of ``route`` (``METHOD /path``, no query) with ``answers``."""
        self.scripted.setdefault(route, deque()).extend(answers)

    def add_job(self, status: str = "DISPATCHED", **fields: Any) -> str:
        job_id = str(uuid4())
        self.jobs[job_id] = job(job_id, status=status, **fields)
        return job_id

    def add_units(self, job_id: str, *made: bytes | str, **fields: Any) -> None:
        """Add a unit per frame from 1 on, each completed with its content or in the given state."""
        units = self.units.setdefault(job_id, [])
        for content in made:
            number = len(units)
            units.append(unit(number, **fields))
            if isinstance(content, str):
                units[-1] |= {"state": content}
                continue
            key = f"results/{job_id}/{number}/1/result"
            self.objects[key] = content
            units[-1] |= {
                "state": "COMPLETED",
                "charged": "10.0000",
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "download_url": f"{self.url}/store/{key}?X-Amz-Signature=secret",
            }

    @web.middleware
    async def _script(self, request: web.Request, handler: Any) -> web.StreamResponse:
        route = f"{request.method} {request.path}"
        self.requests.append((request.method, request.path))
        self.seen[route] += 1
        waiting = self.scripted.get(route)
        if waiting:
            answer = waiting.popleft()(request)
            return answer if isinstance(answer, web.StreamResponse) else await answer
        open_to_all = request.path.startswith(("/api/v1/auth/", "/store/"))
        if not open_to_all and self._token(request) not in self.accepted:
            return problem(401, "Invalid or expired token")
        response: web.StreamResponse = await handler(request)
        return response

    def _token(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ")

    async def _register(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if body["email"] == "taken@example.com":
            return problem(409, "Email already registered")
        if body["email"] == "invited@example.com" and body.get("invitation") != INVITATION:
            code = "invitation_invalid" if "invitation" in body else "invitation_needed"
            return problem(403, "Accounts are opened here by invitation", code=code)
        user = {"id": USER, "email": body["email"], "name": body["name"], "is_active": True}
        return web.json_response({"user": user, "tokens": self._pair()}, status=201)

    async def _log_in(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if body["password"] != "correct horse":
            return problem(401, "Invalid credentials or inactive account")
        if body["email"] == "secured@example.com" and body.get("otp") != OTP:
            code = "second_factor_invalid" if "otp" in body else "second_factor_required"
            return problem(401, "Send a code as otp", code=code)
        return web.json_response(self._pair())

    async def _refresh(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if self.refresh is None or body["refresh_token"] != self.refresh:
            return problem(401, "Invalid, expired, or wrong token type")
        number = int(self.refresh.split("-")[1]) + 1
        self.accepted, self.refresh = {f"access-{number}"}, f"refresh-{number}"
        return web.json_response(self._pair())

    def _pair(self) -> dict[str, Any]:
        access = next(iter(self.accepted), "access-0")
        refresh = self.refresh or "refresh-0"
        return {"access_token": access, "refresh_token": refresh, "token_type": "bearer", "new": 1}

    async def _balance(self, request: web.Request) -> web.Response:
        amounts = {"balance": "1000.0000", "held": "10.0000", "available": "990.0000"}
        return web.json_response({**amounts, "user_id": USER, "added_later": {"x": 1}})

    async def _history(self, request: web.Request) -> web.Response:
        entry = {
            "id": str(UUID(int=1)),
            "amount": "10.0000",
            "direction": "DEBIT",
            "source": "USAGE",
            "reference_id": "job-abc123",
            "balance_after": "990.0000",
            "description": "Job execution: \x1b[31mrender",
            "created_at": NOW,
        }
        return web.json_response({"entries": [entry], "count": 42})

    async def _announce(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        upload_id = body["sha256"][:32]
        known = self.uploads.get(upload_id)
        if known is not None and known["status"] == "COMPLETED":
            return web.json_response(known)
        checksum = base64.b64encode(bytes.fromhex(body["sha256"])).decode()
        signed = {"Content-Length": str(body["size"]), "x-amz-checksum-sha256": checksum}
        key = f"uploads/{USER}/{body['sha256']}.blend"
        url = f"{self.url}/store/{key}?X-Amz-Signature=secret"
        self.uploads[upload_id] = {
            "id": upload_id,
            "payload_ref": f"s3://rendertrust/{key}",
            **body,
            "status": "PENDING",
            "created_at": NOW,
            "completed_at": None,
            "put": {"url": url, "headers": signed, "expires_in": 3600},
            "parts": self._told(upload_id, body["size"]),
        }
        return web.json_response(self.uploads[upload_id], status=201)

    def _told(self, upload_id: str, size: int) -> dict[str, Any] | None:
        if not 0 < self.part_bytes < size:
            return None
        arrived = [{"first": n, "last": n} for n in sorted(self.parts.get(upload_id, ()))]
        count = -(-size // self.part_bytes)
        return {"size": self.part_bytes, "count": count, "arrived": arrived}

    async def _parts(self, request: web.Request) -> web.Response:
        body, upload = await self._body(request), self.uploads[request.match_info["id"]]
        urls = []
        for part in body["parts"]:
            checksum = base64.b64encode(bytes.fromhex(part["sha256"])).decode()
            size = min(self.part_bytes, upload["size"] - (part["number"] - 1) * self.part_bytes)
            url = f"{self.url}/store/parts/{upload['id']}/{part['number']}?X-Amz-Signature=secret"
            signed = {"Content-Length": str(size), "x-amz-checksum-sha256": checksum}
            urls.append({"number": part["number"], "size": size, "url": url, "headers": signed})
        return web.json_response({"parts": urls, "expires_in": 3600})

    def _join(self, upload_id: str, key: str, digests: list[str]) -> None:
        bodies = [body for _, body in sorted(self.parts.get(upload_id, {}).items())]
        assert [hashlib.sha256(body).hexdigest() for body in bodies] == digests
        self.objects[key] = b"".join(bodies)

    async def _put(self, request: web.Request) -> web.Response:
        content = await request.read()
        assert "Transfer-Encoding" not in request.headers, "S3 takes no chunks of unknown length"
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
        if request.headers.get("x-amz-checksum-sha256") != checksum:
            return web.Response(status=400, text="<Error>BadDigest</Error>")
        key = request.match_info["key"]
        if key.startswith("parts/"):
            _, upload_id, number = key.split("/")
            self.parts.setdefault(upload_id, {})[int(number)] = content
        else:
            self.objects[key] = content
        return web.Response()

    async def _complete(self, request: web.Request) -> web.Response:
        upload = self.uploads[request.match_info["id"]]
        key = upload["payload_ref"].removeprefix("s3://rendertrust/")
        if request.can_read_body:
            self._join(upload["id"], key, (await self._body(request))["parts"])
        if key not in self.objects:
            return problem(409, "The content has not arrived in the store")
        upload |= {"status": "COMPLETED", "completed_at": NOW, "put": None, "parts": None}
        return web.json_response(upload)

    async def _dispatch(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        key = request.headers.get("Idempotency-Key", "")
        job_id = self.keys.get(key)
        if job_id is None:
            job_id = self.keys[key] = self.add_job(job_type=body["job_type"])
            if "frames" in body:
                self.add_units(job_id, *self.film)
                self.jobs[job_id] |= {"units": len(self.film)}
        return web.json_response({"job_id": job_id, "node_id": NODE, "status": "DISPATCHED"})

    async def _list(self, request: web.Request) -> web.Response:
        wanted, name = request.query.get("status"), request.query.get("name", "").lower()
        found = [one for one in self.jobs.values() if wanted in (None, one["status"])][::-1]
        found = [one for one in found if name in one.get("name", "").lower()]
        start, limit = int(request.query.get("offset", 0)), int(request.query["limit"])
        if self.cursors and "after" in request.query:
            start += 1 + [one["id"] for one in found].index(request.query["after"])
        page: dict[str, Any] = {"jobs": found[start : start + limit], "count": len(found)}
        if self.cursors:
            more = len(found) > start + limit
            page["next"] = found[start + limit - 1]["id"] if more else None
        return web.json_response(page)

    async def _job(self, request: web.Request) -> web.Response:
        found = self.jobs.get(request.match_info["id"])
        if found is None:
            return problem(404, "Job not found")
        if self.life:
            found |= self.life.popleft()
        return web.json_response(found)

    async def _cancel(self, request: web.Request) -> web.Response:
        found = self.jobs.get(request.match_info["id"])
        if found is None:
            return problem(404, "Job not found")
        if found["status"] not in ("QUEUED", "DISPATCHED"):
            return problem(400, f"Job is {found['status']}; only QUEUED or DISPATCHED …")
        found |= {"status": "CANCELLED", "completed_at": NOW}
        return web.json_response(found)

    async def _result(self, request: web.Request) -> web.Response:
        found = self.jobs.get(request.match_info["id"])
        if found is None or found["status"] != "COMPLETED":
            return problem(404, "Job not found or not COMPLETED")
        url = f"{self.url}/store/results/{found['id']}/0/1/result?X-Amz-Signature=secret"
        named = {"size": len(self.picture), "sha256": hashlib.sha256(self.picture).hexdigest()}
        answer = {"job_id": found["id"], "download_url": url, "expires_in": 3600}
        return web.json_response(answer | (named if self.names_results else {}))

    async def _quote(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        frames = body.get("frames")
        count, price = (1, "10.0000") if frames is None else (48, "480.0000")
        amounts = {"frame_price": "10.0000", "price": price, "held": price}
        told = {"units": count, "frames": count if frames else 0, "available": "990.0000"}
        told |= {"enough": frames != "1-100"}
        return web.json_response(quote({**told, **amounts, "of_tomorrow": 1}))

    async def _units(self, request: web.Request) -> web.Response:
        units = self.units.get(request.match_info["id"])
        if units is None:
            return problem(404, "Job not found")
        after, limit = int(request.query["after"]), int(request.query["limit"])
        page = [one for one in units if one["number"] > after]
        more = page[limit - 1]["number"] if len(page) > limit else None
        return web.json_response({"units": page[:limit], "count": len(units), "next": more})

    async def _retry_unit(self, request: web.Request) -> web.Response:
        one = self.units[request.match_info["id"]][int(request.match_info["number"])]
        if one["state"] not in ("FAILED", "QUEUED"):
            return problem(409, f"Unit is {one['state']}; only FAILED units are retried")
        one |= {"state": "QUEUED", "error_message": None, "error_class": None}
        return web.json_response(one)

    async def _control(self, request: web.Request) -> web.Response:
        found = self.jobs[request.match_info["id"]]
        if found["status"] in ("COMPLETED", "FAILED"):
            return problem(409, f"Job is {found['status']}; it has ended")
        verbs = {"pause": "PAUSED", "resume": "RUNNING", "stop": "CANCELLED"}
        verb = request.match_info["verb"]
        found |= {"status": verbs[verb], "paused": "owner" if verb == "pause" else None}
        return web.json_response(found)

    async def _video(self, request: web.Request) -> web.Response:
        await self._body(request)
        if self.jobs[request.match_info["id"]]["completed_at"] is None:
            return problem(409, "The job has not ended; make its video when it has")
        job_id = self.add_job(job_type="video")
        return web.json_response({"job_id": job_id, "node_id": NODE, "status": "DISPATCHED"})

    async def _change(self, request: web.Request) -> web.Response:
        body, found = await self._body(request), self.jobs[request.match_info["id"]]
        if body.get("max_credits") == "1":
            return problem(409, "The job has already committed more than max_credits")
        found |= body
        return web.json_response(found)

    async def _get(self, request: web.Request) -> web.Response:
        return self.stored(request)

    def stored(self, request: web.Request) -> web.Response:
        """Return the picture, or its requested rest, as an object store does."""
        if request.method == "GET":
            self.ranges.append(request.headers.get("Range"))
        picture = self.objects.get(request.match_info["key"], self.picture)
        tag = f'"{hashlib.md5(picture).hexdigest()}"'
        same = request.headers.get("If-Range") in (None, tag)
        start = request.http_range.start if same else None
        if start is None:
            return web.Response(body=picture, content_type="image/png", headers={"ETag": tag})
        if start >= len(picture):
            return web.Response(status=416)
        told = f"bytes {start}-{len(picture) - 1}/{len(picture)}"
        headers = {"ETag": tag, "Content-Range": told}
        return web.Response(status=206, body=picture[start:], headers=headers)

    def cut(self, size: int, arrived: Callable[[], bool] = lambda: True) -> Answer:
        """Return a scripted answer that sends only ``size`` bytes of the object.

        The connection is cut as soon as ``arrived`` returns True.
        """

        async def answer(request: web.Request) -> web.StreamResponse:
            whole = self.stored(request)
            assert isinstance(whole.body, bytes)
            headers = {**whole.headers, "Content-Length": str(len(whole.body))}
            response = web.StreamResponse(status=whole.status, headers=headers)
            await response.prepare(request)
            await response.write(whole.body[:size])
            await until(arrived)
            assert request.transport is not None
            request.transport.abort()
            return response

        return answer

    async def _body(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.bodies.append(body)
        return body


def job(job_id: str, **fields: Any) -> dict[str, Any]:
    """Return a job as the API shows it."""
    shown = {
        "id": job_id,
        "node_id": NODE,
        "job_type": "render",
        "payload_ref": "s3://rendertrust/uploads/scene.blend",
        "status": "DISPATCHED",
        "result_ref": None,
        "error_message": None,
        "retry_count": 0,
        "queued_at": NOW,
        "dispatched_at": NOW,
        "completed_at": None,
        "created_at": NOW,
        "updated_at": NOW,
        "price": "10.0000",
        "charged": "0.0000",
        "progress": None,
        "a_field_of_tomorrow": [1, 2],
    }
    return shown | fields


def quote(members: dict[str, Any]) -> dict[str, Any]:
    """Return a quote as the API shows it."""
    usual = {"priced_by": "table", "priced_how": "", "measurable": False, "measured": False}
    usual |= {"basis": ""}
    least = {"frame_price_least": members["frame_price"]}
    return whole(Quote, {**usual, **least, **members})


def unit(number: int, **fields: Any) -> dict[str, Any]:
    """Return a unit as the API shows it."""
    shown = {
        "number": number,
        "frames": str(number + 1),
        "tile": None,
        "state": "QUEUED",
        "attempt": 1,
        "node_id": NODE,
        "price": "10.0000",
        "charged": "0.0000",
        "waits_for": 0,
        "error_class": None,
        "error_message": None,
        "error_code": None,
        "size": None,
        "sha256": None,
        "verified": True,
        "download_url": None,
        "assigned_at": NOW,
        "started_at": NOW,
        "ended_at": None,
        "a_field_of_tomorrow": {},
    }
    return shown | fields


def problem(status: int, detail: str, headers: Any = None, **extra: Any) -> web.Response:
    """Return an error answer as the gateway writes it."""
    body = {"detail": detail, "status": status, "request_id": "req-1", **extra}
    return web.json_response(body, status=status, headers=headers)


INVITATION = "rti_" + "0a" * 16  # which invited@example.com needs
OTP = "492039"  # the code of secured@example.com


def refuse(status: int, detail: str = "no", headers: Any = None, **extra: Any) -> Answer:
    """Return a scripted answer: an error."""
    return lambda _: problem(status, detail, headers, **extra)


def answering(body: dict[str, Any]) -> Answer:
    """Return a scripted answer: 200 with this body."""
    return lambda _: web.json_response(body)


def hang_up(request: web.Request) -> web.StreamResponse:
    """Cut the connection instead of answering; used as a scripted answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def completing(*progress: float) -> deque[dict[str, Any]]:
    """Return the states of a job from one request to the next, until it is COMPLETED."""
    running = [{"status": "RUNNING", "progress": value} for value in progress]
    last = {"status": "COMPLETED", "progress": 1.0, "charged": "10.0000", "completed_at": NOW}
    return deque([{"status": "DISPATCHED"}, *running, last])
