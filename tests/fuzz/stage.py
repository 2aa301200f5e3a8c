"""Somebody of each audience, and requests that succeed: what chance alone would never find."""

import hashlib
import itertools
import uuid
from collections.abc import Callable
from typing import Any

import attrs
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Json = dict[str, Any]
PASSWORD = "securepassword123"
API = "/api/v1"
_numbers = itertools.count(1)


@attrs.frozen
class Good:
    """What to put into a request so that it succeeds; None leaves what is there."""

    ids: dict[str, str] = attrs.field(factory=dict[str, str])
    body: Json | None = None
    token: str | None = None


class Stage:
    """A user, a node, and on request an admin, at a running gateway.

    ``good(name)`` is a request that succeeds, made anew each time, for the operation of that name.
    """

    def __init__(self, url: str, admin: tuple[str, str] | None = None) -> None:
        self._url = url
        self._run = uuid.uuid4().hex[:8]  # people and content of this run alone
        self._http = requests.Session()
        self.user = self.register()["tokens"]["access_token"]
        self._key, self._node = self.node()
        self.tokens: dict[str, str] = {"user": self.user, "node": self._node["token"]}
        if admin is not None:
            credentials = {"email": admin[0], "password": admin[1]}
            found = self.post("/auth/login", credentials)
            self.tokens["admin"] = found["access_token"]
        self.ids = {
            "job_id": self.job(queue=True),
            "upload_id": str(self.upload()["id"]),
            "node_id": str(self._node["node_id"]),
        }
        self.recipes: dict[str, Callable[[], Good]] = {
            "auth_register": lambda: Good(body=self.person()),
            "auth_login": self._login,
            "auth_refresh": self._refresh,
            "auth_logout": self._logout,
            "credits_deduct": self._deduct,
            "uploads_show": lambda: Good({"upload_id": self.upload()["id"]}),
            "uploads_complete": lambda: Good({"upload_id": self.upload()["id"]}),
            "jobs_dispatch": lambda: Good(body=self.order("echo")),
            "jobs_show": lambda: Good({"job_id": self.job(queue=True)}),
            "jobs_cancel": lambda: Good({"job_id": self.job(queue=True)}),
            "jobs_result": lambda: Good({"job_id": self.finished()}),
            "nodes_register": lambda: Good(body=self.described(Ed25519PrivateKey.generate())),
            "nodes_verify": self._verify,
        }

    # ── calls ────────────────────────────────────────────────────────────────────────────────

    def post(self, path: str, body: Json | None = None, token: str | None = None) -> Json:
        """The body of a success; anything else ends the run."""
        return self._call("POST", path, body, token)

    def _call(self, method: str, path: str, body: Json | None, token: str | None) -> Json:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self._http.request(
            method, self._url + API + path, json=body, headers=headers, timeout=10
        )
        if answer.status_code >= 300:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        found: Json = answer.json()
        return found

    # ── people and nodes ─────────────────────────────────────────────────────────────────────

    def person(self) -> Json:
        email = f"fuzz-{self._run}-{next(_numbers)}@example.org"
        return {"email": email, "name": "Jane Smith", "password": PASSWORD}

    def register(self) -> Json:
        person = self.person()
        return {**self.post("/auth/register", person), "email": person["email"]}

    def _login(self) -> Good:
        return Good(body={"email": self.register()["email"], "password": PASSWORD})

    def _refresh(self) -> Good:
        return Good(body={"refresh_token": self.register()["tokens"]["refresh_token"]})

    def _logout(self) -> Good:
        return Good(token=self.register()["tokens"]["access_token"])

    def _deduct(self) -> Good:
        reference = f"fuzz-{self._run}-{next(_numbers)}"
        return Good(body={"amount": "0.0001", "reference_id": reference, "description": "Fuzz"})

    def described(self, key: Ed25519PrivateKey) -> Json:
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        # Nobody asks for this: work goes to the node that works.
        return {"name": "fuzz", "public_key": pem.decode(), "capabilities": ["none"]}

    def node(self) -> tuple[Ed25519PrivateKey, Json]:
        key = Ed25519PrivateKey.generate()
        return key, self.post("/nodes/register", self.described(key), self.user)

    def _verify(self) -> Good:
        key, node = self.node()
        words = f"rendertrust-node-v1\n{node['node_id']}\n{node['challenge']}"
        signature = key.sign(words.encode()).hex()
        named = {name: node[name] for name in ("node_id", "challenge")}
        return Good(body={**named, "signature": signature})

    # ── work ─────────────────────────────────────────────────────────────────────────────────

    def order(self, job_type: str, *, queue: bool = False) -> Json:
        payload = "s3://elsewhere/input/scene.blend"
        return {"job_type": job_type, "payload_ref": payload, "queue": queue}

    def job(self, *, queue: bool = False) -> str:
        """An echo job, which is done at once; or one that nobody can do, and waits."""
        kind = f"fuzz-{next(_numbers)}" if queue else "echo"
        owner = self.user
        return str(self.post("/jobs/dispatch", self.order(kind, queue=queue), owner)["job_id"])

    def finished(self) -> str:
        """A job with a result: asked for until it is there."""
        job = self.job()
        for _ in range(1000):
            if self._call("GET", f"/jobs/{job}", None, self.user)["status"] == "COMPLETED":
                return job
        raise SystemExit("an echo job does not end")

    def upload(self) -> Json:
        content = f"fuzz {self._run} {next(_numbers)}".encode()
        digest = hashlib.sha256(content).hexdigest()
        body = {"sha256": digest, "size": len(content), "filename": "scene.blend"}
        upload = self.post("/uploads", body, self.user)
        put = upload["put"]
        self._http.put(put["url"], data=content, headers=put["headers"], timeout=10)
        return upload
