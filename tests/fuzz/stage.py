"""Users of each audience at a running gateway, and what they create there."""

import asyncio
import hashlib
import itertools
import time
import uuid
from datetime import datetime
from functools import partial
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fuzz.worker import EARNING
from tests.support.api_clients import PASSWORD as OPERATORS_PASSWORD
from tests.support.databases import execute

Json = dict[str, Any]
PASSWORD = "securepassword123"
API = "/api/v1"
TRIES = 5  # tries of a request while the gateway is busy
IN_VAIN = 20  # disputes opened together, so that one wait covers all their windows
WINDOW_MAX = 60.0  # seconds
numbers = itertools.count(1)


class Stage:
    """A user, their node, and an admin if e-mail and password are given.

    ``tokens`` has the access token of each; ``ids`` has the ids of what the user owns.
    """

    def __init__(
        self,
        url: str,
        admin: tuple[str, str] | None = None,
        operator: str = "",
        database: str = "",
    ) -> None:
        self._url, self._database = url, database
        self.run = uuid.uuid4().hex[:8]  # names users and content of this run
        self._http = requests.Session()
        self.user = self.register()["tokens"]["access_token"]
        self.tokens: dict[str, str] = {"user": self.user, "node": self.node()[1]["token"]}
        self.operator = operator
        self._in_vain, self._has_account = list[str](), False
        if admin is not None:
            credentials = {"email": admin[0], "password": admin[1]}
            found = self.post("/auth/login", credentials)
            self.tokens["admin"] = found["access_token"]
        self.ids = {
            "job_id": self.job(queue=True),
            "upload_id": str(self.upload()["id"]),
            "node_id": self.verified(),
            "organisation_id": self.post("/organisations", {"name": "Fuzz"}, self.user)["id"],
            "kind": "jobs",  # of dead letters
            "purchase_id": "00000000-0000-4000-8000-000000000001",  # nobody has bought anything
        }

    # -- requests

    def post(self, path: str, body: Json | None = None, token: str | None = None) -> Json:
        """Send a POST request and return the body; end the run if it fails."""
        return self.call("POST", path, body, token)

    def call(self, method: str, path: str, body: Json | None, token: str | None) -> Json:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = partial(
            self._http.request,
            method,
            self._url + API + path,
            json=body,
            headers=headers,
            timeout=10,
        )
        answer = request()
        for _ in range(TRIES):
            if answer.status_code == 503:
                answer = request()
        if answer.status_code >= 300:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        found: Json = answer.json()
        return found

    # -- users and nodes

    def person(self) -> Json:
        email = f"fuzz-{self.run}-{next(numbers)}@example.org"
        return {"email": email, "name": "Jane Smith", "password": PASSWORD}

    def register(self) -> Json:
        person = self.person()
        return {**self.post("/auth/register", person), "email": person["email"]}

    def confirmed_login(self) -> str:
        """Return the device code of a login that a new user has confirmed in the console."""
        started = self.post("/auth/device")
        browser = requests.Session()
        form = {"email": self.register()["email"], "password": PASSWORD}
        for path, fields in (
            ("/console/sign-in", form),
            ("/console/account/device/confirm", {"code": started["user_code"]}),
        ):
            own = {"Sec-Fetch-Site": "same-origin"}
            answer = browser.post(
                self._url + path, data=fields, headers=own, timeout=10, allow_redirects=False
            )
            if answer.status_code != 303:
                raise SystemExit(f"POST {path}: {answer.status_code}")
        return str(started["device_code"])

    def described(self, key: Ed25519PrivateKey) -> Json:
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        # No job needs this capability, so all work goes to the working nodes.
        return {"name": "fuzz", "public_key": pem.decode(), "capabilities": ["none"]}

    def node(self) -> tuple[Ed25519PrivateKey, Json]:
        """Register a node of the user."""
        key = Ed25519PrivateKey.generate()
        return key, self.post("/nodes/register", self.described(key), self.user)

    def proof(self) -> Json:
        """Return the proof of a new node's key, for verifying the node."""
        key, node = self.node()
        words = f"rendertrust-node-v1\n{node['node_id']}\n{node['challenge']}"
        named = {name: node[name] for name in ("node_id", "challenge")}
        return {**named, "signature": key.sign(words.encode()).hex()}

    def verified(self) -> str:
        """Return the id of a verified node of the user."""
        return str(self.post("/nodes/verify", self.proof())["node_id"])

    # -- jobs

    def order(self, job_type: str, *, queue: bool = False) -> Json:
        payload = "s3://elsewhere/input/scene.blend"
        return {"job_type": job_type, "payload_ref": payload, "queue": queue}

    def job(self, *, queue: bool = False) -> str:
        """Submit an echo job, which is done at once, or one that no node can do."""
        kind = f"fuzz-{next(numbers)}" if queue else "echo"
        owner = self.user
        return str(self.post("/jobs/dispatch", self.order(kind, queue=queue), owner)["job_id"])

    def finished(self, kind: str = "echo", status: str = "COMPLETED", **more: str) -> str:
        """Submit a job and wait until it has the status."""
        order = {**self.order(kind, queue=kind != "echo"), **more}
        job = str(self.post("/jobs/dispatch", order, self.user)["job_id"])
        for _ in range(1000):
            if self.call("GET", f"/jobs/{job}", None, self.user)["status"] == status:
                return job
        raise SystemExit(f"a job of type {kind} does not end")

    def disputed(self) -> str:
        """Return a dispute about a unit with an earning."""
        path = f"/jobs/{self.finished(EARNING)}/units/0/dispute"
        return str(self.post(path, {"reason": "made up"}, self.user)["id"])

    def payable(self) -> None:
        """Make an earning payable by rejecting a dispute whose window is over."""
        if not self._in_vain:
            self._in_vain = [self.disputed() for _ in range(IN_VAIN)]
            self._pass_window()
        path = f"/admin/disputes/{self._in_vain.pop()}/reject"
        self.post(path, {"reason": "made up"}, self.tokens["admin"])

    def _pass_window(self) -> None:
        """Wait until the dispute windows of all earnings so far are over."""
        shares = self.call("GET", "/operators/me/earnings?limit=1", None, self.operator)["earnings"]
        left = datetime.fromisoformat(shares[0]["payable_at"]).timestamp() - time.time()
        if left > WINDOW_MAX:
            raise SystemExit("earnings.dispute_hours is too long: start the gateway with 0.005")
        time.sleep(max(0.0, left))

    def requested(self) -> str:
        """Return a payout of money that waits for an admin."""
        self.payable()
        self._set_account()
        return str(self.post("/operators/me/payouts", {"to": "money"}, self.operator)["id"])

    def _set_account(self) -> None:
        """Set the operator's payout account once, and let its 72 hours go by."""
        if self._has_account:
            return
        to = {"method": "SEPA", "account": "DE02 1203 0000 0000 2020 51", "currency": "eur"}
        body = {**to, "password": OPERATORS_PASSWORD}
        self.call("PUT", "/auth/payout-account", body, self.operator)
        if not self._database:
            raise SystemExit("payouts need an account of 72 hours: name the --database")
        statement = "UPDATE payout_accounts SET usable_at = changed_at"
        asyncio.run(execute(self._database, statement))
        self._has_account = True

    def approved(self) -> str:
        """Return a batch with one payout."""
        body = {"payouts": [self.requested()], "reason": "made up"}
        return str(self.post("/admin/payouts/approve", body, self.tokens["admin"])["batch_id"])

    def upload(self) -> Json:
        content = f"fuzz {self.run} {next(numbers)}".encode()
        digest = hashlib.sha256(content).hexdigest()
        body = {"sha256": digest, "size": len(content), "filename": "scene.blend"}
        upload = self.post("/uploads", body, self.user)
        put = upload["put"]
        self._http.put(put["url"], data=content, headers=put["headers"], timeout=10)
        return upload

    def large(self) -> Json:
        """Begin a multipart upload and send no part."""
        body = {"sha256": f"{next(numbers):064x}", "size": 200 << 20, "filename": "scene.blend"}
        return self.post("/uploads", body, self.user)
