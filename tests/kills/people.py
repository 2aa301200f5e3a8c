"""Users of the gateway, who record each acknowledged answer in the journal."""

from collections.abc import Collection
from typing import Final

import attrs

from tests.kills.journal import Journal, Json, Record
from tests.kills.line import Answer, Line, Request

PASSWORD: Final = "a password of somebody"
NOT_GOOD: Final = "answered with"


@attrs.define
class ClientState:
    """State that all users of a process share: connection, journal, and what went wrong."""

    line: Line
    journal: Journal
    wrong: list[str] = attrs.field(factory=list[str])


@attrs.define
class Person:
    """A user with an account."""

    shared: ClientState
    email: str
    token: str = attrs.field(default="", repr=False)
    id: str = ""

    async def do(
        self,
        act: str,
        request: Request,
        allowed: Collection[int] = (),
        *,
        of: str = "",
        counts: bool = True,
    ) -> Answer:
        """Send a request for a change until it is answered; record an answer that acknowledges it.

        ``of`` is the e-mail of another user whom the request concerns. A refusal counts as wrong
        unless its status is ``allowed``.
        """
        answer = await self.shared.line.ask(request, self.token)
        if answer.is_good:
            asked = {"path": request.path, "body": request.body, "key": request.key}
            record = Record(act, of or self.email, asked, answer.body, counts)
            self.shared.journal.note(record)
        elif answer.status not in allowed:
            said = f"{NOT_GOOD} {answer.status}: {answer.body}"
            self.shared.wrong.append(f"{self.email}: {act} ({request.path}) {said}")
        return answer

    async def look(self, path: str, act: str = "") -> Json:
        """Return the body of a GET request; with an ``act`` also record the body as permanent."""
        request = Request("GET", path)
        if act:
            return dict((await self.do(act, request, counts=False)).body)
        answer = await self.shared.line.ask(request, self.token)
        assert answer.is_good, f"{self.email}: GET {path} {NOT_GOOD} {answer.status}"
        return dict(answer.body)

    async def register(self) -> None:
        """Register the user; log in if an unanswered try has already done so."""
        body = {"email": self.email, "name": "Jane Smith", "password": PASSWORD}
        answer = await self.do("register", Request("POST", "/auth/register", body), (409,))
        tokens = answer.body.get("tokens") or await self.login()
        self.token = tokens["access_token"]
        self.id = (await self.look("/credits/balance"))["user_id"]

    async def set_payout_account(self) -> None:
        """Set the account to which the user's money is sent; it waits for 72 hours."""
        to = {"method": "SEPA", "account": "DE02 1203 0000 0000 2020 51", "currency": "eur"}
        request = Request("PUT", "/auth/payout-account", {**to, "password": PASSWORD})
        answer = await self.shared.line.ask(request, self.token)
        assert answer.is_good, f"{self.email}: {NOT_GOOD} {answer.status}: {answer.body}"

    async def login(self, password: str = PASSWORD) -> Json:
        """Log in and return the tokens."""
        body = {"email": self.email, "password": password}
        return dict((await self.do("login", Request("POST", "/auth/login", body))).body)
