"""Who uses the gateway: what each is answered goes into the journal."""

from collections.abc import Collection
from typing import Final

import attrs

from tests.kills.journal import Journal, Json, Record
from tests.kills.line import Answer, Line, Request

PASSWORD: Final = "a password of somebody"
NOT_GOOD: Final = "answered with"


@attrs.define
class Desk:
    """What all share: the way to the gateway, the journal, and what went wrong."""

    line: Line
    journal: Journal
    wrong: list[str] = attrs.field(factory=list[str])


@attrs.define
class Person:
    """Somebody with an account."""

    desk: Desk
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
        """Ask for a change until it is answered; journalled when it was acknowledged.

        ``of``: whom it concerns, if somebody else. A refusal is wrong unless it is ``allowed``.
        """
        answer = await self.desk.line.ask(request, self.token)
        if answer.is_good:
            asked = {"path": request.path, "body": request.body, "key": request.key}
            record = Record(act, of or self.email, asked, answer.body, counts)
            self.desk.journal.note(record)
        elif answer.status not in allowed:
            said = f"{NOT_GOOD} {answer.status}: {answer.body}"
            self.desk.wrong.append(f"{self.email}: {act} ({request.path}) {said}")
        return answer

    async def look(self, path: str, act: str = "") -> Json:
        """What the API says now; as an ``act`` it is journalled, too: it must not be undone."""
        request = Request("GET", path)
        if act:
            return dict((await self.do(act, request, counts=False)).body)
        answer = await self.desk.line.ask(request, self.token)
        assert answer.is_good, f"{self.email}: GET {path} {NOT_GOOD} {answer.status}"
        return dict(answer.body)

    async def register(self) -> None:
        """Open the account; where an earlier try did and was not answered, log in."""
        body = {"email": self.email, "name": "Jane Smith", "password": PASSWORD}
        answer = await self.do("register", Request("POST", "/auth/register", body), (409,))
        tokens = answer.body.get("tokens") or await self.login()
        self.token = tokens["access_token"]
        self.id = (await self.look("/credits/balance"))["user_id"]

    async def login(self, password: str = PASSWORD) -> Json:
        """Tokens of a login of its own."""
        body = {"email": self.email, "password": password}
        return dict((await self.do("login", Request("POST", "/auth/login", body))).body)
