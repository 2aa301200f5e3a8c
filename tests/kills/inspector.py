"""Whoever looks afterwards what is there: by the API, as anybody could."""

from typing import Final

import attrs

from tests.kills.journal import Json
from tests.kills.line import Answer, Line, Request
from tests.kills.people import PASSWORD

PAGE: Final = 100


class NotAnswered(Exception):
    """What must be there at any time was refused."""


@attrs.define
class Inspector:
    """Logged in as somebody, whose password he knows."""

    line: Line
    email: str
    token: str = attrs.field(default="", repr=False)

    async def login(self) -> None:
        """Raises NotAnswered: there is no such account, or it has another password."""
        body = {"email": self.email, "password": PASSWORD}
        answer = await self.line.ask(Request("POST", "/auth/login", body))
        if not answer.is_good:
            raise NotAnswered(f"lost: {self.email} cannot log in: {answer.status}")
        self.token = answer.body["access_token"]

    async def ask(self, path: str) -> Answer:
        return await self.line.ask(Request("GET", path), self.token)

    async def get(self, path: str) -> Json:
        """Raises NotAnswered."""
        answer = await self.ask(path)
        if not answer.is_good:
            raise NotAnswered(f"lost: {self.email}: GET {path}: {answer.status} {answer.body}")
        return dict(answer.body)

    async def all(self, path: str, member: str, *, by: str = "after") -> list[Json]:
        """Every row of a list, page by page."""
        rows: list[Json] = []
        more: object = ""
        while more is not None:
            mark = "&" if "?" in path else "?"
            after = f"&{by}={more}" if more else ""
            page = await self.get(f"{path}{mark}limit={PAGE}{after}")
            rows += page[member]
            more = page["next"]
        return rows
