"""An API client for checks after a kill; it only reads."""

from typing import Final

import attrs

from tests.kills.journal import Json
from tests.kills.line import Answer, Line, Request
from tests.kills.people import PASSWORD

PAGE: Final = 100


class NotAnswered(Exception):
    """A request that must always succeed was refused."""


@attrs.define
class Inspector:
    """An API client that can log in as a user whose password it knows."""

    line: Line
    email: str
    token: str = attrs.field(default="", repr=False)

    async def login(self) -> None:
        """Log in; raise NotAnswered if the account is missing or has another password."""
        body = {"email": self.email, "password": PASSWORD}
        answer = await self.line.ask(Request("POST", "/auth/login", body))
        if not answer.is_good:
            raise NotAnswered(f"lost: {self.email} cannot log in: {answer.status}")
        self.token = answer.body["access_token"]

    async def ask(self, path: str) -> Answer:
        return await self.line.ask(Request("GET", path), self.token)

    async def get(self, path: str) -> Json:
        """Return the body of a GET request; raise NotAnswered if it is refused."""
        answer = await self.ask(path)
        if not answer.is_good:
            raise NotAnswered(f"lost: {self.email}: GET {path}: {answer.status} {answer.body}")
        return dict(answer.body)

    async def all(self, path: str, member: str, *, by: str = "after") -> list[Json]:
        """Return all rows of a list, page by page."""
        rows: list[Json] = []
        more: object = ""
        while more is not None:
            mark = "&" if "?" in path else "?"
            after = f"&{by}={more}" if more else ""
            page = await self.get(f"{path}{mark}limit={PAGE}{after}")
            rows += page[member]
            more = page["next"]
        return rows
